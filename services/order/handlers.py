"""What the order service decides when it hears something. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chassis.record import Aggregate, Refusal
from chassis.saga import Run, Saga
from contracts import inventory, notify, payment
from contracts.alternative import PostponeDelivery
from contracts.decision import DecideCancellation, WithdrawCancellation
from contracts.deleting import ContactErased, HideOrder, NoticesErased
from contracts.exchange import ExchangeGoods
from contracts.message import Event, Message, Woke
from contracts.order import (
    CancelOrder,
    CompleteOrder,
    DeliverOrder,
    OrderNotPlaced,
    OrderPaid,
    PlaceOrder,
    ShipOrder,
)
from contracts.rating import RateCancellation
from contracts.task import ResolveTask
from services.order import (
    cases,
    deciding,
    erasing,
    exchanging,
    expiring,
    failed,
    instead,
    moving,
    rating,
    resolving,
    taking,
    unpaid,
    wishes,
)
from services.order.finding import found_by
from services.order.model import Order, TaskDone
from services.order.offer import ReadyToPlace
from services.order.placing import DISPATCH_ORDER, PLACE_ORDER, Placement
from services.order.policies import LookUpPolicy, ReadyToCancel
from services.order.tasks import Kind, has_open_task, raise_task
from services.order.timeline import moment_of
from services.order.variants import LookUpVariants, ReadyToExchange, products_wanted

ORDERS = Aggregate("orders", Order, found_by=found_by)

Decision = tuple[Order | None, Sequence[Message]]


@ORDERS.handles(payment.PaymentReceived)
def payment_received(order: Order | None, heard: payment.PaymentReceived, at: datetime) -> Decision:
    """The customer has paid: in time, while a cancellation is under way, or too late."""
    if order is None or order.paid is not None:
        return order, []
    known = {"paid": heard.amount, "transaction_id": heard.transaction_id, "ask_payment_at": None}
    paid = order.model_copy(update=known)
    paid = paid.with_moment(moment_of(heard, at))
    says: list[Message] = [OrderPaid(order_id=order.order_id, amount=heard.amount, paid_at=heard.paid_at)]
    case = paid.open_case
    if case is not None and case.state_before == "pending-payment":
        paid = paid.with_case(case.model_copy(update={"state_before": "paid"}))
    if order.state == "pending-payment":
        # Also beside a case: one that takes over a refund made by hand, found before this word of the payment came.
        return paid.model_copy(update={"state": "paid"}), says
    if case is not None or any(known.state_before == "paid" for known in order.cases):
        # The payment is what that case was about, and this word of it was overtaken: nothing came late. Not by its
        # road: a case that began on the paid one may have taken another since.
        return paid, says
    after, more = cases.refund_late_payment(paid, at)
    return after, [*says, *more]


@ORDERS.handles(ShipOrder)
def ship_order(order: Order | None, asked: ShipOrder, at: datetime) -> Decision:
    return moving.ship(order, asked, at)


@ORDERS.handles(DeliverOrder)
def deliver_order(order: Order | None, asked: DeliverOrder, at: datetime) -> Decision:
    return moving.deliver(order, asked, at)


@ORDERS.handles(CompleteOrder)
def complete_order(order: Order | None, asked: CompleteOrder, at: datetime) -> Decision:
    return moving.complete(order, asked, at)


@ORDERS.handles(CancelOrder)
def cancel_order(order: Order | None, asked: CancelOrder, at: datetime) -> Decision:
    """A wish that came over a topic: the shop's policy has to be looked up first."""
    return order, [LookUpPolicy(order_id=asked.order_id, asked=asked)]


@ORDERS.handles(ReadyToCancel)
def cancel_by_policy(order: Order | None, ready: ReadyToCancel, at: datetime) -> Decision:
    try:
        return wishes.request_cancellation(order, ready.asked, ready.policy, ready.reasons, at)
    except Refusal as refusal:
        if ready.from_topic:
            return order, [refusal.event]
        raise


@ORDERS.handles(WithdrawCancellation)
def withdraw_cancellation(order: Order | None, asked: WithdrawCancellation, at: datetime) -> Decision:
    return deciding.withdraw(order, asked, at)


