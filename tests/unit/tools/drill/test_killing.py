"""The parts of the drill under kills that touch no process: whose turn it is, what the report says, the disk."""

from __future__ import annotations

import errno
import io
import os
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from tests.unit.tools.drill.fake_world import Clock, FakeWorld
from tests.unit.tools.drill.given import Books, case_id, money, order_page, payment_page
from tools.drill.balancer import Balancer
from tools.drill.books import entry
from tools.drill.disk import NoDiskError, mounted, why_no_disk
from tools.drill.doors import opened
from tools.drill.faults import Fault
from tools.drill.kill_report import case_table, fault_table, slowest_recoveries
from tools.drill.killing import CHECKPOINT_SECONDS, Raid, absence, all_recovered, raid_plan, well_by
from tools.drill.load import Load
from tools.drill.plan import lingers, shares
from tools.drill.siege import Struck
from tools.replay.knock import Pace
from tools.stack.home import Home

STRUCK = [
    Struck(1.0, Fault(1.0, "kill", "payment"), recovered_in=4.5),
    Struck(6.0, Fault(5.0, "kill", "mongo"), recovered_in=2.0),
    Struck(9.0, Fault(3.0, "kill", "order"), left_alone=True),
    Struck(12.0, Fault(3.0, "freeze", "order-2", 8.0)),
]


def _text(*tables: object) -> str:
    text = io.StringIO()
    console = Console(file=text, width=160)
    for table in tables:
        console.print(table)
    return text.getvalue()


def test_the_report_counts_faults_by_victim_and_kind_with_the_longest_recovery() -> None:
    text = _text(fault_table(STRUCK), slowest_recoveries(STRUCK))
    assert "mongo 1, payment 1" in text
    assert "4.5" in text
    assert "(1 未恢复 never)" in text
    assert "left alone" in text
    assert "order 1" not in text, "who was left alone was not hit"


def test_only_who_was_hit_has_to_recover() -> None:
    check = all_recovered(STRUCK, 1)
    assert check.compared == 3
    assert check.differences == ["order-2: not well again after freeze at 12 s"]


def test_a_drill_in_which_nothing_has_struck_has_proved_nothing() -> None:
    raid = absence("redis", 1.0, seed=7, rate=0.01, instances=1, troubled=0, patience=60.0)
    assert raid.count == 1, "and this one order may be over before the server goes away"
    alone = Struck(20.0, raid.chosen[0], left_alone=True)
    for struck in ([], [alone]):
        assert all_recovered(struck, raid.least).differences == ["0 faults have struck, 1 must; ask for a longer load"]
    assert all_recovered([Struck(20.0, raid.chosen[0], recovered_in=2.0)], raid.least).agrees
    assert (Raid("embedded").least, Raid("embedded", every=0.0).least) == (1, 0)


def test_a_server_that_is_away_for_long_is_the_only_fault_and_all_who_come_meanwhile_wait() -> None:
    raid = absence("broker", 600.0, seed=7, rate=0.3, instances=1, troubled=0.1, patience=600.0)
    assert list(raid.planned(has_disk=True)) == [Fault(20.0, "away", "broker", 600.0)]
    assert raid.minutes * 60 == 660.0
    assert raid.in_flight == raid.count == 198
    assert list(raid.planned(has_disk=False)) == list(raid.planned(has_disk=True))


async def test_a_server_that_was_away_is_back_when_everybody_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = {"notify"}

    async def ask(check: str, address: str, path: str) -> str | None:
        return "not ready" if address in waiting else None

    monkeypatch.setattr("tools.drill.killing.ask", ask)
    raid = absence("broker", 600.0, seed=7, rate=0.3, instances=1, troubled=0.1, patience=600.0)
    plan = raid_plan(Home(tmp_path), replace(raid, kafka="embedded"), has_disk=False)
    well = well_by(raid, plan, {program.name: program.name for program in plan})
    assert not await well("broker")
    waiting.clear()
    assert await well("broker")


def test_lost_and_doubled_cases_are_counted() -> None:
    books = Books()
    assert _counts(books) == {"started": 4, "ended": 3, "lost": 0, "doubled": 0, "person": 1}
    books.asked[case_id("never-seen")] = 100
    books.case("stuck")["waits_for_a_person"] = False
    books.orders["stuck"]["tasks"] = []
    books.money.append(money("refund-success", "done"))
    assert _counts(books) == {"started": 5, "ended": 3, "lost": 2, "doubled": 1, "person": 0}


