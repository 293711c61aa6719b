"""What the gateway asks of the world outside: WeChat, whose customer it is that opens the mini-program."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import structlog

from chassis import telemetry
from chassis.miniprogram import PROVIDER, URL
from chassis.problem import Problem
from services.gateway.tokens import Unauthorized

SECONDS = 5.0
BAD_CODE = frozenset({40029, 40163})
"""No such code, or one that was used (developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session).
"""
TOO_OFTEN = 45011
BLOCKED = 40226

log = structlog.get_logger()


class Wechat:
    """The account of the mini-program. `url` takes the place of WeChat's own address."""

    def __init__(self, http: httpx.AsyncClient, appid: str, secret: str, url: str = "") -> None:
        self.appid = appid
        self._http = http
        self._secret = secret
        self._url = (url or URL).rstrip("/")

    async def openid(self, code: str) -> str:
        """Whose `wx.login` code it is. A code works once. The session key that comes along is dropped: nothing here
        needs it. Raises a 401 problem for a bad code, 403 for a customer WeChat has blocked, 429, 503."""
        query = {"appid": self.appid, "secret": self._secret, "js_code": code, "grant_type": "authorization_code"}
        try:
            with telemetry.provider_call(PROVIDER, "jscode2session") as made:
                answer = await self._http.get(f"{self._url}/sns/jscode2session", params=query)
                found = answer.json() if answer.status_code == 200 else {}
                errcode = found.get("errcode") if isinstance(found, Mapping) else None
                made.code = str(errcode or "OK") if answer.status_code == 200 else f"http-{answer.status_code}"
        except (httpx.HTTPError, ValueError) as problem:
            log.warning("no answer to a login code", problem=type(problem).__name__)
            raise login_not_available() from problem
        openid = found.get("openid") if isinstance(found, Mapping) else None
        if isinstance(openid, str) and 0 < len(openid) <= 64:
            return openid
        raise _refusal(found.get("errcode") if isinstance(found, Mapping) else None)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()


def _refusal(errcode: object) -> Problem:
    if isinstance(errcode, int) and errcode in BAD_CODE:
        return Unauthorized(
            "login-code-invalid",
            "登录凭证无效或已使用,请重新打开小程序。",
            "The login code is not valid or was used. Ask wx.login for another one.",
        )
    if errcode == TOO_OFTEN:
        return Problem(
            429,
            "too-many-requests",
            "登录过于频繁,请稍后再试。",
            "This customer signs in too often. Try again in a minute.",
            retry_after=60,
        )
    if errcode == BLOCKED:
        return Problem(
            403,
            "customer-blocked",
            "该微信账号存在风险,暂时无法登录。",
            "WeChat has blocked this account for its risk.",
        )
    log.warning("a login code was not taken", errcode=errcode)
    return login_not_available()


def login_not_available() -> Problem:
    """Nobody can be signed in with this code any more."""
    return Problem(
        503,
        "login-not-available",
        "微信登录暂时不可用,请稍后用新的登录凭证重试。",
        "Signing in by WeChat is not possible now. Try again in a moment with another login code.",
        retry_after=2,
    )
