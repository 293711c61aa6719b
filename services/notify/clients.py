"""The providers as this service calls them: WeChat's mini-program server API, Tencent Cloud SMS, Alibaba Cloud SMS.

No client raises: whatever happens is an `Answer`. None of them retries a send by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from chassis import clock
from services.notify.model import Result, SmsAccount, SmsTemplate

WECHAT_URL = "https://api.weixin.qq.com"
TOKEN_MARGIN_SECONDS = 240
"""A token is asked for again this long before its end: from five minutes before on WeChat gives a new one while the
old one still works (developers.weixin.qq.com/doc/subscription/api/base/api_getstableaccesstoken.html)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call: see `model.Result`. `code` is the provider's own word."""

    result: Result
    code: str = ""


class _NoAnswer(Exception):
    """A call that brought nothing usable. `sent`: whether it may have reached the provider."""

    def __init__(self, sent: bool, code: str) -> None:
        super().__init__(code)
        self.sent = sent
        self.code = code


# ── WeChat ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_WECHAT_RESULTS: Mapping[int, Result] = {
    0: "sent",
    40003: "refused",  # not an openid of this mini-program
    40013: "refused",  # wrong appid
    40037: "refused",  # unknown template
    40125: "refused",  # wrong secret
    40164: "refused",  # our address is not on the account's list
    41030: "refused",  # the page is not in the released version
    43101: "refused",  # the customer did not subscribe, or the subscription is used up
    47003: "refused",  # a field does not take its value
    45009: "busy",  # the day's quota
    45011: "busy",  # too many calls a minute
}
_WECHAT_TOKEN_ENDED = {40001, 40014, 42001}


class Wechat:
    """Subscribe messages. The token is kept in memory and asked for in normal mode, so other processes keep theirs."""

    def __init__(self, http: httpx.AsyncClient, appid: str, secret: str, url: str = "") -> None:
        self._http = http
        self._url = (url or WECHAT_URL).rstrip("/")
        self._account = {"grant_type": "client_credential", "appid": appid, "secret": secret}
        self._token = ""
        self._token_until = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def send(self, message: Mapping[str, Any]) -> Answer:
        """`POST /cgi-bin/message/subscribe/send`; `message` is its body. A token that ended meanwhile is renewed
        once: such a call was turned away at the door."""
        answer = Answer("busy", "40001")
        for _ in range(2):
            try:
                token = await self._valid_token()
            except _NoAnswer as problem:
                return Answer("unreached", problem.code)
            if isinstance(token, Answer):
                return token
            try:
                found = await self._post("/cgi-bin/message/subscribe/send", message, access_token=token)
            except _NoAnswer as problem:
                return Answer("unknown" if problem.sent else "unreached", problem.code)
            code = _errcode(found)
            if code not in _WECHAT_TOKEN_ENDED:
                return Answer(_WECHAT_RESULTS.get(code, "unknown"), "" if code == 0 else str(code))
            answer = Answer("busy", str(code))
            if self._token == token:
                self._token_until = 0.0
        return answer

    async def _valid_token(self) -> str | Answer:
        """The token, or why WeChat gives none: then nothing was sent."""
        async with self._one_at_a_time:
            if clock.monotonic() < self._token_until:
                return self._token
            found = await self._post("/cgi-bin/stable_token", self._account)
            token = found.get("access_token")
            if not isinstance(token, str):
                code = _errcode(found)
                refused = _WECHAT_RESULTS.get(code) == "refused"
                return Answer("refused" if refused else "busy", str(code))
            self._token = token
            self._token_until = clock.monotonic() + max(0.0, float(found.get("expires_in", 0)) - TOKEN_MARGIN_SECONDS)
            return token

    async def _post(self, path: str, body: Mapping[str, Any], **query: str) -> dict[str, Any]:
        """Raises _NoAnswer."""
        try:
            answer = await self._http.post(self._url + path, json=dict(body), params=query)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
            raise _NoAnswer(False, type(problem).__name__) from problem
        except httpx.HTTPError as problem:
            raise _NoAnswer(True, type(problem).__name__) from problem
        if answer.status_code != 200:
            raise _NoAnswer(True, f"http-{answer.status_code}")
        try:
            found = answer.json()
        except ValueError as problem:
            raise _NoAnswer(True, "not-json") from problem
        return found if isinstance(found, dict) else {}


def _errcode(found: Mapping[str, Any]) -> int:
    """The API's error code; an answer without one is taken as -1, "system busy"."""
    code = found.get("errcode", -1)
    return code if isinstance(code, int) else -1


# ── Tencent Cloud ────────────────────────────────────────────────────────────────────────────────────────────────────

_TENCENT_BUSY = (
    "LimitExceeded",
    "RequestLimitExceeded",
    "ResourceInsufficient",
    "FailedOperation.InsufficientBalanceInSmsPackage",
    "UnauthorizedOperation.ServiceSuspendDueToArrears",
)


def tencent_result(code: str) -> Result:
    """What a code of Tencent Cloud SMS means, beside a number or for the whole request
    (cloud.tencent.com/document/api/382/55981)."""
    if code == "Ok":
        return "sent"
    if code.startswith(_TENCENT_BUSY):
        return "busy"
    return "unknown" if code.startswith(("InternalError", "ServerNetworkError")) else "refused"


