"""How a payment is opened, paid and closed: (payment, message, time) → (payment, what is said). Pure.

A payment may be paid after it was closed (it was in flight): that is said like any payment, and the order service sends
it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.message import Message, Money
from contracts.payment import (
    ClosePayment,
    OpenPayment,
    PaymentClosed,
    PaymentCloseRefused,
    PaymentOpened,
    PaymentReceived,
    trade_number,
)
from services.payment.aggregate import PAYMENTS
from services.payment.model import PREPAY_REUSED_FOR, Closing, Payment, Receipt
from services.payment.outside import (
    CallAttention,
    CloseAnswered,
    CloseOrder,
    PaymentNotified,
    PaymentQueried,
    PrepayAnswered,
    PrepayRefused,
    QueryPayment,
    StartPrepay,
)
from services.payment.roads import ALREADY_PAID_CODES, NO_PAYMENT_CODES, wait
from services.payment.saying import tell_after
from services.payment.shown import Trade

Says = list[Message]

# A pay callback may be lost, so an unpaid payment is asked for after these minutes, the last one again and again, as
# long as somebody can reasonably still be paying.
PAY_POLL_MINUTES = (1, 5, 10, 30, 60)
PAY_POLL_FOR = timedelta(hours=24)
# A payment that was on its way when it was closed may still be made, and the one word about it may be lost.
LOOK_AFTER_CLOSING = timedelta(hours=1)
# The provider may not find, and not close, a payment that was ordered minutes ago: not everything there knows it yet
# (pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter3_4_3.shtml names five).
FOUND_WITHIN = timedelta(minutes=10)
# Who opened a payment, or closed it, asks for it again and again in its first days, and at last no more. It can be made
# later than that all the same: the one word about it would be lost for ever with the broker, so that is said again.
ASKED_FOR = timedelta(days=1)


# ── open, start to pay ───────────────────────────────────────────────────────────────────────────────────────────────
@PAYMENTS.handles(OpenPayment)
def open_payment(payment: Payment | None, wish: OpenPayment, at: datetime) -> tuple[Payment | None, Says]:
    """Expect an order's money. Closed before: stays closed, and is not called open. Asked again after it came: that is
    what the order wants to know."""
    opened = PaymentOpened(order_id=wish.order_id)
    known = payment or Payment(order_id=wish.order_id)
    if known.status == "paid" and known.opened_at is None and known.erased_at is None:
        # Closed before it was opened, and paid before this: it is still to be known whose money it is.
        known = known.model_copy(update={"openid": wish.openid, "description": wish.description, "opened_at": at})
    if known.status not in ("new", "closed"):
        return known, [opened, *([_received(known, known.receipt)] if known.receipt else [])]
    if known.opened_at is not None or known.erased_at is not None:
        # Erased before it was opened: a word from before that must not bring back who it was that did not pay.
        return known, []
    trade_number(wish.order_id)
    update = {"openid": wish.openid, "description": wish.description, "opened_at": at}
    if known.status == "closed":
        return _owed(known.model_copy(update=update), wish.shop, wish.amount, at)
    after, says = _owed(known.model_copy(update={**update, "status": "opened"}), wish.shop, wish.amount, at)
    return after, [opened, *says]


def _owed(payment: Payment, shop: str, amount: Money, at: datetime) -> tuple[Payment, Says]:
    """What the order costs is known from here on. Money that the provider had shown before (for an order that was paid
    after the backup that was put back) can be told to be this order's only now."""
    known = payment.model_copy(update={"shop": shop, "amount": amount, "strange": None})
    return (known, []) if payment.strange is None else receive(known, payment.strange, at)


@PAYMENTS.handles(StartPrepay)
def start_prepay(payment: Payment | None, _: StartPrepay, at: datetime) -> tuple[Payment | None, Says]:
    """From here on the provider may know the payment: closing must ask it, a lost callback must be made up for."""
    if payment is None or payment.status != "opened":
        return payment, []
    since = payment.prepay_requested_at
    if since is not None and at - since < PREPAY_REUSED_FOR:
        return payment, []
    update = {"prepay_requested_at": at, "polls": 0}
    return _plan_pay_poll(payment.model_copy(update=update), at), []


