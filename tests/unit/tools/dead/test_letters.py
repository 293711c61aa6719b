"""Letters that somebody else put beside ours, with headers of any kind: they are listed, and stop nobody's list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chassis import clock
from tools.dead.command import told
from tools.dead.letters import letters
from tools.records import Place, Raw

PLACE = Place("order.commands.dead", 0)
CAME = datetime(2026, 11, 1, 9, tzinfo=UTC)


def letter(lies_at: int, **dead: str) -> Raw:
    headers = tuple((f"dead_{name}", value.encode()) for name, value in dead.items())
    return Raw(PLACE, lies_at, CAME, b"o1", b"{}", headers)


@pytest.mark.parametrize("said", ["2026-11-01T08:00:00", "2026-11-01", "20261101", "yesterday", "", "1761984000"])
def test_a_time_that_is_none_or_says_no_zone_is_the_records_own(said: str) -> None:
    ours = letter(1, topic="order.commands", partition="0", offset="7", at="2026-11-01T08:30:00+00:00")
    found = letters([letter(0, at=said), ours])
    assert [(one.record.offset, one.died_at) for one in found] == [(1, CAME.replace(hour=8, minute=30)), (0, CAME)]
    assert all(list(told(one, clock.now())) for one in found)


@pytest.mark.parametrize("number", ["²", "-1", "x", ""])
def test_a_place_that_is_none_is_no_place(number: str) -> None:
    (found,) = letters([letter(0, topic="order.commands", partition=number, offset="7")])
    assert (found.source, found.offset) == (None, -1)
