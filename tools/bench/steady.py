"""Asking the running system at a steady rate: how long answers take, and what they cost.

Requests leave at fixed times whether earlier ones were answered or not, and each is measured from the time it should
have left: an answer that holds up the next is counted for both."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
import httpx
import psutil
from rich.console import Console
from rich.table import Table

from tools.place import refuse
from tools.stack.control import Stack, StackError
from tools.stack.home import current_home

WARM_SECONDS = 3.0
CONNECTIONS = 200
ANSWER_SECONDS = 30.0
WATCHED = ("gateway", "order", "mongo")
NO_ANSWER = (httpx.HTTPError, aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Opened:
    """Where the stack that is up answers, and the processes whose cost is told."""

    gateway: str
    sandbox: str
    mongo: str
    watched: Mapping[str, psutil.Process]


def opened() -> Opened:
    """The stack that is up; leaves with exit code 2 when there is none."""
    stack = Stack(current_home().root)
    try:
        return Opened(
            f"http://{stack.address('gateway')}",
            f"http://{stack.address('sandbox')}",
            f"mongodb://{stack.address('mongo')}",
            {name: psutil.Process(stack.pid(name)) for name in WATCHED},
        )
    except StackError as problem:
        refuse(f"{problem}. Start it with: tuidan up")


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `kind`: what it counts as; `body`: JSON of a POST, None for a GET."""

    kind: str
    path: str
    token: str
    body: bytes | None = None


Draw = Callable[[], Question]
Heard = Callable[[str, bytes], None]
"""Is told the kind of a question and the answer to it."""


@dataclass
class Asked:
    """Milliseconds by kind of question, and how many answers there were of each status that is not 200."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    seconds: float = 0.0

    @property
    def every(self) -> list[float]:
        """All of them, in order."""
        return sorted(one for taken in self.milliseconds.values() for one in taken)

    def is_within(self, p99_ms: float) -> bool:
        """Whether all were answered, and 99 of 100 within this time."""
        return not self.wrong and quantile(self.every, 0.99) <= p99_ms


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process used meanwhile: share of one core in percent, memory in MB."""

    core: float
    memory: float


async def ask_steadily(
    gateway: str, draw: Draw, rate: float, seconds: float, watched: Mapping[str, psutil.Process], heard: Heard
) -> tuple[Asked, Mapping[str, Spent]]:
    """Ask `rate` questions a second for that long, after a short while that is not counted."""
    # Not httpx: its pool looks at every connection for every request, and at 200 a second that is all it does.
    pool, limit = aiohttp.TCPConnector(limit=CONNECTIONS), aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(gateway, connector=pool, timeout=limit) as http:
        await _ask(http, draw, rate, WARM_SECONDS, heard)
        before = {name: _used(one) for name, one in watched.items()}
        asked = await _ask(http, draw, rate, seconds, heard)
    spent = {
        name: Spent((_used(one) - before[name]) / asked.seconds * 100, one.memory_info().rss / 1_000_000)
        for name, one in watched.items()
    }
    return asked, spent


async def _ask(http: aiohttp.ClientSession, draw: Draw, rate: float, seconds: float, heard: Heard) -> Asked:
    """Ask, and wait for all answers."""
    asked, began, tasks = Asked(), time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(_one(http, draw(), due, asked, heard)))
    await asyncio.gather(*tasks)
    asked.seconds = time.perf_counter() - began
    return asked


async def _one(http: aiohttp.ClientSession, question: Question, due: float, asked: Asked, heard: Heard) -> None:
    method, headers = "GET", {"Authorization": f"Bearer {question.token}"}
    if question.body is not None:
        method, headers["Content-Type"] = "POST", "application/json"
    async with http.request(method, question.path, headers=headers, data=question.body) as answer:
        content = await answer.read()
    asked.milliseconds[question.kind].append((time.perf_counter() - due) * 1000)
    if answer.status == httpx.codes.OK:
        heard(question.kind, content)
    else:
        asked.wrong[answer.status] += 1


async def sign_in(sandbox: str, kind: str, who: Mapping[str, str]) -> str:
    """A token of the stand-in for a customer or a member of staff."""
    async with httpx.AsyncClient(base_url=sandbox, timeout=30, trust_env=False) as http:
        answer = (await http.post(f"/_login/{kind}", json=dict(who))).raise_for_status()
    return str(answer.json()["token"])


def show(console: Console, title: str, asked: Asked, spent: Mapping[str, Spent]) -> None:
    """Print what came out."""
    every = asked.every
    table = Table("question", "answers", "p50 ms", "p99 ms", "worst ms")
    for kind, taken in [*sorted(asked.milliseconds.items()), ("all of them", every)]:
        ordered = sorted(taken)
        table.add_row(kind, str(len(ordered)), *(f"{quantile(ordered, share):.1f}" for share in (0.5, 0.99, 1.0)))
    console.print(f"{title}, {len(every) / asked.seconds:.0f} requests/s over {asked.seconds:.0f} s", highlight=False)
    console.print(table)
    for name, used in spent.items():
        console.print(f"{name:8} {used.core:5.0f} % of one core   {used.memory:6.0f} MB", highlight=False)
    if asked.wrong:
        console.print(f"answers that were none: {dict(asked.wrong)}", highlight=False)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of an ordered row lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _used(process: psutil.Process) -> float:
    """Seconds of a core that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)
