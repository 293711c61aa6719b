"""An order's notices are to be forgotten: asked again and again, and again after the order was put back."""

from __future__ import annotations

from contracts.deleting import EraseNotices, NoticesErased
from contracts.message import OrderId
from services.notify.erasing import CustomersForgotten, Erasure, ForgetCustomers, customers_forgotten, erase_notices
from tests.unit.order.told import START

ORDER = OrderId("o1-long-enough")


def asked(erasure: str) -> EraseNotices:
    return EraseNotices(order_id=ORDER, erasure=erasure)


def finished(erasure: str, before: Erasure | None = None) -> Erasure:
    """An erasure after both its looks."""
    begun, says = erase_notices(before, asked(erasure), START)
    assert says == [ForgetCustomers(order_id=ORDER, erasure=erasure, look=1)]
    assert isinstance(begun, Erasure)
    done, says = customers_forgotten(
        begun.model_copy(update={"look": 2}), CustomersForgotten(order_id=ORDER, erasure=erasure, look=2), START
    )
    assert list(says) == [NoticesErased(order_id=ORDER, erasure=erasure)]
    assert isinstance(done, Erasure)
    return done


def test_asked_again_it_answers_and_looks_no_more() -> None:
    done = finished("first")
    after, says = erase_notices(done, asked("first"), START)
    assert after is done
    assert says == [NoticesErased(order_id=ORDER, erasure="first")]


def test_asked_again_before_it_has_ended_nothing_begins_anew() -> None:
    begun, _ = erase_notices(None, asked("first"), START)
    after, says = erase_notices(begun, asked("first"), START)
    assert after is begun
    assert list(says) == []


def test_an_erasure_from_before_the_order_was_put_back_is_not_begun_again() -> None:
    """World 600000689: the order had asked twice for the first one; the second wish, heard again after the order had
    been put back and erased once more, began it anew."""
    third = finished("third", finished("second", finished("first")))
    for earlier in ("first", "second"):
        after, says = erase_notices(third, asked(earlier), START)
        assert after is third
        assert list(says) == []
