"""The ledger: what really happened with money and messages. Tests judge the shop by it.

Append-only and kept apart from all other state: only this module touches its two tables, and the database itself
refuses to change or delete a line.
"""

import json
from typing import Any

from sandbox.clock import Clock, rfc3339_utc
from sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger_money (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, out_trade_no TEXT, out_refund_no TEXT,
    amount_minor INTEGER NOT NULL, openid TEXT, code TEXT, time TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_money_by_refund ON ledger_money (out_refund_no, kind);
CREATE TABLE IF NOT EXISTS ledger_balance (balance_minor INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ledger_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, receiver TEXT NOT NULL, template TEXT NOT NULL,
    template_name TEXT NOT NULL, message_values TEXT NOT NULL, message_id TEXT NOT NULL, time TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS ledger_money_stays BEFORE UPDATE ON ledger_money
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_money_remains BEFORE DELETE ON ledger_money
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_messages_stay BEFORE UPDATE ON ledger_messages
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_messages_remain BEFORE DELETE ON ledger_messages
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""

MONEY_KINDS = (
    "opening",  # the merchant's balance at the start
    "balance-set",  # the balance was set by hand; the amount is the difference
    "payment",  # a customer paid
    "refund-accepted",  # the money left the merchant's balance
    "refund-success",  # the money arrived
    "refund-abnormal",  # the money is between the merchant and the customer
    "refund-closed",  # the refund ended without effect, the money is back in the balance
    "refund-refused",  # refused by a business rule; `code` says which; once per number and code
)

# What a line does to the merchant's balance; the other kinds do nothing to it.
BALANCE_SIGNS = {"opening": 1, "balance-set": 1, "payment": 1, "refund-closed": 1, "refund-accepted": -1}

# An abnormal refund has left the merchant, a closed one has come back to it.
CHECKS = {
    "an order was paid more than once": """
        SELECT out_trade_no AS subject, COUNT(*) AS found FROM ledger_money WHERE kind = 'payment'
        GROUP BY out_trade_no HAVING COUNT(*) > 1""",
    "the refunds of an order exceed what was paid": """
        SELECT out_trade_no AS subject,
               SUM(CASE kind WHEN 'refund-accepted' THEN amount_minor WHEN 'refund-closed' THEN -amount_minor
                             WHEN 'payment' THEN -amount_minor ELSE 0 END) AS found
        FROM ledger_money WHERE kind IN ('payment', 'refund-accepted', 'refund-closed')
        GROUP BY out_trade_no HAVING found > 0""",
    "a refund number was accepted more than once": """
        SELECT out_refund_no AS subject, COUNT(*) AS found FROM ledger_money WHERE kind = 'refund-accepted'
        GROUP BY out_refund_no HAVING COUNT(*) > 1""",
    "a refund number succeeded more than once": """
        SELECT out_refund_no AS subject, COUNT(*) AS found FROM ledger_money WHERE kind = 'refund-success'
        GROUP BY out_refund_no HAVING COUNT(*) > 1""",
    "a refund ended that was not accepted with the same amount": """
        SELECT e.out_refund_no AS subject, e.amount_minor AS found FROM ledger_money e
        WHERE e.kind IN ('refund-success', 'refund-abnormal', 'refund-closed') AND NOT EXISTS (
            SELECT 1 FROM ledger_money a WHERE a.out_refund_no = e.out_refund_no AND a.kind = 'refund-accepted'
            AND a.amount_minor = e.amount_minor AND a.id < e.id)""",
    "a refund both succeeded and was closed": """
        SELECT s.out_refund_no AS subject, 1 AS found FROM ledger_money s JOIN ledger_money c
        ON c.out_refund_no = s.out_refund_no AND c.kind = 'refund-closed' WHERE s.kind = 'refund-success'""",
}


class Ledger:
    """Writes and reads the two append-only tables. Amounts are fen."""

    def __init__(self, store: Store, clock: Clock, opening_balance: int) -> None:
        self._store = store
        self._clock = clock
        store.script(SCHEMA)
        if store.one("SELECT 1 FROM ledger_balance") is None:
            with store.transaction():
                store.run("INSERT INTO ledger_balance VALUES (0)")
                self.money("opening", opening_balance)

    def money(
        self,
        kind: str,
        amount_minor: int,
        *,
        out_trade_no: str | None = None,
        out_refund_no: str | None = None,
        openid: str | None = None,
        code: str | None = None,
    ) -> None:
        """Append one line about money; ``kind`` is one of MONEY_KINDS."""
        if kind not in MONEY_KINDS:
            raise ValueError(f"no such kind of line: {kind}")
        self._store.run(
            "INSERT INTO ledger_money (kind, out_trade_no, out_refund_no, amount_minor, openid, code, time)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(kind, out_trade_no, out_refund_no, amount_minor, openid, code, rfc3339_utc(self._clock.now())),
        )
        if kind in BALANCE_SIGNS:
            # Kept beside the lines because adding them up for each refund would be slow; `check` compares the two.
            change = BALANCE_SIGNS[kind] * amount_minor
            self._store.run("UPDATE ledger_balance SET balance_minor = balance_minor + ?", change)

    def balance(self) -> int:
        """The merchant's balance, fen."""
        return self._store.number("SELECT balance_minor FROM ledger_balance")

    def set_balance(self, balance_minor: int) -> None:
        """Set the merchant's balance by hand; the difference becomes a line."""
        with self._store.transaction():
            self.money("balance-set", balance_minor - self.balance())

    def _balance_by_lines(self) -> int:
        signs = " ".join(f"WHEN '{kind}' THEN {sign} * amount_minor" for kind, sign in BALANCE_SIGNS.items())
        return self._store.number(f"SELECT SUM(CASE kind {signs} ELSE 0 END) FROM ledger_money")

    def refusal(self, out_trade_no: str | None, out_refund_no: str, amount_minor: int, code: str) -> None:
        """Note that a refund number was refused with ``code``; noted once per number and code."""
        known = self._store.one(
            "SELECT 1 FROM ledger_money WHERE out_refund_no = ? AND kind = 'refund-refused' AND code = ?",
            *(out_refund_no, code),
        )
        if known is None:
            self.money(
                "refund-refused", amount_minor, out_trade_no=out_trade_no, out_refund_no=out_refund_no, code=code
            )

    def message(
        self, channel: str, to: str, *, template: str, name: str, values: dict[str, str], message_id: str
    ) -> None:
        """Append one line about a message that a provider accepted; channel is wechat, sms-tencent or sms-alibaba."""
        self._store.run(
            "INSERT INTO ledger_messages (channel, receiver, template, template_name, message_values, message_id, time)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(channel, to, template, name, json.dumps(values, ensure_ascii=False), message_id),
            rfc3339_utc(self._clock.now()),
        )

    def money_lines(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Lines about money with an id greater than ``after``, oldest first."""
        rows = self._store.all("SELECT * FROM ledger_money WHERE id > ? ORDER BY id LIMIT ?", after, limit)
        return [dict(row) for row in rows]

    def message_lines(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Lines about messages with an id greater than ``after``, oldest first."""
        rows = self._store.all("SELECT * FROM ledger_messages WHERE id > ? ORDER BY id LIMIT ?", after, limit)
        return [
            {
                **{key: row[key] for key in ("id", "channel", "template", "template_name", "message_id", "time")},
                "to": row["receiver"],
                "values": json.loads(row["message_values"]),
            }
            for row in rows
        ]

    def summary(self) -> dict[str, Any]:
        """Counts and sums in fen; see README for the shape."""
        kinds = {
            row["kind"]: {"count": row["n"], "amount_minor": row["amount"]}
            for row in self._store.all(
                "SELECT kind, COUNT(*) AS n, SUM(amount_minor) AS amount FROM ledger_money GROUP BY kind"
            )
        }
        nothing = {"count": 0, "amount_minor": 0}
        return {
            "paid": kinds.get("payment", nothing),
            "refunds_accepted": kinds.get("refund-accepted", nothing),
            "refunded": kinds.get("refund-success", nothing),
            "refunds_abnormal": kinds.get("refund-abnormal", nothing),
            "refunds_closed": kinds.get("refund-closed", nothing),
            "refusals": kinds.get("refund-refused", nothing),
            "refused_numbers": self._refused_numbers(),
            "balance_minor": self.balance(),
            "messages": self._messages_by_template(),
        }

    def _refused_numbers(self) -> list[str]:
        """Refund numbers that were refused and never accepted."""
        rows = self._store.all(
            "SELECT DISTINCT out_refund_no FROM ledger_money r WHERE kind = 'refund-refused' AND NOT EXISTS (SELECT 1"
            " FROM ledger_money a WHERE a.out_refund_no = r.out_refund_no AND a.kind = 'refund-accepted') ORDER BY 1"
        )
        return [row["out_refund_no"] for row in rows]

    def _messages_by_template(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for row in self._store.all(
            "SELECT channel, template_name, COUNT(*) AS n FROM ledger_messages GROUP BY channel, template_name"
        ):
            found.setdefault(row["channel"], {})[row["template_name"]] = row["n"]
        return found

    def check(self) -> dict[str, Any]:
        """The ledger's own sums: ``{"ok": bool, "violations": [{"rule", "subject", "found"}]}``."""
        violations = [
            {"rule": rule, "subject": row["subject"], "found": row["found"]}
            for rule, sql in CHECKS.items()
            for row in self._store.all(sql)
        ]
        balance = self.balance()
        if balance < 0:
            violations.append({"rule": "the merchant's balance is negative", "subject": "balance", "found": balance})
        if balance != (by_lines := self._balance_by_lines()):
            violations.append(
                {"rule": "the balance is not the sum of its lines", "subject": "balance", "found": by_lines}
            )
        return {"ok": not violations, "violations": violations}
