"""Who takes part: customers who come through WeChat, and staff with a password and a second factor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

import httpx
import pyotp

from sandbox.subscribe import openid_of
from services.gateway.roles import WORDS, Role
from tools.drill.day.telling import Words
from tools.replay.knock import Json, Knock, expect

CUSTOMER = Words("顾客", "customer")


@dataclass
class Person:
    """Somebody at the gateway. `asked`: every request, as method and path; `deeds`: those that change something."""

    name: str
    role: Words
    knock: Knock
    token: str = ""
    refresh_token: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    deeds: list[tuple[str, str, int]] = field(default_factory=list)
    _keys: count[int] = field(default_factory=count)

    async def ask(
        self, method: str, path: str, body: Json | None = None, *, params: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The gateway's answer, whatever it is. Every change is a wish of its own."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if method != "GET":
            headers["Idempotency-Key"] = f"day-{next(self._keys)}"
        answer = await self.knock.ask(method, path, body=body, params=params, headers=headers)
        self.asked.append((method, path))
        if method != "GET":
            self.deeds.append((method, path, answer.status_code))
        return answer

    async def does(
        self, method: str, path: str, body: Json | None = None, *, params: Mapping[str, str] | None = None
    ) -> Json:
        """The body of an answer that is a yes. Raises UnexpectedAnswerError for any other."""
        return expect(await self.ask(method, path, body, params=params), 200, 201, 202, 204)

    async def sees(self, path: str, **params: str) -> Json:
        """A page."""
        return await self.does("GET", path, params=params or None)

    def _signed_in(self, session: Json) -> None:
        self.token, self.refresh_token = str(session["access_token"]), str(session["refresh_token"])


@dataclass
class Customer(Person):
    """`code`: what `wx.login` gives, good once; the openid follows from it. `mark` makes it new for every day."""

    phone: str = ""
    mark: str = ""
    customer_id: str = ""

    @property
    def wechat_name(self) -> str:
        """Who they are at the sandbox."""
        return f"day-{self.mark}-{self.phone[-4:]}"

    @property
    def openid(self) -> str:
        """Who they are for WeChat."""
        return openid_of(self.wechat_name)

    async def sign_in(self) -> None:
        """Open the mini-program."""
        session = await self.does("POST", "/mp/v1/session", {"code": self.wechat_name})
        self.customer_id = str(session["customer_id"])
        self._signed_in(session)

    async def refresh(self) -> None:
        """Stay signed in."""
        self._signed_in(await self.does("POST", "/mp/v1/session/refresh", {"refresh_token": self.refresh_token}))

    async def sign_out(self) -> None:
        """Leave."""
        await self.does("DELETE", "/mp/v1/session")


@dataclass
class Member(Person):
    """One of the staff. `phone` gets the confirmation codes."""

    staff_id: str = ""
    duty: Role = "customer-service"
    phone: str = ""
    password: str = ""
    otpauth: str = ""

    async def sign_in(self, password: str, otpauth: str) -> None:
        """Sign in with what was shown when the account was made."""
        self.password, self.otpauth = password, otpauth
        code = pyotp.parse_uri(otpauth).now()  # type: ignore[attr-defined]
        wish = {"staff_id": self.staff_id, "password": password, "code": code}
        self._signed_in(await self.does("POST", "/admin/v1/session", wish))

    async def change_password(self, ahead: int) -> None:
        """Take another password. A code works once, so the phone's clock is `ahead` (s) of the one that signed in."""
        code = pyotp.parse_uri(self.otpauth).at(int(time.time()) + ahead)  # type: ignore[attr-defined]
        wish = {"password": self.password, "code": code, "new_password": self.password[::-1]}
        await self.does("POST", "/admin/v1/session/password", wish)
        self.password = self.password[::-1]

    async def refresh(self) -> None:
        """Stay signed in."""
        self._signed_in(await self.does("POST", "/admin/v1/session/refresh", {"refresh_token": self.refresh_token}))

    async def sign_out(self) -> None:
        """Leave."""
        await self.does("DELETE", "/admin/v1/session")


def role_words(role: Role) -> Words:
    """A role as people say it."""
    return Words(*WORDS[role])
