"""What a person sees of a replay that was given up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tools import demo
from tools.cli import app
from tools.containers import drill
from tools.replay.driver import ReplayStoppedError
from tools.stack import StackError
from tools.stack.home import Home
from tools.stack.processes import Identity
from tools.stack.state import Entry, State


async def stopped(*_: Any, **__: Any) -> bool:
    raise ReplayStoppedError("order 536365: POST /mp/v1/orders: expected 201, got 409")


def test_a_replay_that_was_given_up_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path))
    monkeypatch.setattr(demo, "run", stopped)
    done = CliRunner().invoke(app, ["replay", "--gateway", "http://127.0.0.1:1", "--sandbox", "http://127.0.0.1:1"])
    assert (done.exit_code, "expected 201, got 409" in done.output) == (1, True), done.output


def test_a_drill_in_containers_tells_it_as_what_did_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on to stop its containers."""
    monkeypatch.setattr(drill, "run", stopped)
    monkeypatch.setattr("tools.stack.ports.Ports.choose", lambda self, usual: dict(usual))  # no port is needed
    one = drill.Drill(drill.Wanted(calm=1, stormy=2), Console(quiet=True))
    one._replay("replay in peace", 1, tmp_path)
    (sentence,) = one.seen.broken
    assert "replay in peace did not come to its end" in sentence


@pytest.mark.parametrize(
    ("entry", "code", "words"),
    [
        (Entry("payment", "down"), 0, "kill -9 PID-OF-PAYMENT"),
        (Entry("gateway", "waiting"), 1, "gateway has no address yet. See: tuidan status"),
    ],
)
def test_a_good_demo_ends_in_words_whatever_runs_in_the_end(
    entry: Entry, code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path))
    monkeypatch.setattr(demo, "run_up", lambda: None)
    monkeypatch.setattr(demo, "_replay", lambda invoices, seed: None)
    me = Identity.of(os.getpid())
    programs = {name: Entry(name, "ready", me, "127.0.0.1:1") for name in ("gateway", "sandbox", "payment")}
    State(me, "up", programs={**programs, entry.name: entry}).save(Home(tmp_path))
    done = CliRunner().invoke(app, ["demo"])
    assert (done.exit_code, isinstance(done.exception, StackError)) == (code, False), done.output
    assert words in done.output
