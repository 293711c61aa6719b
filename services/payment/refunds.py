"""One refund from the wish to the customer's account: which answer of the provider sends it down which road.

Pure: state in, state and messages out. The roads themselves are the table in `roads`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from contracts.message import Message, Money
from contracts.payment import RefundAccepted, RefundAttempted, RefundPayment, RefundRefused, RefundSettled
from services.payment.model import (
    Payment,
    ProviderRefund,
    Refund,
    RefusalReason,
    reason_for_customer,
    refund_number,
)
from services.payment.outside import CallAttention, QueryRefund, RefundShown, SendRefund, Worry
from services.payment.roads import POLL_MINUTES, REFUND_WINDOW, UNKNOWN_WORRIES_AT, row_for, wait

Says = list[Message]


def ask(payment: Payment, wish: RefundPayment) -> tuple[Payment, Says]:
    """The first `RefundPayment` of a case. A refusal is remembered too: the same wish must not get money later."""
    refund = Refund(
        case_id=wish.case_id,
        number=refund_number(wish.case_id, 1),
        amount=wish.amount,
        reason=reason_for_customer(wish.reason),
    )
    receipt = payment.receipt
    if receipt is None:
        return _refuse(payment, refund, "not-paid", "")
    over = payment.promised_minor + wish.amount.amount_minor > receipt.amount.amount_minor
    if over or wish.amount.currency != receipt.amount.currency:
        return _refuse(payment, refund, "more-than-was-paid", "")
    return payment.with_refund(refund), [_send(payment, refund)]


def answer_again(payment: Payment, refund: Refund) -> Says:
    """What a repeated `RefundPayment` is told: the present state, nothing while it is not known."""
    if refund.status == "refused":
        return [_refused(payment, refund)]
    if refund.is_promised or refund.status == "settled":
        return [_accepted(payment, refund)]
    return []


def watch(payment: Payment, refund: Refund) -> tuple[Payment, Says]:
    """Someone wants to know when the money has arrived."""
    if refund.status == "settled":
        return payment, [_settled(payment, refund)]
    return payment.with_refund(refund.model_copy(update={"watched": True})), []


def show(payment: Payment, known: Refund, seen: RefundShown, at: datetime) -> tuple[Payment, Says]:
    """The provider shows a refund that is ours by its number."""
    if seen.number != known.number:
        return _show_dead_number(payment, known, seen)
    if not _is_ours(payment, known, seen):
        return _show_mismatch(payment, known, seen, at)
    if known.status == "settled":
        return payment, []
    road = row_for(seen.refund.status).road
    if road == "closed":
        return _close(payment, known, seen, at)
    says: Says = []
    refund = known
    if not known.is_promised:
        refund = _take(known, seen.refund, at)
        if known.status == "refused":
            says.append(_attention(payment, refund, "refused-refund-moved", f"refused as {known.provider_code}"))
        says.append(_accepted(payment, refund))
    if road == "settled":
        refund = _settle(refund, seen.refund, at)
        says += [_settled(payment, refund)] if refund.watched else []
    elif road == "abnormal" and refund.status != "abnormal":
        refund = plan_poll(
            refund.model_copy(update={"status": "abnormal", "provider_code": "ABNORMAL", "polls": 0}), at
        )
        says.append(_attempted(payment, refund, "abnormal", refund.wake_at))
    else:
        refund = plan_poll(refund, at)
    return payment.with_refund(refund), says


def reject(payment: Payment, refund: Refund, code: str, at: datetime) -> tuple[Payment, Says]:
    """The provider said no, and a query found nothing under this number."""
    if refund.is_promised:
        return payment.with_refund(plan_poll(refund, at)), []
    if not refund.is_pending:
        return payment, []
    row = row_for(code)
    if row.road != "refused":
        return try_later(payment, refund, code, at)
    reason = row.refused_because or "refused-by-provider"
    if code == "INVALID_REQUEST" and payment.receipt and at - payment.receipt.paid_at > REFUND_WINDOW:
        reason = "too-old"
    return _refuse(payment, refund, reason, code)


def try_later(payment: Payment, refund: Refund, code: str, at: datetime) -> tuple[Payment, Says]:
    """No answer, or one that says "later": the same number again after a wait."""
    if refund.is_promised:
        return payment.with_refund(plan_poll(refund, at)), []
    if not refund.is_pending:
        return payment, []
    road = row_for(code).road
    kind = road if road in ("parked", "busy") else "unknown"
    status: Literal["parked", "unknown"] = "parked" if kind == "parked" else "unknown"
    tries = refund.tries + 1 if refund.status == status else 1
    refund = refund.model_copy(
        update={
            "status": status,
            "tries": tries,
            "attempts": refund.attempts + 1,
            "provider_code": code,
            "wake_at": at + wait(kind, tries),
        }
    )
    says: Says = [_attempted(payment, refund, status, refund.wake_at)]
    if status == "parked" and tries == 1:
        says.append(_attention(payment, refund, "balance-short", f"{refund.amount.amount_minor} fen wait for a top-up"))
    if status == "unknown" and tries == UNKNOWN_WORRIES_AT:
        says.append(_attention(payment, refund, "refund-stays-unknown", f"{tries} tries, last {code}"))
    return payment.with_refund(refund), says


def go_on(payment: Payment, refund: Refund) -> tuple[Payment, Says]:
    """The refund's time has come: send the same number again, or ask where it is."""
    refund = refund.model_copy(update={"wake_at": None})
    payment = payment.with_refund(refund)
    if refund.is_pending:
        return payment, [_send(payment, refund, resend=refund.status != "intended")]
    return payment, [_query(payment, refund)]


