"""One refund from the wish to the customer's account: which answer of the provider sends it down which road.

Pure: state in, state and messages out. The roads themselves are the table in `roads`; the other road, when this one is
shut for good, is in `payouts`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from contracts.message import Money
from contracts.payment import WITH_THE_SHOP, RefundPayment, RefusalReason
from services.payment import payouts, saying
from services.payment.ages import worry_about_age, worry_about_silence
from services.payment.forgotten import FORGETFUL, may_be_the_same, sent_after_all, sent_before, take_up
from services.payment.model import REFUNDS_PER_ORDER_MAX, Payment, Refund, reason_for_customer, refund_number
from services.payment.outside import CallAttention, RefundHeld, RefundShown
from services.payment.roads import (
    DOUBTED_TRIES,
    POLL_MINUTES,
    REFUND_WINDOW,
    UNKNOWN_WORRIES_AT,
    row_for,
    wait,
)
from services.payment.saying import Decision, Says
from services.payment.shipping import plan_check
from services.payment.shown import ProviderRefund


def ask(payment: Payment, wish: RefundPayment, at: datetime) -> Decision:
    """The first `RefundPayment` of a case. A refusal is remembered too: the same wish must not get money later."""
    n = payment.free_n(wish.case_id, 1)
    refund = Refund(
        case_id=wish.case_id,
        number=refund_number(wish.case_id, n),
        n=n,
        amount=wish.amount,
        reason=reason_for_customer(wish.reason),
        transfer_when=wish.transfer_when,
        matched=wish.matched,
    )
    before = sent_before(payment, refund)
    if before is not None:
        return take_up(payment, before, refund)
    receipt = payment.receipt
    if receipt is None:
        return refuse(payment, refund, "not-paid", "", at)
    if not payment.can_return(wish.amount):
        return refuse(payment, refund, "more-than-was-paid", "", at)
    if at - receipt.paid_at > REFUND_WINDOW:
        return refuse(payment, refund, "too-old", "TRADE_OVERDUE", at)
    if payment.numbers_used >= REFUNDS_PER_ORDER_MAX:
        return refuse(payment, refund, "refused-by-provider", "TOO_MANY_REFUNDS", at)
    return send(payment, refund, at)


def answer_again(payment: Payment, refund: Refund) -> Says:
    """What a repeated `RefundPayment` is told: the present state, nothing while it is not known."""
    if refund.status == "refused":
        return [saying.refused(payment, refund)]
    waiting = refund.live_payout is not None and refund.live_payout.status == "waiting"
    if refund.is_promised or refund.status == "settled" or waiting:
        return [saying.accepted(payment, refund)]
    return []


def watch(payment: Payment, refund: Refund) -> Decision:
    """Someone wants to know when the money has arrived. That it never will is an answer too, if nobody looks for it."""
    if refund.status == "refused" and not refund.looking:
        return payment, [saying.refused(payment, refund)]
    # Remembered also of one that has arrived: its arrival is said for the first time now, and counted once.
    watched = payment.with_refund(refund.model_copy(update={"watched": True}))
    return watched, [saying.settled(payment, refund)] if refund.status == "settled" else []


def send(payment: Payment, refund: Refund, at: datetime, *, resend: bool = False) -> Decision:
    """Say the wish to call the provider under the refund's present number."""
    sent = refund.model_copy(update={"sent_at": at, "wake_at": None})
    return payment.with_refund(sent), [saying.send(payment, sent, resend=resend)]


def hold(payment: Payment, refund: Refund, heard: RefundHeld) -> Decision:
    """The call was not made, so nothing is unknown: later, under the same number."""
    if not refund.is_pending:
        return payment, []
    held = refund.model_copy(update={"sent_at": None, "wake_at": heard.until})
    if heard.code == FORGETFUL:
        held = held.model_copy(update={"provider_code": FORGETFUL})
        if may_be_the_same(payment, refund):
            return refuse(payment, held, "more-than-was-paid", FORGETFUL, heard.until)
    if heard.code != "BALANCE_SHORT":
        return payment.with_refund(held), []
    parked = held.model_copy(update={"status": "parked", "provider_code": "NOT_ENOUGH"})
    says: Says = [] if refund.status == "parked" else [saying.attempted(payment, parked, "parked", heard.until)]
    return payment.with_refund(parked), says


