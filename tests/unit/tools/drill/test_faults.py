"""The plan of faults: the same seed is the same plan, a deck holds every kind, and nobody is hit who must not be."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import get_args

import pytest

from tools.drill.faults import (
    DATABASE,
    FREEZES,
    FROZEN_SESSIONS,
    FULL_SECONDS,
    KINDS,
    SERVICE_KILLS,
    SLOW_SECONDS,
    TERMINATIONS,
    Fault,
    Ground,
    Kind,
    faults,
    within,
)
from tools.drill.killing import HIT, Raid

EVERY = 5.0
GROUND = Ground(("order", "order-2", "payment", "notify"), ("mongo", "redis", "broker"), 6.0, has_disk=True)


def _plan(count: int, seed: int = 7, ground: Ground = GROUND) -> list[Fault]:
    return list(islice(faults(seed, EVERY, ground), count))


def test_the_same_seed_is_the_same_plan() -> None:
    assert _plan(100) == _plan(100)
    assert _plan(100) != _plan(100, seed=8)


@pytest.mark.parametrize("seed", range(5))
def test_every_deck_holds_every_kind_and_kills_every_server(seed: int) -> None:
    size = len(GROUND.servers) + SERVICE_KILLS + TERMINATIONS + FREEZES + 2
    plan = _plan(size * 3, seed)
    for start in range(0, len(plan), size):
        deck = plan[start : start + size]
        assert {one.kind for one in deck} == set(get_args(Kind)) - {"stutter", "away"}
        assert {one.victim for one in deck if one.kind == "kill"} > set(GROUND.servers)
    assert [one.kind for one in plan[:size]] != [one.kind for one in plan[size : 2 * size]], (
        "each deck is shuffled anew"
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_first_fault_is_a_kill(seed: int) -> None:
    assert _plan(1, seed)[0].kind == "kill"


def test_faults_come_as_often_as_asked() -> None:
    plan = _plan(400)
    assert all(EVERY / 2 <= one.after <= EVERY * 1.5 for one in plan)
    assert sum(one.after for one in plan) / len(plan) == pytest.approx(EVERY, rel=0.1)
    assert list(faults(7, 0, GROUND)) == []


def test_a_plan_ends_with_the_time_of_the_drill() -> None:
    plan = [Fault(4.0, "kill", name) for name in ("order", "payment", "notify")]
    assert list(within(plan, 8.0)) == plan[:2]
    assert list(within(faults(7, 0, GROUND), 60.0)) == []
    ten_minutes = list(within(faults(7, EVERY, GROUND), 600.0))
    assert sum(one.after for one in ten_minutes) <= 600.0
    assert len(ten_minutes) == pytest.approx(120, rel=0.1)


def test_what_lasts_has_a_length_and_what_is_over_at_once_has_none() -> None:
    bounds = {
        "freeze": tuple(GROUND.session_seconds * part for part in FROZEN_SESSIONS),
        "disk-full": FULL_SECONDS,
        "slow-disk": SLOW_SECONDS,
    }
    for one in _plan(200):
        shortest, longest = bounds.get(one.kind, (0.0, 0.0))
        assert shortest <= one.seconds <= longest
    assert FROZEN_SESSIONS[0] > 1, "a frozen service has to lose its partitions"


def test_services_are_frozen_and_stopped_and_only_the_database_has_a_disk() -> None:
    for one in _plan(200):
        if one.kind in ("freeze", "terminate"):
            assert one.victim in GROUND.services
        elif one.kind != "kill":
            assert one.victim == DATABASE
    assert {one.victim for one in _plan(400)} == {*GROUND.services, *GROUND.servers}


def test_without_a_disk_of_its_own_the_database_stutters() -> None:
    kinds = {one.kind for one in _plan(100, ground=replace(GROUND, has_disk=False))}
    assert kinds == {"kill", "terminate", "freeze", "stutter"}


def test_every_kind_is_explained_in_both_languages() -> None:
    assert set(KINDS) == set(get_args(Kind))
    assert "in place of a slow disk" in KINDS["stutter"][1], "a stand-in is called one"


def test_the_judges_book_is_never_hit_and_the_embedded_broker_neither() -> None:
    native, embedded = Raid("native"), Raid("embedded", instances=1)
    assert native.programs() == (*HIT, *(f"{name}-2" for name in HIT))
    for raid, servers in ((native, {"mongo", "redis", "broker"}), (embedded, {"mongo", "redis"})):
        ground = raid.ground(has_disk=True)
        assert set(ground.servers) == servers
        assert "sandbox" not in {one.victim for one in _plan(300, ground=ground)}


def test_the_load_is_as_long_as_asked() -> None:
    assert Raid("native", minutes=2, rate=3).count == 360
    assert Raid("native", minutes=0.001, rate=1).count == 1
