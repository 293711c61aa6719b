"""Cancelling an order. The lists are the business rule; read them first.

A case takes one of four roads: a paid order (money goes back), an unpaid one (the payment is closed first), one whose
pieces cost nothing, and a payment that arrived after the order was cancelled. Three more begin where something went
another way: a person decided how a refund goes on, an accepted refund failed after all, a refund was made by hand.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from chassis.saga import Saga, after_undo, pivot, step, then
from contracts import inventory, notify, payment
from contracts.inventory import StockLine
from contracts.message import CaseId, Money, OrderId, RefundNumber
from contracts.notify import Addressee
from services.order.arrival import expected_by
from services.order.model import Case, Order
from services.order.tasks import matched_refunds
from services.order.words import reason_in_words, refusal_in_words, solution_in_words, solution_of, solution_unpaid

# A short message whose fate is unknown is looked for before the next provider is asked (decision 0019).
TELLING = timedelta(hours=1)
# The provider closes after seven days what it cannot pay; slowness before that is told by `RefundDelayed`.
ARRIVING = timedelta(days=8)


class Cancellation(BaseModel):
    """Everything the lists below need to know about one case, gathered from its order. Amounts in fen. `solution`: what
    the shop does about it where money goes back, `solution_unpaid` where none was paid."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    case_id: CaseId
    shop: str
    due: Money
    lines: tuple[StockLine, ...]
    whole: bool
    amount: Money
    to: Addressee
    refund_reason: str
    reason: str
    refusal: str
    solution: str
    solution_unpaid: str
    route: str = ""
    payer_minor: int | None = None
    received_minor: int | None = None
    expected_by: AwareDatetime | None = None
    confirm_by: AwareDatetime | None = None
    transfer_when: tuple[payment.RefusalReason, ...] = ()
    attempt: int = 0
    wish: str | None = None
    proof: str = ""
    decided_by: str = ""
    refund_number: RefundNumber | None = None
    note: str = ""
    good: tuple[StockLine, ...] = ()
    matched: tuple[RefundNumber, ...] = ()

    @classmethod
    def of(cls, order: Order, case: Case) -> Cancellation:
        """The facts of `case`, as they are known now."""
        language = order.contact.language
        refund_facts, another_way = case.refund, case.refund.another_way if case.refund else ""
        reason = reason_in_words(case.reason, language, case.words)
        return cls(
            order_id=order.order_id,
            case_id=case.case_id,
            shop=order.shop,
            due=Money(amount_minor=order.total_minor, currency=order.currency),
            lines=tuple(
                StockLine(line_no=line.line_no, product_id=line.product_id, quantity=line.quantity)
                for line in case.lines
            ),
            whole=case.whole,
            amount=case.amount,
            # By WeChat or into the inbox: nobody waits to hear of it, and the phone is any number that somebody typed.
            to=order.addressee.model_copy(update={"phone": ""}) if case.told_for_nothing else order.addressee,
            refund_reason=payment.cut(reason, payment.REASON_BYTES_MAX),
            # Behind the reason's own words there may be a remark that is as long as the whole may be.
            reason=reason[: notify.WORDS_MAX],
            refusal=refusal_in_words(case.refusal, language),
            solution=solution_of(case.reason, case.words, case.solution, language, another_way),
            solution_unpaid=solution_unpaid(case.reason, case.solution, language),
            route=refund_facts.route if refund_facts else "",
            payer_minor=refund_facts.payer_minor if refund_facts else None,
            received_minor=refund_facts.received_minor if refund_facts else None,
            confirm_by=refund_facts.confirm_by if refund_facts else None,
            transfer_when=case.transfer_when,
            attempt=case.decisions,
            wish=case.wish,
            proof=case.proof,
            decided_by=case.decided_by,
            refund_number=case.found,
            note=case.verdict.note if case.verdict and not case.verdict.approved else "",
            matched=matched_refunds(order),
            good=case.parcel.good_of(case.lines) if case.parcel else (),
            expected_by=expected_by(refund_facts.route, refund_facts.accepted_at)
            if refund_facts and refund_facts.accepted_at and another_way != "outside"
            else None,
        )


def take_back(case: Cancellation) -> inventory.TakeBackStock:
    return inventory.TakeBackStock(order_id=case.order_id, case_id=case.case_id, lines=case.good)


def refund(case: Cancellation) -> payment.RefundPayment:
    return payment.RefundPayment(
        order_id=case.order_id,
        case_id=case.case_id,
        amount=case.amount,
        reason=case.refund_reason,
        transfer_when=case.transfer_when,
        matched=case.matched,
    )


