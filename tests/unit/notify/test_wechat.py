"""The WeChat client: tokens, codes, and what a broken connection means."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chassis import clock
from services.notify.clients import TOKEN_MARGIN_SECONDS, Answer, Wechat, alibaba_result, tencent_result
from services.notify.model import Result


class Api:
    """The mini-program server API: `tokens` and `sends` are answered in turn, the last one for ever."""

    def __init__(self, sends: list[Any], tokens: list[Any] | None = None) -> None:
        self.sends = sends
        self.tokens = tokens or [{"access_token": f"T{n}", "expires_in": 7200} for n in (1, 2, 3)]
        self.asked: list[dict[str, Any]] = []
        self.used: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/cgi-bin/stable_token":
            self.asked.append(json.loads(request.content))
            return self._answer(self.tokens)
        self.used.append(request.url.params["access_token"])
        return self._answer(self.sends)

    def _answer(self, answers: list[Any]) -> httpx.Response:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    async def send(self, times: int = 1) -> Answer:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            wechat = Wechat(http, "app", "secret")
            answers = [await wechat.send({"touser": "o-abc"}) for _ in range(times)]
        return answers[-1]


OK = {"errcode": 0, "errmsg": "ok"}


def code(number: int) -> dict[str, Any]:
    return {"errcode": number, "errmsg": "…"}


async def test_the_token_is_asked_for_once_in_normal_mode() -> None:
    api = Api([OK])
    assert await api.send(times=3) == Answer("sent")
    assert api.asked == [{"grant_type": "client_credential", "appid": "app", "secret": "secret"}]
    assert api.used == ["T1", "T1", "T1"]


async def test_a_token_near_its_end_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    api = Api([OK], [{"access_token": "T1", "expires_in": 7200}, {"access_token": "T2", "expires_in": 7200}])
    async with httpx.AsyncClient(transport=httpx.MockTransport(api)) as http:
        wechat = Wechat(http, "app", "secret")
        for passed in (0, 7200 - TOKEN_MARGIN_SECONDS - 1, 1):
            now[0] += passed
            await wechat.send({})
    assert api.used == ["T1", "T1", "T2"]


@pytest.mark.parametrize("ended", [40001, 40014, 42001])
async def test_a_token_that_ended_is_renewed_once(ended: int) -> None:
    api = Api([code(ended), OK])
    assert await api.send() == Answer("sent")
    assert api.used == ["T1", "T2"]
    api = Api([code(ended)])
    assert await api.send() == Answer("busy", str(ended))
    assert len(api.used) == 2


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        *((code(number), "refused") for number in (43101, 40003, 47003, 40037, 41030)),
        *((code(number), "busy") for number in (45009, 45011)),
        *((code(number), "unknown") for number in (-1, 99999)),
        ({}, "unknown"),
        ([], "unknown"),
        (httpx.Response(200, text="<html>"), "unknown"),
        (httpx.Response(503, json=OK), "unknown"),
        (httpx.ReadTimeout("slow"), "unknown"),
        (httpx.ReadError("cut"), "unknown"),
        (httpx.RemoteProtocolError("gone"), "unknown"),
        (httpx.ConnectError("refused"), "unreached"),
        (httpx.ConnectTimeout("slow"), "unreached"),
    ],
)
async def test_what_an_answer_means(answer: Any, result: Result) -> None:
    api = Api([answer])
    assert (await api.send()).result == result
    assert len(api.used) == 1, "never sent twice"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (code(40125), "refused"),
        (code(40013), "refused"),
        (code(45009), "busy"),
        (code(-1), "busy"),
        (httpx.ReadTimeout("slow"), "unreached"),
        (httpx.Response(500), "unreached"),
    ],
)
async def test_without_a_token_nothing_is_sent(answer: Any, result: Result) -> None:
    api = Api([OK], [answer])
    assert (await api.send()).result == result
    assert api.used == []


@pytest.mark.parametrize(
    ("meaning", "code", "result"),
    [
        (tencent_result, "Ok", "sent"),
        (tencent_result, "FailedOperation.TemplateParamSetNotMatchApprovedTemplate", "refused"),
        (tencent_result, "InvalidParameterValue.TemplateParameterLengthLimit", "refused"),
        (tencent_result, "AuthFailure.SignatureFailure", "refused"),
        (tencent_result, "LimitExceeded.DeliveryFrequencyLimit", "busy"),
        (tencent_result, "FailedOperation.InsufficientBalanceInSmsPackage", "busy"),
        (tencent_result, "InternalError.Timeout", "unknown"),
        (tencent_result, "ServerNetworkError", "unknown"),
        (alibaba_result, "OK", "sent"),
        (alibaba_result, "isv.SMS_TEMPLATE_ILLEGAL", "refused"),
        (alibaba_result, "isp.RAM_PERMISSION_DENY", "refused"),
        (alibaba_result, "isv.DAY_LIMIT_CONTROL", "busy"),
        (alibaba_result, "Throttling.User", "busy"),
        (alibaba_result, "isp.SYSTEM_ERROR", "unknown"),
    ],
)
def test_what_a_code_of_an_sms_provider_means(meaning: Callable[[str], Result], code: str, result: Result) -> None:
    assert meaning(code) == result