def show(payment: Payment, known: Refund, seen: RefundShown, at: datetime) -> Decision:
    """The provider shows a refund that is ours by its number."""
    if seen.number != known.number:
        return _show_dead_number(payment, known, seen)
    if not _is_ours(payment, known, seen):
        return _show_mismatch(payment, known, seen, at)
    if seen.refund.went_to_merchant:
        return _return(payment, known, seen, at)
    known = sent_after_all(known, seen.refund.status)
    if known.went_another_way:
        return payment, [] if seen.refund.status == "CLOSED" else [_paid_twice(payment, known, seen)]
    if known.status == "settled":
        return payment, []
    road = row_for(seen.refund.status).road
    if road == "closed":
        return _close(payment, known, seen, at)
    refund, says = _accept(payment, known, seen.refund, at)
    if road == "settled":
        refund = _settle(payment, refund, seen.refund, at)
        says += [saying.settled(payment, refund)] if refund.watched else []
        return plan_check(payment.with_refund(refund), at), says
    if road == "abnormal" and refund.status == "accepted" and refund.rescued:
        # On its way to another card: this may still be about the card before. Asked now, it is about the new one.
        if seen.by == "callback":
            return payment.with_refund(refund.model_copy(update={"wake_at": None})), [saying.query(payment, refund)]
        if refund.wake_at is not None:
            return payment, []
    # Asked since another card was named, and still so: the card never got through, and nobody else would ask for one.
    not_rescued = refund.rescued and seen.by == "answer" and refund.wake_at is None
    if road == "abnormal" and (refund.status != "abnormal" or not_rescued):
        abnormal = {"status": "abnormal", "provider_code": "ABNORMAL", "polls": 0, "tries": 0, "rescued": False}
        refund = plan_poll(refund.model_copy(update=abnormal), at)
        return payment.with_refund(refund), [*says, saying.attempted(payment, refund, "abnormal", refund.wake_at)]
    # An answer may be older than the callback before it: only after another card was named does "processing" follow.
    if road == "accepted" and refund.status == "abnormal" and refund.rescued:
        refund = refund.model_copy(update={"status": "accepted", "provider_code": "PROCESSING", "polls": 0})
    after, worries = worry_about_age(payment, plan_poll(refund.model_copy(update={"tries": 0}), at), at)
    return after, [*says, *worries]


def _accept(payment: Payment, known: Refund, shown: ProviderRefund, at: datetime) -> tuple[Refund, Says]:
    """The first sight of it. Refused before, by a word of the provider that was final: loud."""
    if known.is_promised:
        return known, []
    refund = _take(payment, known, shown, at)
    says: Says = [saying.accepted(payment, refund)]
    if known.status == "refused":
        detail = f"refused as {known.provider_code}"
        says.insert(0, saying.attention(payment, refund, "refused-refund-moved", detail))
    return refund, says


def _paid_twice(payment: Payment, known: Refund, seen: RefundShown) -> CallAttention:
    """The provider has this refund, and its money went, or goes, another way: a person must stop one of them."""
    way = known.live_number if known.live_payout else "paid outside"
    detail = f"{known.number} is {seen.refund.status} at the provider; its money goes as {way}"
    return saying.attention(payment, known, "refused-refund-moved", detail)


