"""Hiding an order from its customer's list, forgetting whose it was, and putting it back from an export. Pure.

An erased order stays as a tombstone: its id, lines, amounts, dates, how its cases ended. Whatever it hears afterwards
changes nothing and brings nothing back; wishes get the answer that is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from chassis.record import Aggregate, Handler, Refusal
from chassis.saga import Saga, pivot, then
from contracts.deleting import (
    ContactErased,
    EraseContact,
    EraseNotices,
    HideOrder,
    NoticesErased,
    OrderErased,
    OrderHidden,
    OrderNotErased,
    OrderNotHidden,
    OrderNotRestored,
    OrderRestored,
)
from contracts.message import Command, CustomerId, Event, Message, OrderId, Report, Woke
from contracts.order import Actor, Contact, PlaceOrder
from services.order.deleting import FINISHED, Facts, denying
from services.order.exporting import digest_of
from services.order.model import Case, Erased, Moment, Order, Task
from services.order.offer import ReadyToPlace
from services.order.policies import ReadyToCancel
from services.order.variants import ReadyToExchange

Decision = tuple[Order | None, Sequence[Message]]

NOBODY = "erased"
"""Stands where it said whose order it was."""
NO_PHONE = "00000"
PATIENCE = timedelta(days=1)

_KEPT_OF_MOMENTS = (
    *("reason", "outcome", "status", "step", "kind", "task", "code", "refund_number", "channel"),
    *("old", "new", "pieces"),
)


class EraseOrder(Report):
    """Staff wants an order's personal data erased. `digest`: of the state that export `export_id` holds; `confirmed`:
    a code was given for this wish; `retention_days`: how long orders are kept."""

    wire: ClassVar[str] = "erase-order"
    order_id: OrderId
    digest: str
    export_id: str
    confirmed: bool
    retention_days: int
    reason: str
    by: Actor


class RestoreOrder(Report):
    """Put an exported order back. `digest`: of its state, as it was exported."""

    wire: ClassVar[str] = "restore-order"
    order_id: OrderId
    digest: str
    state: Order
    by: Actor


class Erasure(BaseModel):
    """What the list below needs to know. `erasure` names what is erased."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    erasure: str


ERASE_ORDER = Saga(
    "erase-order",
    1,
    Erasure,
    pivot("forget who paid", EraseContact, patience=PATIENCE),
    then("forget whom the notices were for", EraseNotices, patience=PATIENCE),
)


def hide(order: Order | None, asked: HideOrder, at: datetime) -> Decision:
    """Take it out of the customer's list."""
    if order is None or (asked.by.kind == "customer" and asked.by.id != order.customer_id):
        raise Refusal(OrderNotHidden(order_id=asked.order_id, reason="unknown-order"))
    if order.hidden_at is not None:
        return order, [OrderHidden(order_id=order.order_id, hidden_at=order.hidden_at)]
    if order.open_case is not None:
        raise Refusal(OrderNotHidden(order_id=order.order_id, reason="cancellation-open", state=order.state))
    if order.state not in FINISHED:
        raise Refusal(OrderNotHidden(order_id=order.order_id, reason="not-finished", state=order.state))
    return order.model_copy(update={"hidden_at": at}), [OrderHidden(order_id=order.order_id, hidden_at=at)]


def erase(order: Order | None, asked: EraseOrder, at: datetime) -> Decision:
    """Forget whose order it was, here and in the services that hold it too."""
    if order is None:
        raise _not_erased(asked, "unknown-order")
    if order.erased is not None:
        return order, [_erased(order, order.erased)]
    if not asked.confirmed:
        raise _not_erased(asked, "code-required")
    denied = denying(Facts(order, at, timedelta(days=asked.retention_days)))
    if denied:
        raise _not_erased(asked, "deletion-denied", tuple(rule.name for rule in denied))
    if digest_of(order) != asked.digest:
        raise _not_erased(asked, "export-outdated")
    note = Erased(at=at, digest=asked.digest, export_id=asked.export_id, by=asked.by, reason=asked.reason)
    run, says = ERASE_ORDER.start(Erasure(order_id=order.order_id, erasure=note.digest), at)
    after = blank(order).model_copy(update={"erased": note, "erasing": run})
    return after, [_erased(after, note), *says]


def restore(order: Order | None, asked: RestoreOrder, at: datetime) -> Decision:
    """The state that was exported, to the letter; never over one that is newer, or another."""
    restored = OrderRestored(order_id=asked.order_id, restored_at=at, by=asked.by)
    refusal = refusal_to_restore(order, asked.digest)
    if refusal is not None:
        raise Refusal(OrderNotRestored.model_validate({"order_id": asked.order_id, "reason": refusal}))
    if order is not None and order.erased is None:
        return order, [restored]
    return asked.state, [restored]


