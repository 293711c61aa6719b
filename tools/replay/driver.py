"""The replay itself: orders are placed and paid, cancellations follow, in the file's order of time, many at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx

from tools.replay.client import Shop
from tools.replay.knock import UnexpectedAnswerError, expect, problem
from tools.replay.plan import Cancellation, Order, Plan

IN_FLIGHT = 24
TOO_MANY = 20
UNPAID = "pending-payment"

Tick = Callable[[int, int], None]


class ReplayStoppedError(Exception):
    """So many steps went wrong that going on would say nothing new."""


@dataclass(slots=True)
class Driven:
    """What was done: order ids by invoice, case ids by (cancellation number, invoice), what went wrong, and how
    long it took in seconds."""

    orders: dict[str, str] = field(default_factory=dict)
    cases: dict[tuple[str, str], str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Driver:
    """Drives one plan through the public gateway."""

    def __init__(self, plan: Plan, shop: Shop, tick: Tick) -> None:
        self._plan = plan
        self._shop = shop
        self._tick = tick
        self._done = 0
        self._total = len(plan.orders) + len(plan.cancellations)
        self._orders = {order.invoice: order for order in plan.orders}
        self._placed: dict[str, asyncio.Future[str | None]] = {}
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.driven = Driven()

    async def run(self, in_flight: int = IN_FLIGHT) -> Driven:
        """Take every step. Raises ReplayStoppedError when too many go wrong."""
        clock = self._shop.pace.clock
        began = clock()
        loop = asyncio.get_running_loop()
        self._placed = {order.invoice: loop.create_future() for order in self._plan.orders}
        steps = self._plan.steps()
        # Steps are taken up in the order of time, so whatever a cancellation waits for is always under way already.
        async with asyncio.TaskGroup() as workers:
            for _ in range(in_flight):
                workers.create_task(self._work(steps))
        self.driven.seconds = clock() - began
        if len(self.driven.failures) >= TOO_MANY:
            raise ReplayStoppedError("\n".join(self.driven.failures[:TOO_MANY]))
        return self.driven

    async def _work(self, steps: Iterator[Order | Cancellation]) -> None:
        for step in steps:
            if len(self.driven.failures) >= TOO_MANY:
                self._give_up(step)
                continue
            try:
                await (self._order(step) if isinstance(step, Order) else self._cancel(step))
            except (UnexpectedAnswerError, TimeoutError) as wrong:
                self.driven.failures.append(f"{_named(step)}: {wrong}")
                self._give_up(step)
            self._done += 1
            self._tick(self._done, self._total)

    def _give_up(self, step: Order | Cancellation) -> None:
        if isinstance(step, Order) and not self._placed[step.invoice].done():
            self._placed[step.invoice].set_result(None)

    async def _order(self, order: Order) -> None:
        placed = await self._shop.place(order)
        order_id = str(placed["order_id"])
        await self._pay(order, order_id)
        self.driven.orders[order.invoice] = order_id
        self._placed[order.invoice].set_result(order_id)

    async def _pay(self, order: Order, order_id: str) -> None:
        async def prepay() -> httpx.Response | None:
            answer = await self._shop.pay(order, order_id)
            return None if problem(answer) == "payment-not-ready" else answer

        answer = await self._shop.pace.again(prepay)
        if answer.is_success:
            await self._shop.customer_pays(order, str(expect(answer, answer.status_code)["prepay_id"]))
        elif problem(answer) != "already-paid" and (await self._shop.show(order, order_id))["state"] == UNPAID:
            # Any other state says that an earlier run has paid it.
            expect(answer, 200)

    async def _cancel(self, case: Cancellation) -> None:
        order_id = await self._placed[case.invoice]
        if order_id is None:
            raise UnexpectedAnswerError(f"its order {case.invoice} was not placed")
        # One case of an order at a time, from its first step to its last: a second one is refused while the first is
        # open, or, when it wants the same pieces, taken for the same wish.
        async with self._turns[case.invoice]:
            await self._until_ready(case.invoice, order_id)

            async def cancel() -> httpx.Response | None:
                answer = await self._shop.cancel(case, order_id)
                return None if problem(answer) == "cancellation-open" else answer

            answer = await self._shop.pace.again(cancel)
        self.driven.cases[case.number, case.invoice] = str(expect(answer, 202, 200)["case_id"])

    async def _until_ready(self, invoice: str, order_id: str) -> None:
        """Wait until the order is paid and none of its cases is open."""

        async def ready() -> bool | None:
            shown = await self._shop.show(self._orders[invoice], order_id)
            is_open = any(case["status"] == "open" for case in shown["cases"])
            return None if is_open or shown["state"] == UNPAID else True

        await self._shop.pace.again(ready)


def _named(step: Order | Cancellation) -> str:
    return f"order {step.invoice}" if isinstance(step, Order) else f"cancellation {step.number} of {step.invoice}"