@ORDERS.handles(DecideCancellation)
def decide_cancellation(order: Order | None, asked: DecideCancellation, at: datetime) -> Decision:
    return deciding.decide(order, asked, at)


def hear_answer(order: Order | None, heard: Event, at: datetime) -> Decision:
    """A participant answered: whichever process of the order waits for it walks on."""
    if order is None:
        return order, []
    case_id = getattr(heard, "case_id", None)
    case = order.case(case_id) if case_id else None
    if case is not None:
        return cases.hear_answer(order, case, heard, at)
    exchange = next((one for one in order.exchanges if one.exchange_id == case_id), None)
    if exchange is not None:
        return exchanging.hear_answer(order, exchange, heard, at)
    after, says = _walk(order, "placing", PLACE_ORDER, heard, at)
    if after is order:
        return _walk(order, "dispatching", DISPATCH_ORDER, heard, at)
    if isinstance(heard, payment.PaymentOpened):
        return unpaid.wait(after, at), says
    if isinstance(heard, inventory.StockShort):
        missing = ", ".join(heard.short)
        after = after.model_copy(update={"state": "cancelled"})
        return after, [OrderNotPlaced(order_id=order.order_id, reason="out-of-stock", detail=missing[:500]), *says]
    return after, says


for _answer in (
    inventory.StockReserved,
    inventory.StockShort,
    inventory.StockHeld,
    inventory.StockHoldRefused,
    inventory.StockKept,
    inventory.StockReleased,
    inventory.StockTakenAgain,
    inventory.StockNotTakenAgain,
    inventory.StockSwapped,
    inventory.StockNotSwapped,
    inventory.StockTakenBack,
    inventory.StockDispatched,
    inventory.StockDispatchRefused,
    payment.PaymentOpened,
    payment.ShippingRecorded,
    payment.PaymentClosed,
    payment.PaymentCloseRefused,
    payment.RefundAccepted,
    payment.RefundRefused,
    payment.RefundSettled,
    payment.RefundResumed,
    payment.RefundNotResumed,
    notify.CustomerTold,
):
    ORDERS.handles(_answer)(hear_answer)


@ORDERS.handles(payment.RefundAttempted)
def refund_attempted(order: Order | None, heard: payment.RefundAttempted, at: datetime) -> Decision:
    """For the timeline; a refund that cannot go on by itself also becomes a task."""
    case = order.case(heard.case_id) if order is not None else None
    if order is None or case is None or case.status != "open":
        return order, []
    after = order.with_moment(moment_of(heard, at))
    given_up = heard.outcome == "unknown" and heard.next_try_at is None
    kind: Kind = "refund-abnormal" if heard.outcome == "abnormal" else "refund-stuck"
    if (given_up or heard.outcome == "abnormal") and not has_open_task(order, case, kind):
        after, task = raise_task(after, case, kind, at)
        return after, [task]
    return after, []


@ORDERS.handles(payment.RefundRerouted)
def refund_rerouted(order: Order | None, heard: payment.RefundRerouted, at: datetime) -> Decision:
    """For the timeline: the money takes the other road."""
    return (None, []) if order is None else (order.with_moment(moment_of(heard, at)), [])


@ORDERS.handles(payment.RefundDelayed)
def refund_delayed(order: Order | None, heard: payment.RefundDelayed, at: datetime) -> Decision:
    case = order.case(heard.case_id) if order is not None else None
    if order is None or case is None or case.status != "open":
        return order, []
    return failed.delayed(order, case, heard, at)


@ORDERS.handles(payment.ShippingRecordStrange)
def shipping_record_strange(order: Order | None, heard: payment.ShippingRecordStrange, at: datetime) -> Decision:
    """WeChat believes that a cancelled order was shipped: it keeps money back, or the goods have really left."""
    if order is None or not order.cases or has_open_task(order, order.cases[-1], "shipping-record"):
        return order, []
    after, task = raise_task(order.with_moment(moment_of(heard, at)), order.cases[-1], "shipping-record", at)
    return after, [task]


