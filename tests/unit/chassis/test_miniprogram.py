"""The mini-program server API: its token, its error codes, and what a broken connection means."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from chassis import clock
from chassis.miniprogram import TOKEN_ENDED, TOKEN_MARGIN_SECONDS, MiniProgram, NoAnswer, NoToken, Refused

OK = {"errcode": 0, "errmsg": "ok"}
PATH = "/cgi-bin/some/call"


def code(number: int) -> dict[str, Any]:
    return {"errcode": number, "errmsg": f"text of {number}"}


def token(number: int) -> dict[str, Any]:
    return {"access_token": f"T{number}", "expires_in": 7200}


class Api:
    """The server API: calls and token calls are answered in turn, the last answer for ever. `waits`: what the
    next calls wait for before they are answered."""

    def __init__(self, calls: list[Any], tokens: list[Any] | None = None) -> None:
        self.calls = calls
        self.tokens = tokens or [token(1), token(2), token(3)]
        self.asked: list[dict[str, Any]] = []
        self.used: list[str] = []
        self.waits: list[asyncio.Event] = []
        self.called = asyncio.Event()
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))
        self.mini = MiniProgram(self.http, "app", "secret", "http://stand-in/")

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)  # as on a network: others go on meanwhile
        if request.url.path == "/cgi-bin/stable_token":
            self.asked.append(json.loads(request.content))
            return self._answer(self.tokens)
        assert (request.method, request.url.host, request.url.path) == ("POST", "stand-in", PATH)
        self.used.append(request.url.params["access_token"])
        self.called.set()
        answer = self._answer(self.calls)
        if self.waits:
            await self.waits.pop(0).wait()
        return answer

    def _answer(self, answers: list[Any]) -> httpx.Response:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    async def post(self) -> dict[str, Any]:
        return await self.mini.post(PATH, {"touser": "o-abc"})


async def test_the_token_is_asked_for_once_in_normal_mode() -> None:
    api = Api([{**OK, "order_state": 2}])
    found = await asyncio.gather(*(api.post() for _ in range(3)))
    assert found == [{**OK, "order_state": 2}] * 3
    assert api.asked == [{"grant_type": "client_credential", "appid": "app", "secret": "secret"}]
    assert api.used == ["T1", "T1", "T1"]


async def test_a_token_near_its_end_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    api = Api([OK])
    for passed in (0, 7200 - TOKEN_MARGIN_SECONDS - 1, 1):
        now[0] += passed
        await api.post()
    assert api.used == ["T1", "T1", "T2"]


@pytest.mark.parametrize("ended", sorted(TOKEN_ENDED))
async def test_a_token_that_ended_is_renewed_once(ended: int) -> None:
    api = Api([code(ended), OK])
    assert await api.post() == OK
    assert api.used == ["T1", "T2"]
    api = Api([code(ended)])
    with pytest.raises(Refused) as refused:
        await api.post()
    assert (refused.value.errcode, refused.value.errmsg) == (ended, f"text of {ended}")
    assert api.used == ["T1", "T2"]


async def test_many_calls_that_meet_an_ended_token_renew_it_once() -> None:
    api = Api([OK])
    await api.post()
    api.calls = [code(40001)] * 5 + [OK]
    assert await asyncio.gather(*(api.post() for _ in range(5))) == [OK] * 5
    assert len(api.asked) == 2


async def test_a_call_that_hears_late_of_the_end_of_its_token_renews_nothing() -> None:
    api = Api([code(40001), code(40001), OK])
    at_once, later = asyncio.Event(), asyncio.Event()
    at_once.set()
    api.waits = [later, at_once]
    slow = asyncio.create_task(api.post())
    await api.called.wait()
    assert await api.post() == OK
    later.set()
    assert await slow == OK
    assert api.used == ["T1", "T1", "T2", "T2"]
    assert len(api.asked) == 2


@pytest.mark.parametrize("number", [43101, -1, 45009, 10060001])
async def test_an_error_code_is_a_refusal_and_is_not_tried_again(number: int) -> None:
    api = Api([code(number)])
    with pytest.raises(Refused) as refused:
        await api.post()
    assert (type(refused.value), refused.value.errcode) == (Refused, number)
    assert len(api.used) == 1


@pytest.mark.parametrize(
    ("answer", "sent", "word"),
    [
        ({}, True, "no-errcode"),
        ([], True, "no-errcode"),
        (httpx.Response(200, text="<html>"), True, "not-json"),
        (httpx.Response(503, json=OK), True, "http-503"),
        (httpx.ReadTimeout("slow"), True, "ReadTimeout"),
        (httpx.RemoteProtocolError("gone"), True, "RemoteProtocolError"),
        (httpx.ConnectError("refused"), False, "ConnectError"),
        (httpx.ConnectTimeout("slow"), False, "ConnectTimeout"),
        (httpx.PoolTimeout("full"), False, "PoolTimeout"),
    ],
)
async def test_without_an_answer_it_is_known_whether_the_call_left(answer: Any, sent: bool, word: str) -> None:
    api = Api([answer])
    with pytest.raises(NoAnswer) as problem:
        await api.post()
    assert (problem.value.sent, problem.value.code) == (sent, word)
    assert len(api.used) == 1, "never sent twice"


@pytest.mark.parametrize(("answer", "number"), [(code(40125), 40125), (code(-1), -1), ({}, -1)])
async def test_without_a_token_the_call_is_not_made(answer: Any, number: int) -> None:
    api = Api([OK], [answer])
    with pytest.raises(NoToken) as refused:
        await api.post()
    assert refused.value.errcode == number
    assert api.used == []


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("slow"), httpx.Response(500)])
async def test_a_token_call_without_an_answer_leaves_the_call_unsent(answer: Any) -> None:
    api = Api([OK], [answer, token(1)])
    with pytest.raises(NoAnswer) as problem:
        await api.post()
    assert not problem.value.sent
    assert api.used == []
    assert await api.post() == OK, "the next call asks again"


async def test_those_who_wait_for_a_token_without_an_answer_do_not_wait_one_after_the_other() -> None:
    """A token call that hangs costs its whole time limit; for a hundred in line it would be a hundred of them."""
    api = Api([OK], [httpx.ReadTimeout("slow"), token(1)])
    found = await asyncio.gather(*(api.post() for _ in range(100)), return_exceptions=True)
    assert [(type(one), str(one)) for one in found] == [(NoAnswer, "ReadTimeout")] * 100
    assert not any(one.sent for one in found if isinstance(one, NoAnswer))
    assert (len(api.asked), api.used) == (1, [])
    assert await api.post() == OK, "who comes later asks again"
