"""Who may cancel what: the built-in rules row by row, and lists that a shop may not save."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.message import ProductId
from contracts.order import Actor, CancelledLine, Reason
from services.order.policies import BUILT_IN, LARGE_MINOR, Ask, Policy, Rule
from tests.unit.order.told import START

CHANGED_MIND = Reason(family="customer", code="changed-mind")
SOON, LATER = timedelta(minutes=30), timedelta(minutes=30, seconds=1)
LAST = {"name": "last", "way": "allow"}


def ask(
    role: str, state: str, age: timedelta = SOON, amount: int = 100, *, category: str = "goods", imported: bool = False
) -> Ask:
    by = Actor(kind="customer" if role == "customer" else "staff", id="x", role="" if role == "customer" else role)
    line = CancelledLine(line_no=1, product_id=ProductId("tea"), category=category, quantity=1, amount_minor=amount)
    return Ask.about(by, state, START, START + age, [line], CHANGED_MIND, imported=imported)


@pytest.mark.parametrize(
    ("wish", "rule", "way"),
    [
        (ask("customer", "pending-payment", LATER), "customer-unpaid", "allow"),
        (ask("customer", "paid", SOON), "customer-soon", "allow"),
        (ask("customer", "paid", LATER), "customer-later", "approve"),
        (ask("customer-service", "pending-payment"), "service-unpaid", "allow"),
        (ask("customer-service", "paid"), "service-paid", "deny"),
        (ask("supervisor", "pending-payment", amount=LARGE_MINOR + 1), "seniors-unpaid", "allow"),
        (ask("supervisor", "paid", amount=LARGE_MINOR), "seniors-up-to-large", "allow"),
        (ask("administrator", "paid", amount=LARGE_MINOR + 1), "seniors-large", "approve"),
        (ask("finance", "paid"), "nobody-else", "deny"),
        (ask("warehouse", "pending-payment"), "nobody-else", "deny"),
        (ask("no-such-role", "paid"), "nobody-else", "deny"),
        (ask("supervisor", "paid", amount=LARGE_MINOR + 1, imported=True), "taken-over", "allow"),
    ],
)
def test_the_built_in_rules(wish: Ask, rule: str, way: str) -> None:
    decided = BUILT_IN.decide(wish)
    assert (decided.name, decided.way) == (rule, way)


def test_finance_cancels_nothing_and_is_a_second_person_for_large_amounts() -> None:
    assert "finance" in BUILT_IN.decide(ask("supervisor", "paid", amount=LARGE_MINOR + 1)).approve_by


CONDITIONS: list[tuple[dict[str, Any], Ask | None, Ask | None]] = [
    ({"who": ["customer"]}, ask("customer", "paid"), ask("supervisor", "paid")),
    ({"states": ["paid"]}, ask("customer", "paid"), ask("customer", "pending-payment")),
    ({"within_minutes": 30}, ask("customer", "paid", SOON), ask("customer", "paid", LATER)),
    ({"up_to_minor": 100}, ask("customer", "paid", amount=100), ask("customer", "paid", amount=101)),
    ({"families": ["customer"]}, ask("customer", "paid"), None),
    ({"families": ["merchant"]}, None, ask("customer", "paid")),
    ({"codes": ["changed-mind"]}, ask("customer", "paid"), None),
    ({"codes": ["quality"]}, None, ask("customer", "paid")),
    ({"categories": ["goods", "food"]}, ask("customer", "paid"), ask("customer", "paid", category="toys")),
    ({"imported": True}, ask("customer", "paid", imported=True), ask("customer", "paid")),
    ({"imported": False}, ask("customer", "paid"), ask("customer", "paid", imported=True)),
]
"""A condition, a wish that fits it, and one that does not."""


@pytest.mark.parametrize(("condition", "fits", "fits_not"), CONDITIONS)
def test_every_condition_counts(condition: dict[str, Any], fits: Ask | None, fits_not: Ask | None) -> None:
    rule = Rule.model_validate({"name": "one", "way": "allow", **condition})
    assert fits is None or rule.fits(fits)
    assert fits_not is None or not rule.fits(fits_not)
    assert not rule.fits_everything


def test_each_condition_that_there_is_has_been_tried() -> None:
    for name in Rule.conditions():
        tried = [row for row in CONDITIONS if name in row[0]]
        assert any(fits for _, fits, _ in tried), f"{name}: add a row to CONDITIONS"
        assert any(fits_not for *_, fits_not in tried), f"{name}: does `fits` look at it?"


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([{"name": "no", "way": "deny"}], "give the sentence"),
        ([{"name": "no", "way": "deny", "zh": "不行"}], "give the sentence"),
        ([{"name": "wait", "way": "approve", "states": ["paid"]}, LAST], "at least one role"),
        ([{"name": "go", "way": "allow", "approve_by": ["supervisor"]}], "at least one role"),
        ([{"name": "wait", "way": "approve", "approve_by": ["supervisor"]}, LAST], "only the cancellation of a paid"),
        ([{"name": "go", "way": "allow", "undo_seconds": 5}], "only the cancellation of a paid"),
        (
            [
                {
                    "name": "w",
                    "way": "approve",
                    "states": ["paid"],
                    "approve_by": ["finance"],
                    "undo_seconds": 5,
                },
                LAST,
            ],
            "belongs to way allow",
        ),
        ([{"name": "go", "way": "allow", "code": True}], "only named roles of the staff"),
        ([{"name": "go", "way": "allow", "who": ["customer"], "code": True}, LAST], "only named roles of the staff"),
        ([LAST, {**LAST, "who": ["customer"]}], "two rules are called last"),
        ([LAST, {**LAST, "name": "after"}], "after can never be reached"),
        ([{**LAST, "who": ["customer"]}], "the last rule must fit everything"),
        ([], "at least 1"),
        ([{**LAST, "way": "perhaps"}], "way"),
        ([{**LAST, "undo_seconds": -1}], "undo_seconds"),
        ([{**LAST, "who": ["boss"]}, LAST], "who"),
        ([{**LAST, "colour": "red"}], "colour"),
        ([{**LAST, "up_to_minor": -1}], "up_to_minor"),
    ],
)
def test_lists_that_cannot_be_saved(rules: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Policy.model_validate({"version": 1, "rules": rules})
