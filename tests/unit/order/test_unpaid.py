"""An order that does not know of a payment asks, now and then, until it knows or nobody can pay any more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chassis.record import Refusal
from contracts.message import CaseId, Message
from contracts.notify import TellCustomer
from contracts.order import CancellationNotAccepted, OrderNotMoved
from contracts.task import ResolveTask
from services.order.story import told_to_customer
from services.order.unpaid import ASK_AFTER, SOON
from tests.unit.order.roads import BY_TRANSFER, OUT_OF_STOCK, choose, found, resumed, taken_again
from tests.unit.order.told import (
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
    place,
    refused,
    released,
    settled,
    told,
)

SECOND = "o1-c2"


def cancelled_unpaid() -> Told:
    return Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"))


def on_its_way() -> Told:
    """Cancelled and refunded, and the word of its payment has not been heard yet."""
    order = Told().hears(place(), RESERVED, OPENED, cancel(reason=OUT_OF_STOCK, by=STAFF), CLOSE_REFUSED, held())
    return order.hears(accepted(), released(), told("refund-on-its-way"))


def test_an_unpaid_order_asks_again_and_again_and_at_last_no_more() -> None:
    order = Told().hears(place(), RESERVED, OPENED)
    for wait in ASK_AFTER:
        order.after(wait)
        assert order.last == ["open-payment"]
        assert order.hears(OPENED).last == [], "it was opened long ago"
    assert order.order.wake_at is None
    assert order.order.state == "pending-payment"


def test_a_paid_order_asks_nothing() -> None:
    order = Told().hears(place(), RESERVED, OPENED, paid())
    assert order.order.wake_at is None


def test_a_payment_that_was_heard_of_before_it_was_opened_is_not_asked_for() -> None:
    order = Told().hears(place(), RESERVED, paid(), OPENED)
    assert order.order.wake_at is None


def test_a_cancelled_order_asks_too_and_a_payment_that_comes_to_light_goes_back() -> None:
    order = cancelled_unpaid()
    order.after(ASK_AFTER[0])
    assert order.last == ["open-payment"]
    assert order.hears(paid()).last[-1] == "refund-payment"


def test_a_timer_of_something_else_asks_nothing_early() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel())
    order.after(timedelta(seconds=25))
    assert order.last == ["close-payment"], "only the case asked again"


def test_an_order_that_never_heard_its_payment_open_learns_of_it_when_it_cannot_be_closed() -> None:
    order = Told().hears(place(), RESERVED, cancel(), CLOSE_REFUSED, held())
    order.after(SOON)
    assert "open-payment" in order.last
    assert order.hears(paid()).last == ["order-paid"]
    assert order.order.paid is not None


def test_an_order_that_stands_again_is_shipped_once_its_payment_is_confirmed() -> None:
    """Its cancellation found it paid and was refused: what was received is still to be heard."""
    order = Told().hears(place(), RESERVED, cancel(), CLOSE_REFUSED, held(), refused(), kept(), told("refund-failed"))
    assert order.order.state == "paid"
    with pytest.raises(Refusal) as raised:
        order.hears(SHIP)
    assert isinstance(raised.value.event, OrderNotMoved)
    assert raised.value.event.because == "payment-not-confirmed"
    assert "open-payment" in order.after(SOON).last
    assert order.hears(paid(), SHIP).order.state == "shipped"


def test_an_order_that_was_cancelled_before_it_heard_its_payment_open_asks_when_it_is_over() -> None:
    order = Told().hears(place(), RESERVED, cancel(), OPENED, CLOSED, released(), told("order-cancelled"))
    assert order.order.state == "cancelled"
    assert order.after(ASK_AFTER[0]).last == ["open-payment"]


def test_an_order_that_had_asked_for_the_last_time_asks_again_when_it_is_cancelled() -> None:
    order = Told().hears(place(), RESERVED, OPENED)
    for wait in ASK_AFTER:
        order.after(wait)
    order.hears(cancel(), CLOSED, released(), told("order-cancelled"))
    assert order.after(ASK_AFTER[0]).last == ["open-payment"]


# ── the word of the payment comes late ───────────────────────────────────────────────────────────────────────────────
def test_a_payment_that_is_heard_of_after_its_order_was_given_back_is_not_refunded() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSE_REFUSED, held(), accepted(), released())
    order.hears(told("refund-on-its-way"), refused(), taken_again(), told("refund-failed"))
    assert order.order.state == "paid"
    assert order.hears(paid()).last == ["order-paid"]


def test_a_payment_that_is_heard_of_after_a_person_had_its_refund_sent_again_is_not_refunded_once_more() -> None:
    order = on_its_way().hears(refused())
    choose(order, "send-again")
    order.hears(resumed(1), settled(), told("refund-arrived"))
    assert order.last == ["cancellation-completed"]
    assert order.hears(paid()).last == ["order-paid"]


def test_an_order_whose_refund_by_hand_was_heard_of_before_its_payment_is_paid_in_the_end() -> None:
    order = Told().hears(place(), RESERVED, OPENED, found(500))
    assert order.order.cases[0].road == "made-outside-in-part"
    assert order.hears(paid()).order.state == "paid"
    order.hears(accepted(amount=500), told("refund-on-its-way"), settled(amount=500), told("refund-arrived"))
    assert order.last == ["cancellation-completed"]
    assert order.order.state == "paid"


def test_an_order_whose_whole_refund_by_hand_was_heard_of_before_its_payment_is_cancelled_and_not_shipped() -> None:
    """The word of its payment was lost with the broker; the refund is told of again before the order asks."""
    order = Told().hears(place(), RESERVED, OPENED, found(1900))
    assert order.order.state == "cancelling"
    order.hears(accepted(), released(), told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert order.hears(paid()).last == ["order-paid"], "and does not go back once more"
    assert (order.order.state, len(order.order.cases)) == ("cancelled", 1)
    with pytest.raises(Refusal):
        order.hears(SHIP)


def test_an_order_whose_refund_by_hand_was_closed_again_is_paid_once_it_hears_so() -> None:
    order = Told().hears(place(), RESERVED, OPENED, found(1900), refused())
    assert order.order.state == "pending-payment"
    assert order.hears(paid()).order.state == "paid"


def test_an_order_that_never_heard_its_payment_open_asks_for_it_when_it_hears_of_a_refund_by_hand() -> None:
    order = Told().hears(place(), RESERVED, found(500))
    order.hears(accepted(amount=500), told("refund-on-its-way"), settled(amount=500), told("refund-arrived"))
    assert order.after(SOON).last == ["open-payment"]


def by_hand(order: Told, amount: int) -> Told:
    """What was given back by hand becomes the second case, and comes to its end."""
    order.hears(accepted(SECOND, amount), told("refund-on-its-way", SECOND), settled(SECOND, amount))
    return order.hears(told("refund-arrived", SECOND))


def test_a_late_payment_that_was_given_back_by_hand_does_not_go_back_again() -> None:
    order = by_hand(cancelled_unpaid().hears(found(1900)), 1900)
    assert order.last == ["cancellation-completed"]
    assert order.hears(paid()).last == ["order-paid"]
    assert len(order.order.cases) == 2


@pytest.mark.parametrize("late", [paid(), found(1900)])
def test_who_cancels_while_a_late_payment_goes_back_reads_that_the_order_is_cancelled(late: Message) -> None:
    order = cancelled_unpaid().hears(late)
    assert order.order.open_case is not None
    before = order.order
    for lines in ((), ((1, 1),)):
        with pytest.raises(Refusal) as raised:
            order.hears(cancel(*lines, request="r2"))
        event = raised.value.event
        assert isinstance(event, CancellationNotAccepted)
        assert event.reason == "already-cancelled"
    assert order.order is before


def test_what_was_not_given_back_by_hand_of_a_late_payment_goes_back_by_itself() -> None:
    order = by_hand(cancelled_unpaid().hears(found(500)), 500)
    assert order.hears(paid()).last == ["order-paid", "cancellation-accepted", "refund-payment"]
    assert order.order.cases[-1].amount.amount_minor == 1400


def test_also_when_the_payment_is_heard_of_while_the_refund_by_hand_is_taken_over() -> None:
    order = cancelled_unpaid().hears(found(500))
    assert order.hears(paid()).last == ["order-paid"]
    by_hand(order, 500)
    assert order.last == ["cancellation-completed", "cancellation-accepted", "refund-payment"]
    assert order.order.cases[-1].amount.amount_minor == 1400
    assert order.order.state == "cancelled"


def test_also_when_the_refund_by_hand_turns_out_to_be_none() -> None:
    """It was closed before it was taken over: nothing of the late payment has gone back, and nobody says it again."""
    order = cancelled_unpaid().hears(found(500), paid(), refused(SECOND))
    assert order.order.cases[1].status == "undone"
    assert order.last[-2:] == ["cancellation-accepted", "refund-payment"]
    assert order.order.cases[-1].amount.amount_minor == 1900


def test_also_when_the_payment_was_heard_of_while_the_order_was_still_being_cancelled() -> None:
    """The whole of it was wished back, and refused because a part had gone back by hand: nobody else sends the rest."""
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, paid(), found(500))
    order.hears(released(), told("order-cancelled"), refused(SECOND), told("refund-failed", SECOND))
    choose_take_over(order).hears(accepted("o1-c3", 500), told("refund-on-its-way", "o1-c3"), settled("o1-c3", 500))
    order.hears(told("refund-arrived", "o1-c3"))
    assert order.last == ["cancellation-completed", "cancellation-accepted", "refund-payment"]
    assert order.order.cases[-1].amount.amount_minor == 1400


def choose_take_over(order: Told) -> Told:
    (task,) = (task for task in order.order.tasks if "take-over" in task.choices)
    return order.hears(ResolveTask(order_id=ID, task_id=task.task_id, choice="take-over", by=STAFF))


def test_a_late_payment_that_goes_back_as_a_transfer_is_told_as_one_to_confirm() -> None:
    order = cancelled_unpaid().hears(paid())
    order.hears(BY_TRANSFER.model_copy(update={"case_id": CaseId(SECOND)}))
    assert order.last == ["tell-customer"]
    assert '"outcome":"refund-to-confirm"' in order.record.journal[-1].said[0].body


def test_whose_late_payment_cannot_go_back_reads_that_the_order_stays_cancelled_and_not_that_it_is_as_it_was() -> None:
    order = cancelled_unpaid().hears(paid(), refused(SECOND))
    notice = TellCustomer.model_validate_json(order.record.journal[-1].said[0].body)
    assert (notice.outcome, notice.solution) == ("refund-failed", "订单仍为已取消,客服会与您联系退还这笔付款。")
    order.hears(told("refund-failed", SECOND))
    (line,) = (line for line in told_to_customer(order.order) if line["what"] == "payment-not-returned")
    assert "The order stays cancelled" in line["in_words"]["en"]
    assert "恢复原状" not in str(told_to_customer(order.order))
    assert order.order.state == "cancelled"