class TencentSms:
    """Tencent Cloud SMS by its own SDK."""

    def __init__(
        self, key_id: str, key: str, account: SmsAccount, http: httpx.AsyncClient, *, url: str = "", region: str
    ) -> None:
        # The SDK is loaded here, not with this file: it takes a third of a second.
        from tencentcloud.common.credential import Credential
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile
        from tencentcloud.sms.v20210111.sms_client_async import SmsClient

        place = urlsplit(url)
        profile = ClientProfile(
            httpProfile=HttpProfile(protocol=place.scheme or "https", endpoint=place.netloc or None)
        )
        self._client: Any = SmsClient(Credential(key_id, key), region, profile)
        self._client.http_client = http
        self._account = account

    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str]) -> Answer:
        """`SendSms` to one E.164 number."""
        from tencentcloud.common.exception import TencentCloudSDKException
        from tencentcloud.sms.v20210111.models import SendSmsRequest

        request = SendSmsRequest()
        request.PhoneNumberSet = [phone]
        request.SmsSdkAppId = self._account.tencent_sdk_app_id
        request.SignName = self._account.sign_name
        request.TemplateId = template.tencent_template_id
        request.TemplateParamSet = [values[name] for name in template.params]
        try:
            answer = await self._client.SendSms(request)
        except TencentCloudSDKException as problem:
            return Answer(tencent_result(problem.code), problem.code)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
            return Answer("unreached", type(problem).__name__)
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as problem:
            return Answer("unknown", type(problem).__name__)
        if not answer.SendStatusSet:
            return Answer("unknown", "no-status")
        code = str(answer.SendStatusSet[0].Code)
        return Answer(tencent_result(code), "" if code == "Ok" else code)


# ── Alibaba Cloud ────────────────────────────────────────────────────────────────────────────────────────────────────

_ALIBABA_BUSY = (
    "isv.BUSINESS_LIMIT_CONTROL",
    "isv.DAY_LIMIT_CONTROL",
    "isv.MONTH_LIMIT_CONTROL",
    "isv.OUT_OF_SERVICE",
    "isv.AMOUNT_NOT_ENOUGH",
    "Throttling",
)
_ALIBABA_UNKNOWN = ("isp.SYSTEM_ERROR", "SYSTEM_ERROR", "ServiceUnavailable", "InternalError", "None")


def alibaba_result(code: str) -> Result:
    """What a code of Alibaba Cloud SMS means
    (help.aliyun.com/en/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms)."""
    if code == "OK":
        return "sent"
    if code.startswith(_ALIBABA_BUSY):
        return "busy"
    return "unknown" if code.startswith(_ALIBABA_UNKNOWN) else "refused"


class AlibabaSms:
    """Alibaba Cloud SMS by its own SDK, which is built on aiohttp."""

    def __init__(self, key_id: str, key: str, account: SmsAccount, *, url: str = "", seconds: float) -> None:
        from alibabacloud_dysmsapi20170525.client import Client
        from alibabacloud_tea_openapi.utils_models import Config

        place = urlsplit(url)
        milliseconds = int(seconds * 1000)
        config = Config(
            access_key_id=key_id,
            access_key_secret=key,
            endpoint=place.netloc or "dysmsapi.aliyuncs.com",
            protocol=place.scheme or "https",
            connect_timeout=milliseconds,
            read_timeout=milliseconds,
        )
        self._client: Any = Client(config)
        self._account = account

    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str]) -> Answer:
        """`SendSms` to one E.164 number."""
        from alibabacloud_dysmsapi20170525.models import SendSmsRequest
        from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
        from darabonba.runtime import RuntimeOptions  # type: ignore[import-untyped]

        request = SendSmsRequest(
            phone_numbers=phone,
            sign_name=self._account.sign_name,
            template_code=template.alibaba_template_code,
            template_param=json.dumps({name: values[name] for name in template.params}, ensure_ascii=False),
        )
        try:
            answer = await self._client.send_sms_with_options_async(request, RuntimeOptions(autoretry=False))
        except AlibabaCloudException as problem:
            code = str(problem.code)
            server = (problem.status_code or 500) >= 500
            return Answer("unknown" if server else alibaba_result(code), code)
        except Exception as problem:  # why: the SDK wraps whatever its transport raises in types without a common base
            return Answer("unreached" if _never_left(problem) else "unknown", type(_innermost(problem)).__name__)
        code = str(answer.body.code) if answer.body else "None"
        return Answer(alibaba_result(code), "" if code == "OK" else code)


def _chain(problem: BaseException) -> list[BaseException]:
    """An error and what it hides, outermost first."""
    found: list[BaseException] = []
    one: BaseException | None = problem
    while one is not None and one not in found:
        found.append(one)
        one = getattr(one, "inner_exception", None) or one.__cause__ or one.__context__
    return found


def _innermost(problem: BaseException) -> BaseException:
    return _chain(problem)[-1]


def _never_left(problem: BaseException) -> bool:
    from aiohttp import ClientConnectorError, ConnectionTimeoutError

    return any(isinstance(one, ClientConnectorError | ConnectionTimeoutError) for one in _chain(problem))
