"""The ledger: what really happened with money and messages. Tests judge the shop by it.

Append-only and kept apart from all other state: only this module touches its two tables, and the database itself
refuses to change or delete a line.
"""

import json
from typing import Any

from sandbox.clock import Clock, rfc3339_utc
from sandbox.ledger_checks import BALANCE_SIGNS, CAME_BACK, CAME_IN, CHECKS, CUSTOMER_SUMS, ON_ITS_WAY, WENT_OUT
from sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger_money (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, mchid TEXT NOT NULL, out_trade_no TEXT,
    out_refund_no TEXT, out_bill_no TEXT, amount_minor INTEGER NOT NULL, openid TEXT, code TEXT, time TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_money_by_transfer ON ledger_money (out_bill_no, kind);
CREATE INDEX IF NOT EXISTS ledger_money_by_customer ON ledger_money (openid, kind);
CREATE INDEX IF NOT EXISTS ledger_money_by_refund ON ledger_money (out_refund_no, kind);
CREATE TABLE IF NOT EXISTS ledger_balance (mchid TEXT PRIMARY KEY, balance_minor INTEGER NOT NULL);
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
    "opening",  # a merchant's balance when it was first seen
    "balance-set",  # the balance was set by hand; the amount is the difference
    "payment",  # a customer paid; the amount is the customer's own money, without coupons
    "coupon",  # the prepaid coupon of a payment reached the merchant
    "refund-accepted",  # the money left the merchant's balance; again the customer's money only
    "coupon-refunded",  # the coupon's part of a refund left the merchant's balance
    "refund-success",  # the money arrived
    "refund-abnormal",  # the money is between the merchant and the customer
    "refund-returned",  # the money of an abnormal refund went to the merchant's bank, not to the customer
    "refund-closed",  # the refund ended without effect, the money is back in the balance
    "coupon-restored",  # so is the coupon's part
    "refund-refused",  # refused by a business rule; `code` says which; once per number and code
    "refund-left-closed",  # refused, and shown as closed all the same; nothing moved
    "transfer-accepted",  # reserved out of the merchant's balance until the customer confirms
    "transfer-success",  # the customer confirmed and has the money
    "transfer-returned",  # failed or cancelled, the money is back in the balance; `code` is the fail_reason
    "transfer-refused",  # refused by a business rule; once per number and code
)