@ORDERS.handles(payment.RefundFound)
def refund_found(order: Order | None, heard: payment.RefundFound, at: datetime) -> Decision:
    return (None, []) if order is None else resolving.refund_found(order, heard, at)


@ORDERS.handles(ResolveTask)
def resolve_task(order: Order | None, asked: ResolveTask, at: datetime) -> Decision:
    return resolving.resolve(order, asked, at)


@ORDERS.handles(PostponeDelivery)
def postpone_delivery(order: Order | None, asked: PostponeDelivery, at: datetime) -> Decision:
    return instead.postpone(order, asked, at)


@ORDERS.handles(ExchangeGoods)
def exchange_goods(order: Order | None, asked: ExchangeGoods, at: datetime) -> Decision:
    """A wish that came over a topic: the goods have to be looked up first."""
    wanted = products_wanted(order, asked)
    return order, [LookUpVariants(order_id=asked.order_id, asked=asked, product_ids=wanted)]


@ORDERS.handles(ReadyToExchange)
def exchange_known_goods(order: Order | None, ready: ReadyToExchange, at: datetime) -> Decision:
    try:
        return exchanging.begin(order, ready, at)
    except Refusal as refusal:
        if ready.from_topic:
            return order, [refusal.event]
        raise


@ORDERS.handles(RateCancellation)
def rate_cancellation(order: Order | None, asked: RateCancellation, at: datetime) -> Decision:
    return rating.rate(order, asked, at)


@ORDERS.handles(TaskDone)
def task_done(order: Order | None, heard: TaskDone, at: datetime) -> Decision:
    """Staff has dealt with a task. Raises Refusal for one that a case waits for."""
    if order is None:
        return order, []
    resolving.only_looked_at(order, heard)
    tasks = tuple(
        task.model_copy(update={"done_at": at, "done_by": heard.by.id, "note": heard.note})
        if task.task_id == heard.task_id and task.done_at is None
        else task
        for task in order.tasks
    )
    if tasks == order.tasks:
        return order, []
    after = order.model_copy(update={"tasks": tasks})
    return after.noting(at, "task-done", None, task=heard.task_id, by=heard.by.id), []


@ORDERS.wakes
def wake(order: Order | None, rang: Woke, at: datetime) -> Decision:
    """A process of the order has waited long enough: it asks again."""
    if order is None:
        return order, []
    says: list[Message] = []
    after = order
    for field, saga in (("placing", PLACE_ORDER), ("dispatching", DISPATCH_ORDER)):
        run: Run | None = getattr(after, field)
        if run is not None:
            walked, more = saga.wake(run, Placement.of(after), at)
            after = after.model_copy(update={field: walked}) if walked is not run else after
            says.extend(more)
    case = after.open_case
    if case is not None:
        after, more = cases.wake(after, case, at)
        says.extend(more)
    exchange = after.open_exchange
    if exchange is not None:
        after, more = exchanging.wake(after, exchange, at)
        says.extend(more)
    for overdue in (expiring.expire, unpaid.ask):
        after, more = overdue(after, at)
        says.extend(more)
    return after, says


def _walk(order: Order, field: str, saga: Saga[Placement], heard: Event, at: datetime) -> tuple[Order, list[Message]]:
    run: Run | None = getattr(order, field)
    if run is None:
        return order, []
    walked, says = saga.hear(run, heard, Placement.of(order), at)
    if walked is run:
        return order, []
    return order.model_copy(update={field: walked}).with_moment(moment_of(heard, at)), says


ORDERS.handles(PlaceOrder)(taking.look_up)
ORDERS.handles(ReadyToPlace)(taking.take)
ORDERS.handles(HideOrder)(erasing.hide)
ORDERS.handles(erasing.EraseOrder)(erasing.erase)
ORDERS.handles(erasing.RestoreOrder)(erasing.restore)
ORDERS.handles(ContactErased)(erasing.hear_outside)
ORDERS.handles(NoticesErased)(erasing.hear_outside)
erasing.keep_erased(ORDERS)
