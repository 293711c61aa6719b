"""The callbacks still to be delivered: rows, and what one of them looks like on the wire."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Literal

from sandbox.clock import Clock, rfc3339_china
from sandbox.faults import Fault
from sandbox.merchants import Merchant
from sandbox.parties import party_of
from sandbox.settings import SandboxSettings
from sandbox.signing import encrypted_resource
from sandbox.store import Store, as_dict

CallbackCall = Literal["pay-callback", "refund-callback", "transfer-callback"]
ORIGINAL_TYPES: dict[str, str] = {
    "pay-callback": "transaction",
    "refund-callback": "refund",
    "transfer-callback": "mch_payment",
}


class CallbackQueue:
    """Stored callbacks. States: pending, sending, delivered, lost (by a fault), given-up (end of the ladder)."""

    def __init__(self, store: Store, clock: Clock, settings: SandboxSettings) -> None:
        self._store = store
        self._clock = clock
        self._delay = settings.callback_delay_seconds
        self._ladder = settings.callback_ladder_seconds
        # A process that died while sending cannot know the outcome: WeChat Pay promises at-least-once, so send again.
        store.run("UPDATE callbacks SET state = 'pending' WHERE state = 'sending'")

    def add(
        self,
        call: CallbackCall,
        *,
        event_type: str,
        summary: str,
        numbers: dict[str, str],
        notify_url: str,
        resource: dict[str, Any],
    ) -> None:
        """Store a callback; ``resource`` is the plaintext that will be encrypted, and names the merchant."""
        now = self._clock.now()
        mchid: str = resource["mch_id"] if call == "transfer-callback" else resource["mchid"]
        order_no = numbers.get("out_trade_no") or numbers["out_bill_no"]
        party = party_of(self._store, mchid, order_no)
        content = resource if party is None else party.shown(resource)
        cause = f"{event_type}/{mchid}/{json.dumps(numbers, sort_keys=True)}/{now}"
        self._store.run(
            "INSERT INTO callbacks (id, call, event_type, summary, original_type, numbers, notify_url, resource,"
            " created_at, due_at, state, mchid, order_no) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)",
            *(f"EV-{hashlib.sha256(cause.encode()).hexdigest()[:32]}", call, event_type, summary, ORIGINAL_TYPES[call]),
            *(json.dumps({**numbers, "mchid": mchid}), notify_url, json.dumps(content, ensure_ascii=False)),
            *(now, now + self._delay, mchid, order_no),
        )

    def claim(self, limit: int) -> list[sqlite3.Row]:
        """Take up to ``limit`` callbacks that are due, oldest first."""
        if limit <= 0:
            return []
        rows = self._store.all(
            "SELECT * FROM callbacks WHERE state = 'pending' AND due_at <= ? ORDER BY due_at, id LIMIT ?",
            *(self._clock.now(), limit),
        )
        return self._taken(rows)

    def claim_of(self, call: CallbackCall, mchid: str, numbers: dict[str, str]) -> list[sqlite3.Row]:
        """Take the callbacks with these numbers that were never sent, whenever they are due."""
        rows = self._store.all(
            "SELECT * FROM callbacks WHERE state = 'pending' AND mchid = ? AND order_no = ? AND call = ?"
            " AND attempts = 0 ORDER BY due_at, id",
            *(mchid, numbers["out_trade_no"], call),
        )
        return self._taken([row for row in rows if numbers.items() <= json.loads(row["numbers"]).items()])

    def _taken(self, rows: list[sqlite3.Row]) -> list[sqlite3.Row]:
        if rows:
            with self._store.transaction():
                for row in rows:
                    self._store.run("UPDATE callbacks SET state = 'sending' WHERE id = ?", row["id"])
        return rows

    def next_due(self) -> float | None:
        """When the next pending callback is due, business time."""
        row = self._store.one("SELECT MIN(due_at) AS due FROM callbacks WHERE state = 'pending'")
        return None if row is None else row["due"]

    def drawn(self, row: sqlite3.Row, fault: Fault | None) -> None:
        """Remember which fault was drawn for a callback, so that it is drawn once."""
        drawn = "null" if fault is None else fault.model_dump_json(exclude_unset=True)
        self._store.run("UPDATE callbacks SET fault = ? WHERE id = ?", drawn, row["id"])

    def postpone(self, row: sqlite3.Row, seconds: float, *, until_next: bool) -> None:
        """Deliver later; with ``until_next`` as soon as another callback of the same order was delivered."""
        self._store.run(
            "UPDATE callbacks SET state = 'pending', due_at = ?, waits = ?, fault = 'null' WHERE id = ?",
            *(self._clock.now() + seconds, int(until_next), row["id"]),
        )

    def release(self, row: sqlite3.Row) -> None:
        """This callback was delivered: those of its order that waited for it are due now."""
        self._store.run(
            "UPDATE callbacks SET waits = 0, due_at = MIN(due_at, ?) WHERE waits = 1 AND mchid = ? AND order_no = ?"
            " AND id <> ?",
            *(self._clock.now(), row["mchid"], row["order_no"], row["id"]),
        )

    def extra(self, row: sqlite3.Row, what: str, outcome: str) -> None:
        """Note a delivery beside the genuine one, and what the receiver said to it."""
        stored = self._store.one("SELECT extras FROM callbacks WHERE id = ?", row["id"])
        assert stored is not None
        extras = [*json.loads(stored["extras"]), {"what": what, "outcome": outcome}]
        self._store.run("UPDATE callbacks SET extras = ? WHERE id = ?", json.dumps(extras), row["id"])

    def delivered(self, row: sqlite3.Row, outcome: str) -> None:
        """The receiver said it handled the callback."""
        self._end(row, "delivered", outcome)

    def lost(self, row: sqlite3.Row) -> None:
        """A fault swallowed the callback: delivery is not guaranteed."""
        self._end(row, "lost", "lost by a fault")

    def _end(self, row: sqlite3.Row, state: str, outcome: str) -> None:
        self._store.run(
            "UPDATE callbacks SET state = ?, attempts = attempts + 1, last_outcome = ?, waits = 0 WHERE id = ?",
            *(state, outcome, row["id"]),
        )

    def failed(self, row: sqlite3.Row, outcome: str) -> None:
        """The delivery failed: wait for the next rung of the ladder, or give up behind the last."""
        attempts = row["attempts"] + 1
        if attempts > len(self._ladder):
            self._end(row, "given-up", outcome)
            return
        self._store.run(
            "UPDATE callbacks SET state = 'pending', attempts = ?, due_at = ?, last_outcome = ?, waits = 0"
            " WHERE id = ?",
            *(attempts, self._clock.now() + self._ladder[attempts - 1], outcome, row["id"]),
        )

    def lines(self, limit: int) -> list[dict[str, Any]]:
        """The newest callbacks with their state, for people who look for one."""
        rows = self._store.all("SELECT * FROM callbacks ORDER BY created_at DESC, id LIMIT ?", limit)
        return [
            {**as_dict(row), "numbers": json.loads(row["numbers"]), "extras": json.loads(row["extras"])} for row in rows
        ]


def callback_body(merchant: Merchant, row: Mapping[str, Any] | sqlite3.Row, resource: str) -> bytes:
    """The notification on the wire (pay.weixin.qq.com/doc/v3/merchant/4012082053), for this merchant's key."""
    envelope = {
        "id": row["id"],
        "create_time": rfc3339_china(row["created_at"]),
        "resource_type": "encrypt-resource",
        "event_type": row["event_type"],
        "summary": row["summary"],
        "resource": encrypted_resource(merchant.apiv3_key, resource.encode(), row["original_type"]),
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
