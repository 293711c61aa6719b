"""The provider's door: bytes in, bytes out."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from services.gateway import callbacks
from services.notify.pushes import RECEIPTS_MAX, receipts_of
from tests.unit.gateway.world import World, expect_problem

HEADERS = {
    "Wechatpay-Timestamp": "1700000000",
    "Wechatpay-Nonce": "nonce",
    "Wechatpay-Signature": "c2lnbmF0dXJl+/==",
    "Wechatpay-Serial": "SERIAL",
    "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    "Content-Type": "application/json; charset=utf-8",
    "Authorization": "Bearer x",
    "Cookie": "a=b",
}
BODY = b'{ "id":"1",\n "odd" : "\xe5\xbe\xae"}  '


FAMILIES = ["pay", "refund", "transfer"]


@pytest.mark.parametrize("what", [*FAMILIES, *(f"{family}/tea-2" for family in FAMILIES)])
async def test_body_and_signature_reach_the_payment_service_as_they_are(world: World, what: str) -> None:
    world.fake.answers["payment", "POST", f"/callbacks/{what}"] = httpx.Response(204)
    answer = await world.http.post(f"/callbacks/wechat/{what}", content=BODY, headers=HEADERS)
    assert (answer.status_code, answer.content) == (204, b"")
    (seen,) = world.fake.seen
    assert (seen.service, seen.target, seen.body) == ("payment", f"/callbacks/{what}", BODY)
    passed = {name: value for name, value in HEADERS.items() if name not in {"Authorization", "Cookie"}}
    assert {name: seen.headers[name] for name in passed} == passed
    assert "authorization" not in seen.headers
    assert "cookie" not in seen.headers


@pytest.mark.parametrize("path", ["pay?shop=tea", "refund?", "transfer/tea?x=1"])
async def test_an_address_with_a_query_string_is_none_of_ours(world: World, path: str) -> None:
    answer = await world.http.post(f"/callbacks/wechat/{path}", content=BODY, headers=HEADERS)
    if path == "refund?":  # nothing behind the question mark is no query string
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"], world.fake.seen) == (400, "FAIL", [])


@pytest.mark.parametrize("path", ["pay/Tea", "pay/a_b", f"pay/{'a' * 33}", "other/tea", "pay/tea/more", "pay/%2e%2e"])
async def test_what_is_no_shop_or_no_family_goes_nowhere(world: World, path: str) -> None:
    answer = await world.http.post(f"/callbacks/wechat/{path}", content=BODY, headers=HEADERS)
    assert 400 <= answer.status_code < 500
    assert world.fake.seen == []


async def test_a_header_that_is_there_twice_stays_so(world: World) -> None:
    headers = [*HEADERS.items(), ("wechatpay-signature", "other")]
    await world.http.post("/callbacks/wechat/pay", content=BODY, headers=headers)
    (seen,) = world.fake.seen
    assert httpx.Headers(seen.headers).get_list("wechatpay-signature") == [HEADERS["Wechatpay-Signature"], "other"]


@pytest.mark.parametrize("status", [200, 401, 500])
async def test_the_answer_goes_back_as_it_is(world: World, status: int) -> None:
    theirs = b'{"code":"FAIL","message":"\xe7\xad\xbe\xe5\x90\x8d"}'
    response = httpx.Response(status, content=theirs, headers={"content-type": "application/json"})
    world.fake.answers["payment", "POST", "/callbacks/pay"] = response
    answer = await world.http.post("/callbacks/wechat/pay", content=BODY, headers=HEADERS)
    assert (answer.status_code, answer.content) == (status, theirs)
    assert answer.headers["content-type"] == "application/json"


async def test_sixty_four_kibibytes_are_the_end(world: World) -> None:
    assert (await world.http.post("/callbacks/wechat/pay", content=b"x" * 65_536)).status_code == 200
    expect_problem(await world.http.post("/callbacks/wechat/pay", content=b"x" * 65_537), 413, "body-too-large")
    assert len(world.fake.seen) == 1


async def test_the_provider_repeats_when_the_payment_service_is_away(world: World) -> None:
    world.fake.away.add("payment")
    answer = await world.http.post("/callbacks/wechat/refund", content=BODY, headers=HEADERS)
    assert answer.status_code == 503
    assert answer.json()["code"] == "FAIL"


async def test_the_provider_has_its_answer_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callbacks.SECONDS < 5
    monkeypatch.setattr(callbacks, "SECONDS", 0.01)

    class Never(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    world.app.state.door.services.payment._transport = Never()
    answer = await world.http.post("/callbacks/wechat/pay", content=BODY, headers=HEADERS)
    assert (answer.status_code, answer.json()["code"]) == (503, "FAIL")


PUSH = "?signature=s&timestamp=1&nonce=n&echostr=e%26x&openid=o-1&order_id=o1"


async def test_an_event_push_reaches_the_notify_service_with_its_signature(world: World) -> None:
    world.fake.answers["notify", "POST", "/callbacks/events"] = httpx.Response(200, text="success")
    answer = await world.http.post("/callbacks/wechat/events" + PUSH, content=BODY)
    assert (answer.status_code, answer.text) == (200, "success")
    (seen,) = world.fake.seen
    target = "/callbacks/events?signature=s&timestamp=1&nonce=n&echostr=e%26x"
    assert (seen.service, seen.target, seen.body) == ("notify", target, BODY)


async def test_wechat_asks_whether_the_address_is_ours(world: World) -> None:
    world.fake.answers["notify", "GET", "/callbacks/events"] = httpx.Response(200, text="e&x")
    answer = await world.http.get("/callbacks/wechat/events" + PUSH)
    assert (answer.status_code, answer.text) == (200, "e&x")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_receipts_reach_the_notify_service(world: World) -> None:
    world.fake.answers["notify", "POST", "/callbacks/sms-receipts"] = httpx.Response(200, json={"code": 0, "msg": "OK"})
    answer = await world.http.post("/callbacks/sms/receipts", content=BODY)
    assert (answer.status_code, answer.json()["code"]) == (200, 0)
    assert [(seen.service, seen.body) for seen in world.fake.seen] == [("notify", BODY)]


async def test_as_many_receipts_come_through_as_the_notify_service_takes(world: World) -> None:
    # The longest of everything: https://help.aliyun.com/document_detail/101867.html
    receipt = {
        "phone_number": "8613800001111",
        "send_time": "2026-11-30 12:00:00",
        "report_time": "2026-11-30 12:00:08",
        "success": False,
        "err_code": "MOBILE_NOT_ON_SERVICE",
        "err_msg": "手机号状态异常,停机、空号或关机",
        "sms_size": "1",
        "biz_id": "932702304080415357^0",
        "out_id": f"{'a' * 64}/refund-arrived/1",
    }
    body = json.dumps([receipt] * RECEIPTS_MAX).encode()
    assert (await world.http.post("/callbacks/sms/receipts", content=body)).status_code == 200
    (seen,) = world.fake.seen
    assert (seen.body, len(receipts_of(seen.body).found)) == (body, RECEIPTS_MAX)


@pytest.mark.parametrize(
    ("path", "limit"), [("/callbacks/wechat/events", 65_536), ("/callbacks/sms/receipts", 524_288)]
)
async def test_a_push_is_repeated_when_the_notify_service_is_away(world: World, path: str, limit: int) -> None:
    world.fake.away.add("notify")
    assert (await world.http.post(path, content=BODY)).status_code == 503
    expect_problem(await world.http.post(path, content=b"x" * (limit + 1)), 413, "body-too-large")