def plan_poll(refund: Refund, at: datetime) -> Refund:
    """The refund with its next question planned."""
    minutes = POLL_MINUTES[min(refund.polls, len(POLL_MINUTES) - 1)]
    return refund.model_copy(update={"polls": refund.polls + 1, "wake_at": at + timedelta(minutes=minutes)})


def _is_ours(payment: Payment, refund: Refund, seen: RefundShown) -> bool:
    shown = seen.refund
    ours = (refund.number, payment.order_id, refund.amount.amount_minor, refund.amount.currency)
    return ours == (shown.out_refund_no, shown.out_trade_no, shown.amount.refund, shown.amount.currency)


def _show_mismatch(payment: Payment, refund: Refund, seen: RefundShown, at: datetime) -> tuple[Payment, Says]:
    """Our number with somebody else's numbers on it. Nothing automatic may follow: a person looks."""
    shown = seen.refund
    detail = f"{refund.number}: provider shows {shown.out_refund_no}, {shown.amount.refund} {shown.amount.currency}"
    says: Says = [_attention(payment, refund, "strange-refund", detail)]
    if seen.by == "callback":
        return payment, says
    if refund.is_promised:
        return payment.with_refund(plan_poll(refund, at)), says
    if refund.is_pending:
        update = {"status": "mismatch", "attempts": refund.attempts + 1, "provider_code": "MISMATCH", "wake_at": None}
        refund = refund.model_copy(update=update)
        says.insert(0, _attempted(payment, refund, "unknown", None))
    return payment.with_refund(refund), says


def _show_dead_number(payment: Payment, refund: Refund, seen: RefundShown) -> tuple[Payment, Says]:
    if seen.refund.status == "CLOSED":
        return payment, []
    detail = f"{seen.number} was closed and is now {seen.refund.status}; {refund.number} was sent since"
    return payment, [_attention(payment, refund, "closed-refund-moved", detail)]


