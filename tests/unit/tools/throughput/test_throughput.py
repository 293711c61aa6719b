"""What the benchmark of cancellations counts, and what it measures it on."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tools.stack.home import Home
from tools.stack.layout import tuidan_plan
from tools.stack.plan import Plan
from tools.throughput import ground
from tools.throughput.bare import DONE, PROCESSES, RECORDS, WRITES, _body, _writes, topic_of
from tools.throughput.ground import bare_plan, throughput_plan
from tools.throughput.load import Load, Paid, Seen
from tools.throughput.watching import Told


# ── who has been told ────────────────────────────────────────────────────────────────────────────────────────────────
async def test_only_the_first_notice_of_a_case_counts() -> None:
    told = Told()
    told.note("c1", 1.0)
    told.note("c1", 2.0)
    assert await told.until("c1", 0.0) == 1.0


async def test_whoever_waits_is_woken_by_the_notice() -> None:
    told = Told()
    waiting = asyncio.create_task(told.until("c1", 30.0))
    await asyncio.sleep(0)
    told.note("c2", 1.0)
    told.note("c1", 2.0)
    assert await waiting == 2.0


async def test_a_customer_who_is_never_told_ends_the_wait() -> None:
    with pytest.raises(TimeoutError):
        await Told().until("c1", 0.0)


# ── the load ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Gateway:
    """Accepts every cancellation but those of orders whose number ends with 9, and tells the customer at once."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.asked: list[tuple[str, str, str]] = []
        self.inside = self.most = 0

    async def cancel(self, request: web.Request) -> web.Response:
        order_id = request.match_info["order"]
        self.asked.append((order_id, request.headers["Authorization"], request.headers["Idempotency-Key"]))
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        if order_id.endswith("9"):
            return web.json_response({"code": "cancellation-open"}, status=409)
        self.told.note(f"case-{order_id}", time.perf_counter())
        return web.json_response(
            {"case_id": f"case-{order_id}", "reason": json.loads(await request.text())}, status=202
        )


async def driven(count: int, how: str) -> tuple[Gateway, Seen]:
    gateway = Gateway(Told())
    app = web.Application()
    app.router.add_post("/mp/v1/orders/{order}/cancellation", gateway.cancel)
    orders = [Paid(f"o-{number}", f"token-{number}") for number in range(count)]
    async with TestServer(app) as server, aiohttp.ClientSession(str(server.make_url("/"))) as http:
        load = Load(http, gateway.told)
        if how == "steadily":
            return gateway, await load.steadily(orders, 1_000.0)
        return gateway, await load.at_once(orders, 4)


@pytest.mark.parametrize("how", ["steadily", "at once"])
async def test_every_order_is_cancelled_once_by_its_own_customer(how: str) -> None:
    gateway, seen = await driven(20, how)
    assert sorted(gateway.asked) == sorted(
        (f"o-{number}", f"Bearer token-{number}", f"o-{number}-cancel") for number in range(20)
    )
    assert len(seen.told) == 18
    assert len(seen.answered) == 20
    assert [wrong.split()[0] for wrong in seen.wrong] == ["409", "409"]
    assert seen.rate == pytest.approx(18 / seen.seconds)


async def test_no_more_cases_are_under_way_than_wanted() -> None:
    gateway, _ = await driven(40, "at once")
    assert 1 < gateway.most <= 4


def test_nothing_told_is_no_rate() -> None:
    assert Seen().rate == 0.0


# ── the ground ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The embedded plan in place of the one with Java, which not every machine has: only the broker differs."""
    monkeypatch.setattr(ground, "tuidan_plan", lambda home, _: tuidan_plan(home, "embedded"))
    home = Home(tmp_path)
    home.make()
    return home


def command(plan: Plan, name: str) -> str:
    return " ".join(next(program.command for program in plan if program.name == name))


def test_providers_are_stood_in_for_only_where_wanted(plans: Home) -> None:
    at_once, real = throughput_plan(plans, "at-once"), throughput_plan(plans, "sandbox")
    for name in ("payment", "notify"):
        assert f"tools.throughput.answering {name}" in command(at_once, name)
        assert f"services.{name}.main" in command(real, name)
    assert command(at_once, "order") == command(real, "order")


def test_mongodb_is_a_replica_set_and_made_one(plans: Home) -> None:
    mongo = next(program for program in throughput_plan(plans, "at-once") if program.name == "mongo")
    assert " --replSet tuidan" in " ".join(mongo.command)
    assert "{mongo.address}" in mongo.furnish


def test_the_bare_loop_has_nothing_of_ours(plans: Home) -> None:
    assert [program.name for program in bare_plan(plans)] == ["mongo", "broker"]


# ── the bare loop ────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Record:
    key: bytes
    value: bytes


def test_the_bare_loop_writes_and_says_what_a_case_does() -> None:
    topics = Counter(topic_of(hop) for hop in range(RECORDS + 1))
    writes = [update for hop in range(RECORDS) for update in _writes([Record(b"c1", _body(hop))])]
    assert topics.pop(DONE) == 1
    assert sum(topics.values()) == RECORDS
    assert set(topics) == {f"bare-{number}" for number in range(PROCESSES)}
    assert len(writes) == WRITES
