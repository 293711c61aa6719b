"""What people did or decided about refunds: a refund that was made by hand on the merchant platform, a decision on one
that cannot go on by itself, another bank card. Pure."""

from __future__ import annotations

from datetime import datetime

from contracts.message import CaseId, Money
from contracts.payment import OUTSIDE_ROUTE, AdoptRefund, RefundFound, RefundNotResumed, RefundResumed, ResumeRefund
from services.payment import payouts, refunds, saying
from services.payment.forgotten import FORGETFUL, found_as, waits_as_transfer
from services.payment.model import PAID_OUTSIDE, Payment, Refund, refund_number
from services.payment.outside import CallAttention, QueryRefund, RefundShown
from services.payment.saying import Decision, Says
from services.payment.shipping import plan_check

MAY_BE_SENT_AGAIN = ("refused", "parked", "unknown")


def found(payment: Payment, seen: RefundShown, at: datetime) -> Decision:
    """The provider shows a refund of this payment that we never sent. It counts against what was paid from now on, and
    the order makes a case of it. A callback is only a hint: the provider is asked first."""
    shown = seen.refund
    if payment.receipt is None or shown.out_trade_no != payment.order_id or shown.status == "CLOSED":
        return payment, []
    if seen.by == "callback":
        wish = QueryRefund.model_validate(
            {"order_id": payment.order_id, "shop": payment.shop, "number": shown.out_refund_no}
        )
        return payment, [wish]
    if seen.number != shown.out_refund_no:
        detail = f"asked about {seen.number}, provider shows {shown.out_refund_no}"
        return payment, [CallAttention(order_id=payment.order_id, what="strange-refund", detail=detail)]
    refund = Refund.model_validate(
        {
            "case_id": CaseId(found_as(shown.out_refund_no)),
            "number": shown.out_refund_no,
            "amount": Money(amount_minor=shown.amount.refund, currency=shown.amount.currency),
            "found": True,
            "tell_at": saying.tell_after(0, at),
        }
    )
    after, _ = refunds.show(payment.with_refund(refund), refund, seen, at)
    told = _found(after, refund, at)
    after, undone = _undo_what_waited(after, at)
    after, taken_back = payouts.take_back_unowed(after)
    return after, [told, *undone, *taken_back]


def tell_again(payment: Payment, refund: Refund, at: datetime) -> Decision:
    """`RefundFound` answers no command, so nobody asks for it when it was lost with the broker: the order would give
    the same goods back again, or ship them. Said again until a case has it; who heard it before changes nothing. An
    order that was erased makes no case any more, so a person is called."""
    if refund.case_id != found_as(refund.number) or refund.status == "refused":
        return payment.with_refund(refund.model_copy(update={"tell_at": None})), []
    told = refund.told + 1
    after = payment.with_refund(refund.model_copy(update={"told": told, "tell_at": saying.tell_after(told, at)}))
    says: Says = [_found(payment, refund, refund.accepted_at or at)]
    if payment.erased_at is not None and told == 1:
        detail = f"{refund.amount.amount_minor} fen went back by hand as {refund.number}; the order is erased"
        says.append(saying.attention(payment, refund, "refund-of-erased-order", detail))
    return after, says


def forgotten(payment: Payment, refund: Refund, seen: RefundShown, at: datetime) -> Decision:
    """Our number was given before, to a case that was lost with the database: the refund under it is found, as one made
    by hand is. One that was closed is nothing: ours goes under its next number."""
    n = payment.free_n(refund.case_id, refund.n + 1)
    update = {"number": refund_number(refund.case_id, n), "n": n, "provider_code": FORGETFUL}
    aside = refund.model_copy(update=update)
    if seen.refund.status == "CLOSED":
        return refunds.send(payment, aside, at)
    return found(payment.with_refund(aside), seen, at)


def _undo_what_waited(payment: Payment, at: datetime) -> Decision:
    """A refund that was asked for while this one was forgotten may be for the same goods: it is not sent. Its case is
    undone; asked for again, it is decided with what is known now."""
    says: Says = []
    for one in payment.refunds:
        if one.is_pending and one.provider_code == FORGETFUL:
            payment, more = refunds.refuse(payment, one, "more-than-was-paid", FORGETFUL, at)
            says += more
        elif waits_as_transfer(one):
            payment, more = payouts.give_up_forgotten(payment, one)
            says += more
    return payment, says


