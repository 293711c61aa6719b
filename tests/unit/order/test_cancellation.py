"""Cancelling, as the order service decides it. Most of it is about being ignored, repeated or late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from chassis.record import Heard, Refusal
from contracts import payment
from contracts.message import CaseId, Message, Money, RefundNumber
from contracts.order import CancellationNotAccepted, Reason
from services.order.problems import problem
from tests.unit.order.told import (
    CASE,
    CLOSE_REFUSED,
    CLOSED,
    ID,
    OPENED,
    RESERVED,
    SHIP,
    STAFF,
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


def refusal_of(order: Told, message: Message) -> str:
    with pytest.raises(Refusal) as caught:
        order.hears(message)
    event = caught.value.event
    assert isinstance(event, CancellationNotAccepted)
    return event.reason


def test_a_paid_order_is_cancelled_step_by_step() -> None:
    order = paid_order().hears(cancel())
    assert order.last == ["cancellation-accepted", "hold-stock"]
    assert order.order.state == "cancelling"
    steps: list[tuple[Message, list[str]]] = [
        (held(), ["refund-payment"]),
        (accepted(), ["release-stock", "tell-customer"]),
        (released(), []),
        (told("refund-on-its-way"), ["watch-refund"]),
        (settled(), ["tell-customer"]),
        (told("refund-arrived"), ["cancellation-completed"]),
    ]
    for message, answers in steps:
        assert order.hears(message).last == answers
    assert order.order.state == "cancelled"
    assert order.order.refunded_minor == 1900
    assert order.record.wake_at is None


def test_an_answer_that_comes_twice_changes_nothing() -> None:
    order = paid_order().hears(cancel(), held(), accepted())
    before = order.record
    order.hears(held(), accepted())
    assert order.last == []
    assert order.record is before


def test_a_late_notice_of_the_first_outcome_does_not_answer_the_second() -> None:
    order = paid_order().hears(cancel(), held(), accepted(), released(), told("refund-on-its-way"), settled())
    order.hears(told("refund-on-its-way"))
    assert order.last == []
    assert order.order.cases[0].status == "open"


def test_a_message_heard_again_says_the_same_again() -> None:
    order = paid_order()
    first = order.decide(Heard(cancel(), "same", order.now))
    again = order.decide(Heard(cancel(), "same", order.now + timedelta(hours=1)))
    assert again.repeat
    assert [said.id for said in again.says] == [said.id for said in first.says]
    assert again.record is first.record


def test_a_refund_refused_for_good_puts_everything_back() -> None:
    order = paid_order().hears(cancel(), held())
    assert order.hears(refused()).last == ["keep-stock"]
    assert order.hears(kept()).last == ["tell-customer"]
    assert order.hears(told("refund-failed")).last == ["cancellation-undone", "staff-task-raised"]
    assert order.order.state == "paid"
    assert [line.left for line in order.order.lines] == [3, 1]
    assert order.order.tasks[0].kind == "refund-refused"
    assert order.hears(SHIP).last == ["order-shipped", "dispatch-stock"]


def test_after_an_undone_case_the_order_can_be_cancelled_again() -> None:
    order = paid_order().hears(cancel(), held(), refused(), kept(), told("refund-failed"))
    assert order.hears(cancel(request="r2")).last == ["cancellation-accepted", "hold-stock"]
    assert order.order.cases[1].case_id == "o1-c2"


def test_a_refused_hold_ends_the_case_and_no_money_moves() -> None:
    from contracts.inventory import StockHoldRefused

    order = paid_order().hears(cancel())
    order.hears(StockHoldRefused(order_id=ID, case_id=CASE, reason="not-reserved"))
    assert order.last == ["tell-customer"]
    order.hears(told("refund-failed"))
    assert "refund-payment" not in order.said
    assert order.order.state == "paid"


def test_an_unknown_refund_is_never_guessed() -> None:
    order = paid_order().hears(cancel(), held())
    for attempt in range(1, 4):
        order.hears(
            payment.RefundAttempted(
                order_id=ID,
                case_id=CASE,
                refund_number=RefundNumber("o1-c1-1"),
                outcome="unknown",
                provider_code="SYSTEM_ERROR",
                attempt=attempt,
                next_try_at=order.now + timedelta(seconds=5),
            )
        )
        assert order.last == []
    assert order.order.cases[0].run.step == "refund the payment"
    assert [moment.what for moment in order.order.timeline].count("refund-attempted") == 3


@pytest.mark.parametrize(("outcome", "kind"), [("unknown", "refund-stuck"), ("abnormal", "refund-abnormal")])
def test_a_refund_that_cannot_go_on_by_itself_becomes_one_task(
    outcome: Literal["unknown", "abnormal"], kind: str
) -> None:
    order = paid_order().hears(cancel(), held())
    stuck = payment.RefundAttempted(
        order_id=ID,
        case_id=CASE,
        refund_number=RefundNumber("o1-c1-1"),
        outcome=outcome,
        provider_code="MISMATCH",
        attempt=1,
    )
    assert order.hears(stuck).last == ["staff-task-raised"]
    assert order.hears(stuck).last == []
    assert [task.kind for task in order.order.tasks] == [kind]


def test_a_parked_refund_is_no_task_because_it_resumes_by_itself() -> None:
    order = paid_order().hears(cancel(), held())
    order.hears(
        payment.RefundAttempted(
            order_id=ID,
            case_id=CASE,
            refund_number=RefundNumber("o1-c1-1"),
            outcome="parked",
            provider_code="NOT_ENOUGH",
            attempt=1,
            next_try_at=order.now,
        )
    )
    assert order.last == []
    assert order.order.timeline[-1].what == "refund-attempted"


def test_silence_before_the_pivot_is_asked_again_and_then_undone() -> None:
    order = paid_order().hears(cancel())
    assert order.after(timedelta(seconds=21)).last == ["hold-stock"]
    while order.order.cases[0].run.status == "running":
        order.after(timedelta(minutes=11))
    assert order.last == ["keep-stock"]
    assert order.hears(held()).last == [], "the late answer to what is being undone"
    order.hears(kept(), told("refund-failed"))
    assert order.order.state == "paid"


def test_the_customer_is_told_whether_or_not_the_stock_is_back() -> None:
    order = paid_order().hears(cancel(), held(), accepted())
    assert order.hears(told("refund-on-its-way")).last == []
    assert [moment.what for moment in order.order.timeline][-1] == "customer-told"
    assert order.after(timedelta(minutes=1)).last == ["release-stock"], "who has answered is not asked again"
    assert order.hears(released()).last == ["watch-refund"]


def test_silence_at_the_pivot_is_asked_for_ever_and_calls_a_person() -> None:
    order = paid_order().hears(cancel(), held())
    for _ in range(30):
        assert "refund-payment" in order.rings().last
    assert order.order.cases[0].run.status == "running"
    assert [task.kind for task in order.order.tasks] == ["no-answer"]
    assert order.hears(accepted()).last == ["release-stock", "tell-customer"]


def test_a_timer_that_rings_late_or_twice_is_harmless() -> None:
    from contracts.message import Woke

    order = paid_order().hears(cancel())
    due = order.record.wake_at
    assert due is not None
    order.hears(held())
    before = order.record
    order.hears(Woke(record_id="o1", due=due))
    assert order.last == []
    assert order.record is before


def test_an_unpaid_order_is_closed_before_its_stock_is_released() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel())
    assert order.last == ["cancellation-accepted", "close-payment"]
    assert order.hears(CLOSED).last == ["release-stock", "tell-customer"]
    assert order.hears(released()).last == []
    assert order.hears(told("order-cancelled")).last == ["cancellation-completed"]
    assert order.order.state == "cancelled"
    assert order.order.refunded_minor == 0


def test_who_closes_a_payment_is_told_what_was_to_be_paid_because_it_may_never_have_heard() -> None:
    order = Told().hears(place())
    sold = order.order.model_copy(update={"shop": "tea"})
    order.record = replace(order.record, state=sold)
    order.hears(RESERVED)
    (_, said) = order.decide(Heard(cancel(), "wish", order.now)).says
    close = payment.ClosePayment.model_validate_json(said.body)
    assert (close.shop, close.due) == ("tea", Money(amount_minor=sold.total_minor))


def test_an_unpaid_order_that_turns_out_to_be_paid_takes_the_paid_road() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel())
    assert order.hears(paid()).last == ["order-paid"]
    assert order.hears(CLOSE_REFUSED).last == ["hold-stock"]
    order.hears(held(), accepted(), released(), told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert order.order.state == "cancelled"
    assert order.order.refunded_minor == 1900


def test_an_order_found_paid_goes_back_to_paid_when_its_refund_is_refused() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel(), paid(), CLOSE_REFUSED, held(), refused(), kept())
    order.hears(told("refund-failed"))
    assert order.order.state == "paid"


@pytest.mark.parametrize("heard_before", [True, False], ids=["it was heard of before", "it is asked for"])
def test_an_order_found_paid_after_its_payment_was_closed_stays_on_its_road(heard_before: bool) -> None:
    """The close was confirmed, its answer was late, the customer's payment was not, and the order had asked again."""
    order = Told().hears(place(), RESERVED, cancel(), *([paid()] if heard_before else []), CLOSED)
    assert order.order.ask_payment_at is None
    assert order.hears(CLOSE_REFUSED).last == []
    assert order.order.cases[0].run.step == "release the stock", "the goods are on their way to the shelf"
    assert (order.order.ask_payment_at is None) == heard_before
    order.hears(released(), told("order-cancelled"), paid())
    assert [case.road for case in order.order.cases] == ["unpaid", "late-payment"]
    assert order.order.state == "cancelled"


