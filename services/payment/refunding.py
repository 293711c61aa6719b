"""Which message reaches which rule about refunds: a router without rules of its own. Pure."""

from __future__ import annotations

from datetime import datetime

from contracts.message import Message
from contracts.payment import AdoptRefund, RefundPayment, ResumeRefund, WatchRefund
from services.payment import byhand, cards, payouts, refunds
from services.payment.aggregate import PAYMENTS
from services.payment.model import Payment, Refund
from services.payment.outside import (
    AttentionCalled,
    BalanceIsBack,
    CardGiven,
    PayoutRemembered,
    RefundHeld,
    RefundRejected,
    RefundShown,
    RefundUnanswered,
    RescueRejected,
    TransferRejected,
    TransferShown,
    TransferUnanswered,
)

Decision = tuple[Payment | None, list[Message]]


# ── wishes ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@PAYMENTS.handles(RefundPayment)
def refund_payment(payment: Payment | None, wish: RefundPayment, at: datetime) -> Decision:
    """One refund per case; heard again, the present state is the answer."""
    known = payment or Payment(order_id=wish.order_id)
    refund = known.refund_of(wish.case_id)
    if refund is not None:
        return known, refunds.answer_again(known, refund)
    return refunds.ask(known, wish, at)


@PAYMENTS.handles(WatchRefund)
def watch_refund(payment: Payment | None, wish: WatchRefund, at: datetime) -> Decision:
    """Arrived: said at once. Else remembered. Nothing to watch yet: whoever waits asks again."""
    refund = payment.refund_of(wish.case_id) if payment else None
    if payment is None or refund is None:
        return payment, []
    return refunds.watch(payment, refund)


@PAYMENTS.handles(ResumeRefund)
def resume_refund(payment: Payment | None, wish: ResumeRefund, at: datetime) -> Decision:
    """A person decided how it goes on. A refund nobody ever asked for: whoever waits asks again."""
    refund = payment.refund_of(wish.case_id) if payment else None
    if payment is None or refund is None:
        return payment, []
    return byhand.resume(payment, refund, wish, at)


@PAYMENTS.handles(AdoptRefund)
def adopt_refund(payment: Payment | None, wish: AdoptRefund, at: datetime) -> Decision:
    """A refund made by hand becomes a case's own. One that was never seen: whoever waits asks again."""
    refund = payment.refund_numbered(wish.refund_number) if payment else None
    if payment is None or refund is None or not refund.found:
        return payment, []
    return byhand.adopt(payment, refund, wish)


def _present(payment: Payment | None, number: str) -> Refund | None:
    """The refund whose present number this is; news about a former number are history."""
    refund = payment.refund_numbered(number) if payment else None
    return refund if refund is not None and refund.number == number else None


# ── what the provider shows of refunds ───────────────────────────────────────────────────────────────────────────────
@PAYMENTS.handles(RefundShown)
def refund_shown(payment: Payment | None, heard: RefundShown, at: datetime) -> Decision:
    """The provider shows a refund; one we never sent was made by hand on its merchant platform."""
    if payment is None:
        return None, []
    refund = payment.refund_numbered(heard.number)
    if refund is None:
        return byhand.found(payment, heard, at)
    if heard.forgotten and refund.is_pending and heard.refund.amount.refund != refund.amount.amount_minor:
        return byhand.forgotten(payment, refund, heard, at)
    shown = refunds.show(payment, refund, heard, at)
    return byhand.looked(shown, refund.case_id) if heard.by == "answer" else shown


@PAYMENTS.handles(RefundRejected)
def refund_rejected(payment: Payment | None, heard: RefundRejected, at: datetime) -> Decision:
    """The provider said no and has no such refund."""
    refund = _present(payment, heard.number)
    if payment is None or refund is None:
        return payment, []
    return refunds.reject(payment, refund, heard.code, at)


@PAYMENTS.handles(RefundUnanswered)
def refund_unanswered(payment: Payment | None, heard: RefundUnanswered, at: datetime) -> Decision:
    """Nobody knows: never a failure, always another question."""
    refund = _present(payment, heard.number)
    if payment is None or refund is None:
        return payment, []
    return byhand.looked(refunds.try_later(payment, refund, heard.code, at), refund.case_id)


@PAYMENTS.handles(RefundHeld)
def refund_held(payment: Payment | None, heard: RefundHeld, at: datetime) -> Decision:
    """The call was not made, to keep within the provider's limits."""
    refund = _present(payment, heard.number)
    if payment is None or refund is None:
        return payment, []
    return refunds.hold(payment, refund, heard)


@PAYMENTS.handles(BalanceIsBack)
def balance_is_back(payment: Payment | None, _: BalanceIsBack, at: datetime) -> Decision:
    """Everything that was parked goes on at once."""
    says: list[Message] = []
    for refund in payment.refunds if payment else ():
        parked = refund.status == "parked" or (refund.live_payout is not None and refund.live_payout.status == "parked")
        if payment is not None and parked and refund.wake_at is not None:
            payment, more = refunds.go_on(payment, refund, at)
            says += more
    return payment, says


@PAYMENTS.handles(CardGiven)
def card_given(payment: Payment | None, heard: CardGiven, at: datetime) -> Decision:
    """Another bank card for money that lies in between."""
    refund = payment.refund_of(heard.case_id) if payment else None
    if payment is None or refund is None:
        return payment, []
    return cards.rescue(payment, refund, heard.card, at)


@PAYMENTS.handles(RescueRejected)
def rescue_rejected(payment: Payment | None, heard: RescueRejected, at: datetime) -> Decision:
    """That card was not taken."""
    refund = _present(payment, heard.number)
    if payment is None or refund is None:
        return payment, []
    return cards.rescue_rejected(payment, refund, heard.code)


# ── what the provider shows of transfers ─────────────────────────────────────────────────────────────────────────────
@PAYMENTS.handles(TransferShown)
def transfer_shown(payment: Payment | None, heard: TransferShown, at: datetime) -> Decision:
    """A number of ours from before is dead for sure; an unknown one is none of ours."""
    refund = payment.paid_out_as(heard.number) if payment else None
    if payment is None or refund is None or refund.payout is None:
        return payment, []
    return payouts.show(payment, refund, refund.payout, heard, at)


@PAYMENTS.handles(PayoutRemembered)
def payout_remembered(payment: Payment | None, heard: PayoutRemembered, at: datetime) -> Decision:
    """Its money goes as a transfer that a restore has forgotten."""
    refund = _present(payment, heard.number)
    if payment is None or refund is None:
        return payment, []
    return payouts.take_up_forgotten(payment, refund, heard, at)


@PAYMENTS.handles(TransferRejected)
def transfer_rejected(payment: Payment | None, heard: TransferRejected, at: datetime) -> Decision:
    """The provider said no and has no such transfer."""
    refund = payment.paid_out_as(heard.number) if payment else None
    if payment is None or refund is None or refund.payout is None:
        return payment, []
    return payouts.reject(payment, refund, refund.payout, heard.code, at)


@PAYMENTS.handles(TransferUnanswered)
def transfer_unanswered(payment: Payment | None, heard: TransferUnanswered, at: datetime) -> Decision:
    """Nobody knows: always another question."""
    refund = payment.paid_out_as(heard.number) if payment else None
    if payment is None or refund is None or refund.payout is None:
        return payment, []
    return payouts.try_later(payment, refund, refund.payout, heard.code, at)


@PAYMENTS.handles(AttentionCalled)
def attention_called(payment: Payment | None, _: AttentionCalled, at: datetime) -> Decision:
    """Done."""
    return payment, []
