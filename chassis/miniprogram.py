"""WeChat's mini-program server API: one account, its access token, and calls that carry it.

The token is kept in memory and asked for in normal mode, so other processes keep theirs
(developers.weixin.qq.com/doc/subscription/api/base/api_getstableaccesstoken.html).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from chassis import clock, telemetry

PROVIDER = "wechat"
URL = "https://api.weixin.qq.com"
TOKEN_MARGIN_SECONDS = 240
"""A token is asked for again this long before its end: from five minutes before on WeChat gives a new one while the
old one still works."""

TOKEN_ENDED = frozenset({40001, 40014, 42001})
"""Error codes of a call whose token is not valid any more: it was turned away at the door, nothing was done."""

SYSTEM_BUSY = -1
"""Try again later. In place of a token it says that the call itself was not made; in place of an answer to the call
nothing for sure (developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getaccesstoken)."""


def appid_file(keys: Path) -> str:
    """Which file of a keys folder names the mini-program that customers open. A service provider has an app of its own
    (`appid.txt`), which nobody opens where the merchant it acts for has one, too."""
    return "sub-appid.txt" if (keys / "sub-appid.txt").exists() else "appid.txt"


class NoAnswer(Exception):
    """A call that brought nothing usable. `sent`: whether it may have reached WeChat. `code` is a short word for
    logs: the error's name, `http-502`, `not-json`, `no-errcode`."""

    def __init__(self, sent: bool, code: str) -> None:
        super().__init__(code)
        self.sent = sent
        self.code = code


class Refused(Exception):
    """WeChat answered with an error code of its own (`errcode`, never 0) and a text for developers (`errmsg`)."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"{errcode} {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg


class NoToken(Refused):
    """WeChat gives no token, so the call itself was not made."""


class MiniProgram:
    """One account. `http` brings the time limit of each call; `url` takes the place of WeChat's own address."""

    def __init__(self, http: httpx.AsyncClient, appid: str, secret: str, url: str = "") -> None:
        self._http = http
        self._url = (url or URL).rstrip("/")
        self._account = {"grant_type": "client_credential", "appid": appid, "secret": secret}
        self._token = ""
        self._token_until = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._failures = 0
        self._trouble = ""

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a call that WeChat accepted (errcode 0). A token that ended meanwhile is renewed once. Makes at
        most two token calls and two calls, one after the other. Raises NoAnswer, NoToken, Refused."""
        token = await self._valid_token()
        try:
            return await self._call(path, body, token)
        except Refused as refused:
            if refused.errcode not in TOKEN_ENDED:
                raise
        if self._token == token:  # somebody else may have renewed it meanwhile
            self._token_until = 0.0
        return await self._call(path, body, await self._valid_token())

    async def _valid_token(self) -> str:
        """Who waited while somebody else got no answer gets none either: one after the other they would wait in line
        for as many time limits, each in a place that other work needs."""
        failures = self._failures
        async with self._one_at_a_time:
            if clock.monotonic() < self._token_until:
                return self._token
            if self._failures > failures:
                raise NoAnswer(False, self._trouble)
            try:
                await self._renew()
            except NoAnswer as problem:
                self._failures, self._trouble = self._failures + 1, problem.code
                raise NoAnswer(False, problem.code) from problem  # the token's call, not the caller's
            return self._token

    async def _renew(self) -> None:
        found = await self._send("/cgi-bin/stable_token", self._account)
        token, seconds = found.get("access_token"), found.get("expires_in")
        if not isinstance(token, str):
            raise NoToken(_errcode(found) or -1, str(found.get("errmsg", "")))
        self._token = token
        lasts = seconds if isinstance(seconds, int) else 0
        self._token_until = clock.monotonic() + max(0, lasts - TOKEN_MARGIN_SECONDS)

    async def _call(self, path: str, body: Mapping[str, Any], token: str) -> dict[str, Any]:
        found = await self._send(path, body, access_token=token)
        code = _errcode(found)
        if code is None:
            raise NoAnswer(True, "no-errcode")
        if code != 0:
            raise Refused(code, str(found.get("errmsg", "")))
        return found

    async def _send(self, path: str, body: Mapping[str, Any], **query: str) -> dict[str, Any]:
        with telemetry.provider_call(PROVIDER, path.rpartition("/")[2]) as made:
            found = await self._sent(path, body, query)
            made.code = str(_errcode(found) or "OK")
            return found

    async def _sent(self, path: str, body: Mapping[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
        try:
            answer = await self._http.post(self._url + path, json=dict(body), params=dict(query))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
            raise NoAnswer(False, type(problem).__name__) from problem
        except httpx.HTTPError as problem:
            raise NoAnswer(True, type(problem).__name__) from problem
        if answer.status_code != 200:
            raise NoAnswer(True, f"http-{answer.status_code}")
        try:
            found = answer.json()
        except ValueError as problem:
            raise NoAnswer(True, "not-json") from problem
        return found if isinstance(found, dict) else {}


def _errcode(found: Mapping[str, Any]) -> int | None:
    code = found.get("errcode")
    return code if isinstance(code, int) else None
