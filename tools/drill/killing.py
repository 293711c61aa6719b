"""The proof under `kill -9`: a steady load through the public door while processes are killed, frozen and stopped and
the database's disk is full or slow, on a real Kafka with several instances of every service where there is Java."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
from rich.console import Console

from tools.drill.balancer import balanced
from tools.drill.course import DOORS, Course, Place, Seen, run
from tools.drill.disk import Disk
from tools.drill.doors import Doors
from tools.drill.faults import Fault, Ground, faults, within
from tools.drill.judge import COMPLETED, Evidence
from tools.drill.letters import dead_letters
from tools.drill.load import IN_FLIGHT
from tools.drill.plan import shares
from tools.drill.report import Outcome
from tools.drill.siege import Siege, Struck, Well
from tools.replay.judge.sides import Check
from tools.replay.knock import Pace
from tools.stack.home import Home
from tools.stack.kafka import SESSION_MS
from tools.stack.layout import Kafka, instance, tuidan_plan
from tools.stack.plan import Plan, Program
from tools.stack.probes import ask

HIT = ("order", "payment", "inventory", "notify", "analytics", "gateway")
SERVERS = ("mongo", "redis", "broker")
EMBEDDED_SESSION_SECONDS = 3.0
BEFORE_SECONDS, AFTERWARDS_SECONDS = 20.0, 40.0
"""How long orders come before a server goes away for long, and after it is back."""
LINGER_SECONDS = 60.0
"""Until when an order is cancelled then: some that were paid before are cancelled while the server is away."""
CHECKPOINT_SECONDS = 2
"""MongoDB writes its data files this often on the drill's disk: with the usual minute nobody would feel a full disk."""
CAUGHT_UP_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Raid:
    """What is drilled: `rate` orders a second for `minutes`, one fault every `every` seconds on average. `troubled`:
    share of the refunds that meet trouble at the provider as well. `instances` of each service. `chosen`: these faults
    strike, in place of those that are drawn."""

    kafka: Kafka
    minutes: float = 10.0
    seed: int = 7
    every: float = 5.0
    rate: float = 3.0
    instances: int = 2
    troubled: float = 0.1
    patience: float = 600.0
    chosen: tuple[Fault, ...] = ()

    def planned(self, *, has_disk: bool) -> Iterator[Fault]:
        """Every fault, in order."""
        plan = self.chosen or faults(self.seed, self.every, self.ground(has_disk=has_disk))
        return within(plan, self.minutes * 60)

    @property
    def in_flight(self) -> int:
        """How many customers wait at once. Where a server stays away for long everybody who comes has to wait, and it
        must not be those few who came first."""
        return max(IN_FLIGHT, self.count) if self.chosen else IN_FLIGHT

    @property
    def least(self) -> int:
        """How many faults must strike, or nothing was tried: all that were chosen; one of those that are drawn."""
        return len(self.chosen) or int(self.every > 0)

    @property
    def count(self) -> int:
        """How many orders that makes."""
        return max(1, round(self.rate * self.minutes * 60))

    def programs(self, names: Sequence[str] = HIT) -> tuple[str, ...]:
        """The instances of these services."""
        return tuple(instance(name, number) for number in range(1, self.instances + 1) for name in names)

    def ground(self, *, has_disk: bool) -> Ground:
        """What can be hit. The embedded broker keeps nothing: killing it proves nothing about the services. The
        sandbox is never hit, its ledger is the judge's first book."""
        servers = tuple(name for name in SERVERS if name != "broker" or self.kafka == "native")
        session = SESSION_MS / 1000 if self.kafka == "native" else EMBEDDED_SESSION_SECONDS
        return Ground(self.programs(), servers, session, has_disk)


def absence(
    server: str, seconds: float, seed: int, rate: float, instances: int, troubled: float, patience: float
) -> Raid:
    """Nothing happens but that one server is away for so long, with orders before, meanwhile and after."""
    fault = Fault(BEFORE_SECONDS, "away", server, seconds)
    minutes = (BEFORE_SECONDS + seconds + AFTERWARDS_SECONDS) / 60
    return Raid("native", minutes, seed, 0.0, rate, instances, troubled, patience, (fault,))


def raid_plan(home: Home, raid: Raid, *, has_disk: bool) -> Plan:
    """The stack that is drilled. Raises BinaryMissing."""
    plan = tuidan_plan(home, raid.kafka, raid.instances)
    often = ("--syncdelay", str(CHECKPOINT_SECONDS))
    return replace(
        plan,
        programs=tuple(
            replace(program, command=(*program.command, *often)) if program.name == "mongo" and has_disk else program
            for program in plan
        ),
    )


