"""The judge of `tuidan drill restore` sees what it is there to see."""

from __future__ import annotations

from typing import Any

from tools.drill.ledger import Movement
from tools.drill.restoring import FATES, Fate, Loss, Story, second, stories
from tools.drill.restoring_judge import Found, figures, judge


def movement(number: str, arrived: int = 1, came_back: int = 0) -> Movement:
    return Movement(
        number, is_transfer=False, amount_minor=100, first_at="", accepted=1, arrived=arrived, came_back=came_back
    )


def world(fate: Fate = "again", **more: Any) -> Found:
    """One order that was refunded after the backup, and is known again."""
    story = Story(fate, stories(Loss(7))[0].visit, "o1", wanted=100)
    known = {
        "stories": [story],
        "movements": {"o1": [movement("o1-c1-1")]},
        "forgotten": {"o1-c1-1": "o1"},
        "orders": {"o1": {"cases": [{"refund": {"number": "o1-c1-1"}}], "tasks": []}},
        "payments": {"o1": {"refunds": [{"number": "o1-c1-1", "closed_numbers": []}]}},
        "days": [{"day": "2026-11-01", "status": "done", "differences": []}],
    }
    return Found(**{**known, **more})


def violations(found: Found) -> list[str]:
    return [line for check in judge(found) for line in check.differences]


def test_a_world_that_is_right_passes() -> None:
    assert violations(world()) == []
    assert figures(world())["again"] == (1, 0, 100, 100)


def test_what_was_refunded_twice_is_seen() -> None:
    twice = [movement("o1-c1-1"), movement("o1-c2-1", arrived=0)]
    assert violations(world(movements={"o1": twice})) == ["again o1: wanted 100, ledger 200"]


def test_what_never_went_back_is_seen() -> None:
    assert "again o1: wanted 100, ledger 0" in violations(world(movements={}))


def test_a_shop_that_refuses_everything_does_not_pass() -> None:
    nothing = world(movements={}, forgotten={}, orders={}, payments={})
    nothing.stories[0].wanted = 0
    nothing.stories[0].refused.append("first: 503 try-later")
    assert violations(nothing) == [
        "again o1: first: 503 try-later",
        "no refund was made between the backup and the loss",
    ]


def test_what_had_its_money_before_may_be_refused_and_what_had_not_may_not() -> None:
    again, new = world(), world("new", movements={"o1": [movement("o1-c1-1")]})
    for one in (again, new):
        one.stories[0].refused.append("again: 409 more-than-was-bought")
    assert violations(again) == []
    assert violations(new) == ["new o1: again: 409 more-than-was-bought"]


def test_a_refund_that_closed_does_not_count() -> None:
    dead = [movement("o1-c1-1"), movement("o1-c1-0", arrived=0, came_back=1)]
    assert violations(world(movements={"o1": dead})) == []


def test_a_refund_that_nobody_knows_is_seen() -> None:
    unknown = world(payments={}, orders={})
    assert violations(unknown) == ["o1-c1-1 of o1: nobody knows of it"]
    listed = {"day": "", "status": "done", "differences": [{"subject": "o1-c1-1", "kind": "order-unknown"}]}
    assert violations(world(payments={}, orders={}, days=[listed])) == []


def test_an_order_that_was_not_corrected_is_seen() -> None:
    bare = {"cases": [{"refund": None}], "tasks": []}
    assert violations(world(orders={"o1": bare})) == ["o1-c1-1: o1 shows neither a case nor a task"]
    with_task = {**bare, "tasks": [{"facts": {"refund_number": "o1-c1-1"}}]}
    assert violations(world(orders={"o1": with_task})) == []


def test_everything_else_that_is_wrong_is_seen() -> None:
    day = {"day": "2026-11-01", "status": "failed", "differences": []}
    wrong = world(days=[day], open_cases=["o1-c2: open"], stock=["tea"], violations=["money"])
    assert len(violations(wrong)) == 4


def test_every_fate_has_orders_and_parts_are_parts() -> None:
    every = stories(Loss(count=70))
    assert {story.fate for story in every} == set(FATES)
    for story in every:
        if story.fate in ("two", "by-hand"):
            whole = sum(line.quantity * line.unit_price_minor for line in story.visit.lines)
            assert story.visit.amount_minor + second(story).amount_minor <= whole
            assert story.visit.amount_minor < second(story).amount_minor
