"""`tuidan seed orders`, as a person types it, on the stack that is up. Exit code 2: it could not be done."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from typing import NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chassis.mongo import Database
from chassis.personal import WrongKeyFile, read_keys
from chassis.store import StoreUnavailable
from services.order.handlers import ORDERS
from tools.seed.orders import Plan, fill
from tools.stack.control import Stack, StackError
from tools.stack.home import current_home

NOT_DONE = 2
WORKERS_MAX = 4
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
"""When the last order is placed: the same for every run, so that a run that was cut goes on with the same orders."""


def run_seed_orders(count: int, seed: int) -> None:
    """Put `count` finished orders of one shop into the order service's database; those that are there stay."""
    home = current_home()
    try:
        url = f"mongodb://{Stack(home.root).address('mongo')}"
        read_keys(home.keys)
    except StackError as problem:
        _refuse(f"{problem}. Start it with: tuidan up")
    except WrongKeyFile as problem:
        _refuse(str(problem))
    console = Console()
    console.print(f"seed {seed}: --seed {seed} makes the same orders again", highlight=False)
    began = time.monotonic()
    try:
        there, now = asyncio.run(seed_orders(url, Plan(seed, count, UNTIL, home.keys), console))
    except StoreUnavailable as problem:
        _refuse(f"{problem}. Go on with the same command: what is there stays")
    seconds = time.monotonic() - began
    rate = (now - there) / seconds if seconds else 0
    console.print(f"{now} orders, {there} of them from before; {rate:.0f} orders/s", highlight=False)


async def seed_orders(url: str, plan: Plan, console: Console) -> tuple[int, int]:
    """How many orders were there before, and how many are there now. The service makes its indexes when it starts, so
    they are there."""
    database = Database(url, "tuidan_order")
    columns = (TextColumn("orders"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as bars:
            bar = bars.add_task("orders", total=plan.count)
            workers = min(WORKERS_MAX, os.cpu_count() or 1)
            orders = database.collection(ORDERS.name)
            return await fill(orders, plan, workers, lambda done: bars.update(bar, completed=done))
    finally:
        await database.close()


def _refuse(text: str) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(NOT_DONE)
