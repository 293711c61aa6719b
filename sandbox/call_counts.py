"""How often something was done in the running minute or day: the limits of the mini-program server API."""

from sandbox.clock import Clock
from sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS call_counts (
    name TEXT PRIMARY KEY, period INTEGER NOT NULL, count INTEGER NOT NULL
) WITHOUT ROWID;
"""
MINUTE_SECONDS = 60
DAY_SECONDS = 24 * 3600
CHINA_AHEAD_SECONDS = 8 * 3600


class CallCounts:
    """Counts calls by name in periods of business time; days begin at midnight in China."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        store.script(SCHEMA)

    def take(self, name: str, limit: int, seconds: int) -> bool:
        """Count one call; False when the running period of so many ``seconds`` had its ``limit`` already."""
        period = int(self._clock.now() + CHINA_AHEAD_SECONDS) // seconds
        row = self._store.one("SELECT * FROM call_counts WHERE name = ? AND period = ?", name, period)
        count = 1 if row is None else int(row["count"]) + 1
        if count > limit:
            return False
        self._store.run(
            "INSERT INTO call_counts VALUES (?, ?, ?) ON CONFLICT (name)"
            " DO UPDATE SET period = excluded.period, count = excluded.count",
            *(name, period, count),
        )
        return True
