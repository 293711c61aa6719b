"""Worlds run as part of every build. What they print is shown, because the seeds are new each time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WORLDS = int(os.environ.get("TUIDAN_WORLDS", "1000"))
ONE_POINT_IN = 8
"""The build kills at every eighth crossing, beginning anywhere; `make simulate` at each."""

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


def test_what_failed_once_stays_mended(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(capsys, "corpus").returncode == 0


@pytest.mark.parametrize("seed", ["1", "18", "4"])
def test_the_same_seed_is_the_same_world(capsys: pytest.CaptureFixture[str], seed: str) -> None:
    first, second = simulate(capsys, "replay", seed), simulate(capsys, "replay", seed)
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout


def test_fresh_worlds_keep_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(capsys, "run", "--seeds", str(WORLDS)).returncode == 0


def test_processes_may_die_at_any_crossing(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(capsys, "sweep", "--one-in", str(ONE_POINT_IN)).returncode == 0


def test_every_guard_is_missed_when_it_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(capsys, "sabotage").returncode == 0