def reject(payment: Payment, refund: Refund, code: str, at: datetime) -> Decision:
    """The provider said no, and a query found nothing under this number."""
    if refund.is_promised:
        return worry_about_silence(payment, plan_poll(refund, at), code)
    if not refund.is_pending:
        return payment, []
    row = row_for(code)
    doubts = refund.doubts + 1 if refund.provider_code == code else 1
    if row.road == "doubted" and doubts <= DOUBTED_TRIES:
        return try_later(payment, refund, code, at, doubts)
    if row.road not in ("refused", "doubted"):
        return try_later(payment, refund, code, at)
    reason = row.refused_because or "refused-by-provider"
    if code == "INVALID_REQUEST" and payment.receipt and at - payment.receipt.paid_at > REFUND_WINDOW:
        reason = "too-old"
    return refuse(payment, refund, reason, code, at)


def try_later(payment: Payment, refund: Refund, code: str, at: datetime, doubts: int = 0) -> Decision:
    """No answer, or one that says "later": the same number again after a wait."""
    if refund.is_promised:
        return worry_about_silence(payment, plan_poll(refund, at), code)
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
            "doubts": doubts,
            "attempts": refund.attempts + 1,
            "provider_code": code,
            "wake_at": at + wait(kind, tries),
        }
    )
    says: Says = [saying.attempted(payment, refund, status, refund.wake_at)]
    if status == "unknown" and tries == UNKNOWN_WORRIES_AT:
        says.append(saying.attention(payment, refund, "refund-stays-unknown", f"{tries} tries, last {code}"))
    return payment.with_refund(refund), says


def go_on(payment: Payment, refund: Refund, at: datetime) -> Decision:
    """The refund's time has come: send the same number again, or ask where it is."""
    if refund.live_payout is not None:
        return payouts.go_on(payment, refund, refund.live_payout)
    if refund.is_pending:
        return send(payment, refund, at, resend=refund.status == "unknown")
    refund = refund.model_copy(update={"wake_at": None})
    return payment.with_refund(refund), [saying.query(payment, refund)]


def plan_poll(refund: Refund, at: datetime) -> Refund:
    """The refund with its next question planned."""
    minutes = POLL_MINUTES[min(refund.polls, len(POLL_MINUTES) - 1)]
    return refund.model_copy(update={"polls": refund.polls + 1, "wake_at": at + timedelta(minutes=minutes)})


def refuse(payment: Payment, refund: Refund, reason: RefusalReason, code: str, at: datetime) -> Decision:
    """This road is shut for good. The other one, where it was wished for; else that is said."""
    update = {"status": "refused", "refused_because": reason, "provider_code": code, "wake_at": None}
    shut = refund.model_copy(update=update)
    if reason in refund.transfer_when and payouts.is_possible(payment, shut):
        return payouts.begin(payment, shut)
    says: Says = [saying.refused(payment, shut)]
    if refund.accepted_at is not None:
        detail = f"{refund.closed_numbers} were accepted and closed, {refund.number} refused as {code}"
        says.append(saying.attention(payment, shut, "refund-refused-after-acceptance", detail))
    return payment.with_refund(shut), says


def _is_ours(payment: Payment, refund: Refund, seen: RefundShown) -> bool:
    shown = seen.refund
    ours = (refund.number, payment.order_id, refund.amount.amount_minor, refund.amount.currency)
    return ours == (shown.out_refund_no, shown.out_trade_no, shown.amount.refund, shown.amount.currency)


def _show_mismatch(payment: Payment, refund: Refund, seen: RefundShown, at: datetime) -> Decision:
    """Our number with somebody else's numbers on it. Nothing automatic may follow: a person looks."""
    shown = seen.refund
    detail = f"{refund.number}: provider shows {shown.out_refund_no}, {shown.amount.refund} {shown.amount.currency}"
    says: Says = [saying.attention(payment, refund, "strange-refund", detail)]
    if seen.by == "callback":
        return payment, says
    if refund.is_promised:
        return payment.with_refund(plan_poll(refund, at)), says
    if refund.is_pending:
        update = {"status": "mismatch", "attempts": refund.attempts + 1, "provider_code": "MISMATCH", "wake_at": None}
        refund = refund.model_copy(update=update)
        says.insert(0, saying.attempted(payment, refund, "unknown", None))
    return payment.with_refund(refund), says


