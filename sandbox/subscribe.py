"""Subscribe messages: the customers' accepts, and sending.

One accept is one message, without expiry (developers.weixin.qq.com community doc 000e2221f58ca8a2ea61a87ff66800).
"""

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from sandbox.keys import Keys
from sandbox.ledger import Ledger
from sandbox.pushes import Choice, Pushes
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.subscribe_fields import wrong_field

STATES = ("developer", "trial", "formal")
LANGUAGES = ("zh_CN", "en_US", "zh_HK", "zh_TW")
PAGE = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*(\?\S*)?")
# One popup shows at most so many templates.
POPUP_TEMPLATES = 5
Result = tuple[int, str]


def openid_of(customer_id: str) -> str:
    """The openid a customer has when none is named: "o" and 27 characters made from the customer id."""
    return f"o{urlsafe_b64encode(hashlib.sha256(customer_id.encode()).digest()).decode()[:27]}"


@dataclass(frozen=True, slots=True)
class Message:
    """A subscribe message as sent: field name → value, and the page its card opens."""

    openid: str
    template_id: str
    values: dict[str, str]
    page: str | None = None
    state: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A template of the account: the shop's name for it, field name → label, and the values its enum fields take."""

    name: str
    fields: dict[str, str]
    enums: dict[str, list[str]]


class Subscriptions:
    """Quotas and messages of the mini-program."""

    def __init__(self, store: Store, ledger: Ledger, keys: Keys, pushes: Pushes, settings: SandboxSettings) -> None:
        self._store = store
        self._ledger = ledger
        self._pushes = pushes
        self._default_quota = settings.subscribe_quota_default
        self._pages = settings.subscribe_pages
        self._templates = {
            one["template_id"]: Template(name, one["fields"], one.get("enums", {}))
            for name, one in keys.templates.items()
        }

    @property
    def template_ids(self) -> list[str]:
        """Every template of the account."""
        return list(self._templates)

    def unknown(self, template_ids: list[str]) -> list[str]:
        """Those of these templates that the account does not have."""
        return [name for name in template_ids if name not in self._templates]

    def popup(self, openid: str, choices: list[Choice]) -> None:
        """The customer answers popups about these templates: an accept is one message more, anything else changes no
        number. The shop's server is told."""
        with self._store.transaction():
            for choice in choices:
                if choice.answer == "accept":
                    self._add(openid, choice.template_id, 1)
            for start in range(0, len(choices), POPUP_TEMPLATES):
                self._pushes.popup(openid, choices[start : start + POPUP_TEMPLATES])

    def switch_off(self, openid: str, template_ids: list[str]) -> None:
        """The customer refuses these templates in the settings: what was accepted is void. The server is told."""
        with self._store.transaction():
            for name in template_ids:
                self._add(openid, name, -self.quota(openid, name))
            self._pushes.change(openid, template_ids)

    def _add(self, openid: str, template_id: str, count: int) -> None:
        self._store.run(
            "INSERT INTO subscribe_quotas VALUES (?, ?, ?) ON CONFLICT (openid, template_id)"
            " DO UPDATE SET remaining = excluded.remaining",
            *(openid, template_id, self.quota(openid, template_id) + count),
        )

    def quota(self, openid: str, template_id: str) -> int:
        """How many messages this customer takes from this template."""
        row = self._store.one(
            "SELECT remaining FROM subscribe_quotas WHERE openid = ? AND template_id = ?", openid, template_id
        )
        return self._default_quota if row is None else int(row["remaining"])

    def send(self, message: Message) -> Result:
        """Send; ``(errcode, errmsg)``: 0 ok, 40037 unknown template, 41030 page, 47003 wrong field, 43101 no quota."""
        template = self._templates.get(message.template_id)
        if template is None:
            return 40037, "invalid template_id"
        refused = self._refusal(template, message)
        if refused is not None:
            return refused
        message_id = str(secrets.randbelow(10**18) + 10**18)
        with self._store.transaction():
            self._add(message.openid, message.template_id, -1)
            self._ledger.message(
                "wechat",
                message.openid,
                template=message.template_id,
                name=template.name,
                values=message.values,
                message_id=message_id,
            )
            self._pushes.sent(message.openid, message.template_id, message_id)
        return 0, "ok"

    def _refusal(self, template: Template, message: Message) -> Result | None:
        if message.state not in (None, *STATES):
            return 47003, "argument invalid! miniprogram_state invalid"
        if message.language not in (None, *LANGUAGES):
            return 47003, "argument invalid! lang invalid"
        if message.page is not None and not self._has_page(message.page):
            return 41030, "invalid page"
        wrong = wrong_field(template.fields, message.values, template.enums)
        if wrong is not None:
            empty = not message.values.get(wrong, "").strip()
            return 47003, f"argument invalid! data.{wrong}.value {'is empty' if empty else 'invalid'}"
        if self.quota(message.openid, message.template_id) < 1:
            return 43101, "user refuse to accept the msg"
        return None

    def _has_page(self, page: str) -> bool:
        """Whether the released mini-program has this page; any well-formed one where no pages are listed."""
        known = not self._pages or page.partition("?")[0] in self._pages
        return known and PAGE.fullmatch(page) is not None
