"""`tuidan drill refunds`, as a person types it: a fresh stack of its own, the drill, the report, an exit code."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from tools.drill import Orders, drill
from tools.drill.report import print_report
from tools.replay.knock import UnexpectedAnswerError
from tools.stack import Stack, StackError, down, up
from tools.stack.display import UpDisplay

FAILED, NOT_RUN = 1, 2


def run_drill(orders: Orders, *, keep: bool) -> None:
    """Start a stack, drill it, stop it and, unless `keep`, delete it. Leaves with exit code 0 when there was no
    violation, 1 when there was one, 2 when the drill could not be run."""
    console, home = Console(), Path(tempfile.mkdtemp(prefix="tuidan-drill-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends us so must not leave the stack behind
    try:
        try:
            good = _drilled(home, orders, console)
        finally:
            down(home)
            if keep:
                console.print(f"数据与日志 · data and logs: {home}", highlight=False, markup=False)
            else:
                shutil.rmtree(home, ignore_errors=True)
    except (StackError, UnexpectedAnswerError, TimeoutError) as problem:
        _refuse(f"The drill could not be run: {problem}")
    except KeyboardInterrupt:
        _refuse("Interrupted: the drill's stack is stopped again.")
    if not good:
        raise typer.Exit(FAILED)


def _drilled(home: Path, orders: Orders, console: Console) -> bool:
    with UpDisplay(console) as display:
        stack: Stack = up(home, progress=display.show)
    outcome = asyncio.run(drill(stack, orders, console))
    print_report(outcome, console)
    return outcome.good


def _refuse(text: str) -> NoReturn:
    sys.stderr.write(text + "\n")
    raise typer.Exit(NOT_RUN)