def resume(case: Cancellation) -> payment.ResumeRefund:
    return payment.ResumeRefund.model_validate(
        {
            "order_id": case.order_id,
            "case_id": case.case_id,
            "attempt": case.attempt,
            "how": case.wish,
            "proof": case.proof,
            "by": case.decided_by,
        }
    )


def take_over(case: Cancellation) -> payment.AdoptRefund:
    assert case.refund_number is not None, "only a refund that was found is taken over"
    return payment.AdoptRefund(order_id=case.order_id, case_id=case.case_id, refund_number=case.refund_number)


def refund_on_its_way(case: Cancellation) -> notify.TellCustomer:
    """On its way by itself, or waiting for the customer to confirm it."""
    amount = case.amount.amount_minor if case.payer_minor is None else case.payer_minor
    if case.confirm_by is None:
        return _tell(case, "refund-on-its-way", amount, case.reason, case.solution)
    return _tell(case, "refund-to-confirm", amount, case.reason, solution_in_words("confirm", case.to.language))


def refund_delayed(case: Cancellation) -> notify.TellCustomer:
    amount = case.amount.amount_minor if case.payer_minor is None else case.payer_minor
    return _tell(case, "refund-delayed", amount, case.reason, solution_in_words("delayed", case.to.language))


def refund_arrived(case: Cancellation) -> notify.TellCustomer:
    received = case.amount.amount_minor if case.received_minor is None else case.received_minor
    return _tell(case, "refund-arrived", received, case.reason, case.solution)


def refund_failed(case: Cancellation) -> notify.TellCustomer:
    solution = solution_in_words("undone", case.to.language)
    return _tell(case, "refund-failed", case.amount.amount_minor, case.refusal, solution)


def order_cancelled(case: Cancellation) -> notify.TellCustomer:
    return _tell(case, "order-cancelled", 0, case.reason, case.solution_unpaid)


def free_goods_cancelled(case: Cancellation) -> notify.TellCustomer:
    """Goods that cost nothing, of an order that did, and was paid: also where they are the last that was left of it."""
    return order_cancelled(case).model_copy(update={"part": True})


def cancellation_refused(case: Cancellation) -> notify.TellCustomer:
    return _tell(case, "cancellation-refused", 0, case.refusal, solution_in_words("rejected", case.to.language))


def cancellation_rejected(case: Cancellation) -> notify.TellCustomer:
    because = case.note or case.refusal
    return _tell(case, "cancellation-refused", 0, because, solution_in_words("rejected", case.to.language))


def late_payment_refunded(case: Cancellation) -> notify.TellCustomer:
    """By itself; a transfer in its place has to be confirmed like any other."""
    if case.confirm_by is not None:
        return refund_on_its_way(case)
    return _tell(case, "late-payment-refunded", case.amount.amount_minor, case.reason, case.solution)


def late_payment_not_refunded(case: Cancellation) -> notify.TellCustomer:
    """Whoever has paid and reads that the order is as it was waits for the goods."""
    solution = solution_in_words("stays-cancelled", case.to.language)
    return _tell(case, "refund-failed", case.amount.amount_minor, case.refusal, solution)


CANCEL_PAID_ORDER = Saga(
    "cancel-paid-order",
    1,
    Cancellation,
    step("hold the stock", inventory.HoldStock, undo=inventory.KeepStock),
    pivot("refund the payment", refund, patience=timedelta(hours=2)),
    then("release the stock", inventory.ReleaseStock, with_next=True),
    then("tell the customer", refund_on_its_way, patience=TELLING),
    then("see the refund arrive", payment.WatchRefund, patience=ARRIVING),
    then("tell the customer it arrived", refund_arrived, patience=TELLING),
    after_undo("tell the customer why not", refund_failed, patience=TELLING),
)

CANCEL_UNPAID_ORDER = Saga(
    "cancel-unpaid-order",
    1,
    Cancellation,
    pivot("close the payment", payment.ClosePayment, patience=timedelta(hours=2)),
    then("release the stock", inventory.ReleaseStock, with_next=True),
    then("tell the customer", order_cancelled, patience=TELLING),
)
"""When the payment cannot be closed because it was made, the case goes over to `CANCEL_PAID_ORDER`."""

CANCEL_WITHOUT_MONEY = Saga(
    "cancel-without-money",
    1,
    Cancellation,
    pivot("hold the stock", inventory.HoldStock),
    then("release the stock", inventory.ReleaseStock, with_next=True),
    then("tell the customer", free_goods_cancelled, patience=TELLING),
    after_undo("tell the customer why not", cancellation_refused, patience=TELLING),
)

