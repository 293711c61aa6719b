"""The other road: the money of a refund that can never go back the way it came goes as a merchant transfer, which the
customer confirms in the mini-program within 24 hours.

Pure. A payout starts only after the provider has refused the refund for good and a query has found nothing under its
number, so there is never money on both roads. Source: pay.weixin.qq.com/doc/v3/merchant/4013774589 (scene 1011).

The provider compares a transfer with nothing. So when the same money turns out to have gone back otherwise, by a refund
made by hand, a transfer that nobody has confirmed yet is taken back: from then on it is shown to nobody, sent to nobody
again, and cancelled, time and again until the provider says how it ended.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from contracts.payment import RefusalReason
from services.payment import saying
from services.payment.ages import worry_about_age
from services.payment.forgotten import FORGETFUL, may_be_the_same
from services.payment.model import PAYOUT_CONFIRM_WITHIN, Payment, Payout, PayoutStatus, Refund, payout_number
from services.payment.outside import CallAttention, PayoutRemembered, TransferShown, Worry
from services.payment.roads import (
    LATE_DAYS,
    PAYOUT_FEN,
    PAYOUTS_MAX,
    POLL_MINUTES,
    UNKNOWN_WORRIES_AT,
    payout_row_for,
    wait,
)
from services.payment.saying import Decision, Says
from services.payment.shipping import plan_check
from services.payment.shown import ProviderTransfer

ROUTE = "微信零钱(商家转账)"

TRIES_BEFORE_NEVER_MADE = 3
"""A call that went unanswered may still be on its way: not found at the first looks does not mean never made."""

SHUT_BY_PROVIDER: tuple[RefusalReason, ...] = ("account-abnormal", "too-old", "refused-by-provider")
"""Not among them: what was never paid, and more than was paid."""


def is_possible(payment: Payment, refund: Refund) -> bool:
    """Whether this money may go as a transfer: it is the provider that refused it, it was paid and is not promised
    otherwise, and the provider would take such a transfer (yuan, within its bounds, to somebody known by openid). What
    a coupon paid was never the customer's money: such a payment is not paid out in cash."""
    amount = refund.amount
    return (
        not payment.took_a_coupon
        and refund.status == "refused"
        and refund.refused_because in SHUT_BY_PROVIDER
        and is_owed(payment, refund)
        and bool(payment.openid)
        and amount.currency == "CNY"
        and amount.amount_minor in PAYOUT_FEN
    )


def is_owed(payment: Payment, refund: Refund) -> bool:
    """Whether this money is not promised otherwise: a refund made by hand may have been found since it was asked for,
    and a transfer is nothing that the provider compares with what was paid."""
    aside = refund.model_copy(update={"status": "refused"})
    return payment.with_refund(aside).can_return(refund.amount)


def begin(payment: Payment, refund: Refund) -> Decision:
    """The refund was refused for good: pay its money out. `refund` says why it was refused."""
    refund, payout = _next_number(refund)
    says: Says = [saying.rerouted(payment, refund, payout), saying.send_transfer(payment, refund, payout)]
    return payment.with_refund(refund), says


def _next_number(refund: Refund) -> tuple[Refund, Payout]:
    """One that was refused, or never there, goes under its own: a call that is late may still have made it."""
    before = refund.payout
    n = 1 if before is None else before.n + (before.status == "failed")
    payout = Payout(number=payout_number(refund.case_id, n), n=n)
    return refund.model_copy(update={"status": "paying-out", "payout": payout, "wake_at": None}), payout