async def drill_kill(
    place: Place, raid: Raid, plan: Plan, disk: Disk | None, console: Console, pace: Pace
) -> tuple[Outcome, list[Struck]]:
    """Drill a stack that nobody else uses. Raises UnexpectedAnswerError or TimeoutError when it does not even open."""
    addresses = {program.name: place.address(program.name) for program in plan}
    siege = Siege(place, pace, well_by(raid, plan, addresses), disk)

    def troubles(doors: Doors, seen: Seen) -> tuple[Coroutine[Any, Any, None], ...]:
        siege.kills = seen.kills
        return (siege.go_on(raid.planned(has_disk=disk is not None)),)

    async def more(doors: Doors, evidence: Evidence) -> list[Check]:
        return [
            all_recovered(siege.struck, raid.least),
            await stock_agrees(doors),
            await figures_agree(doors, evidence, pace),
            dead_letters(addresses["broker"]),
        ]

    outcome = await run(
        place,
        Course(
            programs=(*raid.programs(), "mongo", "redis", "broker"),
            seed=raid.seed,
            count=raid.count,
            shares=shares(raid.seed, raid.troubled),
            patience=raid.patience,
            in_flight=raid.in_flight,
            apart=1 / raid.rate,
            linger=LINGER_SECONDS if raid.chosen else 0.0,
        ),
        console,
        pace,
        troubles,
        more,
        in_front(raid, addresses),
    )
    return outcome, siege.struck


def in_front(raid: Raid, addresses: Mapping[str, str]) -> httpx.AsyncBaseTransport:
    """What stands before several instances of each service."""
    several = {name: [addresses[one] for one in raid.programs((name,))] for name in DOORS if name in HIT}
    return balanced({addresses[name]: others for name, others in several.items()})


def well_by(raid: Raid, plan: Plan, addresses: Mapping[str, str]) -> Well:
    """Asks each program itself."""
    programs: dict[str, Program] = {program.name: program for program in plan}

    async def answers(name: str) -> bool:
        return await ask(programs[name].check, addresses[name], programs[name].path) is None

    async def well(name: str) -> bool:
        if raid.chosen and name in SERVERS:  # it is back when everybody is
            return all([await answers(one) for one in (name, *raid.programs())])
        if name != "mongo":
            return await answers(name)
        # It answers with a full disk too; whether it takes writes is known to those who write.
        writers = [await answers(one) for one in raid.programs(("order", "payment"))]
        return await answers(name) and any(writers)

    return well


def all_recovered(struck: Sequence[Struck], least: int) -> Check:
    """Every fault was survived, and at least so many have struck: the load may have been over before, or the victim
    down by itself."""
    check = Check(("每次故障后都恢复", "recovered from every fault"))
    for one in struck:
        check.compared += not one.left_alone
        if not one.left_alone and one.recovered_in is None:
            check.differences.append(f"{one.fault.victim}: not well again after {one.fault.kind} at {one.at:.0f} s")
    if check.compared < least:
        check.differences.append(f"{check.compared} faults have struck, {least} must; ask for a longer load")
    return check


async def stock_agrees(doors: Doors) -> Check:
    """Balances are what their ledger says."""
    check = Check(("库存余额等于流水", "every stock balance is what its ledger says"))
    found = await doors.shop.recount()
    check.compared = int(found["products"])
    check.differences += [str(difference) for difference in found["differences"]]
    return check


async def figures_agree(doors: Doors, evidence: Evidence, pace: Pace) -> Check:
    """Analytics reads the topics at its own pace: it may still be on the way when all cases have ended."""
    ended = sum(case.status == COMPLETED for case in evidence.cases.values())
    arrived = sum(one.amount_minor for one in evidence.refunds.values() if one.status == "settled")
    deadline = pace.clock() + CAUGHT_UP_WITHIN_SECONDS
    while True:
        cases = sum(int(row["count"]) for row in await doors.shop.figures("cancellations", "month"))
        fen = sum(int(row["amount_minor"]) for row in await doors.shop.figures("refunds", "month"))
        if (cases, fen) == (ended, arrived) or pace.clock() > deadline:
            break
        await pace.sleep(1.0)
    check = Check(("分析报表与账一致", "analytics has counted each case and refund once"))
    check.same("completed cases", order=ended, analytics=cases)
    check.same("refunded, fen", payment=arrived, analytics=fen)
    return check
