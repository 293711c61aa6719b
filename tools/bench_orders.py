"""How long lists and searches of orders take through the gateway, at a steady rate, and what they cost.

Requests leave at fixed times whether earlier ones were answered or not, and each is measured from the time it should
have left: an answer that holds up the next is counted for both."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlencode

import aiohttp
import httpx
import psutil
import typer
from rich.console import Console
from rich.table import Table

from chassis.mongo import Database
from chassis.store import StoreUnavailable
from services.order.handlers import ORDERS
from tools.seed.orders import GOODS, ORDERS_EACH, order_id, seeded
from tools.seed.shop import Customer, customer, goods, popular
from tools.stack.control import Stack, StackError
from tools.stack.home import current_home

NOT_DONE = 2
TARGET_MS = 50.0
CUSTOMERS = 100
"""Customers who are signed in: signing in is not what is measured."""
WARM_SECONDS = 3.0
CONNECTIONS = 200
ANSWER_SECONDS = 30.0
WATCHED = ("gateway", "order", "mongo")
STATES = ("completed", "cancelled", "completed", "completed")

Question = tuple[str, str, str]
"""Kind, path with query, token."""


@dataclass
class Asked:
    """Milliseconds by kind of question, and answers that were no lists."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: dict[int, int] = field(default_factory=lambda: defaultdict(int))


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
            return kind, f"/mp/v1/orders?{query}", self._tokens[self._chance.choice(list(self._tokens))]
        return kind, f"/admin/v1/orders?{query}", self._staff

    def heard(self, kind: str, page: Mapping[str, object]) -> None:
        """Remember where pages end, for who turns them."""
        if kind in ("all, newest", "all, a later page") and page.get("next"):
            self._pages = [*self._pages[-20:], str(page["next"])]

    def _later(self) -> Mapping[str, str]:
        return {"after": self._chance.choice(self._pages)} if self._pages else {}

    def _somebody(self) -> Customer:
        return customer(self._seed, self._chance.randrange(max(1, self._count // ORDERS_EACH)))

    def _some_goods(self) -> str:
        return self._goods[popular(self._chance, GOODS)].name.split()[-1]


def run_bench_orders(rate: float, seconds: float, seed: int) -> None:
    """Measure the stack that is up. Exit code 1 when the target is missed, 2 when it could not be measured."""
    stack = Stack(current_home().root)
    try:
        gateway, sandbox = f"http://{stack.address('gateway')}", f"http://{stack.address('sandbox')}"
        watched = {name: psutil.Process(stack.pid(name)) for name in WATCHED}
    except StackError as problem:
        _refuse(f"{problem}. Start it with: tuidan up")
    try:
        count = asyncio.run(_count(f"mongodb://{stack.address('mongo')}", seed))
        if not count:
            _refuse("There are no orders of this seed. Put them there with: tuidan seed orders")
        good = asyncio.run(bench(gateway, sandbox, rate, seconds, seed, count, watched, Console()))
    except StoreUnavailable as problem:
        _refuse(f"{problem}. See: tuidan status")
    except (httpx.HTTPError, aiohttp.ClientError, TimeoutError) as problem:
        _refuse(f"the stack does not answer: {problem!r}. See: tuidan status")
    raise typer.Exit(0 if good else 1)


async def bench(
    gateway: str,
    sandbox: str,
    rate: float,
    seconds: float,
    seed: int,
    count: int,
    watched: Mapping[str, psutil.Process],
    console: Console,
) -> bool:
    """Whether the p99 of all questions is within the target."""
    # Not httpx: its pool looks at every connection for every request, and at 200 a second that is all it does.
    pool, limit = aiohttp.TCPConnector(limit=CONNECTIONS), aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(gateway, connector=pool, timeout=limit) as http:
        staff = await _sign_in(sandbox, "staff", {"staff_id": "bench", "name": "测", "role": "supervisor"})
        asker = Asker(seed, count, staff, await _customers(sandbox, seed, count))
        await _ask(http, asker, rate, WARM_SECONDS, Asked())
        before = {name: _spent(one) for name, one in watched.items()}
        asked, began = Asked(), time.perf_counter()
        await _ask(http, asker, rate, seconds, asked)
        took = time.perf_counter() - began
    spent = {name: (_spent(one) - before[name]) / took * 100 for name, one in watched.items()}
    memory = {name: one.memory_info().rss / 1_000_000 for name, one in watched.items()}
    return _show(console, asked, count, took, spent, memory)


async def _ask(http: aiohttp.ClientSession, asker: Asker, rate: float, seconds: float, asked: Asked) -> None:
    """Ask at a steady rate and wait for all answers."""
    began, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(_one(http, asker, asker.question(), due, asked)))
    await asyncio.gather(*tasks)


async def _one(http: aiohttp.ClientSession, asker: Asker, question: Question, due: float, asked: Asked) -> None:
    kind, path, token = question
    async with http.get(path, headers={"Authorization": f"Bearer {token}"}) as answer:
        page = await answer.read()
    asked.milliseconds[kind].append((time.perf_counter() - due) * 1000)
    if answer.status == httpx.codes.OK:
        asker.heard(kind, json.loads(page))
    else:
        asked.wrong[answer.status] += 1


async def _customers(sandbox: str, seed: int, count: int) -> dict[str, str]:
    everybody = max(1, count // ORDERS_EACH)
    step = max(1, everybody // CUSTOMERS)
    tokens = {}
    for number in range(0, everybody, step):
        one = customer(seed, number)
        who = {"customer_id": one.customer_id, "name": one.name, "phone": one.phone}
        tokens[one.customer_id] = await _sign_in(sandbox, "customer", who)
    return tokens


async def _sign_in(sandbox: str, kind: str, who: Mapping[str, str]) -> str:
    async with httpx.AsyncClient(base_url=sandbox, timeout=30, trust_env=False) as http:
        answer = (await http.post(f"/_login/{kind}", json=dict(who))).raise_for_status()
    return str(answer.json()["token"])


async def _count(mongo: str, seed: int) -> int:
    database = Database(mongo, "tuidan_order")
    try:
        return await seeded(database.collection(ORDERS.name), seed)
    finally:
        await database.close()


def _show(
    console: Console,
    asked: Asked,
    count: int,
    took: float,
    spent: Mapping[str, float],
    memory: Mapping[str, float],
) -> bool:
    every = sorted(one for taken in asked.milliseconds.values() for one in taken)
    table = Table("question", "answers", "p50 ms", "p99 ms", "worst ms")
    for kind, taken in [*sorted(asked.milliseconds.items()), ("all of them", every)]:
        ordered = sorted(taken)
        table.add_row(kind, str(len(ordered)), *(f"{_quantile(ordered, share):.1f}" for share in (0.5, 0.99, 1.0)))
    console.print(f"{count} orders, {len(every) / took:.0f} requests/s over {took:.0f} s", highlight=False)
    console.print(table)
    for name in spent:
        console.print(f"{name:8} {spent[name]:5.0f} % of one core   {memory[name]:6.0f} MB", highlight=False)
    if asked.wrong:
        console.print(f"answers that were no lists: {dict(asked.wrong)}", highlight=False)
    return not asked.wrong and _quantile(every, 0.99) <= TARGET_MS


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _spent(process: psutil.Process) -> float:
    """Seconds of a core that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _refuse(text: str) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(NOT_DONE)
