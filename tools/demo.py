"""The demo and the replay, as a person types them: the stack, the real orders, the books, what to try next."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from tools.bench.latency import latency
from tools.front import NotSignedIn, checked_address
from tools.replay import run
from tools.replay.driver import ReplayStoppedError
from tools.replay.knock import UnexpectedAnswerError
from tools.replay.settle import HangingError
from tools.stack.commands import run_up
from tools.stack.control import Stack, StackError
from tools.stack.home import Home, current_home
from tools.stack.status import memory_bytes

NEXT_STEPS = """
它还在运行 · the system stays up:
  gateway  {gateway}/docs
  sandbox  {sandbox}/_ledger/summary

试一试 · three things to try:
  1. open {report}
  2. kill -9 {victim}   then  tuidan status      (payment is started again and nothing is lost)
  3. the curl lines in README.md, with GATEWAY={gateway} SANDBOX={sandbox}

停止 · stop it:  make down
"""


def run_demo(invoices: int, seed: int) -> None:
    """Start everything, replay real orders, and say what to try next. Leaves with exit code 1 on any difference."""
    run_up()
    _replay(invoices, seed)
    home = current_home()
    stack = Stack(home.root)
    try:
        gateway, sandbox = f"http://{stack.address('gateway')}", f"http://{stack.address('sandbox')}"
    except StackError as problem:
        _refuse(f"{problem}. See: tuidan status")
    report, victim = _report_file(home), _victim(stack)
    sys.stdout.write(NEXT_STEPS.format(gateway=gateway, sandbox=sandbox, report=report, victim=victim))


def _victim(stack: Stack) -> str:
    try:
        return str(stack.pid("payment"))
    except StackError:  # it is being started again
        return "PID-OF-PAYMENT"


def run_replay(invoices: int | None, seed: int, gateway: str = "", sandbox: str = "") -> None:
    """Replay orders through what these addresses name, by default the stack that is up. Leaves with exit code 1 on any
    difference."""
    try:
        for address in filter(None, (gateway, sandbox)):
            checked_address(address)
    except NotSignedIn as problem:
        _refuse(str(problem))
    _replay(invoices, seed, gateway, sandbox)


def run_bench(count: int) -> None:
    """Measure the stack that is up."""
    stack = Stack(current_home().root)
    try:
        gateway, sandbox = f"http://{stack.address('gateway')}", f"http://{stack.address('sandbox')}"
    except StackError as problem:
        _refuse(f"{problem}. Start it with: tuidan up")
    asyncio.run(latency(gateway, sandbox, count, Console()))


def _replay(invoices: int | None, seed: int, gateway: str = "", sandbox: str = "") -> None:
    home = current_home()
    stack = Stack(home.root)
    if gateway:
        home.make()  # for the report; without it the stack that is up has made the folder
    try:
        good = asyncio.run(
            run(
                gateway or f"http://{stack.address('gateway')}",
                sandbox or f"http://{stack.address('sandbox')}",
                invoices=invoices,
                seed=seed,
                report=_report_file(home),
                memory=None if gateway else partial(memory_bytes, home),
                console=Console(),
            )
        )
    except StackError as problem:
        _refuse(f"{problem}. Start it with: tuidan up")
    except (HangingError, ReplayStoppedError, UnexpectedAnswerError, TimeoutError) as problem:
        _refuse(f"The replay did not come to its end: {problem}\nLook at: tuidan status, tuidan logs NAME")
    if not good:
        raise typer.Exit(1)


def _report_file(home: Home) -> Path:
    return home.root / "report.html"


def _refuse(text: str) -> NoReturn:
    sys.stderr.write(text + "\n")
    raise typer.Exit(1)
