"""A short `tuidan drill kill`: every kind of fault in turn, and the same judge as the long one."""

from __future__ import annotations

import pytest

from tests.support.drills import Drilled
from tools.drill.killing import Raid, absence
from tools.drill.siege import Struck

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

MINUTES = 0.25
EVERY_SECONDS = 2.0
RATE = 2.0
AWAY_SECONDS = 40.0
"""Longer than sends, sessions and connections last; `tuidan drill away broker` takes ten minutes."""


def _kinds(struck: list[Struck]) -> set[str]:
    return {one.fault.kind for one in struck if not one.left_alone}


@pytest.mark.usefixtures("kafka_or_skip")
async def test_no_case_is_lost_or_doubled_on_a_real_kafka(drilled: Drilled, seed: int) -> None:
    raid = Raid("native", MINUTES, seed, EVERY_SECONDS, RATE, instances=2, troubled=0, patience=300)
    outcome, struck = await drilled(raid)
    assert [line for check in outcome.checks for line in check.differences] == []
    assert len(outcome.evidence.cases) == raid.count
    assert "kill" in _kinds(struck)


@pytest.mark.usefixtures("kafka_or_skip")
async def test_orders_go_on_by_themselves_after_kafka_was_away(drilled: Drilled, seed: int) -> None:
    raid = absence("broker", AWAY_SECONDS, seed, rate=1.0, instances=1, troubled=0, patience=300)
    outcome, struck = await drilled(raid)
    assert [line for check in outcome.checks for line in check.differences] == []
    assert len(outcome.evidence.cases) == raid.count
    assert [(one.fault.kind, one.fault.victim, one.left_alone) for one in struck] == [("away", "broker", False)]


async def test_no_case_is_lost_or_doubled_on_the_embedded_broker(drilled: Drilled, seed: int) -> None:
    raid = Raid("embedded", MINUTES, seed, EVERY_SECONDS, RATE, instances=1, troubled=0, patience=300)
    outcome, struck = await drilled(raid)
    assert [line for check in outcome.checks for line in check.differences] == []
    assert len(outcome.evidence.cases) == raid.count
    assert "kill" in _kinds(struck)