REFUND_LATE_PAYMENT = Saga(
    "refund-late-payment",
    1,
    Cancellation,
    pivot("refund the payment", refund, patience=timedelta(hours=2)),
    then("tell the customer", late_payment_refunded, patience=TELLING),
    then("see the refund arrive", payment.WatchRefund, patience=ARRIVING),
    then("tell the customer it arrived", refund_arrived, patience=TELLING),
    after_undo("tell the customer why not", late_payment_not_refunded, patience=TELLING),
)

RESUME_REFUND = Saga(
    "resume-refund",
    1,
    Cancellation,
    pivot("go on as was decided", resume, patience=timedelta(hours=2)),
    then("see the refund arrive", payment.WatchRefund, patience=ARRIVING),
    then("tell the customer it arrived", refund_arrived, patience=TELLING),
)
"""A person decided. Where that cannot be followed without the risk of paying twice, the person hears of it again."""

GIVE_ORDER_BACK = Saga(
    "give-order-back",
    1,
    Cancellation,
    pivot("take the stock again", inventory.TakeStockAgain, patience=timedelta(hours=2)),
    then("tell the customer why not", refund_failed, patience=TELLING),
)
"""The refund was accepted and failed after all. When the goods are sold meanwhile, a person decides."""

TAKE_OVER_REFUND = Saga(
    "take-over-refund",
    1,
    Cancellation,
    pivot("take over the refund", take_over, patience=timedelta(hours=2)),
    then("release the stock", inventory.ReleaseStock, with_next=True),
    then("tell the customer", refund_on_its_way, patience=TELLING),
    then("see the refund arrive", payment.WatchRefund, patience=ARRIVING),
    then("tell the customer it arrived", refund_arrived, patience=TELLING),
)
"""Somebody refunded all that was left by hand on the merchant platform."""

TAKE_OVER_PART_OF_REFUND = Saga(
    "take-over-part-of-refund",
    1,
    Cancellation,
    pivot("take over the refund", take_over, patience=timedelta(hours=2)),
    then("tell the customer", refund_on_its_way, patience=TELLING),
    then("see the refund arrive", payment.WatchRefund, patience=ARRIVING),
    then("tell the customer it arrived", refund_arrived, patience=TELLING),
)
"""As above, but nobody knows for which goods: only the money is in the books."""

REJECT_CANCELLATION = Saga(
    "reject-cancellation",
    1,
    Cancellation,
    pivot("tell the customer why not", cancellation_rejected, patience=TELLING),
)
"""Somebody with the right to approve it said no before anything had moved, or the parcel could not be had back."""

TAKE_GOODS_BACK = Saga(
    "take-goods-back",
    1,
    Cancellation,
    pivot("put what came back on the shelf", take_back, patience=timedelta(hours=2)),
)
"""The parcel had left when the order was cancelled, and is back. Then one of the next two follows."""

REFUND_RETURNED = Saga(
    "refund-returned",
    1,
    Cancellation,
    pivot("refund the payment", refund, patience=timedelta(hours=2)),
    then("tell the customer", refund_on_its_way, patience=TELLING),
    then("see the refund arrive", payment.WatchRefund, patience=ARRIVING),
    then("tell the customer it arrived", refund_arrived, patience=TELLING),
)
"""When the refund is refused the goods stay in the house: a person decides which other way the money goes."""

RETURNED_WITHOUT_MONEY = Saga(
    "returned-without-money",
    1,
    Cancellation,
    pivot("tell the customer", free_goods_cancelled, patience=TELLING),
)

ROADS = {
    "paid": CANCEL_PAID_ORDER,
    "unpaid": CANCEL_UNPAID_ORDER,
    "no-money": CANCEL_WITHOUT_MONEY,
    "late-payment": REFUND_LATE_PAYMENT,
    "resumed": RESUME_REFUND,
    "given-back": GIVE_ORDER_BACK,
    "made-outside": TAKE_OVER_REFUND,
    "made-outside-in-part": TAKE_OVER_PART_OF_REFUND,
    "rejected": REJECT_CANCELLATION,
    "returned": TAKE_GOODS_BACK,
    "refund-returned": REFUND_RETURNED,
    "returned-free": RETURNED_WITHOUT_MONEY,
}
SAGAS = {saga.name: saga for saga in ROADS.values()}


def _tell(
    case: Cancellation, outcome: notify.Outcome, amount_minor: int, reason: str, solution: str
) -> notify.TellCustomer:
    return notify.TellCustomer(
        order_id=case.order_id,
        case_id=case.case_id,
        outcome=outcome,
        to=case.to,
        amount_minor=amount_minor,
        currency=case.amount.currency,
        reason=reason,
        solution=solution,
        route=case.route,
        expected_by=case.confirm_by or case.expected_by,
        part=not case.whole,
    )
