"""A stack for one task alone is gone afterwards, however impatient whoever waits for that is."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rich.console import Console

from tools import own_stack


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """As they were."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("again", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_twice_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, again: signal.Signals) -> None:
    made: list[Path] = []
    stopped: list[Path] = []

    def task(home: Path, console: Console) -> bool:
        made.append(home)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("this far nobody comes")

    def down(home: Path) -> bool:
        os.kill(os.getpid(), again)
        stopped.append(home)
        return True

    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(own_stack, "down", down)
    with pytest.raises(typer.Exit) as left:
        own_stack.on_own_stack(task, keep=False)
    assert left.value.exit_code == 2
    assert stopped == made
    assert not made[0].exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
