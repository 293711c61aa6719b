"""Subscribe messages: access tokens, the customers' accepts, and sending.

One accept is one message, without expiry (developers.weixin.qq.com community doc 000e2221f58ca8a2ea61a87ff66800).
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from sandbox.clock import Clock
from sandbox.keys import Keys
from sandbox.ledger import Ledger
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.subscribe_fields import wrong_field

TOKEN_LIFE_SECONDS = 7200
RENEW_BEFORE_SECONDS = 300
FORCE_APART_SECONDS = 30


def openid_of(customer_id: str) -> str:
    """The openid a customer has when none is named: "o" and 27 characters made from the customer id."""
    return f"o{urlsafe_b64encode(hashlib.sha256(customer_id.encode()).digest()).decode()[:27]}"


@dataclass(frozen=True, slots=True)
class Message:
    """A subscribe message as sent: field name → value."""

    openid: str
    template_id: str
    values: dict[str, str]


class Subscriptions:
    """Tokens, quotas and messages of the mini-program."""

    def __init__(self, store: Store, ledger: Ledger, clock: Clock, keys: Keys, settings: SandboxSettings) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._default_quota = settings.subscribe_quota_default
        self._templates: dict[str, tuple[str, dict[str, str]]] = {
            template["template_id"]: (name, template["fields"]) for name, template in keys.templates.items()
        }

    def token(self, force: bool) -> dict[str, Any]:
        """A stable token: ``{"access_token", "expires_in"}``, seconds.

        Normal: the same token until five minutes before its end, then a new one while both work. Forced: a new one at
        once and the old ones end, except within thirty seconds of the last, when nothing is renewed
        (developers.weixin.qq.com/doc/subscription/api/base/api_getstableaccesstoken.html).
        """
        now = self._clock.now()
        newest = self._store.one("SELECT * FROM access_tokens ORDER BY made_at DESC LIMIT 1")
        if newest is not None:
            fresh = newest["expires_at"] - now > RENEW_BEFORE_SECONDS and not force
            if fresh or now - newest["made_at"] < FORCE_APART_SECONDS:
                return {"access_token": newest["token"], "expires_in": int(newest["expires_at"] - now)}
        token = secrets.token_urlsafe(96)
        with self._store.transaction():
            self._store.run("DELETE FROM access_tokens WHERE expires_at <= ? OR ?", now, int(force))
            self._store.run("INSERT INTO access_tokens VALUES (?, ?, ?)", token, now, now + TOKEN_LIFE_SECONDS)
        return {"access_token": token, "expires_in": TOKEN_LIFE_SECONDS}

    def token_works(self, token: str) -> bool:
        """Whether a token was given out and is still good."""
        sql = "SELECT 1 FROM access_tokens WHERE token = ? AND expires_at > ?"
        return self._store.one(sql, token, self._clock.now()) is not None

    def use_code(self, code: str) -> bool:
        """Use up a login code; False when it was used before."""
        return self._store.run("INSERT OR IGNORE INTO login_codes VALUES (?)", code) == 1

    def knows_template(self, template_id: str) -> bool:
        """Whether the account has this template."""
        return template_id in self._templates

    @property
    def template_ids(self) -> list[str]:
        """Every template of the account."""
        return list(self._templates)

    def accept(self, openid: str, template_id: str, count: int) -> int:
        """The customer accepts so many more messages; says how many may be sent now."""
        remaining = self.quota(openid, template_id) + count
        self._store.run(
            "INSERT INTO subscribe_quotas VALUES (?, ?, ?) ON CONFLICT (openid, template_id)"
            " DO UPDATE SET remaining = excluded.remaining",
            *(openid, template_id, remaining),
        )
        return remaining

    def quota(self, openid: str, template_id: str) -> int:
        """How many messages this customer takes from this template."""
        row = self._store.one(
            "SELECT remaining FROM subscribe_quotas WHERE openid = ? AND template_id = ?", openid, template_id
        )
        return self._default_quota if row is None else int(row["remaining"])

    def send(self, message: Message) -> tuple[int, str]:
        """Send; ``(errcode, errmsg)``: 0 ok, 40037 unknown template, 47003 wrong field, 43101 no quota."""
        template = self._templates.get(message.template_id)
        if template is None:
            return 40037, "invalid template_id"
        name, fields = template
        wrong = wrong_field(fields, message.values)
        if wrong is not None:
            return 47003, f"argument invalid! data.{wrong}.value invalid"
        if self.quota(message.openid, message.template_id) < 1:
            return 43101, "user refuse to accept the msg"
        with self._store.transaction():
            self.accept(message.openid, message.template_id, -1)
            self._ledger.message(
                "wechat",
                message.openid,
                template=message.template_id,
                name=name,
                values=message.values,
                message_id=secrets.token_hex(8),
            )
        return 0, "ok"
