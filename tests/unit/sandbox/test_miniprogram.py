"""Login codes and access tokens."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sandbox.access_tokens import MOST_FORCED_IN_A_DAY, MOST_LOGINS_IN_A_MINUTE
from sandbox.app import advance
from sandbox.clock import Clock
from sandbox.subscribe import openid_of
from tests.unit.sandbox.miniprogram import accept, send, token
from tests.unit.sandbox.shop import Shop, VirtualTime, text

MakeShop = Callable[..., Awaitable[Shop]]
# Midnight in China: counts of a day and of a minute begin with the test.
MIDNIGHT = 1763913600


@pytest.fixture
async def still(make_shop: MakeShop) -> Shop:
    """A shop whose time passes only when told."""
    return await make_shop(clock=Clock(VirtualTime(MIDNIGHT)))


async def test_a_stable_token_stays_the_same_and_is_renewed_before_it_ends(shop: Shop) -> None:
    first = await token(shop)
    assert first["expires_in"] == 7200
    assert len(first["access_token"]) == 512
    assert (await token(shop))["access_token"] == first["access_token"]
    await accept(shop, 10)
    await advance(shop.app, 7200 - 301)
    assert (await token(shop))["access_token"] == first["access_token"]
    await advance(shop.app, 2)
    second = await token(shop)
    assert second["access_token"] != first["access_token"]
    assert (await send(shop, first["access_token"]))["errcode"] == 0
    await advance(shop.app, 300)
    assert (await send(shop, first["access_token"]))["errcode"] == 42001
    assert (await send(shop, second["access_token"]))["errcode"] == 0


async def test_a_forced_token_ends_the_old_one_at_once(shop: Shop) -> None:
    first = await token(shop)
    second = await token(shop, force_refresh=True)
    assert second["access_token"] != first["access_token"]
    await accept(shop, 5)
    assert (await send(shop, first["access_token"]))["errcode"] == 40001
    await advance(shop.app, 29)
    assert (await token(shop, force_refresh=True))["access_token"] == second["access_token"]
    assert (await token(shop))["access_token"] == second["access_token"]
    await advance(shop.app, 2)
    third = await token(shop, force_refresh=True)
    assert (await send(shop, second["access_token"]))["errcode"] == 40001
    assert (await send(shop, third["access_token"]))["errcode"] == 0


async def test_a_token_is_forced_twenty_times_a_day(still: Shop) -> None:
    async def forced() -> Any:
        await advance(still.app, 30)
        return (await token(still, force_refresh=True)).get("errcode", 0)

    assert [await forced() for _ in range(MOST_FORCED_IN_A_DAY + 1)] == [0] * MOST_FORCED_IN_A_DAY + [45009]
    await advance(still.app, 24 * 3600)
    assert await forced() == 0


async def test_how_often_a_token_may_be_asked_for(still: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.access_tokens.MOST_IN_A_MINUTE", 3)
    monkeypatch.setattr("sandbox.access_tokens.MOST_IN_A_DAY", 7)
    found = []
    for _ in range(3):
        found += [(await token(still)).get("errcode", 0) for _ in range(4)]
        await advance(still.app, 60)
    assert found == [*[0, 0, 0, 45011] * 2, 0, 45009, 45009, 45011]


async def test_who_gets_no_token(shop: Shop) -> None:
    assert (await token(shop, appid="wx0"))["errcode"] == 40013
    assert (await token(shop, secret="x"))["errcode"] == 40125
    assert (await token(shop, grant_type="password"))["errcode"] == 40002
    assert (await token(shop, force_refresh="perhaps"))["errcode"] == 47001


async def test_a_call_without_a_token(shop: Shop) -> None:
    assert (await send(shop, ""))["errcode"] == 41001
    assert (await send(shop, "nonsense"))["errcode"] == 40001


def asked(shop: Shop, code: str) -> dict[str, str]:
    return {
        "appid": text(shop.keys, "appid.txt"),
        "secret": text(shop.keys, "appsecret.txt"),
        "js_code": code,
        "grant_type": "authorization_code",
    }


async def login(shop: Shop, code: str, **change: str) -> dict[str, Any]:
    answer = await shop.http.get("/sns/jscode2session", params=asked(shop, code) | change)
    assert answer.status_code == 200
    found: dict[str, Any] = json.loads(answer.text)
    return found


async def test_a_login_code_works_once(shop: Shop) -> None:
    first = await login(shop, "customer-1:first")
    assert first["openid"] == openid_of("customer-1")
    assert first["session_key"]
    assert (await login(shop, "customer-1:first"))["errcode"] == 40163
    assert (await login(shop, "customer-1:second"))["openid"] == first["openid"]
    assert (await login(shop, ""))["errcode"] == 40029
    for change, errcode in (({"appid": "wx0"}, 40013), ({"secret": "x"}, 40125), ({"grant_type": "x"}, 40002)):
        assert (await login(shop, "customer-1:third", **change))["errcode"] == errcode


async def test_one_user_logs_in_a_hundred_times_a_minute(still: Shop) -> None:
    for turn in range(MOST_LOGINS_IN_A_MINUTE):
        assert "openid" in await login(still, f"customer-1:{turn}")
    assert (await login(still, "customer-1:more"))["errcode"] == 45011
    assert "openid" in await login(still, "customer-2:more")
    await advance(still.app, 60)
    assert "openid" in await login(still, "customer-1:more")


@pytest.mark.parametrize("errcode", [-1, 40226])
async def test_a_rule_can_make_a_login_fail(shop: Shop, errcode: int) -> None:
    fault = {"kind": "error-before", "code": str(errcode)}
    rule = {"call": "login", "match": {"openid": openid_of("customer-1")}, "times": 1, "fault": fault}
    await shop.control("POST", "/faults/rules", [rule])
    assert (await login(shop, "customer-1"))["errcode"] == errcode
    assert "openid" in await login(shop, "customer-1")
