"""The drill of a rolling restart without its stack: who is restarted when, what is told, which list walked a case."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from contracts.message import CaseId, Envelope, Message, OrderId
from contracts.notify import CustomerTold
from contracts.payment import WatchRefund
from services.order.cancellation import CANCEL_PAID_ORDER
from tests.support.waiting import give_way, until
from tests.unit.tools.drill.fake_world import Clock
from tests.unit.tools.drill.given import Books
from tests.unit.tools.drill.test_siege import Street
from tools.drill import tomorrow
from tools.drill.books import CaseEntry
from tools.drill.killing import Raid
from tools.drill.plan import shares
from tools.drill.rolling import WARM_SECONDS, Restart, Roll, all_restarted, rolling_plan, signs_of
from tools.drill.rolling_report import longest_gap, passage_table, restart_table
from tools.drill.versions import on_longer_list
from tools.records import Place, Raw
from tools.replay.knock import Pace
from tools.stack.home import Home

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is ended."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


async def _is_well(_: str) -> bool:
    return True


async def test_an_instance_is_stopped_gracefully_as_tomorrows_and_waited_for(
    instance: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    clock, done = Clock(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds == 1.5:  # the pause before the next one
            done.set()
            await asyncio.Event().wait()
        clock.now += seconds
        await give_way(1)

    roll = Roll(Street(instance, clock, back_after=3.0), Pace(sleep=sleep, clock=clock), _is_well, tmp_path)
    rolling = asyncio.create_task(roll.go_on(("payment",), 1.5))
    await asyncio.wait_for(done.wait(), 30)
    rolling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rolling
    assert instance.returncode == -signal.SIGTERM
    (one,) = roll.restarts
    assert (one.name, one.at, one.in_load) == ("payment", WARM_SECONDS, True)
    assert one.stopped_in is not None
    assert one.ready_in is not None
    assert one.ready_in >= one.stopped_in + 3.0
    assert (tmp_path / "payment").exists(), "it comes back as tomorrow's"


async def test_who_is_restarted_when_the_load_ends_is_waited_for_and_does_not_count(
    instance: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    clock, waiting = Clock(), asyncio.Event()

    class Slow(Street):
        def restarts(self, name: str) -> int:
            return int(waiting.is_set() and super().restarts(name))

    async def sleep(seconds: float) -> None:
        clock.now += seconds
        await give_way(1)

    roll = Roll(Slow(instance, clock), Pace(sleep=sleep, clock=clock), _is_well, tmp_path)
    rolling = asyncio.create_task(roll.go_on(("payment",), 1.0))
    await until(lambda: instance.poll() is not None, "it is asked to stop")
    rolling.cancel()
    await give_way()
    assert not rolling.done()
    waiting.set()
    with pytest.raises(asyncio.CancelledError):
        await rolling
    (one,) = roll.restarts
    assert not one.in_load
    assert one.ready_in is not None


def test_each_instance_must_have_been_restarted_in_time_and_under_load() -> None:
    restarts = [
        Restart(1.0, "order", 0.5, 4.0, in_load=True),
        Restart(5.0, "order-2", 16.0, 18.0, in_load=True),
        Restart(9.0, "payment", 0.5, None, in_load=True),
        Restart(12.0, "notify", 0.5, 3.0),
    ]
    check = all_restarted(restarts, ("order", "order-2", "payment", "notify"))
    assert check.compared == 4
    assert check.differences == [
        "order-2: took 16.0 s to stop, it would have been killed",
        "payment: not ready again within 120 s",
        "notify: not restarted while orders came; more --minutes",
    ]


def test_only_the_order_service_becomes_tomorrows(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    programs = {one.name: one for one in rolling_plan(home, Raid("embedded", instances=1))}
    changed = {name for name, one in programs.items() if "tools.drill.tomorrow" in one.command}
    assert changed == {"order"}
    assert programs["order"].env[tomorrow.SIGN] == str(signs_of(home) / "order")
    assert list(signs_of(home).iterdir()) == [], "it begins as today's"


def test_tomorrows_list_is_todays_with_one_more_line() -> None:
    longer = tomorrow.newer()
    assert [line.name for line in longer.forward] == [*(line.name for line in CANCEL_PAID_ORDER.forward), tomorrow.LINE]
    assert (longer.name, longer.version) == (CANCEL_PAID_ORDER.name, CANCEL_PAID_ORDER.version + 1)
    assert longer.line(tomorrow.LINE).command is WatchRefund


def _record(message: Message, id: str, cause: str) -> Raw:
    envelope = Envelope(id, message.wire, "x", AT, cause=cause, saga=message.saga_value)
    headers = tuple((name, value.encode()) for name, value in envelope.headers().items())
    return Raw(Place("t", 0), 0, AT, b"", message.model_dump_json().encode(), headers)


def test_a_case_was_walked_by_the_longer_list_when_its_last_line_was_said() -> None:
    def told(case: str, outcome: str) -> Raw:
        about = {"order_id": "o", "case_id": case, "outcome": outcome, "channel": "inbox", "told_at": AT}
        return _record(CustomerTold.model_validate(about), f"{case}-{outcome}", "x")

    def asked(case: str, because: str) -> Raw:
        return _record(WatchRefund(order_id=OrderId("o"), case_id=CaseId(case)), f"{case}-{because}", because)

    heard = [told(case, outcome) for case in ("a", "b") for outcome in ("refund-on-its-way", "refund-arrived")]
    said = [
        asked("a", "a-refund-on-its-way"),
        asked("b", "b-refund-on-its-way"),
        asked("a", "a timer"),
        asked("b", "b-refund-arrived"),
    ]
    assert on_longer_list(heard, said) == {"b"}


def _case(accepted: float, ended: float) -> CaseEntry:
    return CaseEntry("c", "o", "completed", False, "", 1, 1, frozenset(), 0.0, accepted, ended)


def test_the_longest_time_in_which_no_case_ended_is_measured_while_cases_come() -> None:
    assert longest_gap([]) == 0.0
    assert longest_gap([_case(0, 2), _case(1, 9), _case(10, 11), _case(12, 500)]) == 7.0
    assert longest_gap([_case(0, 30), _case(20, 31)]) == 20.0, "nobody ended while they came"


def _text(*tables: object) -> str:
    text = io.StringIO()
    console = Console(file=text, width=160)
    for table in tables:
        console.print(table)
    return text.getvalue()


def test_the_report_tells_restarts_by_service_and_how_cases_passed() -> None:
    books = Books()
    for second, name in enumerate(("done", "gone", "sent")):
        books.case(name)["accepted_at"] = f"2026-11-01T00:00:{second:02}Z"
        books.case(name)["ended_at"] = f"2026-11-01T00:00:{second * 3 + 4:02}Z"
    restarts = [Restart(1.0, "order", 0.5, 4.0), Restart(9.0, "order-2", 0.7, None), Restart(1.0, "payment", 0.2, 3.0)]
    text = _text(restart_table(restarts), passage_table(books.evidence(), shares(7, 0)))
    rows = [line.split() for line in text.splitlines()]
    assert ["order", "2", "0.7", "4.0", "(1", "从未", "never)"] in rows
    assert ["payment", "1", "0.2", "3.0"] in rows
    assert ["合计", "all", "3"] in rows
    assert any(row[-2:] == ["8.0", "(sent-c1)"] for row in rows), text
    assert any(row[-2:] == ["started", "4"] for row in rows)