def _close(payment: Payment, refund: Refund, seen: RefundShown, at: datetime) -> tuple[Payment, Says]:
    """Only an answer to our own question confirms that a number is dead: a second number on hearsay could pay twice."""
    if refund.status == "refused":
        return payment, []
    if seen.by == "callback":
        return payment, [_query(payment, refund)]
    again = refund.model_copy(
        update={
            "number": refund_number(refund.case_id, refund.n + 1),
            "n": refund.n + 1,
            "status": "intended",
            "closed_numbers": (*refund.closed_numbers, refund.number),
            "attempts": refund.attempts + 1,
            "tries": 0,
            "polls": 0,
            "provider_code": "CLOSED",
            "wake_at": None if refund.n == 1 else at + wait("closed", refund.n - 1),
        }
    )
    told = _attempted(payment, again, "closed", again.wake_at or at).model_copy(update={"refund_number": refund.number})
    says: Says = [told]
    if again.wake_at is None:
        says.append(_send(payment, again))
    else:
        detail = f"{refund.number} closed, {again.n} numbers so far"
        says.append(_attention(payment, again, "refund-keeps-closing", detail))
    return payment.with_refund(again), says


def _take(refund: Refund, shown: ProviderRefund, at: datetime) -> Refund:
    return refund.model_copy(
        update={
            "status": "accepted",
            "accepted_at": at,
            "refund_id": shown.refund_id,
            "route": shown.user_received_account,
            "provider_code": shown.status,
            "refused_because": None,
            "tries": 0,
            "polls": 0,
            "wake_at": None,
        }
    )


def _settle(refund: Refund, shown: ProviderRefund, at: datetime) -> Refund:
    back = Money(amount_minor=shown.amount.payer_refund, currency=shown.amount.currency)
    return refund.model_copy(
        update={
            "status": "settled",
            "payer_refund": back,
            "settled_at": shown.success_time or at,
            "route": shown.user_received_account or refund.route,
            "provider_code": "SUCCESS",
            "wake_at": None,
        }
    )


def _refuse(payment: Payment, refund: Refund, reason: RefusalReason, code: str) -> tuple[Payment, Says]:
    update = {"status": "refused", "refused_because": reason, "provider_code": code, "wake_at": None}
    refused = refund.model_copy(update=update)
    says: Says = [_refused(payment, refused)]
    if refund.accepted_at is not None:
        detail = f"{refund.closed_numbers} were accepted and closed, {refund.number} refused as {code}"
        says.append(_attention(payment, refused, "refund-refused-after-acceptance", detail))
    return payment.with_refund(refused), says


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _send(payment: Payment, refund: Refund, *, resend: bool = False) -> SendRefund:
    assert payment.receipt is not None
    return SendRefund(
        order_id=payment.order_id,
        case_id=refund.case_id,
        number=refund.number,
        n=refund.n,
        amount=refund.amount,
        total=payment.receipt.amount,
        reason=refund.reason,
        resend=resend,
    )


def _query(payment: Payment, refund: Refund) -> QueryRefund:
    return QueryRefund(order_id=payment.order_id, case_id=refund.case_id, number=refund.number)


def _accepted(payment: Payment, refund: Refund) -> RefundAccepted:
    assert refund.accepted_at is not None
    return RefundAccepted(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.number,
        amount=refund.amount,
        route=refund.route,
        accepted_at=refund.accepted_at,
    )


def _refused(payment: Payment, refund: Refund) -> RefundRefused:
    return RefundRefused(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.number,
        reason=refund.refused_because or "refused-by-provider",
        provider_code=refund.provider_code,
    )


def _attempted(
    payment: Payment,
    refund: Refund,
    outcome: Literal["unknown", "parked", "abnormal", "closed"],
    next_try_at: datetime | None,
) -> RefundAttempted:
    return RefundAttempted(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.number,
        outcome=outcome,
        provider_code=refund.provider_code,
        attempt=max(1, refund.attempts),
        next_try_at=next_try_at,
    )


def _settled(payment: Payment, refund: Refund) -> RefundSettled:
    assert refund.payer_refund is not None
    assert refund.settled_at is not None
    return RefundSettled(
        order_id=payment.order_id,
        case_id=refund.case_id,
        refund_number=refund.number,
        amount=refund.payer_refund,
        settled_at=refund.settled_at,
    )


def _attention(
    payment: Payment,
    refund: Refund,
    what: Worry,
    detail: str,
) -> CallAttention:
    return CallAttention(order_id=payment.order_id, case_id=refund.case_id, what=what, detail=detail)
