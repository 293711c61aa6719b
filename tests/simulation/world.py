"""One world from its beginning to its verdict: people act, things go wrong, then all is calm, and when nothing moves
any more the judge looks at the evidence."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from opentelemetry.sdk.trace import SpanProcessor

from chassis import tracing
from sandbox.app import world_of
from tests.simulation import rolling, schedules, walked
from tests.simulation.bookkeeping import Bookkeeper
from tests.simulation.evidence import Evidence, Violation
from tests.simulation.faults import calm, strike
from tests.simulation.house import DAY_SECONDS, NIGHT_SECONDS, SERVICES, House, Shape
from tests.simulation.judge import judge, same_after_replay, since
from tests.simulation.keyring import ROLES
from tests.simulation.loop import EPOCH, Actor, Quiet, Sight, SimLoop
from tests.simulation.network import Network
from tests.simulation.opened import PERSONAL, opened
from tests.simulation.people import Door, Person, open_shop
from tests.simulation.plan import STOCK, Plan
from tests.simulation.redis import SimRedis
from tests.simulation.sea import OpenSea, Trace
from tests.simulation.sealed import SEAL
from tests.simulation.staff import Staff

SETTLED_WITHIN_SECONDS = 18 * 86_400.0
"""Longer than anything here waits before it calls a person: three transfers of a day each, and then eight days for a
refund to arrive. Money that lies in between, where nobody names another card, is asked about for ever."""
SILENT_SECONDS = 9.5 * 86_400.0
"""Who has told nothing for so long tells nothing more: the longest wait before something is told is that for a refund
to arrive, eight days."""
STORY_LINES_MAX = 80
STAFF_STAYS_SECONDS = 300.0
LATE_DILIGENCE = 0.8
LATE_LOOKS = 3
LATE_PAUSE_SECONDS = 1_800.0
SETTLED_WITHIN_STEPS = 300_000
"""Four times what any world needed: one that goes round in circles is stopped by work, not by time."""
LOOK_SECONDS = 20.0
LOOK_SECONDS_MAX = 6 * 3_600.0
FLUSHES = 2
"""What was said is marked by the second flush after it at the latest."""

HURRIED_MINUTES = 1
"""So short that orders end unpaid while people pay and cancel them, and while everything goes wrong."""

SHAPES = {
    "plain": Shape(nightly=False, unpaid_minutes=120),
    "pairs": Shape(
        instances=2, card_settle_seconds=86_400.0 * 2, nightly=False, second_site=True, unpaid_minutes=HURRIED_MINUTES
    ),
    "bills": Shape(),
    "fees": Shape(freight_minor=700, discount_percent=10, pushes=True, signing="both", shops=True),
}


@dataclass(frozen=True)
class Options:
    """What of a world is wanted because somebody reads it."""

    trace: bool = False
    logs: bool = False


@dataclass
class Outcome:
    """What came of a world. `virtual`: seconds that passed in it; `cases`: how many cancellations there were, by how
    they stand; `walked`: see there; `cost`: real seconds."""

    seed: int
    digest: str
    violations: list[Violation]
    virtual: float = 0.0
    crossings: dict[str, int] = field(default_factory=dict)
    cases: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    walked: dict[str, int] = field(default_factory=dict)
    cost: float = 0.0
    problem: str = ""
    lines: list[str] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.violations and not self.problem


class World:
    """A house with open doors at virtual time zero. Made once; every plan is run in a copy of the whole process."""

    def __init__(self, keys: Path, shape: Shape) -> None:
        self.loop = SimLoop(schedules.Random(Random(0)))  # type: ignore[abstract]  # asks for no files and signals
        self.sea = OpenSea(Random(0), Trace(), lambda: self.loop.now)
        self.network = Network(self.loop, self.sea, self._draw)
        self.redis = SimRedis(lambda: self.loop.now)
        self.put_on()
        self.house: House = House(self.loop, keys, shape, self.network, self.redis, self.sea)
        self.outside = Actor("people", Sight())
        self.door = Door(self.loop, self.network)
        self.calm = False
        self.skewed = False
        self.nights = 0
        self._middle: Evidence | None = None
        self._found: list[Violation] = []

    def _draw(self) -> float:
        return self.house.draw()

    def put_on(self) -> None:
        """Let this process live in this world."""
        SEAL.put_on(self.loop, self.network, self.redis)

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(self.loop.start(self.outside, work))

    def open(self) -> None:
        """Start all processes, put goods on the shelf, and let everything come to rest."""
        self.house.write_logs(keep=False)

        async def opening() -> None:
            await self.house.open()
            await open_shop(self.door)
            await self._first_asked()
            await asyncio.sleep(120.0)

        self._run(opening())
        self.began = self.loop.now

    async def _first_asked(self) -> None:
        """An application reads its routes when it is first asked for one that is not there: once here, not in every
        copy."""
        for host in (*SERVICES, "gateway", "sandbox"):
            for _ in range(self.house.shape.instances):
                await self.network.ask("GET", host, "/nothing", [], b"", None)

    # ── a plan ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def run(self, plan: Plan, options: Options = Options()) -> Outcome:
        """Live through a plan and judge what came of it."""
        began = time.process_time()
        walked.HEARD.clear()
        rng = Random(f"world/{plan.seed}")
        SEAL.random = Random(f"entropy/{plan.seed}")
        self.house.begin(rng, Trace(keep=options.trace))
        self.loop.scheduler = schedules.named(plan.scheduler, Random(f"schedule/{plan.seed}"))
        self.sea.even = plan.scheduler != "random"
        self.house.write_logs(keep=options.logs or plan.thorough)
        if plan.traced:
            random.seed(f"spans/{plan.seed}")  # where spans get their ids from
            tracing.begin("world", SpanProcessor())
        self.calm = not plan.faults and not plan.rolling
        self.skewed = any(fault["kind"] == "skew" for fault in plan.faults)
        self.nights = plan.nights
        outcome = Outcome(plan.seed, "", [])
        try:
            self._run(self._live(plan))
            after = self.evidence(final=True)
            outcome.violations = self._found or [*judge(after), *(since(self._middle, after) if self._middle else ())]
            if plan.thorough and not outcome.violations:
                outcome.violations = self._run(self._replayed(after))
        except Quiet:
            outcome.problem = "everything stood still while somebody waited"
        if self.loop.problems:
            outcome.problem = outcome.problem or repr(self.loop.problems[0])[:500]
        outcome.digest = self.sea.trace.digest
        outcome.virtual = self.loop.now - self.began
        outcome.crossings = dict(self.sea.crossings)
        outcome.cases = self._count_cases()
        outcome.walked = dict(walked.HEARD)
        outcome.orders = len(self.house.storages["order"].collections["orders"].documents)
        outcome.stories = self._stories(outcome.violations)
        outcome.lines = [*(self.sea.trace.lines or ()), *(self.house.logs if options.logs else ())]
        outcome.cost = time.process_time() - began
        return outcome

    async def _live(self, plan: Plan) -> None:
        if plan.rolling:
            rolling.set_out()
            self.house.processes["order/0"].actor.version = rolling.OLD
        if plan.signs_in:
            self.door.keyring.admit(*(f"s-{role}" for role in ROLES))
        staff = Staff(self.door, plan.staff, Random(f"staff/{plan.seed}").random)
        working = asyncio.create_task(staff.live())
        faults = [asyncio.create_task(strike(self, fault)) for fault in plan.faults]
        people = asyncio.gather(*(Person(self.door, shopper).live() for shopper in plan.shoppers))
        waits = any(fault.get("waits") for fault in plan.faults)
        if waits:
            # A kill that waits for its crossing may have to wait for what happens long after people have gone.
            await people
            await asyncio.sleep(STAFF_STAYS_SECONDS)
            working.cancel()
            await self.settle()
        await asyncio.gather(*faults)
        self._middle = self.evidence(final=False)
        self._found = judge(self._middle)
        await calm(self)
        await people
        working.cancel()
        await self._end(plan)

    async def _end(self, plan: Plan) -> None:
        """Everything comes to an end, and bills are compared: the first ones are wrong where the plan wants that."""
        if plan.bills:
            bookkeeper = Bookkeeper(self.door, Random(f"books/{plan.seed}"))
            await bookkeeper.spoil(plan.bills)
            await asyncio.sleep(plan.nights * DAY_SECONDS + NIGHT_SECONDS)
            await bookkeeper.work()
            await bookkeeper.start_again()
        await self.settle()
        if plan.late_shift:
            staff = Staff(self.door, LATE_DILIGENCE, Random(f"late/{plan.seed}").random)
            for _ in range(LATE_LOOKS):
                await staff.look()
                await asyncio.sleep(LATE_PAUSE_SECONDS)
            await self.settle()
        if plan.nights:
            await asyncio.sleep(plan.nights * DAY_SECONDS + NIGHT_SECONDS)  # a day's bill is there the next morning
            await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is left to happen, or long enough."""
        until, pause, looks = self.loop.now + SETTLED_WITHIN_SECONDS, LOOK_SECONDS, 0
        steps = self.loop.steps + SETTLED_WITHIN_STEPS
        told, since = self._told(), self.loop.now
        while looks < 2 and self.loop.now < min(until, since + SILENT_SECONDS) and self.loop.steps < steps:
            await asyncio.sleep(pause)
            if self._told() != told:
                told, since = self._told(), self.loop.now
            looks = looks + 1 if self._at_rest() else 0
            pause = LOOK_SECONDS if looks else min(LOOK_SECONDS_MAX, pause * 1.5)
        for _ in range(FLUSHES):
            if self._said_in_mind():
                self._wake()
                await asyncio.sleep(LOOK_SECONDS)

    async def _replayed(self, before: Evidence) -> list[Violation]:
        """Hear everything once more, from the beginning: what changed that should not have."""
        for group in self.house.broker.groups.values():
            group.reset()
        await asyncio.sleep(LOOK_SECONDS)
        await self.settle()
        return same_after_replay(before, self.evidence(final=True))

    def _told(self) -> int:
        """How many events there are."""
        return sum(len(kept) for topic, kept in self.house.broker.history.items() if topic.endswith(".events"))

    def _said_in_mind(self) -> bool:
        """Whether a process still knows of messages that it has said and not marked, which shows in no database."""
        return any(size for name, size in self.house.sizes().items() if name.endswith(" said"))

    def _wake(self) -> None:
        """Loops that would sleep on, because nothing has changed in the databases, look once more."""
        for storage in self.house.storages.values():
            self.loop.changed(storage.sight)

    def _at_rest(self) -> bool:
        for storage in self.house.storages.values():
            for name, documents in storage.collections.items():
                for document in documents.documents.values():
                    if document.get("unsaid"):
                        return False
                    if document.get("wake_at") is not None and name not in _WAIT_FOR_EVER:
                        return False
        groups = self.house.broker.groups.values()
        return not any(member.has_work() for group in groups for member in group.members)

    # ── the verdict ──────────────────────────────────────────────────────────────────────────────────────────────────
    def evidence(self, *, final: bool) -> Evidence:
        """Everything the judge sees."""
        sandbox = world_of(self.house.sandbox)
        broker = self.house.broker
        return Evidence(
            at=datetime.fromtimestamp(EPOCH + self.loop.now, UTC),
            final=final,
            money=sandbox.ledger.money_lines(0, 10**6),
            messages=sandbox.ledger.message_lines(0, 10**6),
            ledger_violations=sandbox.ledger.check()["violations"],
            topics={topic: tuple(records) for topic, records in broker.history.items()},
            committed={
                (group.name, *place): offset
                for group in broker.groups.values()
                for place, offset in group.committed.items()
            },
            documents={
                name: {kind: opened(kind, one.documents, self.house.ring) for kind, one in storage.collections.items()}
                for name, storage in self.house.storages.items()
            },
            at_rest={
                kind: dict(one.documents)
                for storage in self.house.storages.values()
                for kind, one in storage.collections.items()
                if kind in PERSONAL
            },
            asked=tuple(self.door.asked),
            attempts=tuple(self.door.attempts),
            initial_stock=STOCK,
            logs=tuple(self.house.logs),
            sizes=self.house.sizes(),
            calm=self.calm,
            emptied=broker.emptied,
            read_stale=frozenset(name for name, one in self.house.storages.items() if one.read_stale),
            restored=self.door.loss.lost.is_set(),
            skewed=self.skewed,
            nightly=self.house.shape.nightly and self.nights > 0,
            shipping=sandbox.shipping.told(),
            freight_minor=self.house.shape.freight_minor,
            discount_percent=self.house.shape.discount_percent,
            unpaid_minutes=self.house.shape.unpaid_minutes,
        )

    def _stories(self, violations: Sequence[Violation]) -> list[str]:
        """The timelines of the orders that violations speak of."""
        told: list[str] = []
        for id, order in self.house.storages["order"].collections["orders"].documents.items():
            if order["state"] is None or not any(id in violation.subject for violation in violations):
                continue
            told.append(f"{id}: {order['state']['state']}")
            for moment in order["state"]["timeline"]:
                detail = " ".join(f"{name}={value}" for name, value in moment["detail"].items())
                told.append(f"  {moment['at']:%d %H:%M:%S.%f} {moment['what']} {moment['case_id'] or ''} {detail}")
            if len(told) > STORY_LINES_MAX:
                break
        return told[:STORY_LINES_MAX]

    def _count_cases(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for order in self.house.storages["order"].collections["orders"].documents.values():
            for case in (order["state"] or {}).get("cases", ()):
                found[case["status"]] = found.get(case["status"], 0) + 1
        return found


_WAIT_FOR_EVER = frozenset({"reconciliations"})
