"""Worlds run as part of every build. What they print is shown, because the seeds are new each time: drawn, or on a
build machine made from the commit, so that a red build is red again when it is asked again."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import pytest

WORLDS = int(os.environ.get("TUIDAN_WORLDS", "1000"))
"""Some twelve minutes on two cores. `make simulate SEEDS=…` runs as many as one likes."""
MINUTES = os.environ.get("TUIDAN_WORLDS_MINUTES", "15")
"""On a machine that is slower than that, as many as are done by then: their number is printed."""
ONE_POINT_IN = 8
"""The build kills at every eighth crossing, beginning anywhere; `make sweep` at each."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_000)]


def simulate(capsys: pytest.CaptureFixture[str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the simulation in a process of its own: it leaves nothing as it was. Its output is shown."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *words],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with capsys.disabled():
        print(f"\n{done.stdout.rstrip()}")
    return done


@pytest.fixture(scope="module")
def drawn() -> int:
    """The number that this run's seeds follow from; TUIDAN_SEED chooses it."""
    if given := os.environ.get("TUIDAN_SEED"):
        return int(given)
    if os.environ.get("CI"):
        commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, text=True, stdout=subprocess.PIPE)
        return int(commit.stdout.strip()[:7], 16)
    return secrets.randbelow(10**9)


def test_what_failed_once_stays_mended(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(capsys, "corpus").returncode == 0


@pytest.mark.parametrize("seed", ["1", "18", "4"])
def test_the_same_seed_is_the_same_world(capsys: pytest.CaptureFixture[str], seed: str) -> None:
    first, second = simulate(capsys, "replay", seed), simulate(capsys, "replay", seed)
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout


def test_fresh_worlds_keep_every_promise(capsys: pytest.CaptureFixture[str], drawn: int) -> None:
    seeds = ("--seeds", str(WORLDS), "--first", str(drawn), "--minutes", MINUTES)
    assert simulate(capsys, "run", *seeds).returncode == 0


def test_processes_may_die_at_any_crossing(capsys: pytest.CaptureFixture[str], drawn: int) -> None:
    offset = str(drawn % ONE_POINT_IN)
    assert simulate(capsys, "sweep", "--one-in", str(ONE_POINT_IN), "--offset", offset).returncode == 0


def test_every_guard_is_missed_when_it_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(capsys, "sabotage").returncode == 0
