"""What the benchmark of cancellations counts, and what it measures it on."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from chassis.personal import make_first_keys
from contracts import notify
from contracts.message import CATALOGUE, CaseId, Envelope, Money, OrderId
from sandbox.keys import make_keys
from services.notify.model import SmsTemplate
from services.payment.keyfolder import KeyFolder
from tests.support.kafka import running_broker
from tests.support.waiting import until
from tools.bench import ground
from tools.bench.answering import Generous, SilentSms, SilentWechat, service
from tools.bench.bare import DONE, PROCESSES, RECORDS, WRITES, _body, _writes, topic_of
from tools.bench.cancellations import Measured, Wanted, show
from tools.bench.cost import Moment, records
from tools.bench.ground import bare_plan, throughput_plan
from tools.bench.load import Load, Paid, Seen
from tools.bench.watching import Told, watched
from tools.stack.home import Home
from tools.stack.layout import tuidan_plan
from tools.stack.plan import Plan

NOW = datetime(2026, 11, 28, tzinfo=UTC)
TEMPLATE = SmsTemplate(tencent_template_id="1", alibaba_template_code="1", params=())


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


async def test_a_customer_is_told_when_the_money_is_known_to_come() -> None:
    with running_broker() as broker:
        broker.create_topic(notify.EVENTS.name)
        async with watched(broker.address) as told:
            for case_id, outcome in (
                ("c1", "cancellation-begun"),
                ("c2", "cancellation-begun"),
                ("c1", "refund-on-its-way"),
            ):
                event = notify.CustomerTold(
                    order_id=OrderId("o1"), case_id=CaseId(case_id), outcome=outcome, channel="inbox", told_at=NOW
                )
                envelope = Envelope(id=f"{case_id}-{outcome}", type=event.wire, source="notify", time=NOW, saga=case_id)
                headers = [(name, value.encode()) for name, value in envelope.headers().items()]
                broker.write(notify.EVENTS.name, event.model_dump_json().encode(), headers=headers)
            await until(lambda: told.at)
            assert set(told.at) == {"c1"}


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_records_of_all_topics_are_counted() -> None:
    with running_broker() as broker:
        topics = sorted({kind.topic.name for kind in CATALOGUE.values() if kind.topic is not None})
        for topic in topics:
            broker.create_topic(topic)
        for number in range(7):
            broker.write(topics[number % 2], b"{}")
        broker.write(f"{topics[0]}.else", b"not ours")
        assert records(broker.address) == 7


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
        if how == "alone":
            return gateway, await load.alone(orders, rest_seconds=0.0)
        return gateway, await load.at_once(orders, 4)


@pytest.mark.parametrize("how", ["steadily", "at once", "alone"])
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
    assert (await driven(10, "alone"))[0].most == 1


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
        assert f"tools.bench.answering {name}" in command(at_once, name)
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


# ── what comes out ───────────────────────────────────────────────────────────────────────────────────────────────────
def shown(idle: list[float], rate: float, wrong: list[str]) -> tuple[bool, str]:
    spent = Moment({"order": 1.0}, {"order": 100.0}, {"update": 10}, 5)
    later = Moment({"order": 3.0}, {"order": 110.0}, {"update": 40}, 25)
    full = Seen(told=[0.5] * 10, answered=[0.1] * 10, wrong=wrong, seconds=10 / rate)
    measured = [
        Measured("idle", Seen(told=idle, answered=idle, seconds=1.0), spent, later),
        Measured("saturated", full, spent, later),
    ]
    console = Console(record=True, width=160, file=io.StringIO())
    return show(console, measured, Wanted()), console.export_text()


@pytest.mark.parametrize(
    ("idle", "rate", "wrong", "good"),
    [
        ([0.030] * 100, 301.0, [], True),
        ([0.030] * 100, 299.0, [], False),
        ([0.046] * 100, 301.0, [], False),
        ([0.030] * 98 + [0.151] * 2, 301.0, [], False),
        ([0.030] * 100, 301.0, ["503 not ready"], False),
        ([], 301.0, [], False),
    ],
)
def test_targets_are_met_by_all_or_missed(idle: list[float], rate: float, wrong: list[str], good: bool) -> None:
    assert shown(idle, rate, wrong)[0] is good


def test_what_a_case_costs_is_told_by_process() -> None:
    _, text = shown([0.030] * 100, 301.0, ["503 not ready"])
    assert "503 not ready" in text
    assert "200.00" in text, "2 s over 10 cases"
    assert "3.0 update" in text
    assert "records a case: 2.0" in text


# ── providers that answer at once ────────────────────────────────────────────────────────────────────────────────────
async def test_a_refund_has_arrived_without_a_call(tmp_path: Path) -> None:
    make_keys(tmp_path)
    nowhere = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: pytest.fail("the provider was asked")))
    provider = Generous(nowhere, KeyFolder(tmp_path), "http://gateway", lambda: NOW)
    found = await provider.refund("r-1", "o-1", Money(amount_minor=300), Money(amount_minor=700), "reason")
    assert (found.status, found.out_refund_no, found.amount.refund, found.amount.total) == ("SUCCESS", "r-1", 300, 700)
    await nowhere.aclose()


async def test_every_message_is_sent_without_a_call() -> None:
    assert (await SilentWechat().send({})).result == "sent"
    sms = SilentSms()
    assert (
        await sms.send(
            "+8613800001111", SmsTemplate(tencent_template_id="1", alibaba_template_code="1", params=()), {}, "mark"
        )
    ).result == "sent"
    assert (await sms.find("+8613800001111", "mark", NOW, NOW)).found == "delivered"


def test_the_services_are_the_real_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_keys(tmp_path)
    make_first_keys(tmp_path)
    nowhere = {"MONGO": "mongodb://x", "REDIS": "redis://x", "KAFKA": "x:1", "HTTP_PORT": "1", "KEYS": str(tmp_path)}
    for name, value in (nowhere | {"CALLBACK_URL": "http://gateway", "PROVIDER_URL": "http://x"}).items():
        monkeypatch.setenv(f"TUIDAN_{name}", value)
    assert [service(name).name for name in ("payment", "notify")] == ["payment", "notify"]