def show(payment: Payment, refund: Refund, payout: Payout, seen: TransferShown, at: datetime) -> Decision:
    """The provider shows the transfer."""
    if not _is_ours(payment, refund, payout, seen.transfer):
        return _stop(payment, refund, seen)
    road = payout_row_for(seen.transfer.state).road
    # Also when it was sent again as a refund, or paid outside, because no transfer was there.
    if refund.status != "paying-out" and refund.live_payout is None and road == "settled":
        detail = f"transfer {payout.number} was paid, and had counted as never made or over"
        return payment, [saying.attention(payment, refund, "refused-refund-moved", detail)]
    if refund.status != "paying-out":
        return payment, []
    if road == "failed":
        return _fail(payment, refund, payout, seen)
    if road in ("taken", "accepted") and not is_owed(payment, refund):
        known = payout if payout.status == "waiting" else payout.model_copy(update={"status": "taken"})
        return payment.with_refund(_plan_poll(refund, known, at)), []  # then it is taken back: see `go_on`
    if road == "taken" and payout.status != "waiting":
        return try_later(payment, refund, payout, seen.transfer.state, at)
    is_news = payout.status != "waiting"
    if is_news:
        refund, payout = _take(refund, payout, seen.transfer, at)
    elif seen.transfer.package_info:
        payout = payout.model_copy(update={"package_info": seen.transfer.package_info})
        refund = refund.model_copy(update={"payout": payout})
    if road == "settled":
        return _settle(payment, refund, payout, seen, at, is_news=is_news)
    after, worries = _ask_on(payment, refund, payout, at)
    return after, [saying.accepted(payment, refund), *worries] if is_news else worries


def reject(payment: Payment, refund: Refund, payout: Payout, code: str, at: datetime) -> Decision:
    """The provider said no, and a query found no transfer under this number. About one that it has shown before that is
    no answer: it is asked again."""
    if refund.status == "paying-out" and payout.status == "waiting":
        return _ask_on(payment, refund, payout, at)
    if payout.status == "taken":
        return try_later(payment, refund, payout, code, at)
    if payout.status not in ("intended", "unknown", "parked"):
        return payment, []
    if not is_owed(payment, refund) and (payout.status != "unknown" or payout.tries >= TRIES_BEFORE_NEVER_MADE):
        refund = refund.model_copy(update={"refused_because": "more-than-was-paid"})
        return _give_up(payment, refund, payout.model_copy(update={"status": "refused"}), code)
    if payout_row_for(code).road != "refused":
        return try_later(payment, refund, payout, code, at)
    return _give_up(payment, refund, payout.model_copy(update={"status": "refused"}), code)


def try_later(payment: Payment, refund: Refund, payout: Payout, code: str, at: datetime) -> Decision:
    """No answer, or one that says "later": the same number again after a wait. One that the provider has shown before
    it could be confirmed stays taken: no promise, and never "not there"."""
    if payout.status == "waiting":
        return _ask_on(payment, refund, payout, at)
    if payout.status not in ("intended", "unknown", "parked", "taken"):
        return payment, []
    is_sure = payout.status in ("intended", "parked") or (
        payout.status == "unknown" and payout.tries >= TRIES_BEFORE_NEVER_MADE
    )
    if code == FORGETFUL and is_sure and may_be_the_same(payment, refund):
        return give_up_forgotten(payment, refund)
    road = payout_row_for(code).road
    kind = road if road in ("parked", "busy") else "unknown"
    outcome: Literal["parked", "unknown"] = "parked" if kind == "parked" else "unknown"
    status: PayoutStatus = "taken" if "taken" in (payout.status, road) else outcome
    tries = payout.tries + 1 if payout.status == status else 1
    payout = payout.model_copy(update={"status": status, "tries": tries})
    refund = refund.model_copy(
        update={
            "payout": payout,
            "attempts": refund.attempts + 1,
            "provider_code": code,
            "wake_at": at + wait(kind, tries),
        }
    )
    says: Says = [saying.attempted(payment, refund, outcome, refund.wake_at)]
    if tries == UNKNOWN_WORRIES_AT:
        # Parked refunds are told of by their merchant's account (see `accounts`), which knows nothing of transfers.
        what: Worry = "transfer-stays-parked" if status == "parked" else "refund-stays-unknown"
        says.append(saying.attention(payment, refund, what, f"transfer, {tries} tries, last {code}"))
    return payment.with_refund(refund), says


