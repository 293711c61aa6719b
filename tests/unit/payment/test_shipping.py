"""WeChat's shipping record: told once, and never "shipped" of a cancelled order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.payment import RecordShipping, ShippingRecorded, ShippingRecordStrange
from services.payment.outside import (
    CallAttention,
    QueryShipping,
    RefundShown,
    ShippingAnswered,
    ShippingShown,
    UploadShipping,
)
from tests.unit.payment.given import (
    NOON,
    ORDER,
    PAID_FEN,
    TRANSACTION,
    Story,
    expect,
    kinds,
    opened,
    paid,
    refund_payment,
    shown,
)

WISH = RecordShipping(order_id=ORDER, carrier="SF", tracking_number="SF1", item="茶叶")


def answered(outcome: str, code: str = "") -> ShippingAnswered:
    return ShippingAnswered.model_validate({"order_id": ORDER, "outcome": outcome, "code": code})


def state(number: int | None) -> ShippingShown:
    return ShippingShown(order_id=ORDER, state=number)


def given_back(by: RefundShown | None = None) -> Story:
    """All money has gone back; the first look at the shipping record is due."""
    story = paid()
    story.hear(refund_payment(PAID_FEN))
    story.hear(by or shown("SUCCESS", amount=PAID_FEN))
    return story


def test_the_parcel_is_recorded_once() -> None:
    story = paid()
    wish = expect(story.hear(WISH), UploadShipping)
    assert (wish.transaction_id, wish.tracking_number, wish.resend) == (TRANSACTION, "SF1", False)
    assert story.hear(WISH) == [], "it is being told"
    assert expect(story.hear(answered("recorded")), ShippingRecorded).outcome == "recorded"
    assert expect(story.hear(WISH), ShippingRecorded).outcome == "recorded"


def test_an_order_that_wechat_does_not_know_yet_is_told_later() -> None:
    story = paid()
    story.hear(WISH)
    assert story.hear(answered("later", "10060001")) == []
    assert story.wait == timedelta(minutes=1)
    assert expect(story.wake(), UploadShipping).resend


@pytest.mark.parametrize("outcome", ["unknown", "later"])
def test_nobody_knows_is_looked_at_and_told_again(outcome: str) -> None:
    story = paid()
    story.hear(WISH)
    for _ in range(8):
        assert story.hear(answered(outcome)) == []
        assert expect(story.wake(), UploadShipping).resend


def test_a_refused_record_is_somebodys_worry_and_answered() -> None:
    story = paid()
    story.hear(WISH)
    says = story.hear(answered("refused", "10060004"))
    assert kinds(says) == ["ShippingRecorded", "CallAttention"]
    assert expect(story.hear(WISH), ShippingRecorded).code == "10060004"


def test_a_shop_without_records_is_done_at_once() -> None:
    story = paid()
    story.hear(WISH)
    assert expect(story.hear(answered("off")), ShippingRecorded).outcome == "not-managed"
    assert expect(story.hear(WISH), ShippingRecorded).outcome == "not-managed", "and is not tried again"


def test_before_it_is_paid_there_is_nothing_to_record() -> None:
    assert opened().hear(WISH) == []


@pytest.mark.parametrize("status", ["PROCESSING", "SUCCESS", "ABNORMAL"])
def test_of_a_cancelled_order_nothing_is_ever_recorded_as_shipped(status: str) -> None:
    story = paid()
    story.hear(refund_payment(PAID_FEN))
    story.hear(shown(status, amount=PAID_FEN))
    assert expect(story.hear(WISH), ShippingRecorded).outcome == "cancelled"


def test_what_waits_to_be_told_is_not_told_once_the_money_goes_back() -> None:
    story = paid()
    story.hear(WISH)
    story.hear(answered("later", "10060001"))
    story.hear(refund_payment(PAID_FEN))
    assert expect(story.wake(), ShippingRecorded).outcome == "cancelled"
    story.hear(shown("SUCCESS", amount=PAID_FEN))
    expect(story.wake(), QueryShipping)


def test_what_waits_to_be_told_is_not_told_by_the_look_at_a_cancelled_order_either() -> None:
    story = paid()
    story.hear(WISH)
    story.hear(refund_payment(PAID_FEN))
    story.hear(shown("SUCCESS", amount=PAID_FEN))
    story.hear(answered("later", "10060001"))
    assert kinds(story.wake()) == ["ShippingRecorded", "QueryShipping"]


def test_what_is_left_of_a_partly_cancelled_order_is_recorded() -> None:
    story = paid()
    story.hear(refund_payment(4_000))
    story.hear(shown("SUCCESS"))
    expect(story.hear(WISH), UploadShipping)
    assert story.payment.shipping.checks == 0


def test_the_record_of_a_cancelled_order_is_looked_at_on_the_next_day() -> None:
    story = given_back()
    assert story.wait == timedelta(hours=25)
    expect(story.wake(), QueryShipping)
    assert story.hear(state(5)) == []
    assert story.payment.wake_at is None


def test_a_record_that_has_not_turned_is_looked_at_three_times_and_then_a_task() -> None:
    story = given_back()
    for unturned in (1, None):
        expect(story.wake(), QueryShipping)
        assert story.hear(state(unturned)) == []
    expect(story.wake(), QueryShipping)
    assert kinds(story.hear(state(1))) == ["ShippingRecordStrange", "CallAttention"]
    assert story.payment.wake_at is None
    assert story.now >= NOON + timedelta(hours=75)


@pytest.mark.parametrize("number", [2, 3, 4, 6])
def test_a_record_that_says_shipped_is_a_task_at_once(number: int) -> None:
    story = given_back()
    story.wake()
    said = story.hear(state(number))
    assert kinds(said) == ["ShippingRecordStrange", "CallAttention"]
    strange, worry = said
    assert isinstance(strange, ShippingRecordStrange)
    assert isinstance(worry, CallAttention)
    assert (strange.state, worry.what) == (number, "shipping-record-strange")
