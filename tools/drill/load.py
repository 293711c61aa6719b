"""The load: orders are placed, paid and cancelled through the gateway, many at once, as customers and staff do it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from tools.drill.doors import Doors, cancellation_body, order_body
from tools.drill.plan import Visit, lingers, visit
from tools.replay.knock import UnexpectedAnswerError, expect, problem

IN_FLIGHT = 128
"""Many, because most of them wait: while a service is away every order that needs it stands still."""
FAILURES_MAX = 20
UNPAID = "pending-payment"


@dataclass(slots=True)
class Driven:
    """What was done: the accepted cases with their amount (fen) and the number of their order, orders placed and paid
    so far, what went wrong, and how long it took (s)."""

    asked: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    placed: int = 0
    paid: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Load:
    """`count` orders of one seed, one every `apart` seconds, or as fast as they go; each is cancelled up to `linger`
    seconds after it was paid. Only what is in flight is kept in memory, and two numbers per case."""

    def __init__(self, doors: Doors, seed: int, count: int, apart: float = 0.0, linger: float = 0.0) -> None:
        self._doors = doors
        self._seed = seed
        self._count = count
        self._apart = apart
        self._linger = linger
        self._began = 0.0
        self.driven = Driven()

    def visit_of(self, case_id: str) -> Visit | None:
        """The order that a case of this drill belongs to."""
        number = self.driven.numbers.get(case_id)
        return None if number is None else visit(self._seed, number, self._count)

    async def run(self, in_flight: int = IN_FLIGHT) -> None:
        """Drive every order; one that fails is noted, after too many the rest is left out."""
        clock = self._doors.pace.clock
        began = self._began = clock()
        visits = (visit(self._seed, number, self._count) for number in range(self._count))
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(in_flight):
                    workers.create_task(self._work(visits))
        finally:
            self.driven.seconds = clock() - began

    async def _work(self, visits: Iterator[Visit]) -> None:
        for one in visits:
            if len(self.driven.failures) >= FAILURES_MAX:
                return
            await self._until_its_turn(one)
            try:
                await self._drive(one)
            except (UnexpectedAnswerError, TimeoutError) as wrong:
                self.driven.failures.append(f"order {one.number}: {wrong}")

    async def _until_its_turn(self, one: Visit) -> None:
        """A customer comes when it is time, however slow the shop is at the moment."""
        wait = self._began + one.number * self._apart - self._doors.pace.clock()
        if wait > 0:
            await self._doors.pace.sleep(wait)

    async def _drive(self, one: Visit) -> None:
        customer, pace = self._doors.customer(one), self._doors.pace
        placed = await customer.ask("POST", "/mp/v1/orders", order_body(one), key=one.key)
        order_id = str(expect(placed, 201, 200)["order_id"])
        self.driven.placed += 1

        async def prepay() -> httpx.Response | None:
            answer = await customer.ask("POST", f"/mp/v1/orders/{order_id}/pay", {}, key=f"{one.key}-pay")
            return None if problem(answer) == "payment-not-ready" else answer

        ticket = await pace.again(prepay)
        if problem(ticket) != "already-paid":
            await self._doors.subscribe(one)
            await self._doors.outside.pay(str(expect(ticket, 200)["prepay_id"]))

        async def paid() -> bool | None:
            shown = expect(await customer.ask("GET", f"/mp/v1/orders/{order_id}"), 200)
            return None if shown["state"] == UNPAID else True

        await pace.again(paid)
        self.driven.paid += 1
        if self._linger:
            await pace.sleep(self._linger * lingers(self._seed, one.number))
        who, door = (self._doors.staff, "admin") if one.by_staff else (customer, "mp")
        path = f"/{door}/v1/orders/{order_id}/cancellation"
        answer = await who.ask("POST", path, cancellation_body(one), key=f"{one.key}-cancel")
        case = expect(answer, 202, 200)
        self.driven.asked[str(case["case_id"])] = int(case["amount_minor"])
        self.driven.numbers[str(case["case_id"])] = one.number
