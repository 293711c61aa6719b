"""Plain HTTP deliveries, neither encrypted nor of WeChat Pay: event pushes of the mini-program and SMS receipts."""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import httpx

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.store import Store, as_dict

SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, call TEXT NOT NULL, url TEXT NOT NULL, body TEXT NOT NULL,
    numbers TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL, due_at REAL NOT NULL,
    state TEXT NOT NULL, last_outcome TEXT
);
CREATE INDEX IF NOT EXISTS posts_due ON posts (due_at) WHERE state = 'pending';
"""

PostCall = Literal["event-push", "sms-receipt"]
Delivery = Callable[[httpx.AsyncClient], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Manner:
    """How one kind of post is delivered: waits between deliveries in seconds, the query that goes with a body, and
    which answers count as handled."""

    ladder: tuple[float, ...]
    query: Callable[[], dict[str, str]]
    handled: Callable[[httpx.Response], bool]


class Posts:
    """Stored deliveries; the courier asks for those that are due. States: pending, sending, delivered, lost (by a
    fault), given-up (end of the ladder)."""

    def __init__(self, store: Store, clock: Clock, faults: Faults, timeout_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults
        self._timeout_seconds = timeout_seconds
        self._manners: dict[str, Manner] = {}
        store.script(SCHEMA)
        # A process that died while sending cannot know the outcome, so it is sent again.
        store.run("UPDATE posts SET state = 'pending' WHERE state = 'sending'")

    def deliver_as(self, call: PostCall, manner: Manner) -> None:
        """Say how one kind of post is delivered."""
        self._manners[call] = manner

    def add(self, call: PostCall, url: str, body: Any, *, numbers: dict[str, str], due_at: float) -> None:
        """Store a delivery of a JSON body; ``numbers`` is what fault rules may match."""
        self._store.run(
            "INSERT INTO posts (call, url, body, numbers, created_at, due_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, 'pending')",
            *(call, url, json.dumps(body, ensure_ascii=False), json.dumps(numbers), self._clock.now(), due_at),
        )

    def begin_due(self, limit: int) -> list[Delivery]:
        """Take up to ``limit`` deliveries that are due, oldest first; each still has to be carried out."""
        if limit <= 0:
            return []
        rows = self._store.all(
            "SELECT * FROM posts WHERE state = 'pending' AND due_at <= ? ORDER BY due_at, id LIMIT ?",
            *(self._clock.now(), limit),
        )
        if rows:
            with self._store.transaction():
                for row in rows:
                    self._store.run("UPDATE posts SET state = 'sending' WHERE id = ?", row["id"])
        return [partial(self._deliver, row) for row in rows]

    def next_due(self) -> float | None:
        """When the next delivery is due, business time."""
        row = self._store.one("SELECT MIN(due_at) AS due FROM posts WHERE state = 'pending'")
        return None if row is None else row["due"]

    def lines(self, call: PostCall, limit: int) -> list[dict[str, Any]]:
        """The newest deliveries of a kind with their state, for people who look for one."""
        rows = self._store.all("SELECT * FROM posts WHERE call = ? ORDER BY id DESC LIMIT ?", call, limit)
        decoded = ("body", "numbers")
        return [{**as_dict(row), **{name: json.loads(row[name]) for name in decoded}} for row in rows]

    async def _deliver(self, row: sqlite3.Row, client: httpx.AsyncClient) -> None:
        fault = self._faults.draw(row["call"], json.loads(row["numbers"])) if row["attempts"] == 0 else None
        kind = None if fault is None else fault.kind
        if kind == "callback-lost":
            self._end(row, "lost", "lost by a fault")
            return
        if fault is not None and kind == "callback-late":
            self._again(row, 1, fault.seconds, "late by a fault")
            return
        outcome, handled = await self._send(client, row)
        if kind == "callback-doubled":
            outcome, handled = await self._send(client, row)
        if handled:
            self._end(row, "delivered", outcome)
        else:
            self._failed(row, outcome)

    async def _send(self, client: httpx.AsyncClient, row: sqlite3.Row) -> tuple[str, bool]:
        manner = self._manners[row["call"]]
        try:
            answer = await client.post(
                httpx.URL(row["url"]).copy_merge_params(manner.query()),
                content=row["body"].encode(),
                headers={"Content-Type": "application/json"},
                timeout=self._timeout_seconds,
            )
        except Exception as problem:  # why: an application called in-process raises its own errors through the client
            return f"{type(problem).__name__}: {problem}"[:200], False
        return f"HTTP {answer.status_code}", manner.handled(answer)

    def _failed(self, row: sqlite3.Row, outcome: str) -> None:
        ladder = self._manners[row["call"]].ladder
        attempts = row["attempts"] + 1
        if attempts > len(ladder):
            self._end(row, "given-up", outcome)
        else:
            self._again(row, attempts, ladder[attempts - 1], outcome)

    def _again(self, row: sqlite3.Row, attempts: int, seconds: float, outcome: str) -> None:
        self._store.run(
            "UPDATE posts SET state = 'pending', attempts = ?, due_at = ?, last_outcome = ? WHERE id = ?",
            *(attempts, self._clock.now() + seconds, outcome, row["id"]),
        )

    def _end(self, row: sqlite3.Row, state: str, outcome: str) -> None:
        self._store.run(
            "UPDATE posts SET state = ?, attempts = attempts + 1, last_outcome = ? WHERE id = ?",
            *(state, outcome, row["id"]),
        )