@pytest.mark.parametrize("during", [True, False], ids=["while it is being cancelled", "after it was cancelled"])
def test_a_late_payment_is_refunded_by_itself(during: bool) -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED)
    if during:
        order.hears(paid(), released(), told("order-cancelled"))
    else:
        order.hears(released(), told("order-cancelled"), paid())
    assert order.last[-2:] == ["cancellation-accepted", "refund-payment"]
    late = "o1-c2"
    order.hears(accepted(late), told("late-payment-refunded", late), settled(late), told("refund-arrived", late))
    assert order.order.state == "cancelled"
    assert order.order.cases[1].status == "completed"
    assert order.hears(paid()).last == [], "the same payment told again"


def test_a_payment_heard_of_only_after_its_refund_is_not_late() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSE_REFUSED, held(), accepted(), released())
    order.hears(told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert order.order.state == "cancelled"
    assert order.hears(paid()).last == ["order-paid"]
    assert (len(order.order.cases), order.order.state) == (1, "cancelled")


def test_a_payment_heard_of_only_after_its_case_was_undone_is_not_late() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSE_REFUSED, held(), refused(), kept())
    order.hears(told("refund-failed"))
    assert order.hears(paid()).last == ["order-paid"]
    assert (len(order.order.cases), order.order.state) == (1, "paid")


