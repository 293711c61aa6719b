"""Forgetting whom the notices about an order were for. Who asks names an order, the notices are many: an erasure (one
per order) wants them looked for, lets each hear that it is to forget, and answers once that is done. Pure.

It looks twice, because a wish to tell that was being heard during the first look would be missed by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from chassis.record import Aggregate
from contracts.deleting import EraseNotices, NoticesErased
from contracts.message import CustomerId, Intent, Message, OrderId, Report, Woke
from contracts.notify import Addressee, CustomerTold, TellCustomer
from services.notify.model import Notice, Words

Decision = tuple[Any, Sequence[Message]]

LOOK_AGAIN_AFTER = timedelta(minutes=1)
LOOKS = 2
NOBODY = "erased"


class ForgetCustomers(Intent):
    """Let every notice about an order forget whom it was for."""

    wire: ClassVar[str] = "forget-customers"
    order_id: OrderId
    erasure: str
    look: int


class CustomersForgotten(Report):
    """All notices that look `look` has found have forgotten it."""

    wire: ClassVar[str] = "customers-forgotten"
    order_id: OrderId
    erasure: str
    look: int


class ForgetCustomer(Report):
    """One notice is to forget whom it was for."""

    wire: ClassVar[str] = "forget-customer"
    key: ClassVar[str] = "notice_id"
    notice_id: str


class Erasure(BaseModel):
    """What was asked for last about an order, and how far it is: `look` counts from 1, `done` when nothing is left.
    `earlier`: what was asked for before that, of an order that was put back since."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    erasure: str
    look: int = 1
    done: bool = False
    wake_at: AwareDatetime | None = None
    earlier: tuple[str, ...] = ()


ERASURES = Aggregate("erasures", Erasure)


@ERASURES.handles(EraseNotices)
def erase_notices(erasure: Erasure | None, asked: EraseNotices, at: datetime) -> Decision:
    """Begin to look. Asked again: the answer, if there is one. For an earlier one nobody waits any more, and what was
    told since the order was put back is still needed."""
    if erasure is not None and erasure.erasure == asked.erasure:
        return erasure, _answer(erasure)
    earlier = (*erasure.earlier, erasure.erasure) if erasure is not None else ()
    if asked.erasure in earlier:
        return erasure, ()
    fresh = Erasure(order_id=asked.order_id, erasure=asked.erasure, earlier=earlier)
    return fresh, [_look(fresh)]


@ERASURES.handles(CustomersForgotten)
def customers_forgotten(erasure: Erasure | None, heard: CustomersForgotten, at: datetime) -> Decision:
    """Look once more in a while, or answer."""
    if erasure is None or erasure.done or (heard.erasure, heard.look) != (erasure.erasure, erasure.look):
        return erasure, ()
    if erasure.look < LOOKS:
        return erasure.model_copy(update={"wake_at": at + LOOK_AGAIN_AFTER}), ()
    done = erasure.model_copy(update={"done": True})
    return done, _answer(done)


@ERASURES.wakes
def look_again(erasure: Erasure | None, _: Woke, at: datetime) -> Decision:
    if erasure is None or erasure.done or erasure.wake_at is None:
        return erasure, ()
    again = erasure.model_copy(update={"look": erasure.look + 1, "wake_at": None})
    return again, [_look(again)]


def forget(notice: Notice | None, _: ForgetCustomer, at: datetime) -> Decision:
    """What was still to be called for is not called for any more."""
    if notice is None or notice.erased_at is not None:
        return notice, ()
    asked = notice.asked
    to = Addressee(customer_id=CustomerId(NOBODY), openid="", language=asked.to.language)
    blank = asked.model_copy(update={"to": to, "reason": "", "solution": "", "route": ""})
    words = Words(title="", text="", order=notice.words.order, amount="", reason="", note="", time=notice.words.time)
    ended = {"superseded_at": at} if not notice.ended else {}
    return notice.model_copy(
        update={"asked": blank, "words": words, "look": 0, "wake_at": None, "erased_at": at, **ended}
    ), ()


def keep_erased(notices: Aggregate[Notice]) -> None:
    """Let erased notices hear everything here."""

    @notices.once_erased
    def once_erased(notice: Notice, heard: Message, at: datetime) -> Decision:
        """The answer, where there is one; nothing else is heard and nothing is kept of it."""
        if not isinstance(heard, TellCustomer) or notice.told_at is None:
            return notice, ()
        told = CustomerTold(
            order_id=notice.asked.order_id,
            case_id=notice.asked.case_id,
            outcome=notice.asked.outcome,
            channel=notice.channel,
            told_at=notice.told_at,
        )
        return notice, (told,)


def _answer(erasure: Erasure) -> Sequence[Message]:
    return [NoticesErased(order_id=erasure.order_id, erasure=erasure.erasure)] if erasure.done else ()


def _look(erasure: Erasure) -> ForgetCustomers:
    return ForgetCustomers(order_id=erasure.order_id, erasure=erasure.erasure, look=erasure.look)
