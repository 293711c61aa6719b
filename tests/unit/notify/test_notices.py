"""The service whole, but for Kafka: asked to tell, it tells through the stand-in, stores what it did, and shows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from chassis import clock, problem, timers
from chassis.engine import Engine
from chassis.mongo import Database
from chassis.record import Heard
from contracts.message import CaseId, CustomerId, Message
from contracts.notify import CustomerTold, TellCustomer
from services.notify.api import router
from services.notify.effects import Senders, overtaking, performers, senders, wanting
from services.notify.handlers import NOTICES
from services.notify.model import LOOK_SECONDS, LOOKS, ONCE_MORE_AFTER, look_after
from services.notify.subscriptions import Subscriptions
from services.notify.views import Notices
from tests.unit.notify.outside import Outside, settings
from tests.unit.notify.story import addressee, tell

pytestmark = pytest.mark.real

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


class Office:
    """Notify without Kafka. `told` is what it published; its clock moves when told."""

    def __init__(self, database: Database, opened: Senders) -> None:
        self.told: list[CustomerTold] = []
        self.later = timedelta()
        self.engine = Engine("notify", {NOTICES: database.store(NOTICES)}, self, lambda: clock.now() + self.later)
        self.subscriptions = Subscriptions(database.collection("subscriptions"))
        for intent, performer in performers(
            opened, self.subscriptions, overtaking(self.engine), wanting(self.engine)
        ).items():
            self.engine.perform(intent, performer)
        self.notices = Notices(database.collection(NOTICES.name), database.keeping(NOTICES))
        app = FastAPI()
        problem.install(app)
        app.include_router(router(self.engine, self.notices, self.subscriptions, ""))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify")
        self._heard = 0

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        assert topic == "notify.events"
        self.told.append(CustomerTold.model_validate_json(body))
        return asyncio.sleep(0)

    async def hears(self, message: Message) -> None:
        self._heard += 1
        await self.engine.hear(Heard(message, f"command-{self._heard}", self.engine.clock()))
        await self.settle()

    async def passes(self, time: timedelta) -> None:
        self.later += time
        await timers.ring(self.engine)
        await self.settle()

    async def passes_all_looks(self) -> None:
        for look in range(1, len(LOOKS) + 1):
            await self.passes(look_after(look, LOOK_SECONDS))

    async def settle(self) -> None:
        """Until no call is under way."""
        while not self.engine.relay.idle:
            await self.engine.relay.drain(30)


def asked(case: str = "case-1", **to: str) -> TellCustomer:
    return tell(case_id=CaseId(case), to=addressee(**{"openid": OPENID, **to}))


@pytest.fixture
async def office(database: Database, outside: Outside) -> AsyncIterator[Office]:
    async with senders(settings(outside.url, outside.keys)) as opened:
        office = Office(database, opened)
        await office.notices.prepare()
        await office.subscriptions.prepare()
        yield office
        await office.http.aclose()


async def test_told_once_however_often_asked(office: Office, outside: Outside) -> None:
    for _ in range(3):
        await office.hears(asked())
    assert [told.channel for told in office.told] == ["wechat"] * 3
    assert len(set(office.told)) == 1
    assert len(await outside.delivered()) == 1


async def test_down_the_cascade(office: Office, outside: Outside) -> None:
    await outside.breaks("sms-tencent", "drop-before")
    await office.hears(asked(openid="nobody"))
    assert office.told == [], "nobody knows yet whether Tencent sent it"
    await office.passes_all_looks()
    assert [told.channel for told in office.told] == ["sms-alibaba"]
    (notice,) = (await office.http.get("/notices", params={"order_id": "order-1"})).json()["notices"]
    calls = [(tried["channel"], tried["result"]) for tried in notice["tried"] if tried["what"] == "call"]
    assert calls == [("wechat", "refused"), ("sms-tencent", "unknown"), ("sms-alibaba", "sent")]
    looks = [tried["channel"] for tried in notice["tried"] if tried["what"] == "look"]
    assert looks == ["sms-tencent"] * len(LOOKS)
    assert notice["phone"] == "138****8000"
    assert "13800138000" not in str(notice)


async def test_what_a_later_outcome_makes_untrue_is_not_told(office: Office, outside: Outside) -> None:
    await outside.breaks("sms-tencent", "drop-before")
    await office.hears(tell(outcome="refund-delayed", to=addressee(openid="nobody")))
    await office.hears(tell(outcome="refund-arrived", to=addressee(openid=OPENID)))
    await office.passes_all_looks()
    assert [told.outcome for told in office.told] == ["refund-arrived"]
    assert len(await outside.delivered()) == 1
    shown = (await office.http.get("/inbox/c-1")).json()["notices"]
    assert [notice["outcome"] for notice in shown] == ["refund-arrived"]
    assert (await office.http.get("/notices/summary")).json() == {
        "by_outcome": {"refund-arrived": {"wechat": 1}},
        "waiting": 0,
        "superseded": 1,
    }


async def test_every_notice_lies_in_the_inbox_whichever_channel_took_it(office: Office) -> None:
    await office.hears(asked())
    (shown,) = (await office.http.get("/inbox/c-1")).json()["notices"]
    assert (shown["channel"], shown["title"]) == ("wechat", "退款处理中")
    for part in ("¥12.30", "不想要了", "1–3 个工作日"):
        assert part in shown["text"], "what, why, and when the money arrives"


async def test_a_used_up_subscription_costs_no_second_call(office: Office, outside: Outside) -> None:
    for case in ("case-1", "case-2", "case-3"):
        await office.hears(asked(case, phone=""))
    assert [told.channel for told in office.told] == ["wechat", "inbox", "inbox"]
    (last,) = [
        notice
        for notice in (await office.http.get("/notices", params={"order_id": "order-1"})).json()["notices"]
        if notice["case_id"] == "case-3"
    ]
    assert [(tried["result"], tried["code"]) for tried in last["tried"]] == [("refused", "no-quota")]


async def test_the_inbox_is_the_last_resort(office: Office, outside: Outside) -> None:
    await outside.blacklists("13800138000")
    await office.hears(asked(openid="nobody"))
    assert office.told[0].channel == "inbox"
    (shown,) = (await office.http.get("/inbox/c-1")).json()["notices"]
    assert shown["title"] == "退款处理中"
    assert "¥12.30" in shown["text"]
    assert "phone" not in shown
    assert await outside.delivered() == []


async def test_a_provider_that_is_away_is_called_once_more(database: Database, outside: Outside) -> None:
    async with senders(settings("http://nobody.invalid:9", outside.keys)) as opened:
        office = Office(database, opened)
        await office.hears(asked(phone=""))
        assert office.told == []
        assert (await office.http.get("/notices/summary")).json() == {"by_outcome": {}, "waiting": 1, "superseded": 0}
        await office.passes(ONCE_MORE_AFTER)
        assert [told.channel for told in office.told] == ["inbox"]
        await office.http.aclose()


async def test_everyone_sees_only_their_own_inbox(office: Office) -> None:
    await office.hears(asked())
    await office.hears(tell(case_id=CaseId("case-2"), to=addressee(customer_id=CustomerId("c-2"), openid="", phone="")))
    for customer, case in (("c-1", "case-1"), ("c-2", "case-2")):
        (shown,) = (await office.http.get(f"/inbox/{customer}")).json()["notices"]
        assert shown["case_id"] == case
    assert (await office.http.get("/inbox/c-3")).json() == {"notices": []}
    assert (await office.http.get("/notices/summary")).json() == {
        "by_outcome": {"refund-on-its-way": {"inbox": 1, "wechat": 1}},
        "waiting": 0,
        "superseded": 0,
    }


async def test_notices_are_asked_for_by_order(office: Office) -> None:
    assert (await office.http.get("/notices")).status_code == 422
    assert (await office.http.get("/notices", params={"order_id": "nobody"})).json() == {"notices": []}