def go_on(payment: Payment, refund: Refund, payout: Payout) -> Decision:
    """Its time has come: the same number again, or ask where it is. Without the ticket that only the making shows the
    customer cannot confirm, so then it is asked for again too. What is owed no more is taken back."""
    refund = refund.model_copy(update={"wake_at": None})
    payment = payment.with_refund(refund)
    if not is_owed(payment, refund):
        return payment, [saying.cancel_transfer(payment, refund, payout)]
    if payout.status in ("intended", "unknown", "parked") or not payout.package_info:
        resend = payout.status not in ("intended", "parked")
        return payment, [saying.send_transfer(payment, refund, payout, resend=resend)]
    return payment, [saying.query_transfer(payment, refund, payout)]


def take_back_unowed(payment: Payment) -> Decision:
    """A refund made by hand was found: the transfers that wait for their customer and are owed no more are taken back
    now. Those about which nothing is known yet follow when their time comes."""
    says: Says = []
    for refund in payment.refunds:
        payout = refund.live_payout
        if refund.status != "paying-out" or payout is None or payout.status != "waiting":
            continue
        if not is_owed(payment, refund):
            soon = refund.model_copy(update={"payout": payout.model_copy(update={"polls": 0}), "wake_at": None})
            payment = payment.with_refund(soon)
            says.append(saying.cancel_transfer(payment, soon, payout))
    return payment, says


def take_up_forgotten(payment: Payment, refund: Refund, seen: PayoutRemembered, at: datetime) -> Decision:
    """Before the restore the refund was refused and its money went this way: so it goes on as this refund's payout, and
    the refund is not sent. Of another amount it was another case's, of the same name: a person looks."""
    if not refund.is_pending:
        return payment, []
    payout = Payout(number=payout_number(refund.case_id, seen.n), n=seen.n, status="unknown")
    heard = TransferShown(order_id=seen.order_id, number=payout.number, transfer=seen.transfer, by="answer")
    if not _is_ours(payment, refund, payout, seen.transfer):
        return _stopped(payment, refund, _strange(payment, refund, heard))
    update = {"status": "paying-out", "payout": payout, "provider_code": seen.transfer.state, "wake_at": None}
    rerouted = refund.model_copy(update=update)
    after, says = show(payment.with_refund(rerouted), rerouted, payout, heard, at)
    return after, [saying.rerouted(payment, rerouted, payout), *says]


def give_up_forgotten(payment: Payment, refund: Refund) -> Decision:
    """After a restore it waited, and money was found that may have gone back for the same goods: as a refund that waits
    (`refunds.hold`) it is not sent. It was looked for and is not there."""
    payout = refund.payout
    assert payout is not None
    refund = refund.model_copy(update={"refused_because": "more-than-was-paid"})
    return _give_up(payment, refund, payout.model_copy(update={"status": "refused"}), FORGETFUL)


def _is_ours(payment: Payment, refund: Refund, payout: Payout, shown: ProviderTransfer) -> bool:
    """The answer to the making of a transfer shows neither amount nor receiver."""
    amount = refund.amount.amount_minor if shown.transfer_amount is None else shown.transfer_amount
    openid = payment.openid if shown.openid is None else shown.openid
    wanted = (payout.number, refund.amount.amount_minor, payment.openid)
    return wanted == (shown.out_bill_no, amount, openid)


def _stop(payment: Payment, refund: Refund, seen: TransferShown) -> Decision:
    """Our number with somebody else's numbers on it: a person looks."""
    worry = _strange(payment, refund, seen)
    if seen.by == "callback" or refund.status != "paying-out":
        return payment, [worry]
    return _stopped(payment, refund, worry)


def _strange(payment: Payment, refund: Refund, seen: TransferShown) -> CallAttention:
    shown = seen.transfer
    # Not whose openid it is: this stands in the log.
    to = "its customer" if shown.openid in (None, payment.openid) else "somebody else"
    detail = f"{seen.number}: provider shows {shown.out_bill_no}, {shown.transfer_amount} fen to {to}"
    return saying.attention(payment, refund, "strange-transfer", detail)


def _stopped(payment: Payment, refund: Refund, worry: CallAttention) -> Decision:
    refund = refund.model_copy(update={"status": "mismatch", "provider_code": "MISMATCH", "wake_at": None})
    return payment.with_refund(refund), [saying.attempted(payment, refund, "unknown", None), worry]