def test_two_partial_cancellations_give_back_exactly_what_was_paid() -> None:
    order = paid_order()
    order.hears(cancel((1, 1)), held(), accepted(amount=300), released(), told("refund-on-its-way"))
    order.hears(settled(amount=300), told("refund-arrived"))
    assert order.order.state == "paid"
    assert [line.left for line in order.order.lines] == [2, 1]
    second = CaseId("o1-c2")
    order.hears(cancel((1, 2), (2, 1), request="r2"), held(second), accepted(second, 1600), released(second))
    order.hears(told("refund-on-its-way", second), settled(second, 1600), told("refund-arrived", second))
    assert order.order.state == "cancelled"
    assert order.order.refunded_minor == 1900


def test_a_second_request_for_the_same_meets_the_open_case() -> None:
    order = paid_order().hears(cancel(request="r1"), cancel(request="r2"))
    assert order.last == ["cancellation-accepted"]
    assert len(order.order.cases) == 1
    order.hears(held(), accepted(), released(), told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert order.hears(cancel(request="r2")).last == ["cancellation-accepted"], "asked again after the case has ended"
    assert len(order.order.cases) == 1


def test_a_second_request_for_something_else_waits() -> None:
    order = paid_order().hears(cancel((1, 1)))
    assert refusal_of(order, cancel((2, 1), request="r2")) == "cancellation-open"


def test_a_request_id_is_not_used_for_another_wish() -> None:
    order = paid_order().hears(cancel((1, 1)))
    assert refusal_of(order, cancel((2, 1), fingerprint="other")) == "idempotency-key-reused"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (cancel((9, 1)), "unknown-line"),
        (cancel((1, 4)), "more-than-was-bought"),
        (cancel((1, 2), (1, 2)), "more-than-was-bought"),
        (cancel(reason=Reason(family="customer", code="other", remark="  ")), "remark-required"),
        (cancel(by=STAFF.model_copy(update={"kind": "customer", "id": "c2"})), "unknown-order"),
    ],
)
def test_bad_wishes_change_nothing(message: Message, reason: str) -> None:
    order = paid_order()
    before = order.record
    assert refusal_of(order, message) == reason
    assert order.record is before


def test_too_late_wishes_say_why() -> None:
    from contracts.order import CompleteOrder, DeliverOrder

    order = paid_order().hears(SHIP, DeliverOrder(order_id=ID, by=STAFF))
    assert refusal_of(order, cancel()) == "already-shipped"
    assert "已送达" in problem("already-shipped").zh, "who has the parcel is not sent away until it comes"
    order.hears(CompleteOrder(order_id=ID, by=STAFF))
    assert refusal_of(order, cancel()) == "already-completed"
    assert refusal_of(Told(), cancel()) == "unknown-order"


def test_part_of_an_unpaid_order_is_not_cancelled() -> None:
    order = Told().hears(place(), RESERVED, OPENED)
    assert refusal_of(order, cancel((1, 1))) == "cancel-whole-unpaid-order"


def test_an_order_being_cancelled_is_not_shipped() -> None:
    order = paid_order().hears(cancel())
    with pytest.raises(Refusal) as caught:
        order.hears(SHIP)
    assert caught.value.event.model_dump()["reason"] == "cancellation-open"


def test_a_parcel_that_has_left_is_not_said_to_have_left_under_another_number() -> None:
    order = paid_order().hears(SHIP)
    assert order.hears(SHIP).last == ["order-shipped"]
    with pytest.raises(Refusal) as caught:
        order.hears(SHIP.model_copy(update={"tracking_number": "SF2"}))
    assert caught.value.event.model_dump()["reason"] == "wrong-state"
    assert order.order.tracking_number == "SF1"


def test_an_order_without_stock_ends_and_the_customer_is_told() -> None:
    from contracts.inventory import StockShort
    from contracts.message import ProductId

    order = Told().hears(place(), StockShort(order_id=ID, short=(ProductId("tea"),)))
    assert order.last == ["order-not-placed", "tell-customer"]
    assert order.order.state == "cancelled"
    order.hears(told("order-cancelled", "o1-placing"))
    assert order.record.wake_at is None
