"""A payment forgets who paid, once for each erasure."""

from __future__ import annotations

import pytest

from contracts.deleting import ContactErased, EraseContact
from tests.unit.payment.given import (
    CASE,
    ORDER,
    Story,
    close_payment,
    expect,
    kinds,
    open_payment,
    paid,
    refund_payment,
    shown,
)


def asked(erasure: str) -> EraseContact:
    return EraseContact(order_id=ORDER, erasure=erasure)


def test_it_forgets_who_paid_and_what_people_wrote() -> None:
    story = paid()
    story.hear(refund_payment())
    assert expect(story.hear(asked("first")), ContactErased).erasure == "first"
    assert (story.payment.openid, story.refund.reason) == ("", "")
    assert story.payment.erased_at == story.now


def test_an_erasure_heard_again_takes_nothing_of_an_order_that_was_put_back() -> None:
    story = paid()
    story.hear(asked("first"))
    story.hear(refund_payment())
    before = story.payment
    assert expect(story.hear(asked("first")), ContactErased).erasure == "first"
    assert story.payment is before, "the refund that is on its way goes again as it was"
    assert kinds(story.hear(asked("second"))) == ["ContactErased"]
    refund = story.payment.refund_of(CASE)
    assert refund is not None
    assert refund.reason == ""


@pytest.mark.parametrize("seen", [["SUCCESS"], ["PROCESSING", "SUCCESS"]])
def test_of_a_refund_by_hand_that_is_found_afterwards_the_bank_is_not_kept(seen: list[str]) -> None:
    story = paid()
    story.hear(asked("first"))
    for status in seen:
        story.hear(shown(status, case="BYHAND", user_received_account="招商银行信用卡0403"))
    (refund,) = story.payment.refunds
    assert (refund.status, refund.route) == ("settled", "")


def test_a_payment_that_was_closed_and_erased_before_it_was_opened_is_not_told_anew_who_was_to_pay() -> None:
    """As by a dead letter that is replayed after all: the order has forgotten its customer and asks for nothing."""
    story = Story()
    story.hear(close_payment())
    story.hear(asked("first"))
    assert story.hear(open_payment()) == []
    assert (story.payment.status, story.payment.openid) == ("closed", "")
