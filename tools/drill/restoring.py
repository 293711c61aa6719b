"""The database is lost after a backup, and put back. Before that refunds were made which nobody here remembers then:
customers cancel the same goods again, some of them under another case number, and nothing may be refunded twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Literal, get_args

import httpx
from rich.console import Console

from chassis.mongo import Server
from contracts.zone import CHINA
from tools.backup.folder import Manifest
from tools.backup.putting import put
from tools.backup.taking import take
from tools.drill.course import DOORS, Place
from tools.drill.doors import Doors, cancellation_body, opened, order_body
from tools.drill.plan import PRODUCTS, Visit, visit
from tools.drill.settle import Say
from tools.replay.knock import Json, Pace, UnexpectedAnswerError, expect, problem
from tools.replay.opening import open_shop
from tools.stack.home import Home
from tools.stack.layout import tuidan_plan
from tools.stack.plan import Plan
from tools.stack.replica_set import in_a_set

Fate = Literal["before", "again", "forgotten", "by-hand", "two", "lost", "new"]
"""before: cancelled before the backup. again: cancelled after it, and after the restore once more. forgotten: cancelled
after it, never again. by-hand: refunded on the merchant platform after it, then cancelled. two: one piece, then two
more cancelled after it, after the restore the two alone, as if they were the first. lost: placed, paid and cancelled
after the backup. new: cancelled after the restore only."""
FATES: tuple[Fate, ...] = get_args(Fate)
AT_ONCE = 8
LOOK_SECONDS = 2
READY = time(10, 30)


@dataclass(frozen=True, slots=True)
class Loss:
    """What is drilled. `patience`: seconds that cases may take to come to their end."""

    count: int = 120
    seed: int = 7
    patience: float = 300.0


@dataclass(slots=True)
class Story:
    """One order: `wanted` is what its customer wanted back in all, each wish once, fen. `refused`: wishes that were
    answered with no."""

    fate: Fate
    visit: Visit
    order_id: str = ""
    wanted: int = 0
    refused: list[str] = field(default_factory=list)


def stories(loss: Loss) -> list[Story]:
    """Every order, its goods made to fit what becomes of it."""
    return [_fitting(Story(FATES[n % len(FATES)], visit(loss.seed, n, loss.count))) for n in range(loss.count)]


def _fitting(story: Story) -> Story:
    if story.fate not in ("by-hand", "two"):
        return story
    first, *others = story.visit.lines
    lines = (replace(first, quantity=3), *others)
    return replace(story, visit=story.visit._replace(lines=lines, cancelled=((first.line_no, 1),)))


def second(story: Story) -> Visit:
    """The other goods of an order of which two parts are cancelled: two pieces, where the first part is one."""
    line = story.visit.lines[0]
    return story.visit._replace(cancelled=((line.line_no, 2),))


def loss_plan(home: Home) -> Plan:
    """The stack: its MongoDB is a replica set, so that it can be copied while everything runs."""
    plan, programs = tuidan_plan(home), []
    for program in plan:
        if program.name == "mongo":
            programs.append(in_a_set(program))
        elif program.name == "payment":
            look = {"TUIDAN_RESTORED_LOOK_SECONDS": str(LOOK_SECONDS)}
            programs.append(replace(program, env={**program.env, **look}))
        else:
            programs.append(program)
    return replace(plan, programs=tuple(programs))


class Shopping:
    """What customers do, one wish at a time; a few at once."""

    def __init__(self, doors: Doors, all: list[Story]) -> None:
        self._doors = doors
        self._all = all

    async def each(self, fates: Iterable[Fate], do: Callable[[Story], Awaitable[None]]) -> int:
        """Do something with every order of these fates; returns how many there are."""
        wanted, slots = set(fates), asyncio.Semaphore(AT_ONCE)

        async def one(story: Story) -> None:
            async with slots:
                await do(story)

        chosen = [story for story in self._all if story.fate in wanted]
        await asyncio.gather(*(one(story) for story in chosen))
        return len(chosen)

    async def buy(self, story: Story) -> None:
        """Place the order and pay for it."""
        one, pace = story.visit, self._doors.pace
        customer = self._doors.customer(one)
        placed = await customer.ask("POST", "/mp/v1/orders", order_body(one), key=one.key)
        story.order_id = str(expect(placed, 201, 200)["order_id"])

        async def prepay() -> httpx.Response | None:
            answer = await customer.ask("POST", f"/mp/v1/orders/{story.order_id}/pay", {}, key=f"{one.key}-pay")
            return None if problem(answer) == "payment-not-ready" else answer

        await self._doors.subscribe(one)
        await self._doors.outside.pay(str(expect(await pace.again(prepay), 200)["prepay_id"]))

        async def paid() -> bool | None:
            shown = expect(await customer.ask("GET", f"/mp/v1/orders/{story.order_id}"), 200)
            return None if shown["state"] == "pending-payment" else True

        await pace.again(paid)

    async def cancel(self, story: Story) -> None:
        """A wish that counts."""
        story.wanted += await self._cancel(story, story.visit, "first") or 0

    async def cancel_second(self, story: Story) -> None:
        """The second wish, once the first has come to its end: an order has one open case."""
        await self._until_no_case_is_open(story)
        story.wanted += await self._cancel(story, second(story), "second") or 0

    async def cancel_again(self, story: Story) -> None:
        """A wish of before, once more. It counts when it did not before."""
        one = second(story) if story.fate == "two" else story.visit
        amount = await self._cancel(story, one, "again")
        if story.fate == "new":
            story.wanted += amount or 0

    async def refund_by_hand(self, story: Story) -> None:
        """Somebody pays the goods back on the merchant platform."""
        story.wanted += story.visit.amount_minor
        await self._doors.provider.refund_by_hand(story.order_id, story.visit.amount_minor)

    async def until_ended(self, story: Story) -> None:
        """Wait for the end of its case."""
        await self._until_no_case_is_open(story)

    async def _cancel(self, story: Story, one: Visit, key: str) -> int | None:
        who, door = (self._doors.staff, "admin") if one.by_staff else (self._doors.customer(one), "mp")
        path = f"/{door}/v1/orders/{story.order_id}/cancellation"
        answer = await who.ask("POST", path, cancellation_body(one), key=f"{one.key}-{key}")
        if answer.status_code not in (200, 202):
            story.refused.append(f"{key}: {answer.status_code} {problem(answer)}")
            return None
        return int(answer.json()["amount_minor"])

    async def _until_no_case_is_open(self, story: Story) -> None:
        async def closed() -> bool | None:
            cases = (await self._doors.order_page(story.order_id))["cases"]
            return None if any(case["status"] == "open" for case in cases) else True

        await self._doors.pace.again(closed)


async def until_the_loss(place: Place, all: list[Story], folder: Path, pace: Pace, say: Say) -> Manifest:
    """Orders, a backup while cases run, and what nobody will remember."""
    async with opened({name: place.address(name) for name in DOORS}, pace) as doors:
        await open_shop(PRODUCTS, doors.shop)
        await doors.shop.begin_at_once()
        shopping = Shopping(doors, all)
        count = await shopping.each([fate for fate in FATES if fate != "lost"], shopping.buy)
        say(f"{count} 张订单已付款 · orders are paid")
        under_way = asyncio.create_task(shopping.each(["before"], shopping.cancel))
        server = Server(f"mongodb://{place.address('mongo')}")
        try:
            manifest = await take(server, folder, lambda _: None)
        finally:
            await server.close()
        say(f"备份完成,取消仍在进行 · backed up, while {await under_way} cancellations ran")
        await shopping.each(["lost"], shopping.buy)
        await shopping.each(["again", "forgotten", "two", "lost"], shopping.cancel)
        await shopping.each(["by-hand"], shopping.refund_by_hand)
        await shopping.each(["two"], shopping.cancel_second)
        await shopping.each(["before", "again", "forgotten", "two", "lost"], shopping.until_ended)
    return manifest


async def put_back(url: str, folder: Path) -> None:
    """Put the backup into a new server."""
    server = Server(url)
    try:
        await put(server, folder, lambda _: None)
    finally:
        await server.close()


async def compare_with_the_provider(doors: Doors, days: Iterable[str], patience: float) -> list[Json]:
    """The sandbox's clock goes on to the next morning; then every day since the backup is reconciled."""
    now = datetime.fromisoformat(await doors.provider.now()).astimezone(CHINA)
    morning = datetime.combine(now.date() + timedelta(days=1), READY, CHINA)
    await doors.provider.advance((morning - now).total_seconds())
    return [await _reconciled(doors, day, patience) for day in days]


async def _reconciled(doors: Doors, day: str, patience: float) -> Json:
    expect(await doors.payment.ask("POST", f"/reconciliations/{day}", params={"shop": "", "by": "drill"}), 202, 200)

    async def done() -> Json | None:
        seen = expect(await doors.payment.ask("GET", f"/reconciliations/house/{day}"), 200)
        return None if seen["status"] in ("fetching", "healing", "compared") else seen

    try:
        return await replace(doors.pace, patience=patience).again(done)
    except TimeoutError as late:
        raise UnexpectedAnswerError(f"the reconciliation of {day} has not come to its end: {late}") from late


def printed(console: Console) -> Say:
    """Say something on the terminal."""
    return lambda text: console.print(text, highlight=False, markup=False)
