"""Who is signed in at the door, with what: customers by the code of `wx.login`, staff by password and second factor.
They do as clients do: refresh when a token has run out, show the same refresh token again when no answer came, sign in
anew when it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp

from tests.simulation.loop import EPOCH

Json = dict[str, Any]
Say = Callable[[str, str, str, str, Json], Awaitable[tuple[int, Json]]]
"""Asks at the door without a token: who, what it is (`sign-in`, `refresh`), method, path, body."""

STEP_SECONDS = 30
SOON_SECONDS = 5.0
NO_ANSWER = (0, 429, 503)
REFUSED = (401, 403)
ROLES = ("customer-service", "supervisor", "finance", "warehouse", "administrator")


@dataclass(frozen=True, slots=True)
class Account:
    """What a member of staff signs in with. `before`: the password before, which may still be the one that counts."""

    password: str
    factor: str
    before: str = ""

    def with_password(self, new: str) -> Account:
        """The same with another password."""
        return Account(new, self.factor, self.password)

    @classmethod
    def of(cls, answer: Json) -> Account:
        """Out of the answer that shows it once."""
        factor = parse_qs(urlsplit(answer["otpauth"]).query)["secret"][0]
        return cls(answer["password"], factor)


@dataclass(frozen=True, slots=True)
class Session:
    """What somebody shows at the door. `until`: virtual time at which `access` runs out."""

    access: str
    refresh: str
    until: float

    @property
    def id(self) -> str:
        """The session's, which a refresh token begins with."""
        return self.refresh.partition(".")[0]


class Keyring:
    """The sessions of those who really sign in; all others have a token of the stand-in. `names`: who a customer id
    is."""

    def __init__(self, say: Say, now: Callable[[], float]) -> None:
        self.accounts: dict[str, Account] = {}
        self.names: dict[str, str] = {}
        self._say, self._now = say, now
        self._people: set[str] = set()
        self._sessions: dict[str, Session] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._not_before: dict[str, float] = {}
        self._count = 0

    def admit(self, *people: str) -> None:
        """From now on these sign in themselves."""
        self._people.update(people)

    def __contains__(self, who: str) -> bool:
        return who in self._people

    def name_of(self, customer_id: str) -> str:
        """Under which name somebody comes to the door whom the shop knows by this id."""
        return self.names.get(customer_id, customer_id)

    def session_of(self, who: str) -> Session | None:
        """The session somebody has now, good or not."""
        return self._sessions.get(who)

    async def session(self, who: str) -> Session | None:
        """A session that should be good; None when nobody lets them in just now."""
        async with self._locks.setdefault(who, asyncio.Lock()):
            session = self._sessions.get(who)
            if session is not None and session.until > self._now():
                return session
            if session is not None:
                session = await self._refreshed(who, session)
            if session is None and self._now() >= self._not_before.get(who, 0.0):
                session = await self._signed_in(who)
            return session

    def refused(self, who: str, session: Session | None) -> None:
        """The door did not take this access token: the refresh token may still be good."""
        if session is not None and self._sessions.get(who) is session:
            self._sessions[who] = Session(session.access, session.refresh, 0.0)

    def forget(self, who: str) -> None:
        """The telephone is new, or the browser: what was kept is gone."""
        self._sessions.pop(who, None)

    async def show_again(self, who: str, refresh: str) -> int:
        """Somebody shows this refresh token, whoever has used it before."""
        status, _ = await self._say(who, "refresh", "POST", f"{_door(who)}/session/refresh", {"refresh_token": refresh})
        return status

    async def _refreshed(self, who: str, session: Session) -> Session | None:
        body = {"refresh_token": session.refresh}
        for _ in range(2):
            status, answer = await self._say(who, "refresh", "POST", f"{_door(who)}/session/refresh", body)
            if status == 200:
                return self._keep(who, answer)
            if status not in NO_ANSWER:
                self.forget(who)
                return None
            await asyncio.sleep(SOON_SECONDS / 10)
        return session

    async def _signed_in(self, who: str) -> Session | None:
        self._count += 1
        body = self._staffs(who) if who.startswith("s-") else {"code": f"{who}:{self._count}"}
        status, answer = await self._say(who, "sign-in", "POST", f"{_door(who)}/session", body)
        if status == 200:
            self.names[str(answer.get("customer_id") or who)] = who
            return self._keep(who, answer)
        if status in REFUSED and who in self.accounts and self.accounts[who].before:
            self.accounts[who] = self.accounts[who].with_password(self.accounts[who].before)
        soon = self._now() + (SOON_SECONDS if status in NO_ANSWER else 0.0)
        self._not_before[who] = max(soon, self._next_code() if who.startswith("s-") else 0.0)
        return None

    def _keep(self, who: str, answer: Json) -> Session:
        until = self._now() + float(answer["expires_in"])
        session = self._sessions[who] = Session(answer["access_token"], answer["refresh_token"], until)
        return session

    def _staffs(self, who: str) -> Json:
        self._not_before[who] = self._next_code()
        return {"staff_id": who, "password": self.accounts[who].password, "code": self._shown(who)}

    def _shown(self, who: str) -> str:
        return pyotp.TOTP(self.accounts[who].factor).at(int(EPOCH + self._now()))

    async def second_factor(self, who: str) -> str:
        """What the authenticator shows, once that has not been shown to anybody."""
        await asyncio.sleep(max(0.0, self._not_before.get(who, 0.0) - self._now()))
        self._not_before[who] = self._next_code()
        return self._shown(who)

    def _next_code(self) -> float:
        """When the authenticator shows another code: each is taken once."""
        return ((self._now() + EPOCH) // STEP_SECONDS + 1) * STEP_SECONDS - EPOCH


def _door(who: str) -> str:
    return "/admin/v1" if who.startswith("s-") else "/mp/v1"
