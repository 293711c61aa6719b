"""Every SMS that was accepted, the state of the two accounts, and the numbers that get none."""

import json
import secrets
import sqlite3

from pydantic import BaseModel, ConfigDict, Field

from sandbox.clock import Clock
from sandbox.ledger import Ledger
from sandbox.settings import SandboxSettings
from sandbox.sms_parts import Channel, Sent
from sandbox.store import Store
from sandbox.templates import VERIFICATION_CODE

SCHEMA = """
CREATE TABLE IF NOT EXISTS sms_messages (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, number TEXT NOT NULL, template TEXT NOT NULL, content TEXT NOT NULL,
    is_code INTEGER NOT NULL, batch TEXT NOT NULL, context TEXT NOT NULL, sent_at REAL NOT NULL,
    sent_on_wall REAL NOT NULL, report_at REAL NOT NULL, err_code TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sms_messages_by_number ON sms_messages (channel, number, sent_at);
CREATE INDEX IF NOT EXISTS sms_messages_by_batch ON sms_messages (batch);
"""
ACCOUNTS = "sms-accounts"
UNDELIVERABLE = "sms-undeliverable"
NO_ERROR = ""


class Account(BaseModel):
    """What the console of a provider shows and lets one set. Without a number there is no such limit."""

    model_config = ConfigDict(extra="forbid")
    balance: int | None = Field(default=None, ge=0, description="messages that are still paid for")
    arrears: bool = Field(default=False, description="service is suspended until the bill is paid")
    daily_limit: int | None = Field(default=None, ge=0, description="messages of the account in one day")
    monthly_limit: int | None = Field(default=None, ge=0, description="Alibaba Cloud only")
    sensitive_words: list[str] = Field(default_factory=list, description="content with one of them is refused")
    parameter_limit: int | None = Field(default=None, ge=1, description="characters in one template parameter")
    number_per_thirty_seconds: int = Field(default=1, ge=1, description="Tencent Cloud only, to one number")
    number_per_hour: int = Field(default=5, ge=1, description="Tencent Cloud only, to one number")
    number_per_day: int = Field(default=10, ge=1, description="Tencent Cloud only, to one number")
    same_content_per_day: int = Field(default=5, ge=1, description="Tencent Cloud only, to one number")


class Accounts(BaseModel):
    """Both accounts."""

    model_config = ConfigDict(extra="forbid")
    tencent: Account = Field(default_factory=Account)
    alibaba: Account = Field(default_factory=Account)


class SmsBook:
    """Accepts messages and knows what became of them. Times are business time unless their name says otherwise."""

    def __init__(self, store: Store, ledger: Ledger, clock: Clock, settings: SandboxSettings) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._report_seconds = settings.sms_report_seconds
        self.limited = settings.enforce_sms_limits
        store.script(SCHEMA)

    def accounts(self) -> Accounts:
        """The state of both accounts."""
        kept = self._store.kept(ACCOUNTS)
        return Accounts.model_validate_json(kept) if kept else Accounts()

    def account(self, channel: Channel) -> Account:
        """The state of one account."""
        accounts = self.accounts()
        return accounts.tencent if channel == "sms-tencent" else accounts.alibaba

    def set_accounts(self, accounts: Accounts) -> None:
        """Replace the state of both accounts."""
        self._store.keep(ACCOUNTS, accounts.model_dump_json())

    def blacklisted(self, number: str) -> bool:
        """Whether this E.164 number was put on the blacklist."""
        return self._store.one("SELECT 1 FROM sms_blacklist WHERE number = ?", number) is not None

    def undeliverable(self) -> dict[str, str]:
        """E.164 number → the carrier's error code: accepted, but never delivered."""
        kept = self._store.kept(UNDELIVERABLE)
        found: dict[str, str] = json.loads(kept) if kept else {}
        return found

    def set_undeliverable(self, numbers: dict[str, str]) -> None:
        """Replace the numbers that messages are accepted for and do not reach."""
        self._store.keep(UNDELIVERABLE, json.dumps(numbers))

    def accept(self, channel: Channel, number: str, sent: Sent) -> str:
        """Take a message: a line in the ledger, one message less in the package. Says its id."""
        message_id = secrets.token_hex(10)
        now = self._clock.now()
        with self._store.transaction():
            self._ledger.message(
                channel, number, template=sent.template_id, name=sent.name, values=sent.values, message_id=message_id
            )
            self._store.run(
                "INSERT INTO sms_messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(message_id, channel, number, sent.template_id, content_of(sent.values)),
                *(int(sent.name == VERIFICATION_CODE), sent.batch, sent.context, now, self._clock.wall()),
                *(now + self._report_seconds, self.undeliverable().get(number, NO_ERROR)),
            )
            self._pay(channel)
        return message_id

    def _pay(self, channel: Channel) -> None:
        accounts = self.accounts()
        account = accounts.tencent if channel == "sms-tencent" else accounts.alibaba
        if account.balance is not None:
            account.balance = max(0, account.balance - 1)
            self.set_accounts(accounts)

    def now(self) -> float:
        """Business time, seconds since the epoch."""
        return self._clock.now()

    def count(self, channel: Channel, since: float, **where: str | int) -> int:
        """How many messages were accepted from that moment on, with these values in columns of the table."""
        conditions = "".join(f" AND {column} = ?" for column in where)
        sql = f"SELECT COUNT(*) FROM sms_messages WHERE channel = ? AND sent_at > ?{conditions}"
        return self._store.number(sql, channel, since, *where.values())

    def of_batch(self, batch: str) -> list[sqlite3.Row]:
        """The messages of one call."""
        return self._store.all("SELECT * FROM sms_messages WHERE batch = ? ORDER BY number", batch)

    def sent_between(self, channel: Channel, number: str, begin: float, end: float) -> list[sqlite3.Row]:
        """The messages to one number sent in this time, oldest first.

        Callers mean their own clock, which did not jump with the business time here: either time counts.
        """
        return self._store.all(
            "SELECT * FROM sms_messages WHERE channel = ? AND number = ?"
            " AND (sent_at BETWEEN ? AND ? OR sent_on_wall BETWEEN ? AND ?) ORDER BY sent_at",
            *(channel, number, begin, end, begin, end),
        )


def content_of(values: dict[str, str]) -> str:
    """What two messages of one template must share to be the same."""
    return json.dumps(values, ensure_ascii=False, sort_keys=True)