@PAYMENTS.handles(PrepayAnswered)
def prepay_answered(payment: Payment | None, heard: PrepayAnswered, at: datetime) -> tuple[Payment | None, Says]:
    """Keep the ticket. Closed meanwhile: the customer does not get it, and the provider is asked to close again,
    because the first time it may not have known this payment."""
    if payment is None or payment.status == "paid" or payment.prepay_id == heard.prepay_id:
        return payment, []
    after = payment.model_copy(update={"prepay_id": heard.prepay_id, "prepay_at": at})
    if payment.status in ("closing", "closed"):
        return after, [CloseOrder(order_id=payment.order_id, shop=payment.shop)]
    return after, []


@PAYMENTS.handles(PrepayRefused)
def prepay_refused(payment: Payment | None, heard: PrepayRefused, at: datetime) -> tuple[Payment | None, Says]:
    """The provider says "paid already" and we do not know it yet: ask now."""
    if payment is None or payment.receipt is not None or heard.code not in ALREADY_PAID_CODES:
        return payment, []
    return payment, [QueryPayment(order_id=payment.order_id, shop=payment.shop)]


# ── paid ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@PAYMENTS.handles(PaymentNotified)
def payment_notified(payment: Payment | None, heard: PaymentNotified, at: datetime) -> tuple[Payment | None, Says]:
    """The provider told us."""
    if payment is None or not heard.trade.is_paid:
        return payment, []
    return receive(payment, heard.trade, at)


@PAYMENTS.handles(PaymentQueried)
def payment_queried(payment: Payment | None, heard: PaymentQueried, at: datetime) -> tuple[Payment | None, Says]:
    """We asked the provider."""
    if payment is None:
        return None, []
    if heard.trade is not None and heard.trade.is_paid:
        return receive(payment, heard.trade, at)
    if payment.status != "opened" or payment.poll_at is not None:
        return payment, []
    if heard.trade is not None and heard.trade.trade_state in ("CLOSED", "REVOKED"):
        return payment, []
    return _plan_pay_poll(payment, at), []


def receive(payment: Payment, trade: Trade, at: datetime) -> tuple[Payment, Says]:
    """The provider shows a payment: note it once. Not what was asked for: keep the fact, call a person, do not call it
    paid."""
    if payment.receipt is not None:
        return payment, []
    receipt = _receipt(payment, trade)
    if receipt is None:
        if payment.strange == trade:
            return payment, []
        asked = payment.amount.amount_minor if payment.amount else None
        detail = f"asked for {asked}, provider shows {trade.amount} as {trade.transaction_id} of {trade.out_trade_no}"
        worry = CallAttention(order_id=payment.order_id, what="strange-payment", detail=detail)
        return payment.model_copy(update={"strange": trade, "poll_at": None}), [worry]
    says: Says = [_received(payment, receipt)]
    if payment.closing is not None:
        says += [_close_refused(payment, case_id) for case_id in payment.closing.case_ids]
    since = payment.opened_at or payment.closed_at
    tell_at = tell_after(0, at) if since is not None and at - since > ASKED_FOR else None
    update = {"status": "paid", "receipt": receipt, "closing": None, "poll_at": None, "tell_at": tell_at}
    return payment.model_copy(update=update), says


def tell_again(payment: Payment, at: datetime) -> tuple[Payment, Says]:
    """Say once more that the money is there, some times over: who heard it before changes nothing."""
    told = payment.told + 1
    after = payment.model_copy(update={"told": told, "tell_at": tell_after(told, at)})
    return after, [_received(payment, payment.receipt)] if payment.receipt is not None else []


def _received(payment: Payment, receipt: Receipt) -> PaymentReceived:
    return PaymentReceived(
        order_id=payment.order_id,
        amount=receipt.amount,
        transaction_id=receipt.transaction_id,
        paid_at=receipt.paid_at,
    )


