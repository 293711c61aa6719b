"""Refunds that somebody made on the merchant platform: the order makes a case of them, or asks a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chassis.record import Heard, Refusal
from contracts import payment
from contracts.message import Message, RefundNumber
from contracts.notify import TellCustomer
from contracts.order import CancellationNotAccepted
from services.order.problems import problem_of
from services.order.story import told_to_customer
from tests.unit.order.roads import (
    choose,
    found,
)
from tests.unit.order.told import (
    OPENED,
    RESERVED,
    SHIP,
    STAFF,
    Told,
    accepted,
    cancel,
    held,
    paid,
    paid_order,
    place,
    refused,
    released,
    settled,
    told,
)


def test_a_full_refund_made_by_hand_cancels_the_order() -> None:
    order = paid_order().hears(found(1900))
    assert order.last == ["cancellation-accepted", "adopt-refund"]
    assert order.hears(accepted()).last == ["release-stock", "tell-customer"]
    order.hears(released(), told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert order.order.state == "cancelled"
    assert order.hears(found(1900)).last == []


def test_a_partial_refund_made_by_hand_moves_no_goods_and_is_a_task() -> None:
    order = paid_order().hears(found(500))
    assert order.last == ["cancellation-accepted", "adopt-refund", "staff-task-raised"]
    order.hears(accepted(amount=500), told("refund-on-its-way"), settled(amount=500), told("refund-arrived"))
    assert order.order.state == "paid"
    assert [line.left for line in order.order.lines] == [3, 1]


@pytest.mark.parametrize("amount", [500, 1900])
@pytest.mark.parametrize(("language", "reason"), [("zh", "商家已退款"), ("en", "refunded by the shop")])
def test_its_customer_reads_of_it_in_plain_words(amount: int, language: str, reason: str) -> None:
    wish = place()
    contact = wish.asked.contact.model_copy(update={"language": language})
    order = Told().hears(wish.model_copy(update={"asked": wish.asked.model_copy(update={"contact": contact})}))
    order.hears(RESERVED, OPENED, paid(), found(amount))
    says = order.decide(Heard(accepted(amount=amount), "accepted", order.now)).says
    notice = TellCustomer.model_validate_json(says[-1].body)
    assert notice.reason == reason
    assert ("原路退回" if language == "zh" else "goes back the way it came") in notice.solution
    assert "platform-1" not in str(told_to_customer(order.order))


def test_where_no_goods_are_cancelled_the_customers_story_speaks_of_no_cancellation() -> None:
    order = paid_order().hears(found(500), accepted(amount=500), told("refund-on-its-way"), settled(amount=500))
    order.hears(told("refund-arrived"))
    story = [(line["what"], line["in_words"]["en"]) for line in told_to_customer(order.order)]
    assert ("refund-begun", "¥5.00 is sent back by the system: refunded by the shop.") in story
    assert story[-1] == ("refund-completed", "The refund is completed.")
    closed = told_to_customer(paid_order().hears(found(500), refused()).order)[-1]
    assert (closed["what"], "恢复原状" in closed["in_words"]["zh"]) == ("refund-not-made", False)
    for page in (told_to_customer(order.order), [closed]):
        assert not [line for line in page if "取消" in line["in_words"]["zh"]]
    whole = told_to_customer(paid_order().hears(found(1900)).order)
    assert whole[-1]["what"] == "cancellation-accepted"


def test_where_it_fails_after_all_nobody_reads_that_goods_are_back_of_which_nobody_knows_which() -> None:
    order = paid_order().hears(SHIP, found(500), accepted(amount=500), told("refund-on-its-way"), refused())
    task = order.order.tasks[-1]
    assert (task.kind, "with the shop" in task.en, "back in stock" in task.en) == ("refund-stuck", True, False)


def test_while_nobody_knows_what_a_refund_was_for_only_the_staff_cancel() -> None:
    """It may have been for the very goods that the customer wants to cancel now."""
    order = paid_order().hears(found(500))
    order.hears(accepted(amount=500), told("refund-on-its-way"), settled(amount=500), told("refund-arrived"))
    with pytest.raises(Refusal) as raised:
        order.hears(cancel((1, 1), request="r2"))
    event = raised.value.event
    assert isinstance(event, CancellationNotAccepted)
    assert (event.reason, event.because) == ("cancellation-open", "refund-to-match")
    assert "Retry-After" not in problem_of(event).response().headers, "a person takes longer than a second"
    choose(order, "done")
    assert order.hears(cancel((1, 1), request="r3")).last[0] == "cancellation-accepted"


def test_an_order_that_is_cancelled_says_so_though_a_refund_is_still_to_be_matched() -> None:
    order = paid_order().hears(cancel(), held(), found(500), accepted(), released(), told("refund-on-its-way"))
    order.hears(settled(), told("refund-arrived"))
    assert order.order.state == "cancelled"
    with pytest.raises(Refusal) as raised:
        order.hears(cancel(request="r2"))
    assert isinstance(raised.value.event, CancellationNotAccepted)
    assert raised.value.event.reason == "already-cancelled"


def part_by_hand(amount: int, *before: Message) -> Told:
    """A part went back by hand, and somebody has said that it was for no goods of this order."""
    order = paid_order().hears(*before, found(amount))
    order.hears(accepted(amount=amount), told("refund-on-its-way"), settled(amount=amount), told("refund-arrived"))
    return choose(order, "done")


def test_what_went_back_by_hand_in_part_is_not_asked_for_again_and_the_goods_come_back() -> None:
    second = "o1-c2"
    order = part_by_hand(500).hears(cancel(request="r2"))
    case = order.order.cases[-1]
    assert (case.amount.amount_minor, [line.amount_minor for line in case.lines]) == (1400, [900, 500])
    order.hears(held(second), accepted(second, 1400), released(second), told("refund-on-its-way", second))
    order.hears(settled(second, 1400), told("refund-arrived", second))
    assert (order.order.state, order.order.refunded_minor) == ("cancelled", 1900)
    assert [line.left for line in order.order.lines] == [0, 0]


def test_a_part_that_is_left_of_the_payment_is_given_back_whole() -> None:
    order = part_by_hand(500).hears(cancel((1, 1), request="r2"))
    assert order.order.cases[-1].amount.amount_minor == 300


@pytest.mark.parametrize("by_hand", [1900, 2500])
def test_where_all_went_back_by_hand_the_goods_come_back_without_money(by_hand: int) -> None:
    order = part_by_hand(by_hand, SHIP).hears(cancel(request="r2", by=STAFF))
    case = order.order.cases[-1]
    assert (case.amount.amount_minor, [line.amount_minor for line in case.lines]) == (0, [0, 0])


def test_the_rest_of_the_payment_given_back_by_hand_cancels_the_order() -> None:
    rest = found(1400).model_copy(update={"refund_number": RefundNumber("platform-2")})
    order = part_by_hand(500).hears(rest)
    assert order.order.cases[-1].road == "made-outside"
    assert order.order.state == "cancelling"


def test_the_staff_cancel_while_a_refund_is_still_to_be_matched() -> None:
    order = paid_order().hears(found(500))
    order.hears(accepted(amount=500), told("refund-on-its-way"), settled(amount=500), told("refund-arrived"))
    assert order.hears(cancel((1, 1), request="r2", by=STAFF)).last[0] == "cancellation-accepted"


def test_a_refund_made_by_hand_while_a_case_is_open_waits_for_a_person() -> None:
    order = paid_order().hears(cancel(), held())
    assert order.hears(found(500)).last == ["staff-task-raised"]
    assert order.order.tasks[-1].choices == ("take-over", "done")
    with pytest.raises(Refusal):
        choose(order, "take-over")
    assert len(order.order.cases) == 1, "one open case at most"
    order.hears(accepted(), released(), told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert choose(order, "take-over").last[:3] == ["task-resolved", "cancellation-accepted", "adopt-refund"]


def test_of_two_refunds_made_by_hand_that_are_found_together_the_second_is_taken_over_as_well() -> None:
    second = found(300).model_copy(update={"refund_number": RefundNumber("platform-2")})
    order = paid_order().hears(found(500), second)
    first, other = order.order.tasks
    assert (first.choices, other.choices) == (("done",), ("take-over", "done"))
    order.hears(accepted(amount=500), told("refund-on-its-way"), settled(amount=500), told("refund-arrived"))
    choose(order, "take-over").hears(accepted("o1-c2", 300), told("refund-on-its-way", "o1-c2"))
    order.hears(settled("o1-c2", 300), told("refund-arrived", "o1-c2"))
    assert order.order.refunded_minor == 800
    order.hears(cancel(request="r3", by=STAFF), held("o1-c3"))
    assert asked_to_refund(order).amount.amount_minor == 1100, "more would be refused, every time"


def found_as_own(number: str = "o1-c1-1") -> payment.RefundFound:
    """After a restore: the refund that this very case had before."""
    return found(1900).model_copy(update={"refund_number": RefundNumber(number)})


def test_a_refund_that_turns_out_to_be_the_open_cases_own_needs_nobody() -> None:
    order = paid_order().hears(cancel(), held(), found_as_own())
    assert [task.kind for task in order.order.tasks] == ["refund-made-outside"]
    order.hears(accepted())
    (task,) = order.order.tasks
    assert (task.done_at is not None, task.note) == (True, "it is the refund of o1-c1")
    order.hears(released(), told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert order.order.state == "cancelled"


def test_a_refund_that_a_case_has_taken_up_is_known_when_it_is_heard_of_later() -> None:
    order = paid_order().hears(cancel(), held(), accepted())
    assert order.hears(found_as_own()).last == []
    order.hears(released(), told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert order.hears(found_as_own()).last == []
    assert len(order.order.cases) == 1


def test_another_refund_than_the_cases_own_still_needs_somebody() -> None:
    order = paid_order().hears(cancel(), held(), found(500), accepted())
    assert order.order.tasks[0].done_at is None


def test_what_a_case_was_made_of_still_needs_somebody_to_say_for_which_goods() -> None:
    order = paid_order().hears(found(500))
    order.hears(accepted(amount=500).model_copy(update={"refund_number": RefundNumber("platform-1")}))
    assert [task.done_at for task in order.order.tasks] == [None]


def asked_to_refund(order: Told) -> payment.RefundPayment:
    """What the order last said to payment."""
    says = [said for entry in order.record.journal for said in entry.said if said.wire == "refund-payment.v1"]
    return payment.RefundPayment.model_validate_json(says[-1].body)


def test_payment_is_told_which_refunds_are_known_to_have_been_for_what() -> None:
    order = paid_order().hears(found(500))
    order.hears(accepted(amount=500), told("refund-on-its-way"), settled(amount=500), told("refund-arrived"))
    order.hears(cancel((1, 1), request="r2", by=STAFF), held("o1-c2"))
    assert asked_to_refund(order).matched == (), "nobody has said yet what it was for"
    choose(order, "done")
    order.after(timedelta(minutes=1))
    assert asked_to_refund(order).matched == ("platform-1",)
