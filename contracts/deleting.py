"""Taking orders away: a customer hides one from the list, staff erase the personal data of one that is old enough, an
export puts it back. Figures stay: no event here changes any."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from contracts import notify, order, payment
from contracts.message import Command, Event, OrderId, answered_by
from contracts.order import Actor


@order.EVENTS.carries("order-hidden.v1")
class OrderHidden(Event):
    """The order is no longer in the customer's list. Nothing else about it has changed."""

    order_id: OrderId
    hidden_at: AwareDatetime


@order.EVENTS.carries("order-not-hidden.v1")
class OrderNotHidden(Event):
    """The order stays in the list: it is not finished, or a cancellation of it is open."""

    order_id: OrderId
    reason: Literal["unknown-order", "not-finished", "cancellation-open"]
    state: str = ""


@answered_by(yes=OrderHidden, no=OrderNotHidden)
@order.COMMANDS.carries("hide-order.v1")
class HideOrder(Command):
    """Take a finished or cancelled order out of the customer's list. A repeat changes nothing."""

    order_id: OrderId
    by: Actor


@order.EVENTS.carries("order-erased.v1")
class OrderErased(Event):
    """Nothing in the order's record says any more whose it was. What it was about (lines, amounts, dates, how its cases
    ended) stays. `export_id`: the export that can restore it."""

    order_id: OrderId
    erased_at: AwareDatetime
    export_id: str = Field(max_length=64)
    by: Actor


@order.EVENTS.carries("order-not-erased.v1")
class OrderNotErased(Event):
    """Nothing was erased. `rules`: the names of the rules that deny it."""

    order_id: OrderId
    reason: Literal["unknown-order", "code-required", "deletion-denied", "export-outdated"]
    rules: tuple[str, ...] = ()


@order.EVENTS.carries("order-restored.v1")
class OrderRestored(Event):
    """The order's record is as it was when it was exported. What other services had erased stays erased."""

    order_id: OrderId
    restored_at: AwareDatetime
    by: Actor


@order.EVENTS.carries("order-not-restored.v1")
class OrderNotRestored(Event):
    """Nothing was put back: there is a newer record, another one was erased, or its erasing is not over yet."""

    order_id: OrderId
    reason: Literal["restore-over-newer", "restore-another", "erasing-under-way"]


@payment.EVENTS.carries("contact-erased.v1")
class ContactErased(Event):
    """The payment of this order no longer knows who paid. The money in its books stays."""

    order_id: OrderId
    erasure: str = Field(max_length=64)


@answered_by(yes=ContactErased, same=("order_id", "erasure"))
@payment.COMMANDS.carries("erase-contact.v1")
class EraseContact(Command):
    """Forget who paid this order. `erasure` names what is erased, so that a later one is told from this one."""

    order_id: OrderId
    erasure: str = Field(max_length=64)


@notify.EVENTS.carries("notices-erased.v1")
class NoticesErased(Event):
    """No notice about this order says any more whom it was for. That they were told, and how, stays."""

    order_id: OrderId
    erasure: str = Field(max_length=64)


@answered_by(yes=NoticesErased, same=("order_id", "erasure"))
@notify.COMMANDS.carries("erase-notices.v1")
class EraseNotices(Command):
    """Forget whom the notices about this order were for. `erasure` as with `EraseContact`."""

    order_id: OrderId
    erasure: str = Field(max_length=64)
