"""A payment is opened, paid, closed; most of what it hears is late, repeated, or crosses something else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.message import OrderId, Woke
from contracts.payment import PaymentClosed, PaymentCloseRefused, PaymentOpened, PaymentReceived
from services.payment.outside import (
    CallAttention,
    CloseAnswered,
    CloseOrder,
    PaymentQueried,
    PrepayAnswered,
    PrepayRefused,
    QueryPayment,
    StartPrepay,
)
from services.payment.paying import FOUND_WITHIN, PAY_POLL_FOR
from services.payment.saying import TELL_AGAIN
from tests.unit.payment.given import (
    CASE,
    NOON,
    ORDER,
    OTHER_CASE,
    PAID_FEN,
    TRANSACTION,
    Story,
    close_payment,
    expect,
    fen,
    kinds,
    notified,
    open_payment,
    opened,
    paid,
    prepaid,
    refund_payment,
    trade,
)

START = StartPrepay(order_id=ORDER)


def prepay_answered(prepay_id: str = "wx-prepay-1") -> PrepayAnswered:
    return PrepayAnswered(order_id=ORDER, prepay_id=prepay_id)


def queried(state: str) -> PaymentQueried:
    return PaymentQueried(order_id=ORDER, trade=trade(state))


def closed(code: str = "") -> CloseAnswered:
    return CloseAnswered(order_id=ORDER, outcome="closed", code=code)


def close_unknown(code: str = "TIMEOUT") -> CloseAnswered:
    return CloseAnswered(order_id=ORDER, outcome="unknown", code=code)


# ── open ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_opened_payment_says_so_and_waits_for_nothing() -> None:
    story = Story()
    assert expect(story.hear(open_payment()), PaymentOpened).order_id == ORDER
    assert story.payment.status == "opened"
    assert story.payment.wake_at is None


def test_open_payment_twice_is_answered_twice_and_changes_nothing() -> None:
    story = opened()
    before = story.state
    expect(story.hear(open_payment(amount=fen(1))), PaymentOpened)
    assert story.state is before


def test_who_asks_for_a_payment_that_came_hears_of_it_again() -> None:
    story = prepaid()
    (first,) = [said for said in story.hear(notified()) if isinstance(said, PaymentReceived)]
    opened, again = story.hear(open_payment())
    assert isinstance(opened, PaymentOpened)
    assert again == first


def test_open_payment_after_close_payment_stays_closed_and_is_not_answered() -> None:
    story = Story()
    expect(story.hear(close_payment()), PaymentClosed)
    assert story.hear(open_payment(shop="tea")) == []
    assert story.payment.status == "closed"
    assert (story.payment.shop, story.payment.amount) == ("tea", fen(PAID_FEN))
    before = story.state
    assert story.hear(open_payment(amount=fen(1))) == []
    assert story.state is before


def test_a_payment_closed_before_it_was_opened_is_received_by_what_closing_said() -> None:
    story = Story()
    expect(story.hear(close_payment(shop="tea", due=fen(PAID_FEN))), PaymentClosed)
    assert story.payment.shop == "tea"
    assert expect(story.hear(queried("REFUND")), PaymentReceived).transaction_id == TRANSACTION
    assert story.payment.status == "paid"


def test_what_closing_says_does_not_change_what_was_asked_for() -> None:
    story = opened()
    expect(story.hear(close_payment(shop="tea", due=fen(1))), PaymentClosed)
    assert (story.payment.shop, story.payment.amount) == ("", fen(PAID_FEN))


def shown_before_it_was_known() -> Story:
    """An older order service closes without a word of the amount, and then the provider shows a payment."""
    story = Story()
    expect(story.hear(close_payment()), PaymentClosed)
    assert expect(story.hear(queried("REFUND")), CallAttention).what == "strange-payment"
    return story


def test_a_payment_that_was_strange_for_want_of_an_amount_is_received_when_the_amount_is_known() -> None:
    story = shown_before_it_was_known()
    assert expect(story.hear(open_payment()), PaymentReceived).transaction_id == TRANSACTION
    assert (story.payment.status, story.payment.strange) == ("paid", None)


def test_an_opened_payment_is_received_too_that_was_shown_before() -> None:
    story = Story()
    story.hear(refund_payment())
    assert "strange-payment" in [said.what for said in story.hear(queried("REFUND")) if isinstance(said, CallAttention)]
    assert kinds(story.hear(open_payment()))[:2] == ["PaymentOpened", "PaymentReceived"]
    assert story.payment.status == "paid"


def test_closing_refuses_when_what_it_says_shows_that_it_was_paid() -> None:
    story = shown_before_it_was_known()
    assert kinds(story.hear(close_payment(OTHER_CASE, due=fen(PAID_FEN)))) == ["PaymentReceived", "PaymentCloseRefused"]
    assert story.payment.status == "paid"


def test_a_strange_payment_stays_strange_when_the_amount_is_another() -> None:
    story = shown_before_it_was_known()
    worry = expect(story.hear(open_payment(amount=fen(1))), CallAttention)
    assert (worry.what, "asked for 1," in worry.detail) == ("strange-payment", True)
    assert (story.payment.status, story.payment.strange is None) == ("closed", False)


@pytest.mark.parametrize("order_id", ["short", "x" * 33, "with space", "订单000001"])
def test_an_order_id_the_provider_would_not_take_is_a_defect_not_a_payment(order_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be a payment's number"):
        Story().hear(open_payment().model_copy(update={"order_id": OrderId(order_id)}))


# ── start to pay ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_starting_to_pay_is_remembered_before_the_provider_is_called_and_asked_after_a_minute() -> None:
    story = opened()
    assert story.hear(START) == []
    assert story.payment.prepay_requested_at == story.now
    assert story.wait == timedelta(minutes=1)


def test_starting_to_pay_twice_changes_nothing() -> None:
    story = prepaid()
    before = story.state
    story.hear(START, after=timedelta(minutes=5))
    assert story.state is before


@pytest.mark.parametrize("make", [Story, paid])
def test_starting_to_pay_what_is_not_open_changes_nothing(make: Callable[[], Story]) -> None:
    story = make()
    before = story.state
    assert story.hear(START) == []
    assert story.state is before


def test_a_prepay_id_is_used_for_less_than_two_hours() -> None:
    story = prepaid()
    assert story.payment.usable_prepay_id(story.now + timedelta(minutes=109)) == "wx-prepay-1"
    assert story.payment.usable_prepay_id(story.now + timedelta(minutes=110)) is None


def test_a_new_prepay_after_the_old_one_is_stale_starts_the_questions_again() -> None:
    story = prepaid()
    story.hear(START, after=timedelta(hours=3))
    assert story.payment.prepay_requested_at == story.now
    assert story.wait == timedelta(minutes=1)


def test_a_prepay_id_that_comes_after_closing_asks_the_provider_to_close_again() -> None:
    story = opened()
    story.hear(START)
    story.hear(close_payment())
    expect(story.hear(closed("ORDER_NOT_EXIST")), PaymentClosed)
    expect(story.hear(prepay_answered()), CloseOrder)
    assert story.hear(closed()) == []
    assert story.payment.status == "closed"


def test_a_prepay_id_that_comes_after_the_payment_changes_nothing() -> None:
    story = paid()
    before = story.state
    assert story.hear(prepay_answered("wx-prepay-2")) == []
    assert story.state is before


def test_a_prepay_refused_because_it_is_paid_asks_for_the_payment() -> None:
    story = prepaid()
    expect(story.hear(PrepayRefused(order_id=ORDER, code="ORDERPAID")), QueryPayment)


def test_a_prepay_refused_for_another_reason_says_nothing() -> None:
    story = prepaid()
    assert story.hear(PrepayRefused(order_id=ORDER, code="PARAM_ERROR")) == []


# ── paid ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_payment_is_said_once_with_the_providers_time() -> None:
    story = prepaid()
    received = expect(story.hear(notified()), PaymentReceived)
    assert (received.amount, received.transaction_id) == (fen(PAID_FEN), TRANSACTION)
    assert received.paid_at == story.now
    assert story.payment.wake_at is None


def test_a_payment_that_comes_when_nobody_asks_for_it_any_more_is_told_again_and_at_last_no_more() -> None:
    story = opened()
    story.hear(START, after=timedelta(days=10))
    told = expect(story.hear(notified()), PaymentReceived)
    for _ in TELL_AGAIN:
        assert story.wake() == [told]
    assert story.payment.wake_at is None


def test_one_that_comes_to_light_long_after_its_closing_is_told_again_too() -> None:
    story = Story()
    story.hear(close_payment(due=fen(PAID_FEN)))
    told = expect(story.hear(notified(), after=timedelta(days=10)), PaymentReceived)
    assert story.wake() == [told]


def test_a_second_callback_says_nothing() -> None:
    story = paid()
    before = story.state
    assert story.hear(notified()) == []
    assert story.state is before


def test_a_late_answer_to_a_question_after_the_callback_says_nothing() -> None:
    story = paid()
    assert story.hear(queried("REFUND")) == []


def test_a_callback_that_does_not_say_paid_is_no_payment() -> None:
    story = prepaid()
    assert story.hear(notified(state="NOTPAY")) == []
    assert story.payment.receipt is None


@pytest.mark.parametrize(
    "strange",
    [{"total": PAID_FEN - 1}, {"amount": {"total": PAID_FEN, "currency": "USD"}}, {"transaction_id": None}],
)
def test_another_amount_is_no_payment_but_is_kept_and_shown_to_a_person_once(strange: dict[str, Any]) -> None:
    story = prepaid()
    assert expect(story.hear(notified(**strange)), CallAttention).what == "strange-payment"
    assert story.payment.status == "opened"
    assert story.payment.strange is not None
    assert story.hear(notified(**strange)) == []


def test_a_payment_after_closing_is_still_said_so_that_it_can_go_back() -> None:
    story = prepaid()
    story.hear(close_payment())
    story.hear(closed())
    expect(story.hear(notified()), PaymentReceived)
    assert story.payment.status == "paid"


def test_a_payment_that_was_on_its_way_when_it_was_closed_is_looked_for_once_more() -> None:
    story = prepaid()
    story.hear(close_payment())
    story.hear(closed())
    assert story.wait == timedelta(hours=1)
    expect(story.wake(), QueryPayment)
    expect(story.hear(queried("SUCCESS")), PaymentReceived)
    assert story.payment.wake_at is None


def test_a_closed_payment_that_was_not_made_is_looked_for_no_more() -> None:
    story = prepaid()
    story.hear(close_payment())
    story.hear(closed())
    story.wake()
    assert story.hear(queried("CLOSED")) == []
    assert story.payment.wake_at is None


def test_a_callback_for_an_order_nobody_opened_changes_nothing() -> None:
    story = Story()
    assert story.hear(notified()) == []
    assert story.state is None


def test_a_lost_callback_is_made_up_for_by_asking() -> None:
    story = prepaid()
    expect(story.wake(), QueryPayment)
    expect(story.hear(queried("SUCCESS")), PaymentReceived)
    assert story.payment.wake_at is None


def test_an_unpaid_payment_is_asked_for_less_and_less_often_for_a_day() -> None:
    story = prepaid()
    begin = story.now
    asked = []
    while story.payment.wake_at is not None:
        expect(story.wake(), QueryPayment)
        asked.append((story.now - begin) // timedelta(minutes=1))
        assert story.hear(queried("NOTPAY")) == []
    assert asked[:5] == [1, 6, 16, 46, 106]
    assert timedelta(hours=23) <= story.now - begin <= PAY_POLL_FOR


def test_a_question_without_an_answer_is_asked_again() -> None:
    story = prepaid()
    story.wake()
    assert story.hear(PaymentQueried(order_id=ORDER, code="TIMEOUT")) == []
    assert story.wait == timedelta(minutes=5)


def test_a_payment_the_provider_has_closed_by_itself_is_not_asked_for_again() -> None:
    story = prepaid()
    story.wake()
    story.hear(queried("CLOSED"))
    assert story.payment.wake_at is None


def test_a_timer_that_rings_for_nothing_known_is_harmless() -> None:
    story = Story()
    assert story.hear(Woke(record_id=ORDER, due=NOON)) == []
    assert story.state is None


# ── close ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_payment_never_ordered_is_closed_at_once_without_a_call() -> None:
    story = opened()
    assert expect(story.hear(close_payment()), PaymentClosed).case_id == CASE


def test_closing_twice_is_answered_twice() -> None:
    story = opened()
    story.hear(close_payment())
    before = story.state
    expect(story.hear(close_payment()), PaymentClosed)
    assert story.state is before


def test_an_ordered_payment_is_closed_when_the_provider_says_so_and_not_before() -> None:
    story = prepaid()
    expect(story.hear(close_payment()), CloseOrder)
    assert story.payment.status == "closing"
    expect(story.hear(closed()), PaymentClosed)


def test_asking_again_while_the_provider_is_asked_says_nothing_new() -> None:
    story = prepaid()
    story.hear(close_payment())
    before = story.state
    assert story.hear(close_payment()) == []
    assert story.state is before


def test_every_case_that_waits_for_closing_is_answered() -> None:
    story = prepaid()
    story.hear(close_payment())
    assert story.hear(close_payment(OTHER_CASE)) == []
    says = story.hear(closed())
    assert [one.case_id for one in says if isinstance(one, PaymentClosed)] == [CASE, OTHER_CASE]


def test_an_unknown_outcome_of_closing_is_asked_again_later_and_later_and_never_answered() -> None:
    story = prepaid()
    story.hear(close_payment())
    waits = []
    for _ in range(10):
        assert story.hear(close_unknown()) == []
        assert story.wait is not None
        waits.append(story.wait.total_seconds())
        expect(story.wake(), CloseOrder)
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    expect(story.hear(closed()), PaymentClosed)


def test_a_payment_ordered_a_moment_ago_that_is_not_found_is_believed_to_be_gone_only_after_a_while() -> None:
    story = prepaid()
    since = story.now
    story.hear(close_payment())
    while not (said := story.hear(closed("ORDER_NOT_EXIST"))):
        assert story.now - since < FOUND_WITHIN
        expect(story.wake(), CloseOrder)
    expect(said, PaymentClosed)
    assert FOUND_WITHIN <= story.now - since < 2 * FOUND_WITHIN


@pytest.mark.parametrize("code", ["", "ORDER_CLOSED"])
def test_a_payment_ordered_a_moment_ago_that_is_closed_is_closed(code: str) -> None:
    story = prepaid()
    story.hear(close_payment())
    expect(story.hear(closed(code)), PaymentClosed)


def test_closing_what_is_paid_is_refused() -> None:
    assert expect(paid().hear(close_payment()), PaymentCloseRefused).reason == "already-paid"


def test_the_provider_says_paid_when_asked_to_close_then_the_payment_comes_before_the_refusal() -> None:
    story = prepaid()
    story.hear(close_payment())
    says = story.hear(CloseAnswered(order_id=ORDER, outcome="paid", trade=trade()))
    assert kinds(says) == ["PaymentReceived", "PaymentCloseRefused"]
    assert story.payment.status == "paid"


def test_a_callback_that_overtakes_the_answer_to_closing_settles_it() -> None:
    story = prepaid()
    story.hear(close_payment())
    assert kinds(story.hear(notified())) == ["PaymentReceived", "PaymentCloseRefused"]
    assert story.hear(CloseAnswered(order_id=ORDER, outcome="paid", trade=trade())) == []


@pytest.mark.parametrize("late", [closed(), close_unknown()])
def test_a_late_answer_to_closing_after_the_payment_changes_nothing(late: CloseAnswered) -> None:
    story = prepaid()
    story.hear(close_payment())
    story.hear(notified())
    before = story.state
    assert story.hear(late) == []
    assert story.state is before


def test_a_strange_payment_found_while_closing_closes_it_and_calls_a_person() -> None:
    """Under this number nothing can be paid any more: closing it would be tried for ever."""
    story = prepaid()
    story.hear(close_payment())
    strange = CloseAnswered(order_id=ORDER, outcome="paid", trade=trade(total=1))
    assert kinds(story.hear(strange)) == ["CallAttention", "PaymentClosed"]
    assert story.payment.status == "closed"
    assert kinds(story.hear(notified())) == ["PaymentReceived"], "should it have been paid as asked for, it is late"


def test_the_questions_about_an_unpaid_payment_stop_when_it_is_closing() -> None:
    story = prepaid()
    story.hear(close_payment())
    assert story.payment.wake_at is None
    assert story.hear(queried("NOTPAY")) == []
    assert story.payment.wake_at is None


def test_who_pays_is_noted_when_the_payment_overtook_its_opening() -> None:
    story = Story()
    story.hear(close_payment(due=fen(PAID_FEN)))
    story.hear(notified())
    story.hear(open_payment())
    assert story.payment.openid == "openid-of-somebody"
