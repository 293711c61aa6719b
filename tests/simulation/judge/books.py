"""The comparison with the provider's bills: when they are whole it finds nothing, and what a person closed stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Reading


def agree(reading: Reading) -> Iterable[Violation]:
    """Every day that was compared agrees with the provider's bills, and none was given up. Bills are whole at the
    end, and everything that went wrong with a payment has healed by then.
    """
    for day in _days(reading):
        id = str(day["reconciliation_id"])
        if day["status"] == "unreadable" or (day["status"] == "failed" and day["wake_at"] is None):
            yield Violation("I29", id, f"given up: {day['status']}, {day['problem']}")
        for one in day["differences"] if day["status"] == "done" else ():
            if one["state"] == "open":
                yield Violation("I29", id, f"{one['kind']} of {one['subject']} is open: {one['remark']}")


def closed_as_wished(reading: Reading) -> Iterable[Violation]:
    """A difference that somebody closed stays closed, by whom and with what was said first; no other is."""
    wished: dict[tuple[str, int], tuple[str, str]] = {}
    for asked in reading.evidence.asked:
        if asked.what == "close-difference" and asked.status == 200:
            place = str(asked.body["reconciliation_id"]), int(asked.body["n"])
            wished.setdefault(place, (asked.who, str(asked.body["remark"])))
    closed = {
        (str(day["reconciliation_id"]), int(one["n"])): (str(one["by"]), str(one["remark"]))
        for day in _days(reading)
        for one in day["differences"]
        if one["state"] == "closed"
    }
    for place in sorted(wished.keys() | closed.keys()):
        if wished.get(place) != closed.get(place):
            id, n = place
            yield Violation("I29", id, f"difference {n} was closed by {wished.get(place)}, says {closed.get(place)}")


def _days(reading: Reading) -> Iterator[Row]:
    return (record.state for record in reading.of("payment", "reconciliations").values() if record.state)
