"""Event pushes: what customers do with subscribe messages reaches the shop's server, in WeChat's own odd form."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from sandbox.app import advance, close, create_app, settle
from sandbox.settings import SandboxSettings
from tests.unit.sandbox.miniprogram import accept, send, template, token
from tests.unit.sandbox.shop import BASE, OPENID, Receiver, Shop, strangers_client

TOKEN = "a-shared-word"
PUSHES = "http://shop/callbacks/wechat/events"


class EventServer:
    """The shop's side: proves the sender by the documented signature, and answers with `answers` in turn."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = []
        self.heard: list[dict[str, Any]] = []
        self.echoes = True

    def app(self) -> FastAPI:
        app = FastAPI()

        def prove(request: Request) -> None:
            query = request.query_params
            parts = sorted((TOKEN, query["timestamp"], query["nonce"]))
            assert query["signature"] == hashlib.sha1("".join(parts).encode()).hexdigest()

        @app.get("/callbacks/wechat/events")
        async def echo(request: Request) -> Response:
            prove(request)
            return Response(request.query_params["echostr"] if self.echoes else "no")

        @app.post("/callbacks/wechat/events")
        async def hear(request: Request) -> Response:
            prove(request)
            self.heard.append(json.loads(await request.body()))
            status, body = self.answers.pop(0) if self.answers else (200, "success")
            return Response(body, status)

        return app

    def events(self) -> list[str]:
        return [heard["Event"] for heard in self.heard]


@pytest.fixture
def server() -> EventServer:
    return EventServer()


@pytest.fixture
async def shop(keys: Any, server: EventServer) -> AsyncIterator[Shop]:
    settings = SandboxSettings(keys_dir=keys, push_url=PUSHES, push_token=TOKEN)
    deliveries = httpx.AsyncClient(transport=httpx.ASGITransport(server.app()))
    app = create_app(settings, callback_client=deliveries)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)
    pay = strangers_client(keys)
    yield Shop(app, keys, pay, http, Receiver(pay))
    await close(app)
    await deliveries.aclose()
    await http.aclose()


async def test_one_template_is_an_object_and_several_are_a_list(shop: Shop, server: EventServer) -> None:
    arrived, failed = template(shop), template(shop, "refund-failed")
    await shop.http.post("/_customer/subscribe", json={"openid": OPENID, "template_ids": [arrived]})
    answers = {arrived: "accept", failed: "reject"}
    await shop.http.post("/_customer/subscribe", json={"openid": OPENID, "answers": answers})
    await settle(shop.app)

    one, two = server.heard
    assert one["List"] == {"TemplateId": arrived, "SubscribeStatusString": "accept", "PopupScene": "0"}
    assert [(item["TemplateId"], item["SubscribeStatusString"]) for item in two["List"]] == list(answers.items())
    assert server.events() == ["subscribe_msg_popup_event"] * 2
    assert (one["FromUserName"], one["MsgType"], type(one["CreateTime"])) == (OPENID, "event", int)


@pytest.mark.parametrize("answer", ["reject", "ban"])
async def test_only_an_accept_allows_a_message(shop: Shop, server: EventServer, answer: str) -> None:
    body = {"openid": OPENID, "template_ids": [template(shop)], "answer": answer}
    asked = await shop.http.post("/_customer/subscribe", json=body)
    await settle(shop.app)
    assert asked.json()["remaining"] == {template(shop): 0}
    assert server.heard[0]["List"]["SubscribeStatusString"] == answer


async def test_a_popup_shows_five_templates_at_most(shop: Shop, server: EventServer) -> None:
    asked = await shop.http.post("/_customer/subscribe", json={"openid": OPENID})
    await settle(shop.app)
    templates = len(asked.json()["remaining"])
    assert [len(heard["List"]) for heard in server.heard] == [5, templates - 5]


async def test_a_message_that_was_sent_is_told(shop: Shop, server: EventServer) -> None:
    good = (await token(shop))["access_token"]
    await accept(shop)
    await send(shop, good)
    await send(shop, good)
    await settle(shop.app)
    assert server.events() == ["subscribe_msg_popup_event", "subscribe_msg_sent_event"]
    line = (await shop.get("/_ledger/messages"))["lines"][0]
    assert server.heard[1]["List"] == {
        "TemplateId": template(shop),
        "MsgID": line["message_id"],
        "ErrorCode": "0",
        "ErrorStatus": "success",
    }


async def test_switching_off_voids_what_was_accepted(shop: Shop, server: EventServer) -> None:
    await accept(shop, 3)
    body = {"openid": OPENID, "template_ids": [template(shop)]}
    changed = await shop.http.post("/_customer/subscribe/change", json=body)
    assert changed.json()["remaining"] == {template(shop): 0}
    assert (await send(shop, (await token(shop))["access_token"]))["errcode"] == 43101
    await settle(shop.app)
    assert server.events() == [*["subscribe_msg_popup_event"] * 3, "subscribe_msg_change_event"]
    assert server.heard[-1]["List"] == {"TemplateId": template(shop), "SubscribeStatusString": "reject"}


@pytest.mark.parametrize("wrong", [(200, "ok"), (500, "success"), (500, "")])
async def test_an_answer_that_is_not_success_brings_it_again_three_times(
    shop: Shop, server: EventServer, wrong: tuple[int, str]
) -> None:
    server.answers = [wrong] * 9
    await accept(shop)
    await settle(shop.app)
    assert len(server.heard) == 1
    await advance(shop.app, 3600)
    assert len(server.heard) == 4
    assert [line["state"] for line in await shop.get("/_control/pushes")] == ["given-up"]


async def test_an_empty_answer_is_enough(shop: Shop, server: EventServer) -> None:
    server.answers = [(200, "")]
    await accept(shop)
    await advance(shop.app, 3600)
    assert len(server.heard) == 1


@pytest.mark.parametrize(("kind", "times"), [("callback-lost", 0), ("callback-doubled", 2)])
async def test_pushes_can_be_lost_and_doubled(shop: Shop, server: EventServer, kind: str, times: int) -> None:
    rule = {"call": "event-push", "match": {"openid": OPENID}, "times": 1, "fault": {"kind": kind}}
    await shop.control("POST", "/faults/rules", [rule])
    await accept(shop)
    await advance(shop.app, 3600)
    assert len(server.heard) == times


async def test_a_push_can_be_late(shop: Shop, server: EventServer) -> None:
    fault = {"kind": "callback-late", "seconds": 600}
    await shop.control("POST", "/faults/rules", [{"call": "event-push", "times": 1, "fault": fault}])
    await accept(shop)
    await advance(shop.app, 590)
    assert server.heard == []
    await advance(shop.app, 20)
    assert len(server.heard) == 1


async def test_an_address_is_taken_when_it_echoes(shop: Shop, server: EventServer) -> None:
    body = {"url": f"{PUSHES}?from=wechat", "token": TOKEN}
    server.echoes = False
    assert (await shop.http.put("/_control/pushes", json=body)).status_code == 409
    server.echoes = True
    assert (await shop.http.put("/_control/pushes", json=body)).status_code == 200
    wrong = await shop.http.put("/_control/pushes", json=body | {"token": "another"})
    assert wrong.status_code == 409
    await accept(shop)
    await settle(shop.app)
    assert len(server.heard) == 1
    assert (await shop.http.put("/_control/pushes", json={})).status_code == 200
    await accept(shop)
    await settle(shop.app)
    assert len(server.heard) == 1
