"""What WeChat and Alibaba Cloud push: the signature, the odd JSON, and what becomes of it behind the door."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from chassis import problem
from chassis.engine import Engine
from chassis.keeping import Keeping
from chassis.memory import MemoryBroker, MemoryStore
from chassis.mongo import Collection
from chassis.record import Aggregate, Heard, Record
from contracts.message import Intent
from services.notify.api import router
from services.notify.handlers import NOTICES
from services.notify.model import ChannelAnswered, LookForSms, SendSms
from services.notify.pushes import BadPush, facts_of, receipts_of, signed
from services.notify.subscriptions import Subscriptions
from services.notify.views import Notices
from tests.unit.notify.ledger import Shelf
from tests.unit.notify.story import NOW, addressee, tell

TOKEN = "push-token"
CREATED = 1_740_801_900


def query(token: str = TOKEN, **changes: str) -> dict[str, str]:
    signature = hashlib.sha1("".join(sorted((token, "1740801900", "n-7"))).encode()).hexdigest()
    return {"signature": signature, "timestamp": "1740801900", "nonce": "n-7", "echostr": "echo-1", **changes}


def push(event: str, items: Any, **changes: Any) -> bytes:
    known = {"ToUserName": "gh", "FromUserName": "o-abc", "CreateTime": CREATED, "MsgType": "event", "Event": event}
    return json.dumps({**known, "List": items, **changes}).encode()


def item(status: str, template: str = "t-1") -> dict[str, Any]:
    return {"TemplateId": template, "SubscribeStatusString": status, "PopupScene": "0"}


def sent(error: object) -> dict[str, Any]:
    return {"TemplateId": "t-1", "MsgID": 1864, "ErrorCode": error, "ErrorStatus": "…"}


POPUP, CHANGE, SENT = "subscribe_msg_popup_event", "subscribe_msg_change_event", "subscribe_msg_sent_event"


@pytest.mark.parametrize(
    ("event", "items", "whats"),
    [
        (POPUP, item("accept"), ["accept"]),
        (POPUP, [item("accept"), item("reject", "t-2")], ["accept", "reject"]),
        (POPUP, [item("filter")], []),
        (CHANGE, [item("reject")], ["off"]),
        (CHANGE, item("accept"), []),
        (SENT, sent(0), []),
        (SENT, sent("0"), []),
        (SENT, sent(43101), ["no-quota"]),
        (SENT, sent("40003"), []),
        ("user_enter_tempsession", [], []),
    ],
)
def test_what_a_push_says(event: str, items: Any, whats: list[str]) -> None:
    found = facts_of(push(event, items))
    assert [fact.what for fact in found] == whats
    assert {(fact.openid, fact.source) for fact in found} <= {("o-abc", "push")}
    assert all(fact.at == datetime.fromtimestamp(CREATED, UTC) for fact in found)


def test_the_time_may_be_a_text_and_the_same_push_is_the_same_fact() -> None:
    first = facts_of(push(POPUP, item("accept")))
    assert facts_of(push(POPUP, [item("accept")], CreateTime=str(CREATED))) == first
    assert facts_of(push(POPUP, item("accept"), CreateTime=CREATED + 1))[0].id != first[0].id


@given(
    st.binary(max_size=40)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(lambda items: push(POPUP, items))
)
def test_whatever_is_pushed_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadPush):  # any other error fails
        assert {fact.openid for fact in facts_of(body)} <= {"o-abc"}


@pytest.mark.parametrize("changes", [{"signature": "x"}, {"nonce": "n-8"}, {"timestamp": ""}, {"signature": "é"}])
def test_a_signature_of_something_else(changes: dict[str, str]) -> None:
    assert signed(TOKEN, query())
    assert not signed(TOKEN, query(**changes))
    assert not signed("other", query())


def test_receipts_without_a_mark_of_ours_are_left_out() -> None:
    rows = [{"phone_number": "13800138000", "success": True, "out_id": out} for out in ("", "abc", "case-1/x/2")]
    (receipt,), unreadable = receipts_of(json.dumps(rows).encode())
    assert unreadable == 0
    assert (receipt.notice_id, receipt.call, receipt.delivered) == ("case-1/x", 2, True)
    with pytest.raises(BadPush):
        receipts_of(b"{}")


@pytest.mark.parametrize(
    ("strange", "unreadable"),
    [
        ({"phone_number": "13900139000", "success": True, "out_id": None}, 0),
        ({"phone_number": "13900139000", "success": False, "err_code": None, "out_id": "other"}, 0),
        ({"phone_number": "13900139000", "out_id": "case-1/x/1"}, 1),
        ({"phone_number": "13900139000", "success": True, "out_id": 17}, 1),
        ({"phone_number": "13900139000", "success": True, "out_id": "x" * 257}, 1),
        (None, 1),
    ],
)
def test_a_strange_receipt_does_not_lose_those_that_came_with_it(strange: Any, unreadable: int) -> None:
    ours = {"phone_number": "13800138000", "success": True, "err_code": None, "out_id": "case-1/x/2"}
    found = receipts_of(json.dumps([strange, ours]).encode())
    assert [(one.notice_id, one.call, one.code) for one in found.found] == [("case-1/x", 2, "")]
    assert found.unreadable == unreadable


# ── through the door ─────────────────────────────────────────────────────────────────────────────────────────────────
class Door:
    """The service's routes over memory."""

    def __init__(self, token: str = TOKEN) -> None:
        self.shelf = Shelf()
        self.engine = Engine("notify", {NOTICES: MemoryStore(NOTICES)}, MemoryBroker(), lambda: NOW)
        app = FastAPI()
        problem.install(app)
        nothing_to_read = Notices(Collection(None), Keeping(NOTICES))
        app.include_router(router(self.engine, nothing_to_read, Subscriptions(self.shelf), token))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify")

    @property
    def noted(self) -> list[tuple[str, str, str]]:
        return [(one["openid"], one["template_id"], one["what"]) for one in self.shelf.documents.values()]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    yield door
    await door.http.aclose()


