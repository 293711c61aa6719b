"""Which case needs somebody, and what can be said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from contracts import payment
from contracts.message import RefundNumber, Woke
from services.order import parcel
from services.order.model import TIMELINE_MAX, Order
from services.order.tasks import CHOICES
from services.order.work import COMMANDS, Word, WorkList, choice_for, commands_of, tries_of, work_of, work_since
from services.order.work_words import WHAT_HAPPENS
from tests.unit.order.roads import choose, sold
from tests.unit.order.test_deciding import APPROVAL, UNDO
from tests.unit.order.told import (
    CASE,
    CLOSED,
    ID,
    OPENED,
    RESERVED,
    SHIP,
    START,
    Told,
    accepted,
    cancel,
    held,
    kept,
    paid,
    paid_order,
    place,
    refused,
    released,
    settled,
    told,
)


def attempted(outcome: str, *, attempt: int = 3, code: str = "NOT_ENOUGH") -> payment.RefundAttempted:
    return payment.RefundAttempted.model_validate(
        {
            "order_id": ID,
            "case_id": CASE,
            "refund_number": RefundNumber(f"{CASE}-1"),
            "outcome": outcome,
            "provider_code": code,
            "attempt": attempt,
            "next_try_at": START + timedelta(hours=9) if outcome == "parked" else None,
        }
    )


def asked() -> Told:
    return paid_order().hears(cancel(), held())


def silent(story: Told) -> Told:
    """Nobody answers, until the case calls for a person."""
    while "staff-task-raised" not in story.last:
        due = story.record.wake_at
        assert due is not None
        story.now = max(due, story.now)
        story.hears(Woke(record_id=ID, due=due))
    return story


def late_payment_refused() -> Told:
    story = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"), paid())
    return story.hears(refused("o1-c2"), told("refund-failed", "o1-c2"))


def refused_order() -> Told:
    return asked().hears(refused(), kept(), told("refund-failed"))


STORIES: Mapping[str, tuple[Callable[[], Told], dict[str, list[str]]]] = {
    "on its way": (asked, {}),
    "undo window": (lambda: paid_order().hears(cancel(policy=UNDO)), {}),
    "approval": (lambda: paid_order().hears(cancel(policy=APPROVAL)), {"approval": ["decide"]}),
    "parked": (lambda: asked().hears(attempted("parked")), {"parked": []}),
    "parked and long silent": (
        lambda: silent(asked().hears(attempted("parked"))),
        {"parked": ["try-again", "done"]},
    ),
    "money came": (lambda: asked().hears(attempted("parked"), accepted()), {}),
    "no answer": (lambda: silent(asked()), {"stuck": ["try-again", "done"]}),
    "unknown, given up": (lambda: asked().hears(attempted("unknown")), {"stuck": ["try-again"]}),
    "abnormal": (
        lambda: asked().hears(accepted(), released(), told("refund-on-its-way"), attempted("abnormal")),
        {"person": ["name-bank-card", "try-again", "done"]},
    ),
    "undone": (refused_order, {"person": ["other-route", "done"]}),
    "late payment": (late_payment_refused, {"person": ["try-again", "other-route", "settled-outside"]}),
    "completed": (
        lambda: asked().hears(accepted(), released(), told("refund-on-its-way"), settled(), told("refund-arrived")),
        {},
    ),
}


def test_a_refund_that_is_parked_over_many_weeks_stays_among_the_parked_and_its_order_keeps_its_story() -> None:
    story = silent(asked().hears(attempted("parked")))
    begun = story.now
    while story.now - begun < timedelta(days=50):
        story.rings()
    assert [work.list for work in work_of(story.order)] == ["parked"]
    told_so = [moment.what for moment in story.order.timeline]
    assert len(told_so) == TIMELINE_MAX
    assert told_so[:4] == ["placed", "stock-reserved", "payment-opened", "paid"]
    assert told_so[-1] == "asked-again"
    many = story.order.model_copy(update={"timeline": (story.order.timeline[0],) * TIMELINE_MAX})
    assert [one.what for one in many.noting(story.now, "shipped").timeline][-2:] == ["placed", "shipped"]
    assert len(many.noting(story.now, "shipped").timeline) == TIMELINE_MAX


@pytest.mark.parametrize("name", STORIES)
def test_a_case_stands_where_somebody_looks_for_it(name: str) -> None:
    story, expected = STORIES[name]
    order = story().order
    works = list(work_of(order))
    assert {work.list: [one["command"] for one in commands_of(work)] for work in works} == expected
    assert set(work_since(order)) == set(expected)
    assert all(work.since >= order.placed_at for work in works)


def test_since_when_it_waits_is_when_it_began_to() -> None:
    order = silent(asked()).order
    (work,) = work_of(order)
    assert work.since == order.tasks[0].raised_at == order.cases[0].run.attention_at


def test_a_task_that_is_closed_needs_nobody() -> None:
    order = refused_order().order
    closed = order.model_copy(update={"tasks": tuple(t.model_copy(update={"done_at": START}) for t in order.tasks)})
    assert list(work_of(closed)) == []


def test_the_provider_is_the_one_who_is_tried() -> None:
    order = asked().hears(attempted("parked", attempt=7)).order
    early = tries_of(order, order.cases[0], START)
    assert (early.attempts, early.last_provider_code) == (7, "NOT_ENOUGH")
    assert early.next_try_at == order.cases[0].run.wake_at, "the case itself asks sooner"
    late = tries_of(order, order.cases[0], START + timedelta(hours=1))
    assert late.next_try_at == START + timedelta(hours=9)


def test_every_choice_is_a_command_or_says_that_nothing_is_to_be_done() -> None:
    choices: set[str] = {choice for kind, words in CHOICES.items() if kind != parcel.KIND for choice in words}
    said = {choice for word in COMMANDS.values() for choice in word}
    assert choices - said == {"done"}
    assert not said & set(CHOICES["intercept-parcel"]), "what became of a parcel is reported, not commanded"
    assert said == set(WHAT_HAPPENS)


def test_trying_again_means_sending_where_the_money_can_be_sent() -> None:
    (work,) = work_of(late_payment_refused().order)
    meant = {one["command"]: one["choice"] for one in commands_of(work)}
    assert meant == {"try-again": "send-again", "other-route": "transfer", "settled-outside": "settled-outside"}


def test_where_the_money_can_be_sent_or_looked_for_trying_again_is_sending() -> None:
    task = refused_order().order.tasks[0].model_copy(update={"choices": CHOICES["refund-stuck"]})
    assert choice_for(task, "try-again") == "send-again"


def test_goods_sold_meanwhile_leave_four_ways() -> None:
    story = asked().hears(accepted(), released(), told("refund-on-its-way"), refused(), sold())
    words: list[Word] = list(COMMANDS)
    lists: list[WorkList] = ["person"]
    works = list(work_of(_order(story)))
    assert [work.list for work in works] == lists
    assert [one["command"] for one in commands_of(works[0])] == words


def _order(story: Told) -> Order:
    return story.order


def test_a_case_that_waits_for_its_parcel_waits_for_a_person() -> None:
    order = paid_order().hears(SHIP).hears(cancel()).order
    (work,) = work_of(order)
    assert (work.list, [task.kind for task in work.tasks]) == ("person", [parcel.KIND])
    assert work.since == order.tasks[0].raised_at
    assert commands_of(work) == []


def test_a_card_that_is_needed_is_asked_for_until_there_is_one_whatever_else_is_silent_or_late() -> None:
    story = paid_order().hears(cancel(), held(), accepted(), attempted("abnormal", code="ABNORMAL"))
    for days in (1, 3):
        late = payment.RefundDelayed(order_id=ID, case_id=CASE, refund_number=RefundNumber(f"{CASE}-1"), days=days)
        assert story.hears(late).last == []
    silent(story)
    kinds = {task.kind for task in story.order.tasks if task.done_at is None}
    assert kinds == {"refund-abnormal", "no-answer"}, "the stock's silence says nothing of the refund"
    assert "name-bank-card" in {one["command"] for work in work_of(story.order) for one in commands_of(work)}
    story.hears(released(), told("refund-on-its-way"))
    assert [task.kind for task in story.order.tasks if task.done_at is None] == ["refund-abnormal"], "it was answered"


def test_who_closes_a_silence_is_called_again_a_day_later_while_it_lasts() -> None:
    story = silent(asked())
    choose(story, "done")
    closed = story.now
    while "staff-task-raised" not in story.last:
        story.rings()
    assert timedelta(days=1) <= story.now - closed <= timedelta(days=1, hours=5)
    assert [task.kind for task in story.order.tasks if task.done_at is None] == ["no-answer"]
