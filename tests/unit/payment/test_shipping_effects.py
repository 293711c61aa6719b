"""Telling WeChat that a parcel has left, against answers of its server API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chassis.miniprogram import MiniProgram
from services.payment.outside import QueryShipping, UploadShipping
from services.payment.shipping_effects import ShippingEffects
from tests.unit.payment.given import NOON, ORDER, TRANSACTION

UPLOAD = "/wxa/sec/order/upload_shipping_info"
LOOK = "/wxa/sec/order/get_order"
WISH = UploadShipping(
    order_id=ORDER, transaction_id=TRANSACTION, openid="o1", carrier="SF", tracking_number="SF1", item="茶叶"
)


class Wechat:
    """Gives a token and answers each call as told; remembers what it was told."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {"upload": {"errcode": 0}, "look": {"errcode": 0, "order": {"order_state": 1}}, **answers}
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("stable_token"):
            return httpx.Response(200, json={"access_token": "t", "expires_in": 7200})
        self.seen.append((request.url.path, json.loads(request.content)))
        found = self.answers["upload" if request.url.path == UPLOAD else "look"]
        if isinstance(found, Exception):
            raise found
        return httpx.Response(200, json=found)


def effects(wechat: Callable[[httpx.Request], httpx.Response]) -> ShippingEffects:
    http = httpx.AsyncClient(transport=httpx.MockTransport(wechat))
    account = MiniProgram(http, "wx1", "secret", "http://wechat")
    return ShippingEffects(lambda shop: account, lambda: NOON)


async def test_the_parcel_is_told_by_the_payments_own_id() -> None:
    wechat = Wechat()
    answer = await effects(wechat).upload(WISH, 1)
    assert answer.outcome == "recorded"
    ((path, body),) = wechat.seen
    assert path == UPLOAD
    assert body["order_key"] == {"order_number_type": 2, "transaction_id": TRANSACTION}
    assert body["shipping_list"] == [{"tracking_no": "SF1", "express_company": "SF", "item_desc": "茶叶"}]
    assert body["payer"] == {"openid": "o1"}
    assert body["upload_time"].endswith("+08:00")


@pytest.mark.parametrize(("resend", "attempt"), [(True, 1), (False, 2)])
async def test_what_may_have_got_through_is_looked_for_and_not_told_twice(resend: bool, attempt: int) -> None:
    wechat = Wechat(look={"errcode": 0, "order": {"order_state": 2}})
    answer = await effects(wechat).upload(WISH.model_copy(update={"resend": resend}), attempt)
    assert answer.outcome == "recorded"
    assert [path for path, _ in wechat.seen] == [LOOK]


async def test_carriers_that_ask_for_it_get_the_receivers_masked_phone() -> None:
    wechat = Wechat()
    await effects(wechat).upload(WISH.model_copy(update={"receiver": "138****1111"}), 1)
    assert wechat.seen[0][1]["shipping_list"][0]["contact"] == {"receiver_contact": "138****1111"}


@pytest.mark.parametrize("order", [{"order_state": 1}, {"order_state": "2"}, {}, None, [], "2"])
async def test_what_did_not_get_through_is_told_again(order: Any) -> None:
    """Also where WeChat names no state: what it has already it says."""
    wechat = Wechat(look={"errcode": 0, "order": order})
    await effects(wechat).upload(WISH, 2)
    assert [path for path, _ in wechat.seen] == [LOOK, UPLOAD]


@pytest.mark.parametrize("look", [{"errcode": -1}, {"errcode": 45011}, httpx.ReadTimeout(""), httpx.ConnectError("")])
async def test_while_nobody_says_whether_it_got_through_it_is_not_told_again(look: Any) -> None:
    wechat = Wechat(look=look)
    assert (await effects(wechat).upload(WISH, 2)).outcome == "unknown"
    assert [path for path, _ in wechat.seen] == [LOOK]


async def test_a_look_that_is_refused_does_not_stand_in_the_way() -> None:
    wechat = Wechat(look={"errcode": 48001, "errmsg": "api unauthorized"})
    assert (await effects(wechat).upload(WISH, 2)).outcome == "recorded"


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"errcode": 10060001, "errmsg": "not found"}, "later"),
        ({"errcode": -1, "errmsg": "busy"}, "later"),
        ({"errcode": 45009, "errmsg": "the day's quota"}, "later"),
        ({"errcode": 45011, "errmsg": "too many a minute"}, "later"),
        ({"errcode": 42001, "errmsg": "token ended, the new one too"}, "later"),
        ({"errcode": 10060012, "errmsg": "system error"}, "later"),
        ({"errcode": 10060019, "errmsg": "system error"}, "later"),
        ({"errcode": 10060002, "errmsg": "shipped already"}, "recorded"),
        ({"errcode": 10060003, "errmsg": "shipped, and corrected once"}, "recorded"),
        ({"errcode": 10060023, "errmsg": "nothing new"}, "recorded"),
        ({"errcode": 10060004, "errmsg": "state"}, "refused"),
        (httpx.ReadTimeout("slow"), "unknown"),
        (httpx.ConnectError("refused"), "later"),
    ],
)
async def test_each_answer_has_its_outcome(found: Any, outcome: str) -> None:
    assert (await effects(Wechat(upload=found)).upload(WISH, 1)).outcome == outcome


@pytest.mark.parametrize(
    ("found", "state"),
    [({"errcode": 0, "order": {"order_state": 5}}, 5), ({"errcode": 10060001}, None), (httpx.ReadTimeout(""), None)],
)
async def test_the_record_is_asked_for(found: Any, state: int | None) -> None:
    wish = QueryShipping(order_id=ORDER, transaction_id=TRANSACTION)
    assert (await effects(Wechat(look=found)).query(wish, 1)).state == state


async def test_a_shop_that_keeps_no_records_calls_nobody() -> None:
    off = ShippingEffects(lambda shop: None, lambda: NOON)
    assert (await off.upload(WISH, 1)).outcome == "off"
    assert (await off.query(QueryShipping(order_id=ORDER, transaction_id=TRANSACTION), 1)).state == 5