def _show_dead_number(payment: Payment, refund: Refund, seen: RefundShown) -> Decision:
    if seen.refund.status == "CLOSED":
        return payment, []
    detail = f"{seen.number} was closed and is now {seen.refund.status}; {refund.number} was sent since"
    return payment, [saying.attention(payment, refund, "closed-refund-moved", detail)]


def _return(payment: Payment, refund: Refund, seen: RefundShown, at: datetime) -> Decision:
    """The money of an abnormal refund is with the merchant, who has to pay the customer another way, and may have done
    so: a person decides. Only an answer to our own question says so for sure."""
    if refund.went_another_way or (refund.returned and not refund.is_pending):
        return payment, []
    if seen.by == "callback":
        return payment, [saying.query(payment, refund)]
    return refuse(payment, refund.model_copy(update={"returned": True}), "refused-by-provider", WITH_THE_SHOP, at)


def _close(payment: Payment, refund: Refund, seen: RefundShown, at: datetime) -> Decision:
    """Only an answer to our own question confirms that a number is dead: a second number on hearsay could pay twice."""
    if refund.status == "refused":
        return payment, []
    if seen.by == "callback":
        return payment, [saying.query(payment, refund)]
    if refund.found:
        return refuse(payment, refund, "refused-by-provider", "CLOSED", at)
    closed = (*refund.closed_numbers, refund.number)
    before = sent_before(payment, refund)
    if before is not None:
        return take_up(payment, before, refund.model_copy(update={"closed_numbers": closed}))
    n = payment.free_n(refund.case_id, refund.n + 1)
    again = refund.model_copy(
        update={
            "number": refund_number(refund.case_id, n),
            "n": n,
            "status": "intended",
            "closed_numbers": closed,
            "former_sent_at": refund.sent_at,
            "attempts": refund.attempts + 1,
            "tries": 0,
            "polls": 0,
            "late_days": 0,
            "provider_code": "CLOSED",
            "wake_at": None if refund.n == 1 else at + wait("closed", refund.n - 1),
        }
    )
    told = saying.attempted(payment, again, "closed", again.wake_at or at)
    told = told.model_copy(update={"refund_number": refund.number})
    if again.wake_at is None:
        after, says = send(payment, again, at)
        return after, [told, *says]
    detail = f"{refund.number} closed, {again.n} numbers so far"
    return payment.with_refund(again), [told, saying.attention(payment, again, "refund-keeps-closing", detail)]


def _take(payment: Payment, refund: Refund, shown: ProviderRefund, at: datetime) -> Refund:
    return refund.model_copy(
        update={
            "status": "accepted",
            "accepted_at": at,
            "refund_id": shown.refund_id,
            "route": _account(payment, refund, shown),
            "payer_refund": _back(shown),
            "provider_code": shown.status,
            "refused_because": None,
            "rescued": False,
            "tries": 0,
            "polls": 0,
            "wake_at": None,
        }
    )


def _settle(payment: Payment, refund: Refund, shown: ProviderRefund, at: datetime) -> Refund:
    return refund.model_copy(
        update={
            "status": "settled",
            "payer_refund": _back(shown),
            "settled_at": shown.success_time or at,
            "route": _account(payment, refund, shown) or refund.route,
            "provider_code": "SUCCESS",
            "wake_at": None,
        }
    )


def _back(shown: ProviderRefund) -> Money:
    """What reaches the customer in money."""
    return Money(amount_minor=shown.amount.payer_refund, currency=shown.amount.currency)


def _account(payment: Payment, refund: Refund, shown: ProviderRefund) -> str:
    """Where it goes. Of one that is found after an erasure that is not kept: a customer's bank would stay for good."""
    return "" if refund.found and payment.erased_at is not None else shown.user_received_account
