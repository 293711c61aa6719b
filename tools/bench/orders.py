"""How long lists and searches of orders take through the gateway, at a steady rate, and what they cost."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import typer
from rich.console import Console

from chassis.mongo import Database
from chassis.store import StoreUnavailable
from services.order.handlers import ORDERS
from tools.bench.steady import NO_ANSWER, Opened, Question, ask_steadily, opened, show, sign_in
from tools.place import refuse
from tools.seed.orders import GOODS, ORDERS_EACH, order_id, seeded
from tools.seed.shop import Customer, customer, goods, popular

TARGET_MS = 50.0
CUSTOMERS = 100
"""Customers who are signed in: signing in is not what is measured."""
STATES = ("completed", "cancelled", "completed", "completed")


class Asker:
    """Draws questions as a day brings them: customers look at their own orders most, staff search."""

    def __init__(self, seed: int, count: int, staff: str, tokens: Mapping[str, str]) -> None:
        self._chance = random.Random(f"questions {seed}")
        self._seed, self._count, self._staff, self._tokens = seed, count, staff, tokens
        self._goods = goods(seed, GOODS)
        self._pages: list[str] = []
        self._kinds: Mapping[str, tuple[float, Callable[[], Mapping[str, str]]]] = {
            "mine": (0.30, dict),
            "mine, in a state": (0.10, lambda: {"state": self._chance.choice(STATES)}),
            "mine, goods": (0.10, lambda: {"goods": self._some_goods()}),
            "all, newest": (0.10, dict),
            "all, a later page": (0.05, self._later),
            "all, in a state": (0.08, lambda: {"state": "cancelled"}),
            "all, state of a case": (0.05, lambda: {"case": "completed"}),
            "all, number": (0.07, lambda: {"number": order_id(seed, self._chance.randrange(count))}),
            "all, customer": (0.05, lambda: {"customer_id": self._somebody().customer_id}),
            "all, name": (0.03, lambda: {"name": self._somebody().name}),
            "all, phone": (0.03, lambda: {"phone": self._somebody().phone[-4:]}),
            "all, goods": (0.02, lambda: {"goods": self._some_goods()}),
            "all, a product": (0.02, lambda: {"product_id": self._goods[popular(self._chance, GOODS)].product_id}),
        }

    def question(self) -> Question:
        """The next one."""
        kinds = list(self._kinds)
        (kind,) = self._chance.choices(kinds, [self._kinds[one][0] for one in kinds])
        query = urlencode({"limit": "20", **self._kinds[kind][1]()})
        if kind.startswith("mine"):
            return Question(kind, f"/mp/v1/orders?{query}", self._tokens[self._chance.choice(list(self._tokens))])
        return Question(kind, f"/admin/v1/orders?{query}", self._staff)

    def heard(self, kind: str, content: bytes) -> None:
        """Remember where pages end, for who turns them."""
        if kind in ("all, newest", "all, a later page") and (after := json.loads(content).get("next")):
            self._pages = [*self._pages[-20:], after]

    def _later(self) -> Mapping[str, str]:
        return {"after": self._chance.choice(self._pages)} if self._pages else {}

    def _somebody(self) -> Customer:
        return customer(self._seed, self._chance.randrange(max(1, self._count // ORDERS_EACH)))

    def _some_goods(self) -> str:
        return self._goods[popular(self._chance, GOODS)].name.split()[-1]


def run_bench_orders(rate: float, seconds: float, seed: int) -> None:
    """Measure the stack that is up. Exit code 1 when the target is missed, 2 when it could not be measured."""
    stack = opened()
    try:
        count = asyncio.run(_count(stack.mongo, seed))
        if not count:
            refuse("There are no orders of this seed. Put them there with: tuidan seed orders")
        good = asyncio.run(bench(stack, rate, seconds, seed, count, Console()))
    except StoreUnavailable as problem:
        refuse(f"{problem}. See: tuidan status")
    except NO_ANSWER as problem:
        refuse(f"the stack does not answer: {problem!r}. See: tuidan status")
    raise typer.Exit(0 if good else 1)


async def bench(stack: Opened, rate: float, seconds: float, seed: int, count: int, console: Console) -> bool:
    """Whether the p99 of all questions is within the target."""
    staff = await sign_in(stack.sandbox, "staff", {"staff_id": "bench", "name": "测", "role": "supervisor"})
    asker = Asker(seed, count, staff, await _customers(stack.sandbox, seed, count))
    asked, spent = await ask_steadily(stack.gateway, asker.question, rate, seconds, stack.watched, asker.heard)
    show(console, f"{count} orders", asked, spent)
    return asked.is_within(TARGET_MS)


async def _customers(sandbox: str, seed: int, count: int) -> dict[str, str]:
    everybody = max(1, count // ORDERS_EACH)
    step = max(1, everybody // CUSTOMERS)
    tokens = {}
    for number in range(0, everybody, step):
        one = customer(seed, number)
        who = {"customer_id": one.customer_id, "name": one.name, "phone": one.phone}
        tokens[one.customer_id] = await sign_in(sandbox, "customer", who)
    return tokens


async def _count(mongo: str, seed: int) -> int:
    database = Database(mongo, "tuidan_order")
    try:
        return await seeded(database.collection(ORDERS.name), seed)
    finally:
        await database.close()
