"""Nobody is left without a way out: silence, strange answers, decisions that were lost, tasks that wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chassis.record import Refusal
from contracts import inventory, payment
from contracts.message import CaseId, Event, RefundNumber
from services.order.model import TaskDone
from tests.unit.order.roads import (
    OUT_OF_STOCK,
    arriving,
    choose,
    found,
    mismatch,
    not_resumed,
    resumed,
    sold,
)
from tests.unit.order.told import (
    CASE,
    CLOSED,
    ID,
    OPENED,
    RESERVED,
    STAFF,
    Told,
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


def silent_for(order: Told, rings: int) -> Told:
    for _ in range(rings):
        order.rings()
    return order


def choices(order: Told) -> set[str]:
    return {choice for task in order.order.tasks if task.done_at is None for choice in task.choices}


def test_a_refund_that_stopped_at_a_strange_answer_can_still_be_looked_at_after_a_night() -> None:
    order = silent_for(paid_order().hears(cancel(), held(), mismatch()), 60)
    assert "look-again" in choices(order)


def test_it_can_be_looked_at_when_the_word_of_the_strange_answer_was_lost() -> None:
    order = silent_for(paid_order().hears(cancel(), held()), 20)
    assert choose(order, "look-again").last == ["task-resolved", "resume-refund"]


def test_silence_calls_somebody_again_once_the_task_about_the_refund_is_done() -> None:
    order = silent_for(paid_order().hears(cancel(), held(), mismatch()), 20)
    assert [task.kind for task in order.order.tasks] == ["refund-stuck"]
    choose(order, "look-again")
    order.hears(resumed(1))
    silent_for(order, 2)
    assert [task.kind for task in order.order.tasks if task.done_at is None] == ["no-answer"]


def test_a_decision_that_was_lost_is_passed_on_again_until_it_is_answered() -> None:
    order = silent_for(paid_order().hears(cancel(), held()), 20).hears(mismatch())
    choose(order, "look-again")
    assert "resume-refund" in order.after(timedelta(minutes=11)).last
    order.hears(resumed(1))
    assert "resume-refund" not in order.rings().last


def test_after_somebody_has_done_something_it_asks_soon_again_however_long_it_has_waited() -> None:
    order = silent_for(paid_order().hears(cancel(), held()), 40)
    due = order.record.wake_at
    assert due is not None
    assert due - order.now > timedelta(hours=1)
    choose(order, "ask-again")
    assert order.after(timedelta(minutes=11)).last == ["refund-payment", "staff-task-raised"]


def test_a_decision_that_was_answered_with_no_is_a_task_again_and_not_passed_on() -> None:
    order = silent_for(paid_order().hears(cancel(), held()), 20).hears(mismatch())
    choose(order, "look-again")
    order.hears(not_resumed(1))
    assert "resume-refund" not in order.after(timedelta(minutes=11)).last


def test_a_task_that_a_case_waits_for_is_not_done_by_looking() -> None:
    order = arriving().hears(refused(), sold())
    late = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"), paid())
    late.hears(refused("o1-c2"), told("refund-failed", "o1-c2"))
    for waits in (order, late):
        with pytest.raises(Refusal):
            waits.hears(TaskDone(order_id=ID, task_id=waits.order.tasks[-1].task_id, by=STAFF, note="seen"))


def test_a_late_payment_that_was_given_back_by_hand_before_its_case_asked_needs_no_choice() -> None:
    """Neither road would be followed, and who called it settled outside would have it in the books twice."""
    late = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"), paid())
    more = refused("o1-c2").model_copy(update={"reason": "more-than-was-paid", "provider_code": ""})
    late.hears(found(1900), more, told("refund-failed", "o1-c2"))
    task = late.order.tasks[-1]
    assert (task.kind, task.choices) == ("refund-refused", ("done",))
    assert "still with the shop" not in task.en
    late.hears(TaskDone(order_id=ID, task_id=task.task_id, by=STAFF, note="seen"))
    assert choices(late) == {"take-over", "done"}


def test_taking_over_a_refund_that_was_closed_since_moves_no_goods() -> None:
    order = paid_order().hears(found(1900))
    assert order.last == ["cancellation-accepted", "adopt-refund"]
    assert order.hears(refused()).last == ["cancellation-undone", "staff-task-raised"]
    assert order.order.state == "paid"
    assert choices(order) == {"done"}
    assert "nobody has told the customer" in order.order.tasks[-1].en


GONE = refused().model_copy(update={"reason": "more-than-was-paid"})
NOT_HELD = inventory.StockHoldRefused(order_id=ID, case_id=CaseId(CASE), reason="not-reserved")


@pytest.mark.parametrize("answers", [(NOT_HELD,), (held(), GONE, kept())], ids=["goods", "money"])
def test_where_no_refund_was_refused_by_wechat_nobody_is_told_to_ship_or_to_pay_by_transfer(
    answers: tuple[Event, ...],
) -> None:
    """With the goods there may be something wrong, and the money may have gone back by hand."""
    order = paid_order().hears(cancel(), *answers, told("refund-failed"))
    assert order.order.cases[0].status == "undone"
    assert choices(order) == {"done"}
    assert not [word for word in ("ship", "transfer") if word in order.order.tasks[-1].en]


def test_nor_does_one_of_a_part() -> None:
    assert choices(paid_order().hears(found(500), refused())) == {"done"}


@pytest.mark.parametrize("since", ["arrived", "failed", "given-back"])
def test_word_of_a_delay_that_comes_after_the_end_is_told_to_nobody(since: str) -> None:
    order = {
        "arrived": lambda: arriving().hears(settled()),
        "failed": lambda: arriving(OUT_OF_STOCK).hears(refused()),
        "given-back": lambda: arriving().hears(refused()),
    }[since]()
    late = payment.RefundDelayed(order_id=ID, case_id=CASE, refund_number=RefundNumber("o1-c1-1"), days=3)
    assert order.hears(late).last == []