def _counts(books: Books) -> dict[str, int]:
    rows = [line.split() for line in _text(case_table(books.evidence(), shares(7, 0))).splitlines()]
    wanted = ("started", "ended", "lost", "doubled", "person")
    return {row[-2]: int(row[-1]) for row in rows if len(row) > 1 and row[-2] in wanted}


def test_how_long_a_case_stood_still_is_the_longest_time_between_two_of_its_moments() -> None:
    def moment(second: int, whose: str) -> dict[str, object]:
        return {"at": f"2026-11-01T00:00:{second:02}Z", "what": "asked-again", "case_id": whose, "detail": {}}

    mine = case_id("o")
    page = order_page(
        "o",
        "completed",
        timeline=(moment(2, mine), moment(40, "another"), moment(9, mine)),
        accepted_at="2026-11-01T00:00:01Z",
        ended_at="2026-11-01T00:00:12.500Z",
    )
    (case,) = entry(page, payment_page("o", "settled")).cases
    assert case.stood == 7.0


async def test_each_request_goes_to_the_next_instance_and_others_where_they_belong() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.netloc.decode())
        return httpx.Response(200)

    front = Balancer({"127.0.0.1:1": ["127.0.0.1:1", "127.0.0.1:2"]}, httpx.MockTransport(answer))
    async with httpx.AsyncClient(transport=front) as client:
        for url in ("http://127.0.0.1:1/a", "http://127.0.0.1:1/b", "http://127.0.0.1:1/c", "http://127.0.0.1:9/d"):
            await client.get(url)
    assert seen == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:1", "127.0.0.1:9"]


async def test_customers_come_when_it_is_time() -> None:
    world, clock = FakeWorld(), Clock()
    places = dict.fromkeys(("gateway", "sandbox", "order", "payment"), "shop")
    async with opened(places, Pace(sleep=clock.sleep, clock=clock), world.transport()) as doors:
        load = Load(doors, seed=7, count=5, apart=10.0)
        await load.run(in_flight=2)
    assert len(load.driven.asked) == 5
    assert load.driven.seconds >= 40.0


async def test_customers_may_keep_an_order_for_a_while() -> None:
    world, clock = FakeWorld(), Clock()
    places = dict.fromkeys(("gateway", "sandbox", "order", "payment"), "shop")
    async with opened(places, Pace(sleep=clock.sleep, clock=clock), world.transport()) as doors:
        load = Load(doors, seed=7, count=2, linger=100.0)
        await load.run(in_flight=1)
    assert load.driven.seconds == pytest.approx(sum(100 * lingers(7, number) for number in range(2)), abs=1.0)


def test_checkpoints_are_frequent_only_where_the_disk_is_filled(tmp_path: Path) -> None:
    for has_disk in (True, False):
        plan = raid_plan(Home(tmp_path), Raid("embedded", instances=1), has_disk=has_disk)
        mongo = next(program for program in plan if program.name == "mongo")
        assert (mongo.command[-2:] == ("--syncdelay", str(CHECKPOINT_SECONDS))) is has_disk


def test_why_there_is_no_disk_is_said(tmp_path: Path) -> None:
    def found(tool: str) -> str:
        return tool

    assert why_no_disk(lambda: 0, found, "linux") is None
    assert why_no_disk(lambda: 1000, found, "linux") == "mounting needs root"
    assert why_no_disk(lambda: 0, lambda _: None, "linux") == "mkfs.ext4, mount, umount is missing"
    assert "only Linux" in (why_no_disk(lambda: 0, found, "darwin") or "")


def test_no_disk_is_an_error_that_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.drill.disk.why_no_disk", lambda: "mounting needs root")
    with pytest.raises(NoDiskError, match="mounting needs root"), mounted(tmp_path / "data", tmp_path / "image"):
        pass
    assert not (tmp_path / "image").exists()


@pytest.mark.real
def test_a_disk_is_filled_to_the_last_byte_and_freed(tmp_path: Path) -> None:
    if why_not := why_no_disk():
        pytest.skip(f"SKIPPED: no disk of its own here: {why_not}")
    with mounted(tmp_path / "data", tmp_path / "image", megabytes=64) as disk:
        assert disk.fill() > 10_000_000
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            (disk.folder / "more").write_bytes(bytes(65_536))
        disk.free()
        (disk.folder / "more").write_bytes(bytes(65_536))
        disk.stall(0.01)
        (disk.folder / "after").write_bytes(b"it writes again")
    assert not os.path.ismount(tmp_path / "data")