class Ledger:
    """Writes and reads the two append-only tables. Amounts are fen."""

    def __init__(self, store: Store, clock: Clock, opening_balance: int, mchid: str) -> None:
        self._store = store
        self._clock = clock
        self._opening_balance = opening_balance
        self._mchid = mchid
        store.script(SCHEMA)
        with store.transaction():
            self._open(mchid)

    def _open(self, mchid: str) -> None:
        if self._store.run("INSERT OR IGNORE INTO ledger_balance VALUES (?, 0)", mchid):
            self.money("opening", self._opening_balance, mchid=mchid)

    def money(
        self,
        kind: str,
        amount_minor: int,
        *,
        mchid: str | None = None,
        out_trade_no: str | None = None,
        out_refund_no: str | None = None,
        out_bill_no: str | None = None,
        openid: str | None = None,
        code: str | None = None,
    ) -> None:
        """Append one line about money; ``kind`` is one of MONEY_KINDS, no ``mchid`` means the first merchant."""
        if kind not in MONEY_KINDS:
            raise ValueError(f"no such kind of line: {kind}")
        mchid = mchid or self._mchid
        self._open(mchid)
        self._store.run(
            "INSERT INTO ledger_money (kind, mchid, out_trade_no, out_refund_no, out_bill_no, amount_minor, openid,"
            " code, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(kind, mchid, out_trade_no, out_refund_no, out_bill_no, amount_minor, openid, code),
            rfc3339_utc(self._clock.now()),
        )
        if kind in BALANCE_SIGNS:
            # Kept beside the lines because adding them up for each refund would be slow; `check` compares the two.
            change = BALANCE_SIGNS[kind] * amount_minor
            self._store.run(
                "UPDATE ledger_balance SET balance_minor = balance_minor + ? WHERE mchid = ?", change, mchid
            )

    def balance(self, mchid: str | None = None) -> int:
        """A merchant's balance, fen; one never seen before gets its opening balance."""
        mchid = mchid or self._mchid
        self._open(mchid)
        return self._store.number("SELECT balance_minor FROM ledger_balance WHERE mchid = ?", mchid)

    def balances(self) -> dict[str, int]:
        """All merchants' balances, fen."""
        rows = self._store.all("SELECT mchid, balance_minor FROM ledger_balance ORDER BY mchid")
        return {row["mchid"]: row["balance_minor"] for row in rows}

    def set_balance(self, balance_minor: int, mchid: str | None = None) -> None:
        """Set a merchant's balance by hand; the difference becomes a line."""
        with self._store.transaction():
            self.money("balance-set", balance_minor - self.balance(mchid), mchid=mchid)

    def refusal(
        self, out_trade_no: str | None, out_refund_no: str, amount_minor: int, code: str, *, mchid: str | None = None
    ) -> None:
        """Note that a refund number was refused with ``code``; noted once per number and code."""
        known = self._store.one(
            "SELECT 1 FROM ledger_money WHERE out_refund_no = ? AND kind = 'refund-refused' AND code = ? AND mchid = ?",
            *(out_refund_no, code, mchid or self._mchid),
        )
        if known is None:
            about = {"mchid": mchid, "out_trade_no": out_trade_no, "out_refund_no": out_refund_no}
            self.money("refund-refused", amount_minor, code=code, **about)

    def transfer_refusal(self, out_bill_no: str, amount_minor: int, code: str, *, mchid: str, openid: str) -> None:
        """Note that a transfer number was refused with ``code``; noted once per number and code."""
        known = self._store.one(
            "SELECT 1 FROM ledger_money WHERE out_bill_no = ? AND kind = 'transfer-refused' AND code = ? AND mchid = ?",
            *(out_bill_no, code, mchid),
        )
        if known is None:
            self.money("transfer-refused", amount_minor, mchid=mchid, out_bill_no=out_bill_no, openid=openid, code=code)

    def flow(self, mchid: str, until: str) -> list[dict[str, Any]]:
        """The lines that moved a merchant's balance before the moment ``until`` (as ``time``), oldest first."""
        rows = self._store.all("SELECT * FROM ledger_money WHERE mchid = ? AND time < ? ORDER BY id", mchid, until)
        moving = (dict(row) for row in rows if row["kind"] in BALANCE_SIGNS)
        return [{**line, "change_minor": BALANCE_SIGNS[line["kind"]] * line["amount_minor"]} for line in moving]

    def customer(self, openid: str) -> dict[str, Any]:
        """What one customer paid, got back, and was transferred, in fen, over all orders and merchants."""
        sums = {
            row["kind"]: int(row["amount"])
            for row in self._store.all(
                "SELECT kind, SUM(amount_minor) AS amount FROM ledger_money WHERE openid = ? GROUP BY kind", openid
            )
        }
        found: dict[str, Any] = {"openid": openid}
        for name, terms in CUSTOMER_SUMS.items():
            found[name] = sum(int(f"{term[0]}1") * sums.get(term[1:], 0) for term in terms.split())
        return found

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
            "refunds_returned": kinds.get("refund-returned", nothing),
            "refusals": kinds.get("refund-refused", nothing),
            "transfers_accepted": kinds.get("transfer-accepted", nothing),
            "transferred": kinds.get("transfer-success", nothing),
            "transfers_returned": kinds.get("transfer-returned", nothing),
            "refused_numbers": self._refused_numbers(),
            "balance_minor": self.balance(),
            "balances": self.balances(),
            "messages": self._messages_by_template(),
        }

    def _refused_numbers(self) -> list[str]:
        """Refund numbers that were refused and never accepted."""
        rows = self._store.all(
            "SELECT DISTINCT out_refund_no FROM ledger_money r WHERE kind = 'refund-refused' AND NOT EXISTS (SELECT 1"
            " FROM ledger_money a WHERE a.out_refund_no = r.out_refund_no AND a.mchid = r.mchid"
            " AND a.kind = 'refund-accepted') ORDER BY 1"
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
        violations.extend(self._check_balances())
        return {"ok": not violations, "violations": violations}

    def _check_balances(self) -> list[dict[str, Any]]:
        signs = " ".join(f"WHEN '{kind}' THEN {sign} * amount_minor" for kind, sign in BALANCE_SIGNS.items())
        sums = {
            row["mchid"]: row["total"]
            for row in self._store.all(
                f"SELECT mchid, SUM(CASE kind {signs} ELSE 0 END) AS total FROM ledger_money GROUP BY mchid"
            )
        }
        found = []
        for mchid, balance in self.balances().items():
            if balance < 0:
                found.append({"rule": "the merchant's balance is negative", "subject": mchid, "found": balance})
            if balance != sums.get(mchid, 0):
                rule = "the balance is not the sum of its lines"
                found.append({"rule": rule, "subject": mchid, "found": sums.get(mchid, 0)})
        lost = self._lost()
        if lost:
            found.append({"rule": "money came in that is nowhere", "subject": "all", "found": lost})
        return found

    def _lost(self) -> int:
        """What came in, less what is in a balance, with somebody, or on its way: 0 where no fen is lost or made up."""
        came_in = self._store.number(CAME_IN) + self._store.number(CAME_BACK)
        accounted = self._store.number(WENT_OUT) + self._store.number(ON_ITS_WAY)
        return came_in - accounted - sum(self.balances().values())