async def test_the_address_is_confirmed_to_who_knows_the_token(door: Door) -> None:
    answer = await door.http.get("/callbacks/events", params=query())
    assert (answer.status_code, answer.text) == (200, "echo-1")
    assert (await door.http.get("/callbacks/events", params=query("guess"))).status_code == 401


async def test_an_event_is_noted_once(door: Door) -> None:
    for _ in range(3):
        answer = await door.http.post("/callbacks/events", params=query(), content=push(POPUP, item("accept")))
        assert (answer.status_code, answer.text) == (200, "success")
    assert door.noted == [("o-abc", "t-1", "accept")]


async def test_unsigned_or_unreadable_events_note_nothing(door: Door) -> None:
    body = push(POPUP, item("accept"))
    assert (await door.http.post("/callbacks/events", params=query("guess"), content=body)).status_code == 401
    assert (await door.http.post("/callbacks/events", content=body)).status_code == 401
    assert (await door.http.post("/callbacks/events", params=query(), content=b"<xml/>")).status_code == 400
    assert door.noted == []


async def test_without_a_token_of_ours_nobody_can_sign() -> None:
    door = Door(token="")
    assert (await door.http.get("/callbacks/events", params=query(""))).status_code == 401
    assert (await door.http.post("/callbacks/events", params=query(""), content=push(POPUP, []))).status_code == 401
    await door.http.aclose()


async def test_answers_of_the_page_are_noted_once(door: Door) -> None:
    body = {"openid": "o-abc", "request_id": "tap-1", "answers": {"t-1": "accept", "t-2": "reject", "t-3": "filter"}}
    for _ in range(2):
        answer = await door.http.post("/subscriptions", json=body)
        assert (answer.status_code, answer.json()) == (200, {"noted": 2})
    assert door.noted == [("o-abc", "t-1", "accept"), ("o-abc", "t-2", "reject")]
    assert (await door.http.post("/subscriptions", json={**body, "answers": {"t-1": "yes"}})).status_code == 422


