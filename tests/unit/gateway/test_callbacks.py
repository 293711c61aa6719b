"""The provider's door: bytes in, bytes out."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from services.gateway import callbacks
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


@pytest.mark.parametrize("what", ["pay", "refund"])
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
