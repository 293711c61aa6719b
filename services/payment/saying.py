"""What a payment says about one of its refunds: to the other services, and as wishes to the outside. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from contracts.message import Message
from contracts.payment import (
    RefundAccepted,
    RefundAttempted,
    RefundDelayed,
    RefundRefused,
    RefundRerouted,
    RefundSettled,
)
from services.payment.model import Payment, Payout, Refund
from services.payment.outside import (
    CallAttention,
    CancelTransfer,
    QueryRefund,
    QueryTransfer,
    SendRefund,
    SendTransfer,
    Worry,
)

Says = list[Message]
Decision = tuple[Payment, Says]

TELL_AGAIN = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(hours=25), timedelta(days=4))
"""From one word that nobody asks for to the next: it may be lost with the broker."""


def tell_after(told: int, at: datetime) -> datetime | None:
    """When to say such a word again that was said again `told` times; None: no more."""
    return at + TELL_AGAIN[told] if told < len(TELL_AGAIN) else None


def send(payment: Payment, refund: Refund, *, resend: bool = False) -> SendRefund:
    assert payment.receipt is not None
    return SendRefund(
        order_id=payment.order_id,
        shop=payment.shop,
        case_id=refund.case_id,
        number=refund.number,
        n=refund.n,
        openid=payment.openid or "",
        amount=refund.amount,
        total=payment.receipt.amount,
        reason=refund.reason,
        resend=resend,
        previous_at=payment.last_sent(other_than=refund),
    )


def query(payment: Payment, refund: Refund) -> QueryRefund:
    return QueryRefund(order_id=payment.order_id, shop=payment.shop, case_id=refund.case_id, number=refund.number)


def send_transfer(payment: Payment, refund: Refund, payout: Payout, *, resend: bool = False) -> SendTransfer:
    return SendTransfer(
        order_id=payment.order_id,
        shop=payment.shop,
        case_id=refund.case_id,
        number=payout.number,
        openid=payment.openid or "",
        amount=refund.amount,
        reason=refund.reason,
        resend=resend,
    )


def query_transfer(payment: Payment, refund: Refund, payout: Payout) -> QueryTransfer:
    return QueryTransfer(order_id=payment.order_id, shop=payment.shop, case_id=refund.case_id, number=payout.number)


def cancel_transfer(payment: Payment, refund: Refund, payout: Payout) -> CancelTransfer:
    return CancelTransfer(order_id=payment.order_id, shop=payment.shop, case_id=refund.case_id, number=payout.number)


def accepted(payment: Payment, refund: Refund) -> RefundAccepted:
    assert refund.accepted_at is not None
    payout = refund.live_payout
    # Of one that was paid out nothing is asked any more, also where the word of its making was lost or never said.
    confirm_by = payout.confirm_by if payout is not None and payout.status == "waiting" else None
    return RefundAccepted(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.live_number,
        amount=refund.amount,
        route=refund.route,
        accepted_at=refund.accepted_at,
        payer_refund=refund.payer_refund,
        confirm_by=confirm_by,
    )


def taken_up(payment: Payment, refund: Refund) -> Says:
    """How a refund stands that a case did not ask for and that is its own now."""
    says: Says = [accepted(payment, refund)]
    if refund.status == "abnormal":
        says.append(attempted(payment, refund, "abnormal", refund.wake_at))
    if refund.status == "settled" and refund.watched:
        says.append(settled(payment, refund))
    return says


def refused(payment: Payment, refund: Refund) -> RefundRefused:
    return RefundRefused(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.number,
        reason=refund.refused_because or "refused-by-provider",
        provider_code=refund.provider_code,
        attempt=refund.resumed,
    )


def rerouted(payment: Payment, refund: Refund, payout: Payout) -> RefundRerouted:
    return RefundRerouted(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.number,
        transfer_number=payout.number,
        reason=refund.refused_because or "refused-by-provider",
        provider_code=refund.provider_code,
    )


def attempted(
    payment: Payment,
    refund: Refund,
    outcome: Literal["unknown", "parked", "abnormal", "closed"],
    next_try_at: datetime | None,
) -> RefundAttempted:
    return RefundAttempted(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.live_number,
        outcome=outcome,
        provider_code=refund.provider_code,
        attempt=max(1, refund.attempts),
        next_try_at=next_try_at,
    )


def delayed(payment: Payment, refund: Refund, days: int) -> RefundDelayed:
    return RefundDelayed(order_id=payment.order_id, case_id=refund.case_id, refund_number=refund.live_number, days=days)


def settled(payment: Payment, refund: Refund) -> RefundSettled:
    assert refund.payer_refund is not None
    assert refund.settled_at is not None
    return RefundSettled(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.live_number,
        amount=refund.payer_refund,
        settled_at=refund.settled_at,
        route=refund.route,
    )


def attention(payment: Payment, refund: Refund, what: Worry, detail: str) -> CallAttention:
    return CallAttention(order_id=payment.order_id, case_id=refund.case_id, what=what, detail=detail)
