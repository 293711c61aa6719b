"""A payment forgets who paid, once for each erasure."""

from __future__ import annotations

from contracts.deleting import ContactErased, EraseContact
from tests.unit.payment.given import CASE, ORDER, expect, kinds, paid, refund_payment


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