def refusal_to_restore(order: Order | None, digest: str) -> str | None:
    """Why a state with this digest may not take the place of `order`; None when it may, or is there already."""
    if order is None:
        return None
    if order.erased is None:
        return None if digest_of(order) == digest else "restore-over-newer"
    if order.erased.digest != digest:
        return "restore-another"
    return "erasing-under-way" if order.erasing is not None and not order.erasing.ended else None


def blank(order: Order) -> Order:
    """The order without anything that says whose it was, or that a person wrote."""
    return order.model_copy(
        update={
            "customer_id": CustomerId(NOBODY),
            "contact": Contact(name=NOBODY, phone=NO_PHONE, openid=NOBODY, language=order.contact.language),
            "fingerprint": "",
            "tracking_number": "",
            "cases": tuple(_blank_case(case) for case in order.cases),
            "tasks": tuple(_blank_task(task) for task in order.tasks),
            "timeline": tuple(_blank_moment(moment) for moment in order.timeline),
            "exchanges": tuple(one.model_copy(update={"by": _blank_actor(one.by)}) for one in order.exchanges),
        }
    )


def _blank_actor(by: Actor) -> Actor:
    return by.model_copy(update={"id": NOBODY}) if by.kind == "customer" else by


def _blank_case(case: Case) -> Case:
    by = _blank_actor(case.by)
    refund = case.refund.model_copy(update={"route": ""}) if case.refund is not None else None
    reason = case.reason.model_copy(update={"remark": ""})
    said: dict[str, Any] = {
        "verdict": case.verdict and case.verdict.model_copy(update={"note": ""}),
        "rating": case.rating and case.rating.model_copy(update={"remark": ""}),
    }
    return case.model_copy(update={"by": by, "refund": refund, "reason": reason, "solution": "", "proof": "", **said})


def _blank_task(task: Task) -> Task:
    return task.model_copy(update={"note": "", "facts": {}})


def _blank_moment(moment: Moment) -> Moment:
    kept = {name: value for name, value in moment.detail.items() if name in _KEPT_OF_MOMENTS}
    return moment.model_copy(update={"detail": kept})


def keep_erased(orders: Aggregate[Order]) -> None:
    """Let erased orders hear everything here."""

    @orders.once_erased
    def once_erased(order: Order, heard: Message, at: datetime) -> Decision:
        return hear_erased(order, heard, at, orders.handlers[type(heard)])


def hear_erased(order: Order, heard: Message, at: datetime, usual: Handler) -> Decision:
    """Go on forgetting; restore; answer wishes as the order stands, which is finished; and let everything else pass."""
    if isinstance(heard, ContactErased | NoticesErased | Woke):
        return _walk(order, heard, at)
    if isinstance(heard, PlaceOrder | ReadyToPlace):
        return order, []
    if isinstance(heard, HideOrder):
        raise Refusal(OrderNotHidden(order_id=order.order_id, reason="unknown-order"))
    if isinstance(heard, Command | ReadyToCancel | ReadyToExchange | EraseOrder | RestoreOrder):
        after, says = usual(order, heard, at)
        return (after if isinstance(heard, RestoreOrder) else order), says
    return order, []


def hear_outside(order: Order | None, heard: Event, at: datetime) -> Decision:
    """An order that is not erased has nothing to hear of erasing."""
    return order, []


def _walk(order: Order, heard: ContactErased | NoticesErased | Woke, at: datetime) -> Decision:
    if order.erasing is None or order.erased is None:
        return order, []
    facts = Erasure(order_id=order.order_id, erasure=order.erased.digest)
    if isinstance(heard, Woke):
        run, says = ERASE_ORDER.wake(order.erasing, facts, at)
    else:
        run, says = ERASE_ORDER.hear(order.erasing, heard, facts, at)
    return (order if run is order.erasing else order.model_copy(update={"erasing": run})), says


def _erased(order: Order, note: Erased) -> OrderErased:
    return OrderErased(order_id=order.order_id, erased_at=note.at, export_id=note.export_id, by=note.by)


def _not_erased(asked: EraseOrder, reason: str, rules: tuple[str, ...] = ()) -> Refusal:
    return Refusal(OrderNotErased.model_validate({"order_id": asked.order_id, "reason": reason, "rules": rules}))
