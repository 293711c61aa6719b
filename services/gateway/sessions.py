"""Who is signed in: one document per session, which is a family of refresh tokens of which the newest counts.

A refresh token is the session's id, its turn and a mark only this gateway can make: nothing secret is stored. Whoever
shows one that was used already has a copy, or its owner has: the whole family ends (RFC 9700, 4.14.2)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from chassis.clock import Clock
from chassis.mongo import Collection
from chassis.projection import Update
from services.gateway.tokens import LIFE_SECONDS, Kind, Signer, Unauthorized
from services.gateway.vault import Vault

NAME = "sessions"
LASTS: Mapping[Kind, timedelta] = {"staff": timedelta(hours=12), "customer": timedelta(days=30)}
"""Until somebody must sign in again. A working day; a customer's mini-program signs in by itself."""
REFRESH_MAX = 256
_SEALED = frozenset({"openid"})
"""Claims that say who somebody is: a copy of the database does not show them."""
_FORGOTTEN_AT_ONCE = 20
"""Sessions that are over and deleted when somebody signs in: far more than one, so none of them stays for long, and few
enough to keep nobody waiting."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opened:
    """What somebody gets who signs in or refreshes. `claims`: what the tokens of this session say; `seconds`: how long
    the access token lasts."""

    session: str
    subject: str
    access: str
    refresh: str
    claims: Mapping[str, Any]
    seconds: int = LIFE_SECONDS

    def document(self) -> dict[str, Any]:
        """As it is answered (RFC 6749, 5.1)."""
        return {
            "access_token": self.access,
            "token_type": "Bearer",
            "expires_in": self.seconds,
            "refresh_token": self.refresh,
        }


class Sessions:
    """Opens, refreshes and ends sessions. All raise StoreUnavailable."""

    def __init__(self, collection: Collection, signer: Signer, vault: Vault, clock: Clock) -> None:
        self._sessions = collection
        self._signer = signer
        self._vault = vault
        self._clock = clock

    async def prepare(self) -> None:
        """Make the indexes by which all sessions of somebody are found, and those that are over."""
        await self._sessions.ensure_index([("subject", 1), ("until", 1)])
        await self._sessions.ensure_index([("until", 1)])

    async def open(self, kind: Kind, subject: str, claims: Mapping[str, Any]) -> Opened:
        """A new session. Some that have run out, whosever they were, are forgotten."""
        now = self._clock()
        await self._forget_some(now)
        id = secrets.token_urlsafe(18)
        document = {"_id": id, "subject": f"{kind}/{subject}", **self._kept(claims), "turn": 1, "ended": False}
        await self._sessions.insert_new([{**document, "opened_at": now, "until": now + LASTS[kind]}])
        return self._opened(kind, subject, id, 1, claims)

    async def refresh(self, kind: Kind, token: str) -> Opened:
        """The next tokens of a session. Raises a 401 problem, session-ended, for one that is over, and ends the one
        whose token is shown a second time."""
        id, _, rest = token.partition(".")
        turn, _, mark = rest.partition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(kind, id, turn).encode()):
            raise ended()
        found = await self._sessions.find({"_id": id})
        if not found or found[0]["ended"] or found[0]["until"] <= self._clock():
            raise ended()
        session = found[0]
        if session["turn"] == int(turn):
            step = Update({"_id": id, "turn": session["turn"], "ended": False}, {"$inc": {"turn": 1}})
            if (await self._sessions.update_all([step])).matched:
                subject = str(session["subject"]).partition("/")[2]
                return self._opened(kind, subject, id, session["turn"] + 1, self._claims(session))
        await self.end(id)
        log.warning("a refresh token was used twice, its session is ended", kind=kind)
        raise ended()

    async def is_alive(self, id: str) -> bool:
        """Whether the session still counts."""
        found = await self._sessions.find({"_id": id}, fields=["ended", "until"])
        return bool(found) and not found[0]["ended"] and found[0]["until"] > self._clock()

    async def end(self, id: str) -> None:
        """Sign out."""
        await self._sessions.update_all([Update({"_id": id}, {"$set": {"ended": True}})])

    async def end_all(self, kind: Kind, subject: str) -> None:
        """Sign somebody out everywhere."""
        await self.end_others(kind, subject, "")

    async def end_others(self, kind: Kind, subject: str, kept: str) -> None:
        """Sign somebody out everywhere but in the session `kept`."""
        found = await self._sessions.find({"subject": f"{kind}/{subject}"}, fields=["ended"])
        await self._sessions.update_all(
            Update({"_id": session["_id"]}, {"$set": {"ended": True}})
            for session in found
            if not session["ended"] and session["_id"] != kept
        )

    async def _forget_some(self, now: datetime) -> None:
        """The oldest first."""
        over = {"until": {"$lt": now}}
        found = await self._sessions.find(over, fields=["_id"], sort=[("until", 1)], limit=_FORGOTTEN_AT_ONCE)
        if found:
            await self._sessions.delete({"_id": {"$in": [session["_id"] for session in found]}})

    def _kept(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Claims as they are stored."""
        sealed = {name: self._vault.seal(claims[name]) for name in _SEALED & claims.keys()}
        return {"claims": {name: claims[name] for name in claims.keys() - _SEALED}, "sealed": sealed}

    def _claims(self, session: Mapping[str, Any]) -> dict[str, Any]:
        """What `_kept` kept. Sessions of before it have all claims plain."""
        sealed = session.get("sealed", {})
        return {**session["claims"], **{name: self._vault.unseal(text) for name, text in sealed.items()}}

    def _opened(self, kind: Kind, subject: str, id: str, turn: int, claims: Mapping[str, Any]) -> Opened:
        access = self._signer.access(kind, subject, id, claims)
        return Opened(id, subject, access, f"{id}.{turn}.{self._mark(kind, id, str(turn))}", claims)

    def _mark(self, kind: Kind, id: str, turn: str) -> str:
        return self._vault.mark("refresh", kind, id, turn)


def ended() -> Unauthorized:
    """The session is over, whatever ended it."""
    return Unauthorized("session-ended", "登录已失效,请重新登录。", "The session has ended. Sign in again.")
