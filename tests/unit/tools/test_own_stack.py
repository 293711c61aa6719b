"""A stack for one task alone is gone afterwards, however impatient whoever waits for that is."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rich.console import Console

from tools import own_stack


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """As they were."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("again", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_ended_or_loses_the_terminal_stops_the_stack(
    monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    stopped: list[Path] = []

    def task(home: Path, console: Console) -> bool:
        os.kill(os.getpid(), how)
        return True

    def ended(*_: object) -> None:
        raise AssertionError("the process is gone, and the stack goes on")

    signal.signal(how, ended)
    monkeypatch.setattr(own_stack, "down", stopped.append)
    with pytest.raises(typer.Exit) as left:
        own_stack.on_own_stack(task, keep=False)
    assert left.value.exit_code == 2
    assert [home.exists() for home in stopped] == [False]


def test_who_asked_to_go_on_without_a_terminal_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Path] = []

    def task(home: Path, console: Console) -> bool:
        os.kill(os.getpid(), signal.SIGHUP)
        done.append(home)
        return True

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # by nohup
    monkeypatch.setattr(own_stack, "down", lambda home: True)
    own_stack.on_own_stack(task, keep=False)
    assert len(done) == 1


def test_a_disk_that_is_full_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(prefix: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(typer.Exit) as left:
        own_stack.on_own_stack(lambda home, console: True, keep=False)
    assert left.value.exit_code == 2