def _take(refund: Refund, payout: Payout, shown: ProviderTransfer, at: datetime) -> tuple[Refund, Payout]:
    payout = payout.model_copy(
        update={
            "status": "waiting",
            "tries": 0,
            "polls": 0,
            "package_info": shown.package_info,
            "confirm_by": (shown.create_time or at) + PAYOUT_CONFIRM_WITHIN,
        }
    )
    refund = refund.model_copy(
        update={
            "payout": payout,
            "accepted_at": at,
            "route": ROUTE,
            "payer_refund": refund.amount,
            "provider_code": shown.state,
            "late_days": 0,
        }
    )
    return refund, payout


def _settle(
    payment: Payment, refund: Refund, payout: Payout, seen: TransferShown, at: datetime, *, is_news: bool
) -> Decision:
    """The customer has it. `is_news`: nobody was told that it was made, and now there is nothing to confirm."""
    settled = refund.model_copy(
        update={
            "status": "settled",
            "payout": payout.model_copy(update={"status": "paid"}),
            "settled_at": seen.transfer.update_time or at,
            "provider_code": "SUCCESS",
            "wake_at": None,
        }
    )
    says: Says = [saying.accepted(payment, settled)] if is_news else []
    says += [saying.settled(payment, settled)] if settled.watched else []
    if not is_owed(payment, refund):
        detail = f"transfer {payout.number} was confirmed, its money had gone back otherwise: more than was paid"
        says.append(saying.attention(payment, settled, "transfer-paid-unowed", detail))
    return plan_check(payment.with_refund(settled), at), says


def _ask_on(payment: Payment, refund: Refund, payout: Payout, at: datetime) -> Decision:
    """Not at its end. Unconfirmed it ends after a day, so the first day worries nobody."""
    return worry_about_age(payment, _plan_poll(refund, payout, at), at, LATE_DAYS[1:])


def _plan_poll(refund: Refund, payout: Payout, at: datetime) -> Refund:
    minutes = POLL_MINUTES[min(payout.polls, len(POLL_MINUTES) - 1)]
    payout = payout.model_copy(update={"polls": payout.polls + 1})
    return refund.model_copy(update={"payout": payout, "wake_at": at + timedelta(minutes=minutes)})


def _fail(payment: Payment, refund: Refund, payout: Payout, seen: TransferShown) -> Decision:
    """Not confirmed in time, or cancelled: the money is back with the merchant. Only an answer to our own question
    says so for sure. Then again under the next number. After the third, or when it is owed no more, a person decides.
    """
    if seen.by == "callback":
        return payment, [saying.query_transfer(payment, refund, payout)]
    code = seen.transfer.fail_reason or seen.transfer.state
    failed = payout.model_copy(update={"status": "failed"})
    if not is_owed(payment, refund):
        refund = refund.model_copy(update={"refused_because": "more-than-was-paid"})
        return _give_up(payment, refund, failed, code)
    if payout.n >= PAYOUTS_MAX:
        return _give_up(payment, refund, failed, code)
    refund = refund.model_copy(update={"provider_code": code, "attempts": refund.attempts + 1})
    told = saying.attempted(payment, refund, "closed", None)
    refund, following = _next_number(refund.model_copy(update={"payout": failed}))
    return payment.with_refund(refund), [told, saying.send_transfer(payment, refund, following)]


def _give_up(payment: Payment, refund: Refund, payout: Payout, code: str) -> Decision:
    """Neither road is open. Nothing is on its way."""
    shut = refund.model_copy(
        update={"status": "refused", "payout": payout, "provider_code": f"TRANSFER_{code}"[:64], "wake_at": None}
    )
    says: Says = [saying.refused(payment, shut)]
    if refund.accepted_at is not None:
        detail = f"transfer {payout.number} failed as {code}, {payout.n} so far"
        says.append(saying.attention(payment, shut, "refund-refused-after-acceptance", detail))
    return payment.with_refund(shut), says
