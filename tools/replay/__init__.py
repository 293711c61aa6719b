"""The main job on real input: a real year of a real shop goes through the public door, and all books must agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.faults import Shares
from tools.replay.client import REFUSED, Outside, Shop
from tools.replay.driver import IN_FLIGHT, Driver
from tools.replay.knock import Knock, Pace
from tools.replay.opening import open_shop
from tools.replay.outcome import Memory, Outcome, Sampler
from tools.replay.page import write
from tools.replay.plan import Plan, make
from tools.replay.report import print_report
from tools.replay.rows import FILE
from tools.replay.settle import settle
from tools.replay.verdict import Judge, reach, reader

__all__ = ["doors", "run"]

UNKNOWN_SHARE = 0.02
REFUSED_SHARE = 0.01
DEFAULT_PACE = Pace()


async def run(
    gateway: str,
    sandbox: str,
    *,
    report: Path,
    invoices: int | None = 2000,
    seed: int = 7,
    in_flight: int = IN_FLIGHT,
    memory: Memory | None = None,
    console: Console | None = None,
    path: Path = FILE,
    pace: Pace = DEFAULT_PACE,
    transport: httpx.AsyncBaseTransport | None = None,
) -> bool:
    """Replay the first `invoices` purchases of the file (None: the whole year) with all their cancellations through
    the gateway, print the report and write it to `report`. True when every step was taken and all books agree.

    `memory` is asked for bytes by process at 10, 50 and 100 %. Running it again changes nothing. Raises
    UnexpectedAnswerError or TimeoutError when the shop does not open, ReplayStoppedError when too many steps fail,
    HangingError when orders do not come to their end."""
    console = console or Console()
    console.print("读取文件 · reading the file …")
    plan = await asyncio.to_thread(make, path, invoices)
    sampler = Sampler(memory)
    async with doors(gateway, sandbox, pace, transport) as (shop, outside):
        await outside.trouble(seed, UNKNOWN_SHARE, REFUSED_SHARE)
        console.print(f"上架 · putting {len(plan.products):,} products on sale …")
        await open_shop(plan.products, shop)
        began = pace.clock()
        driver = await _drive(plan, shop, sampler, console, in_flight)
        console.print("等待全部完成 · waiting for every case to end …")
        await settle(shop, frozenset(driver.driven.orders.values()))
        seconds = pace.clock() - began
        console.print("对账 · comparing the books …")
        verdict = await reach(Judge(path, invoices), reader(shop, outside), pace)
    shares = Shares(seed=seed, refund_unknown_share=UNKNOWN_SHARE, mix={REFUSED: REFUSED_SHARE})
    outcome = Outcome(plan, driver.driven, verdict, shares, seconds, sampler.samples)
    print_report(outcome, console)
    write(outcome, report)
    console.print(f"报告 · report: {report}", highlight=False, soft_wrap=True)
    return outcome.good


async def _drive(plan: Plan, shop: Shop, sampler: Sampler, console: Console, in_flight: int) -> Driver:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("重放 · replaying", total=len(plan.orders) + len(plan.cancellations))

        def tick(done: int, total: int) -> None:
            progress.update(bar, completed=done)
            sampler(done, total)

        driver = Driver(plan, shop, tick)
        await driver.run(in_flight)
    return driver


@asynccontextmanager
async def doors(
    gateway: str, sandbox: str, pace: Pace, transport: httpx.AsyncBaseTransport | None
) -> AsyncIterator[tuple[Shop, Outside]]:
    """Both doors. Proxies from the environment must not come between two processes of one machine."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)

    def client(base_url: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=base_url, timeout=30, limits=limits, trust_env=False, transport=transport, follow_redirects=False
        )

    async with client(gateway) as front, client(sandbox) as back:
        outside = Outside(Knock(back, pace))
        yield Shop(Knock(front, pace), outside), outside