async def test_a_receipt_decides_what_was_unknown(door: Door) -> None:
    async def unknown(intent: SendSms, _: int) -> ChannelAnswered:
        known = {"notice_id": intent.notice_id, "channel": intent.provider, "call": intent.call}
        return ChannelAnswered.model_validate({**known, "result": results.pop(0)})

    results = ["refused", "unknown"]
    kinds: list[type[Intent]] = [SendSms, LookForSms]
    for kind in kinds:
        door.engine.perform(kind, unknown)
    asked = tell(to=addressee(openid=""))
    await door.engine.hear(Heard(asked, "command-1", NOW))
    while not door.engine.relay.idle:
        await door.engine.relay.drain(5)
    row = {"phone_number": "13800138000", "success": True, "out_id": f"{asked.notice_id}/1", "biz_id": "b"}
    for _ in range(2):
        rows = [{**row, "out_id": None}, {"out_id": 1}, row, {**row, "out_id": "case-9/x/1"}]
        answer = await door.http.post("/callbacks/sms-receipts", json=rows)
        assert (answer.status_code, answer.json()["code"]) == (200, 0)
    record = await door.engine.read(NOTICES, asked.notice_id)
    assert record is not None
    assert record.state is not None
    assert (record.state.channel, record.state.told_at) == ("sms-alibaba", NOW)
    assert await door.engine.read(NOTICES, "case-9/x") is None
    assert (await door.http.post("/callbacks/sms-receipts", json={"success": True})).status_code == 400


async def test_receipts_about_notices_that_are_not_there_cost_no_certain_reading(door: Door) -> None:
    """Nobody signs receipts: whoever knows the address may send a thousand in one request."""
    certain: list[str] = []
    store = door.engine.stores[NOTICES.name]
    load = store.load

    async def counted(ids: Sequence[str], **how: bool) -> dict[str, Record[Any]]:
        certain.extend(ids if how.get("certain") else ())
        return await load(ids, **how)

    store.load = counted  # type: ignore[method-assign]
    rows = [{"phone_number": "1", "success": True, "out_id": f"case-{n}/x/1"} for n in range(100)]
    assert (await door.http.post("/callbacks/sms-receipts", json=rows)).status_code == 200
    assert certain == []


async def test_a_thousand_receipts_about_one_notice_cost_no_thousand_readings(door: Door) -> None:
    """Its id stands in the customer's own inbox."""
    heard: list[Heard] = []
    read: list[str] = []

    async def unknown(intent: SendSms, _: int) -> ChannelAnswered:
        known = {"notice_id": intent.notice_id, "channel": intent.provider, "call": intent.call}
        return ChannelAnswered.model_validate({**known, "result": results.pop(0)})

    results = ["refused", "unknown"]
    door.engine.perform(SendSms, unknown)
    asked = tell(to=addressee(openid=""))
    await door.engine.hear(Heard(asked, "command-1", NOW))
    while not door.engine.relay.idle:
        await door.engine.relay.drain(5)
    hear, read_one = door.engine.hear, door.engine.read

    async def hears(one: Heard) -> Any:
        heard.append(one)
        return await hear(one)

    async def reads(aggregate: Aggregate[Any], id: str) -> Record[Any] | None:
        read.append(id)
        return await read_one(aggregate, id)

    door.engine.hear = hears  # type: ignore[method-assign, assignment]
    door.engine.read = reads  # type: ignore[method-assign]
    mine = {"phone_number": "13800138000", "success": True, "out_id": f"{asked.notice_id}/1"}
    strange = [{**mine, "phone_number": "1"}, *({**mine, "out_id": f"{asked.notice_id}/{n}"} for n in range(2, 499))]
    rows = [*strange, *([mine] * 500)]
    assert (await door.http.post("/callbacks/sms-receipts", json=rows)).status_code == 200
    assert (read, len(heard)) == ([asked.notice_id], 1)
    found = await door.engine.read(NOTICES, asked.notice_id)
    assert found is not None
    assert found.state is not None
    assert found.state.told_at == NOW