def adopt(payment: Payment, refund: Refund, wish: AdoptRefund) -> Decision:
    """It belongs to a case now. Asked again, the same answer. Closed since it was found: no money is on its way."""
    if refund.status == "refused":
        return payment, [saying.refused(payment, refund.model_copy(update={"case_id": wish.case_id}))]
    if refund.case_id == wish.case_id:
        return payment, [saying.accepted(payment, refund)]
    adopted = refund.model_copy(update={"case_id": wish.case_id, "tell_at": None})
    others = tuple(adopted if one is refund else one for one in payment.refunds)
    return payment.model_copy(update={"refunds": others}), saying.taken_up(payment, adopted)


def resume(payment: Payment, refund: Refund, wish: ResumeRefund, at: datetime) -> Decision:
    """A person decided. Whatever could pay twice is not done, and that is said."""
    if wish.attempt <= refund.resumed:
        return payment, [_resumed(wish)]
    decided = refund.model_copy(update={"resumed": wish.attempt})
    done = _resume(payment, decided, wish, at, looked_at=refund.resumed > 0)
    if done is None:
        status = refund.live_payout.status if refund.live_payout else refund.status
        said = RefundNotResumed(order_id=wish.order_id, case_id=wish.case_id, attempt=wish.attempt, status=status)
        return payment, [said]
    after, says = done
    return after, [_resumed(wish), *says]


def _resume(payment: Payment, refund: Refund, wish: ResumeRefund, at: datetime, *, looked_at: bool) -> Decision | None:
    """The refund on its way again, or None when the wish cannot be followed in its state. `looked_at`: a person has
    decided about it before."""
    payout = refund.live_payout
    if wish.how == "look-again":
        return _look_again(payment, refund, at)
    promised = refund.status != "refused" or payment.can_return(refund.amount)
    if wish.how == "send-again" and refund.status in MAY_BE_SENT_AGAIN and payout is None and promised:
        return refunds.send(payment, refund.model_copy(update={"status": "unknown", "tries": 0}), at, resend=True)
    if wish.how == "transfer" and payouts.is_possible(payment, refund):
        return payouts.begin(payment, refund)
    # A mismatch may be one garbled answer about money that is on its way: only after another look may it be settled.
    nothing_moves = refund.status == "refused" or (refund.status == "mismatch" and looked_at)
    if wish.how == "settled-outside" and nothing_moves and payout is None:
        return _settle_outside(payment, refund, wish, at)
    return None


def _look_again(payment: Payment, refund: Refund, at: datetime) -> Decision:
    """Ask the provider now; what had stopped at a strange answer goes on from what is seen."""
    payout = refund.live_payout
    stopped = refund.status == "mismatch"
    if payout is not None:
        going = refund.model_copy(update={"status": "paying-out"}) if stopped else refund
        return payment.with_refund(going), [saying.query_transfer(payment, going, payout)]
    if stopped:
        return refunds.send(payment, refund.model_copy(update={"status": "unknown"}), at, resend=True)
    looked_for = refund.model_copy(update={"looking": refund.status in ("refused", "abnormal")})
    return payment.with_refund(looked_for), [saying.query(payment, looked_for)]


def looked(decision: Decision, case_id: CaseId) -> Decision:
    """The provider was asked about this case's refund. Where a person had it looked for and it is still refused, or the
    card takes no money still, who watches it hears so now. Not before: the order would be given back, or its money sent
    another way, unseen."""
    payment, says = decision
    refund = payment.refund_of(case_id)
    if refund is None or not refund.looking:
        return decision
    seen = refund.model_copy(update={"looking": False})
    still: Says = []
    if seen.status == "refused":
        still = [saying.refused(payment, seen)]
    elif seen.status == "abnormal":
        still = [saying.attempted(payment, seen, "abnormal", seen.wake_at)]
    return payment.with_refund(seen), [*says, *(one for one in still if one not in says)]


def _settle_outside(payment: Payment, refund: Refund, wish: ResumeRefund, at: datetime) -> Decision:
    settled = refund.model_copy(
        update={
            "status": "settled",
            "watched": True,  # that it has arrived is said here
            "accepted_at": refund.accepted_at or at,
            "settled_at": at,
            "payer_refund": refund.amount,
            "route": OUTSIDE_ROUTE,
            "provider_code": PAID_OUTSIDE,
            "proof": wish.proof,
            "wake_at": None,
        }
    )
    says: Says = [saying.accepted(payment, settled), saying.settled(payment, settled)]
    return plan_check(payment.with_refund(settled), at), says


def _resumed(wish: ResumeRefund) -> RefundResumed:
    return RefundResumed(order_id=wish.order_id, case_id=wish.case_id, attempt=wish.attempt)


def _found(payment: Payment, refund: Refund, at: datetime) -> RefundFound:
    return RefundFound(order_id=payment.order_id, refund_number=refund.number, amount=refund.amount, found_at=at)
