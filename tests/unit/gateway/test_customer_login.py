"""Customers sign in with WeChat's code."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from sandbox.app import close, create_app
from sandbox.keyfiles import read_text
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings
from sandbox.subscribe import openid_of
from services.gateway import model
from services.gateway.sessions import LASTS
from services.gateway.tokens import LIFE_SECONDS, Unauthorized
from services.gateway.wechat import Wechat
from tests.unit.gateway.world import Json, World, expect_problem


async def login(world: World, code: Any = "good") -> httpx.Response:
    return await world.ask("POST", "/mp/v1/session", None, {"code": code})


@pytest.fixture
def signed_up(world: World) -> World:
    world.wechat["good"] = {"openid": "openid-li", "session_key": "never shown"}
    return world


async def test_a_customer_signs_in_places_and_sees_own_orders_only(signed_up: World) -> None:
    world = signed_up
    found = (await login(world)).json()
    assert found["customer_id"] == model.customer_id("wx1", "openid-li")
    assert "session_key" not in found
    assert (await world.place(token=found["access_token"])).status_code == 200
    order = world.fake.seen[-1].json
    assert (order["customer_id"], order["contact"]["openid"]) == (found["customer_id"], "openid-li")
    answer = await world.ask("GET", "/mp/v1/orders/o1", found["access_token"])
    expect_problem(answer, 404, "unknown-order")
    expect_problem(await world.ask("GET", "/admin/v1/orders", found["access_token"]), 403, "not-allowed")


async def test_the_same_person_is_the_same_customer_and_no_two_are(signed_up: World) -> None:
    signed_up.wechat["other"] = {"openid": "openid-wang"}
    ids = [(await login(signed_up, code)).json()["customer_id"] for code in ("good", "good", "other")]
    assert ids[0] == ids[1] != ids[2]
    assert model.customer_id("wx2", "openid-li") != ids[0]


async def test_who_signs_in_while_the_database_is_away_is_told_to_come_with_another_code(signed_up: World) -> None:
    """WeChat takes each code once: the same request again would be refused as one whose code was used."""
    signed_up.line.away.add("write sessions")
    expect_problem(await login(signed_up), 503, "login-not-available")
    signed_up.line.away.clear()
    assert (await login(signed_up)).status_code == 200


async def test_a_customer_stays_signed_in_by_refreshing_and_a_replay_ends_it(signed_up: World) -> None:
    world = signed_up
    first: Json = (await login(world)).json()
    world.now += timedelta(seconds=LIFE_SECONDS)
    expect_problem(await world.ask("GET", "/mp/v1/orders", first["access_token"]), 401, "token-expired")
    body = {"refresh_token": first["refresh_token"]}
    second = (await world.ask("POST", "/mp/v1/session/refresh", None, body)).json()
    assert (await world.ask("GET", "/mp/v1/orders", second["access_token"])).status_code == 200
    expect_problem(await world.ask("POST", "/mp/v1/session/refresh", None, body), 401, "session-ended")
    newest = {"refresh_token": second["refresh_token"]}
    expect_problem(await world.ask("POST", "/mp/v1/session/refresh", None, newest), 401, "session-ended")
    expect_problem(await world.ask("POST", "/admin/v1/session/refresh", None, newest), 401, "session-ended")


async def test_a_copy_of_the_database_does_not_show_who_is_signed_in(signed_up: World) -> None:
    world = signed_up
    first: Json = (await login(world)).json()
    assert "openid-li" not in str(world.database.collections["sessions"].documents)
    second = (await world.ask("POST", "/mp/v1/session/refresh", None, {"refresh_token": first["refresh_token"]})).json()
    await world.place(token=second["access_token"])
    assert world.fake.seen[-1].json["contact"]["openid"] == "openid-li"


async def test_a_session_of_before_openids_were_sealed_goes_on(signed_up: World) -> None:
    world = signed_up
    first: Json = (await login(world)).json()
    (session,) = world.database.collections["sessions"].documents.values()
    session["claims"] = {"openid": "openid-li"}
    del session["sealed"]
    second = (await world.ask("POST", "/mp/v1/session/refresh", None, {"refresh_token": first["refresh_token"]})).json()
    await world.place(token=second["access_token"])
    assert world.fake.seen[-1].json["contact"]["openid"] == "openid-li"


async def test_sessions_of_who_does_not_return_are_forgotten_when_others_sign_in(signed_up: World) -> None:
    world = signed_up
    for number in range(30):
        world.wechat[f"code-{number}"] = {"openid": f"openid-{number}"}
        await login(world, f"code-{number}")
    world.now += LASTS["customer"] + timedelta(seconds=1)
    left = []
    for _ in range(2):
        await login(world)
        left.append(len(world.database.collections["sessions"].documents))
    assert left == [11, 2], "at most twenty at once"


async def test_who_signs_out_cannot_refresh(signed_up: World) -> None:
    found = (await login(signed_up)).json()
    assert (await signed_up.ask("DELETE", "/mp/v1/session", found["access_token"])).status_code == 204
    body = {"refresh_token": found["refresh_token"]}
    expect_problem(await signed_up.ask("POST", "/mp/v1/session/refresh", None, body), 401, "session-ended")


@pytest.mark.parametrize(
    ("said", "status", "word"),
    [
        ({"errcode": 40029, "errmsg": "invalid code"}, 401, "login-code-invalid"),
        ({"errcode": 40163, "errmsg": "code been used"}, 401, "login-code-invalid"),
        ({"errcode": 45011}, 429, "too-many-requests"),
        ({"errcode": 40226}, 403, "customer-blocked"),
        ({"errcode": -1}, 503, "login-not-available"),
        ({"errcode": 40125}, 503, "login-not-available"),
        ({}, 503, "login-not-available"),
        ({"openid": ""}, 503, "login-not-available"),
        ({"openid": {"$gt": ""}}, 503, "login-not-available"),
        ({"openid": "x" * 65}, 503, "login-not-available"),
        ({"errcode": [40029]}, 503, "login-not-available"),
        ([], 503, "login-not-available"),
        (httpx.ConnectError("away"), 503, "login-not-available"),
        (httpx.ReadTimeout("slow"), 503, "login-not-available"),
    ],
    ids=repr,
)
async def test_what_wechat_may_say(world: World, said: Any, status: int, word: str) -> None:
    world.wechat["good"] = said
    with capture_logs() as logs:
        expect_problem(await login(world), status, word)
    assert "appsecret" not in str(logs)
    assert not world.database.collections["sessions"].documents


@pytest.mark.parametrize("code", [{"$gt": ""}, None, "", 1, ["good"], "a b", "x" * 129, "码", "a\n"], ids=repr)
async def test_what_is_no_code_is_not_asked_for(world: World, code: Any) -> None:
    expect_problem(await login(world, code), 422, "invalid-request")


async def test_the_stand_in_takes_a_code_once(tmp_path: Path) -> None:
    make_keys(tmp_path)
    app = create_app(SandboxSettings(keys_dir=tmp_path))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    account = Wechat(http, read_text(tmp_path, "appid.txt"), read_text(tmp_path, "appsecret.txt"), "http://sandbox")
    assert await account.openid("c7:first") == openid_of("c7")
    with pytest.raises(Unauthorized, match="login-code-invalid"):
        await account.openid("c7:first")
    await account.aclose()
    await close(app)