def _receipt(payment: Payment, trade: Trade) -> Receipt | None:
    """What the provider shows, when it is exactly what was asked for."""
    if trade.amount is None or trade.transaction_id is None or trade.success_time is None:
        return None
    amount = payment.amount
    if amount is None or (trade.amount.total, trade.amount.currency) != (amount.amount_minor, amount.currency):
        return None
    if trade.out_trade_no != payment.order_id:
        return None
    return Receipt(
        amount=Money(amount_minor=trade.amount.total, currency=trade.amount.currency),
        payer_minor=trade.amount.payer_total,
        transaction_id=trade.transaction_id,
        paid_at=trade.success_time,
    )


def _plan_pay_poll(payment: Payment, at: datetime) -> Payment:
    since = payment.prepay_requested_at or at
    due = at + timedelta(minutes=PAY_POLL_MINUTES[min(payment.polls, len(PAY_POLL_MINUTES) - 1)])
    poll_at = due if due - since <= PAY_POLL_FOR else None
    return payment.model_copy(update={"polls": payment.polls + 1, "poll_at": poll_at})


# ── closed ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@PAYMENTS.handles(ClosePayment)
def close_payment(payment: Payment | None, wish: ClosePayment, at: datetime) -> tuple[Payment | None, Says]:
    """Never ordered at the provider: closed at once, and remembered even if it was never opened. Else the provider must
    say so first."""
    known = payment or Payment(order_id=wish.order_id)
    if known.amount is None and wish.due is not None:
        known, says = _owed(known, wish.shop, wish.due, at)
        after, answer = close_payment(known, wish, at)
        return after, [*says, *answer]
    if known.status == "paid":
        return known, [_close_refused(known, wish.case_id)]
    if known.status == "closed":
        return known, [PaymentClosed(order_id=wish.order_id, case_id=wish.case_id)]
    if known.closing is not None:
        return _wait_for_close(known, known.closing, wish), []
    if known.prepay_requested_at is None:
        closed = known.model_copy(update={"status": "closed", "closed_at": at})
        return closed, [PaymentClosed(order_id=wish.order_id, case_id=wish.case_id)]
    update = {"status": "closing", "closing": Closing(case_ids=(wish.case_id,)), "poll_at": None}
    return known.model_copy(update=update), [CloseOrder(order_id=wish.order_id, shop=known.shop)]


def _wait_for_close(payment: Payment, closing: Closing, wish: ClosePayment) -> Payment:
    if wish.case_id in closing.case_ids:
        return payment
    more = closing.model_copy(update={"case_ids": (*closing.case_ids, wish.case_id)})
    return payment.model_copy(update={"closing": more})


@PAYMENTS.handles(CloseAnswered)
def close_answered(payment: Payment | None, heard: CloseAnswered, at: datetime) -> tuple[Payment | None, Says]:
    """The provider was asked to close. Paid: that is said first, then the refusal. Unknown, or not found although its
    ticket is new: asked again, no answer before it is known. Paid otherwise than was asked for: under this number
    nothing can be paid any more, and a person was called to give that money back."""
    if payment is None:
        return None, []
    says: Says = []
    if heard.outcome == "paid" and heard.trade is not None:
        payment, says = receive(payment, heard.trade, at)
    closing = payment.closing
    if closing is None:
        return payment, says
    is_closed = heard.outcome == "closed" and not (heard.code in NO_PAYMENT_CODES and _has_a_new_ticket(payment, at))
    if is_closed or (heard.outcome == "paid" and payment.strange is not None):
        update = {"status": "closed", "closed_at": at, "closing": None, "poll_at": at + LOOK_AFTER_CLOSING}
        closed = payment.model_copy(update=update)
        told = [PaymentClosed(order_id=payment.order_id, case_id=case_id) for case_id in closing.case_ids]
        return closed, [*says, *told]
    attempts = closing.attempts + 1
    again = closing.model_copy(update={"attempts": attempts, "retry_at": at + wait("unknown", attempts)})
    return payment.model_copy(update={"closing": again}), says


def _has_a_new_ticket(payment: Payment, at: datetime) -> bool:
    return payment.prepay_at is not None and at - payment.prepay_at < FOUND_WITHIN


def _close_refused(payment: Payment, case_id: str) -> PaymentCloseRefused:
    return PaymentCloseRefused.model_validate(
        {"order_id": payment.order_id, "case_id": case_id, "reason": "already-paid"}
    )
