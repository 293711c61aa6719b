"""The whole drill against a small world: people do their part, trouble comes and goes, a violation fails it."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import repeat

import pytest
from rich.console import Console

from tests.unit.tools.drill.fake_world import Clock, FakeWorld
from tests.unit.tools.drill.given import case_id, violations
from tools.drill import Orders, drill, killed_at_all
from tools.drill.doors import PLENTY_MINOR, opened
from tools.drill.judge import Kill
from tools.drill.load import Load
from tools.drill.people import LOOK_EVERY_SECONDS, People
from tools.drill.plan import Blow, shares, visit
from tools.drill.report import Outcome
from tools.drill.trouble import strike
from tools.replay.knock import Pace
from tools.stack import StackError

PLACES = ("gateway", "sandbox", "order", "payment")
COUNT = 24
SEED = 7


async def _drilled(world: FakeWorld, patience: float = 60.0, kill_every: float = 0.0) -> tuple[Outcome, str]:
    clock, text = Clock(), io.StringIO()
    outcome = await drill(
        world,
        Orders(COUNT, SEED, kill_every, patience, in_flight=4),
        Console(file=text, width=200),
        Pace(sleep=clock.sleep, clock=clock),
        world.transport(),
    )
    return outcome, text.getvalue()


async def test_people_bring_every_case_to_its_end_and_the_books_agree() -> None:
    world = FakeWorld()
    outcome, said = await _drilled(world)
    assert violations(outcome.checks) == {}
    assert (len(outcome.evidence.asked), len(outcome.evidence.cases)) == (COUNT, COUNT)
    assert {order["case"] for order in world.orders.values()} == {"completed", "undone"}
    assert world.calls.count("POST /_customer/transfer/confirm") == COUNT / 4
    assert sum(call.endswith("/bank-card") for call in world.calls) >= COUNT / 4
    assert "open 0" in said
    lag = outcome.lags["payment"].quantile(0.99)
    assert lag is not None
    assert 0 < lag <= 0.01


async def test_trouble_comes_with_the_load_and_stops_before_the_end() -> None:
    world = FakeWorld()
    await _drilled(world)
    assert world.mixes == [shares(SEED).model_dump()["mix"], {}]
    assert any(balance < PLENTY_MINOR for balance in world.balances)
    assert world.balances[-1] == PLENTY_MINOR


async def test_a_customer_who_puts_it_off_confirms_at_the_second_look() -> None:
    world = FakeWorld()
    clock = Clock()
    numbers = {one.looks: one.number for one in (visit(SEED, number, COUNT) for number in range(COUNT))}
    async with opened(dict.fromkeys(PLACES, "shop"), Pace(sleep=clock.sleep, clock=clock), world.transport()) as doors:
        load = Load(doors, SEED, COUNT)
        people = People(doors, load)
        for looks, number in numbers.items():
            world.has_transfer(f"order{4 * looks + 1}")
            load.driven.numbers[case_id(f"order{4 * looks + 1}")] = number
        await people.look()
        assert people.confirmed == {case_id("order5")}
        await people.look()
        assert people.confirmed == {case_id("order5"), case_id("order9")}
    shown = [call for call in world.calls if call.endswith("/transfer")]
    assert len(shown) == 2, "nobody opens a transfer without confirming it"


async def test_a_card_named_at_a_bad_moment_is_named_again_until_the_money_is_there() -> None:
    world = FakeWorld()
    world.has_transfer("order2")
    world.cards_refused = 1
    clock = Clock()
    async with opened(dict.fromkeys(PLACES, "shop"), Pace(sleep=clock.sleep, clock=clock), world.transport()) as doors:
        people = People(doors, Load(doors, SEED, COUNT))
        named = []
        for _ in range(40):
            await people.look()
            named.append(sum(call.endswith("/bank-card") for call in world.calls))
            clock.now += LOOK_EVERY_SECONDS
        assert people.cards == {case_id("order2")}
    assert (named[0], named[9], named[10], named[20], named[-1]) == (1, 1, 2, 3, 3)


async def test_who_is_not_let_in_any_more_logs_in_again() -> None:
    world = FakeWorld()
    async with opened(dict.fromkeys(PLACES, "shop"), Pace(), world.transport()) as doors:
        world.unauthorized = 1
        assert (await doors.staff.ask("GET", "/admin/v1/summary")).status_code == 200
        assert world.calls.count("POST /_login/staff") == 2
        world.unauthorized = 9
        assert (await doors.staff.ask("GET", "/admin/v1/summary")).status_code == 401, "but not for ever"


async def test_cases_that_never_end_are_waited_for_with_patience_and_then_told() -> None:
    world = FakeWorld()
    world.hang = True
    outcome, said = await _drilled(world, patience=30.0)
    assert "patience is over" in said
    found = violations(outcome.checks)
    hanging = found["every case has ended or visibly waits for a person, unpaid"]
    assert len(hanging) == COUNT / 2
    assert all("nobody is asked to look" in one for one in hanging)
    assert not outcome.good


async def test_money_that_left_twice_fails_the_drill() -> None:
    world = FakeWorld()
    world.refund_twice = True
    outcome, _ = await _drilled(world)
    assert len(violations(outcome.checks)["no refund number accepted twice"]) == COUNT * 3 / 4


async def test_a_load_that_was_over_before_anybody_was_killed_fails_the_drill() -> None:
    outcome, _ = await _drilled(FakeWorld(), kill_every=1e6)
    assert list(violations(outcome.checks)) == ["services were killed while orders came"]
    assert killed_at_all([Kill(5.0, "payment", 1)]).agrees


class OneProcess:
    """The only process there is."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def pid(self, name: str) -> int:
        return self._pid

    def wait_ready(self, name: str, *, restarts: int = 0, timeout: float = 180) -> None:
        assert timeout == 0, "who is not ready now is left alone"
        if name != "payment":
            raise StackError(f"{name} is on its way up")


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


async def test_a_kill_is_a_kill_9_and_who_is_down_is_left_alone(victim: subprocess.Popen[bytes]) -> None:
    clock, kills = Clock(), list[Kill]()
    blows = [Blow(2.0, "order"), Blow(3.0, "payment"), *repeat(Blow(1.0, "notify"), 3)]
    await strike(blows, OneProcess(victim.pid), Pace(sleep=clock.sleep, clock=clock), kills)
    assert victim.wait(timeout=10) == -signal.SIGKILL
    assert kills == [Kill(5.0, "payment", victim.pid)]
    assert clock.now == 8.0
