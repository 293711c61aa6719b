"""What each answer of a participant looks like in an order's timeline."""

from __future__ import annotations

from datetime import datetime

from contracts import inventory, notify, payment
from contracts.message import CaseId, Event
from services.order.model import Moment


def moment_of(message: Event, at: datetime, **more: str) -> Moment:
    """What `message` looks like in the timeline, with the facts that a reader wants."""
    detail = {name: str(value) for name in _SHOWN if (value := getattr(message, name, None)) not in (None, "")}
    case_id: CaseId | None = getattr(message, "case_id", None)
    return Moment(at=at, what=_WHAT[type(message)], case_id=case_id, detail={**detail, **more})


_WHAT: dict[type[Event], str] = {
    inventory.StockReserved: "stock-reserved",
    inventory.StockShort: "stock-short",
    inventory.StockHeld: "stock-held",
    inventory.StockHoldRefused: "stock-hold-refused",
    inventory.StockKept: "stock-kept",
    inventory.StockReleased: "stock-released",
    inventory.StockTakenAgain: "stock-taken-again",
    inventory.StockNotTakenAgain: "stock-not-taken-again",
    inventory.StockTakenBack: "stock-taken-back",
    inventory.StockDispatched: "stock-dispatched",
    inventory.StockDispatchRefused: "stock-dispatch-refused",
    payment.PaymentOpened: "payment-opened",
    payment.PaymentReceived: "paid",
    payment.PaymentClosed: "payment-closed",
    payment.PaymentCloseRefused: "payment-close-refused",
    payment.RefundAccepted: "refund-accepted",
    payment.RefundRefused: "refund-refused",
    payment.RefundAttempted: "refund-attempted",
    payment.RefundSettled: "refund-arrived",
    payment.ShippingRecorded: "shipping-recorded",
    payment.ShippingRecordStrange: "shipping-record-strange",
    payment.RefundRerouted: "refund-rerouted",
    payment.RefundDelayed: "refund-delayed",
    payment.RefundResumed: "refund-resumed",
    payment.RefundNotResumed: "refund-not-resumed",
    notify.CustomerTold: "customer-told",
}

_SHOWN = (
    "reason",
    "refund_number",
    "route",
    "provider_code",
    "outcome",
    "attempt",
    "next_try_at",
    "channel",
    "transaction_id",
    "transfer_number",
    "confirm_by",
    "days",
    "status",
    "state",
    "code",
)
