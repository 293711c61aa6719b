"""The state of the stand-in in one SQLite database: a file in the data folder, or memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS trades (
    mchid TEXT NOT NULL, out_trade_no TEXT NOT NULL, appid TEXT NOT NULL, description TEXT NOT NULL,
    fingerprint TEXT NOT NULL, prepay_id TEXT NOT NULL UNIQUE, prepay_at REAL NOT NULL, openid TEXT NOT NULL,
    total INTEGER NOT NULL, attach TEXT, notify_url TEXT NOT NULL, expires_at REAL NOT NULL, state TEXT NOT NULL,
    transaction_id TEXT UNIQUE, success_at REAL, bank TEXT, coupon INTEGER NOT NULL DEFAULT 0, coupon_type TEXT,
    PRIMARY KEY (mchid, out_trade_no)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trades_by_number ON trades (out_trade_no);
CREATE INDEX IF NOT EXISTS trades_by_day ON trades (mchid, success_at);

CREATE TABLE IF NOT EXISTS refunds (
    mchid TEXT NOT NULL, out_refund_no TEXT NOT NULL, refund_id TEXT NOT NULL UNIQUE, out_trade_no TEXT NOT NULL,
    refund INTEGER NOT NULL, discount INTEGER NOT NULL, reason TEXT, notify_url TEXT, funds_account TEXT NOT NULL,
    channel TEXT NOT NULL, account TEXT NOT NULL, status TEXT NOT NULL, final_status TEXT NOT NULL,
    created_at REAL NOT NULL, settle_at REAL NOT NULL, ended_at REAL, bill TEXT NOT NULL DEFAULT 'REFUND',
    PRIMARY KEY (mchid, out_refund_no)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refunds_by_number ON refunds (out_refund_no);
CREATE INDEX IF NOT EXISTS refunds_by_trade ON refunds (mchid, out_trade_no);
CREATE INDEX IF NOT EXISTS refunds_by_day ON refunds (mchid, created_at);
CREATE INDEX IF NOT EXISTS refunds_to_settle ON refunds (settle_at) WHERE status = 'PROCESSING';

CREATE TABLE IF NOT EXISTS transfers (
    mchid TEXT NOT NULL, out_bill_no TEXT NOT NULL, transfer_bill_no TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
    appid TEXT NOT NULL, openid TEXT NOT NULL, amount INTEGER NOT NULL, remark TEXT NOT NULL, notify_url TEXT,
    package_info TEXT NOT NULL UNIQUE, state TEXT NOT NULL, fail_reason TEXT, created_at REAL NOT NULL,
    updated_at REAL NOT NULL, due_at REAL NOT NULL, sending_seconds REAL, end_reason TEXT,
    PRIMARY KEY (mchid, out_bill_no)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS transfers_due ON transfers (due_at) WHERE state NOT IN ('SUCCESS', 'FAIL', 'CANCELLED');

CREATE TABLE IF NOT EXISTS bill_files (
    token TEXT PRIMARY KEY, mchid TEXT NOT NULL, content TEXT NOT NULL, gzip INTEGER NOT NULL, expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS callbacks (
    id TEXT PRIMARY KEY, call TEXT NOT NULL, event_type TEXT NOT NULL, summary TEXT NOT NULL,
    original_type TEXT NOT NULL, numbers TEXT NOT NULL, notify_url TEXT NOT NULL, resource TEXT NOT NULL,
    created_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, state TEXT NOT NULL,
    last_outcome TEXT, mchid TEXT NOT NULL, order_no TEXT NOT NULL, fault TEXT, waits INTEGER NOT NULL DEFAULT 0,
    extras TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS callbacks_due ON callbacks (due_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS callbacks_waiting ON callbacks (mchid, order_no) WHERE waits = 1;
CREATE INDEX IF NOT EXISTS callbacks_by_order ON callbacks (mchid, order_no) WHERE state = 'pending';

CREATE TABLE IF NOT EXISTS fault_first_posts (number TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS access_tokens (token TEXT PRIMARY KEY, made_at REAL NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS login_codes (code TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscribe_quotas (
    openid TEXT NOT NULL, template_id TEXT NOT NULL, remaining INTEGER NOT NULL, PRIMARY KEY (openid, template_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sms_blacklist (number TEXT PRIMARY KEY) WITHOUT ROWID;
"""

# Grows with every change of a table above or in the ledger: files are not converted.
SCHEMA_VERSION = 4

Value = str | int | float | None


class OldDataError(Exception):
    """The data folder was written by another version of the stand-in; delete its file to begin anew."""


class Store:
    """One connection, used from the event loop only: no call waits for another, so no lock is needed.

    Writes do not wait for the disk (``synchronous=OFF``): killing the process loses nothing, a power cut may.
    """

    def __init__(self, data_dir: Path | None) -> None:
        if data_dir is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
        target = ":memory:" if data_dir is None else str(data_dir / "sandbox.sqlite")
        # Test clients may drive the application from another thread than the one that made it, one at a time.
        self._db = sqlite3.connect(target, isolation_level=None, check_same_thread=False, cached_statements=256)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._depth = 0
        filled = self.number("SELECT COUNT(*) FROM sqlite_master") > 0
        if filled and self.number("PRAGMA user_version") != SCHEMA_VERSION:
            self._db.close()
            raise OldDataError(f"{target} was written by another version of the sandbox: delete it to begin anew")
        self.script(SCHEMA)
        self.run(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def script(self, sql: str) -> None:
        """Run several statements that make tables."""
        self._db.executescript(sql)

    def one(self, sql: str, *values: Value) -> sqlite3.Row | None:
        """The first row, or None."""
        row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: Value) -> list[sqlite3.Row]:
        """All rows."""
        return self._db.execute(sql, values).fetchall()

    def number(self, sql: str, *values: Value) -> int:
        """The integer in the first column of the first row; 0 where there is none."""
        row = self._db.execute(sql, values).fetchone()
        return int(row[0]) if row is not None and row[0] is not None else 0

    def run(self, sql: str, *values: Value) -> int:
        """Run one statement and say how many rows it changed."""
        return self._db.execute(sql, values).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner transaction is part of the outer one."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._db.execute("COMMIT")

    def kept(self, name: str) -> str | None:
        """A single value kept under a name, or None."""
        row = self.one("SELECT value FROM kept WHERE name = ?", name)
        return None if row is None else str(row["value"])

    def keep(self, name: str, value: str) -> None:
        """Keep a single value under a name."""
        self.run("INSERT INTO kept VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def as_dict(row: sqlite3.Row) -> dict[str, Any]:
    """A row as a plain dictionary."""
    return {key: row[key] for key in row.keys()}  # noqa: SIM118 - a Row iterates over its values
