"""What WeChat's codes and a broken connection mean for a notice, and the codes of the SMS providers. The token is
tested in tests/unit/chassis/test_miniprogram.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chassis.miniprogram import MiniProgram
from services.notify.alibaba import alibaba_result
from services.notify.clients import Answer, Wechat
from services.notify.model import Result
from services.notify.tencent import tencent_result


class Api:
    """The mini-program server API: `tokens` and `sends` are answered in turn, the last one for ever."""

    def __init__(self, sends: list[Any], tokens: list[Any] | None = None) -> None:
        self.sends = sends
        self.tokens = tokens or [{"access_token": f"T{n}", "expires_in": 7200} for n in (1, 2, 3)]
        self.used: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/cgi-bin/stable_token":
            return self._answer(self.tokens)
        self.used.append(request.url.params["access_token"])
        return self._answer(self.sends)

    def _answer(self, answers: list[Any]) -> httpx.Response:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    async def send(self) -> Answer:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            return await Wechat(MiniProgram(http, "app", "secret")).send({"touser": "o-abc"})


OK = {"errcode": 0, "errmsg": "ok"}


def code(number: int) -> dict[str, Any]:
    return {"errcode": number, "errmsg": "…"}


async def test_sent() -> None:
    assert await Api([OK]).send() == Answer("sent")


@pytest.mark.parametrize("ended", [40001, 40014, 42001])
async def test_a_token_that_ends_again_and_again(ended: int) -> None:
    assert await Api([code(ended)]).send() == Answer("busy", str(ended))


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        *((code(number), "refused") for number in (43101, 40003, 47003, 40037, 41030)),
        *((code(number), "busy") for number in (45009, 45011)),
        *((code(number), "unknown") for number in (-1, 99999)),
        (code(43108), "unreached"),
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
        (code(-1), "unreached"),
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
