"""A stack for one task alone, a drill or a measurement: a fresh folder, stopped again whatever happens, deleted unless
it is to be kept; and what keeps the task from being done, in words."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from confluent_kafka import KafkaException
from rich.console import Console

from tools.place import refuse
from tools.records import KafkaRefused
from tools.replay.knock import UnexpectedAnswerError
from tools.stack import StackError, down

FAILED = 1
"""The exit code of a task that was done and did not come out as it should; one that could not be done has 2."""


def on_own_stack(task: Callable[[Path, Console], bool], *, keep: bool, what: str = "drill") -> None:
    """Do `task` in a new folder, stop what runs there and, unless `keep`, delete it. Leaves with exit code 0 when it
    came out as it should, 1 when it did not, 2 when it could not be done."""
    console = Console()
    for each in (signal.SIGTERM, signal.SIGHUP):  # ended so, or without a terminal, we stop the stack, too
        if signal.getsignal(each) is not signal.SIG_IGN:  # as under nohup
            signal.signal(each, signal.default_int_handler)
    with refusing(what, f"Interrupted: the {what}'s stack is stopped again."):
        home = Path(tempfile.mkdtemp(prefix=f"tuidan-{what}-"))
        try:
            good = task(home, console)
        finally:
            with _undisturbed():
                down(home)
                if keep:
                    console.print(f"数据与日志 · data and logs: {home}", highlight=False, markup=False)
                else:
                    shutil.rmtree(home, ignore_errors=True)
    if not good:
        raise typer.Exit(FAILED)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Who has interrupted us once does it again while all is being stopped, which takes some seconds: nobody else would
    end what is still running then."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def refusing(what: str, interrupted: str) -> Iterator[None]:
    """What keeps a task from being done is said in words, with exit code 2."""
    try:
        yield
    except (StackError, UnexpectedAnswerError, OSError, KafkaException, KafkaRefused) as problem:  # TimeoutError, too
        refuse(f"The {what} could not be run: {problem}")
    except KeyboardInterrupt:
        refuse(interrupted)
