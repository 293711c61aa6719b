"""Stable access tokens of the mini-program server API and single-use login codes.

developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html
"""

import secrets
from typing import Any

from sandbox.call_counts import DAY_SECONDS, MINUTE_SECONDS, CallCounts
from sandbox.clock import Clock
from sandbox.store import Store

LIFE_SECONDS = 7200
RENEW_BEFORE_SECONDS = 300
FORCE_APART_SECONDS = 30
MOST_IN_A_MINUTE = 10_000
MOST_IN_A_DAY = 500_000
MOST_FORCED_IN_A_DAY = 20
MOST_LOGINS_IN_A_MINUTE = 100
# Callers must keep room for 512 characters, so that many are given.
TOKEN_BYTES = 384
FORCED_AT = "access-token-forced-at"

Refusal = tuple[int, str]
TOO_MANY_A_MINUTE: Refusal = (45011, "api minute-quota reach limit mustslower retry next minute")
TOO_MANY_A_DAY: Refusal = (45009, "reach max api daily quota limit")


class QuotaReachedError(Exception):
    """Too many calls: the errcode and its words."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal[1])
        self.errcode, self.errmsg = refusal


class AccessTokens:
    """Gives out tokens, and knows whether one still works."""

    def __init__(self, store: Store, clock: Clock, counts: CallCounts) -> None:
        self._store = store
        self._clock = clock
        self._counts = counts

    def stable(self, force: bool) -> dict[str, Any]:
        """``{"access_token", "expires_in"}``, seconds; QuotaReachedError after too many calls.

        Normal: the same token until five minutes before its end, then a new one while both work. Forced: a new one at
        once and the old ones end, except within thirty seconds of the last forced one, when nothing is renewed.
        """
        self._count()
        now = self._clock.now()
        newest = self._store.one("SELECT * FROM access_tokens ORDER BY made_at DESC LIMIT 1")
        if newest is not None and self._stays(float(newest["expires_at"]) - now, force, now):
            return {"access_token": newest["token"], "expires_in": int(newest["expires_at"] - now)}
        if force and not self._counts.take("token/forced", MOST_FORCED_IN_A_DAY, DAY_SECONDS):
            raise QuotaReachedError(TOO_MANY_A_DAY)
        return self._make(now, force)

    def _count(self) -> None:
        if not self._counts.take("token/minute", MOST_IN_A_MINUTE, MINUTE_SECONDS):
            raise QuotaReachedError(TOO_MANY_A_MINUTE)
        if not self._counts.take("token/day", MOST_IN_A_DAY, DAY_SECONDS):
            raise QuotaReachedError(TOO_MANY_A_DAY)

    def _stays(self, left: float, force: bool, now: float) -> bool:
        if not force:
            return left > RENEW_BEFORE_SECONDS
        forced_at = self._store.kept(FORCED_AT)
        return forced_at is not None and now - float(forced_at) < FORCE_APART_SECONDS and left > 0

    def _make(self, now: float, force: bool) -> dict[str, Any]:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._store.transaction():
            if force:
                self._store.keep(FORCED_AT, str(now))
            # Those that ended of themselves are remembered for a day: their errcode is another than that of nonsense.
            self._store.run("DELETE FROM access_tokens WHERE expires_at <= ? OR ?", now - DAY_SECONDS, int(force))
            self._store.run("INSERT INTO access_tokens VALUES (?, ?, ?)", token, now, now + LIFE_SECONDS)
        return {"access_token": token, "expires_in": LIFE_SECONDS}

    def refusal(self, token: str) -> Refusal | None:
        """Why a call with this token is turned away, or None: 41001 missing, 42001 expired, 40001 not (or no longer)
        one of ours."""
        if not token:
            return 41001, "access_token missing"
        row = self._store.one("SELECT expires_at FROM access_tokens WHERE token = ?", token)
        if row is None:
            return 40001, "invalid credential, access_token is invalid or not latest"
        return None if row["expires_at"] > self._clock.now() else (42001, "access_token expired")

    def use_code(self, code: str) -> bool:
        """Use up a login code; False when it was used before."""
        return self._store.run("INSERT OR IGNORE INTO login_codes VALUES (?)", code) == 1

    def may_log_in(self, openid: str) -> bool:
        """Count a login of this user; False after a hundred in one minute."""
        return self._counts.take(f"login/{openid}", MOST_LOGINS_IN_A_MINUTE, MINUTE_SECONDS)
