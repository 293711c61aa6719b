"""Each function takes one guard out of the code that runs in this process: what is left is that code without the line
that is the guard. There is no way back: only ever in a copy of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from copy import copy
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

from chassis import engine
from chassis.delivery import Delivery, Receiver, in_order
from chassis.journal import Said
from chassis.memory_database import MemoryRecords
from chassis.record import Aggregate, Decided, Heard, Record
from chassis.relay import Relay
from chassis.saga import Run, Saga
from contracts.inventory import KeepStock, ReleaseStock, StockKept, StockReleased
from contracts.message import Woke, message_id
from contracts.payment import ClosePayment, PaymentClosed
from services.inventory import model as inventory
from services.inventory.handlers import RESERVATIONS
from services.order import exchanging, unpaid, wishes
from services.order import model as order_model
from services.order.handlers import ORDERS
from services.payment import refund_effects, refunds
from services.payment.aggregate import PAYMENTS
from services.payment.model import Payment, Refund, refund_number
from services.payment.outside import SendRefund
from services.payment.restored import Restored
from services.payment.wechatpay import WechatPay
from tests.simulation.member import SimBus


def replaced(place: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put something else where `place.name` is, made from what was there."""
    setattr(place, name, make(getattr(place, name)))


# ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def deduplication() -> None:
    """`record.hear` finds no entry of the journal under the id it hears."""
    replaced(Record, "entry", lambda _: lambda record, heard_id: None)


def version_check() -> None:
    """A save does not ask whether what is stored is still what was loaded."""

    def make(was: Callable[..., bool]) -> Callable[..., bool]:
        def save(store: MemoryRecords, records: Sequence[Record[Any]], token: str) -> bool:
            there = store._documents.documents
            stored = [there.get(one.id, {"version": 0, "unsaid": ()}) for one in records]
            blind = [
                replace(one, version=found["version"], unsaid_before=tuple(found["unsaid"]))
                for one, found in zip(records, stored, strict=True)
            ]
            return was(store, blind, token)

        return save

    replaced(MemoryRecords, "_saved", make)


def outbox() -> None:
    """A record does not remember which messages for topics are still to be said, so no sweep says them."""

    def make(hear: Callable[..., Decided[Any]]) -> Callable[..., Decided[Any]]:
        def decide(aggregate: Aggregate[Any], record: Record[Any], heard: Heard) -> Decided[Any]:
            decided = hear(aggregate, record, heard)
            said = {one.id for one in decided.says if one.topic is not None}
            unsaid = tuple(id for id in decided.record.unsaid if id not in said)
            return replace(decided, record=replace(decided.record, unsaid=unsaid))

        return decide

    replaced(engine, "hear", make)


def commit_after_publish() -> None:
    """The bus notes the offsets of a batch when it has fetched it, not when all of it was saved and said."""

    def make(hear_batch: Callable[..., Any]) -> Callable[..., Any]:
        async def hear(bus: SimBus, batch: Sequence[Delivery]) -> None:
            bus.noted |= in_order(batch)
            if bus._committing is None:
                bus._committing = asyncio.get_running_loop().create_task(bus._commit_soon())
            await hear_batch(bus, batch)

        return hear

    replaced(SimBus, "_hear_batch", make)


def dead_letters() -> None:
    """What cannot be read, or is not understood after some tries, is passed over."""

    def make(_: Any) -> Any:
        async def bury(receiver: Receiver, delivery: Delivery, problem: Exception, attempts: int) -> bool:
            return True

        return bury

    replaced(Receiver, "_bury", make)


# ── the saga ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def undo_first() -> None:
    """Whoever hears an undo of what it never saw grants it and forgets it."""

    def keep(was: Any) -> Any:
        def heard(known: inventory.Reservation | None, asked: KeepStock, at: datetime) -> Any:
            if known is None or asked.case_id not in known.cases:
                return known, [StockKept(order_id=asked.order_id, case_id=asked.case_id)]
            return was(known, asked, at)

        return heard

    def release(was: Any) -> Any:
        def heard(known: inventory.Reservation | None, asked: ReleaseStock, at: datetime) -> Any:
            if known is None or known.status == "not-asked":
                lines = inventory.merged(asked.lines)
                return known, [StockReleased(order_id=asked.order_id, case_id=asked.case_id, lines=lines)]
            return was(known, asked, at)

        return heard

    def close(was: Any) -> Any:
        def heard(known: Payment | None, asked: ClosePayment, at: datetime) -> Any:
            if known is None or known.status == "new":
                return known, [PaymentClosed(order_id=asked.order_id, case_id=asked.case_id)]
            return was(known, asked, at)

        return heard

    stock, money = RESERVATIONS.handlers, PAYMENTS.handlers
    stock[KeepStock] = keep(stock[KeepStock])
    stock[ReleaseStock] = release(stock[ReleaseStock])
    money[ClosePayment] = close(money[ClosePayment])


def asking_again() -> None:
    """A saga that enters a step sets no deadline."""

    def make(enter: Callable[..., Any]) -> Callable[..., Any]:
        def entered(saga: Saga[Any], run: Run, line: Any, facts: Any, at: datetime, **how: Any) -> Any:
            after, says = enter(saga, run, line, facts, at, **how)
            return after.model_copy(update={"wake_at": None}), says

        return entered

    replaced(Saga, "_enter", make)


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def fixed_refund_number() -> None:
    """Whoever does not know what became of a refund sends it again under the next number."""

    def make(send: Callable[..., Any]) -> Callable[..., Any]:
        def sent(payment: Payment, refund: Refund, at: datetime, *, resend: bool = False) -> Any:
            if resend:
                n = refund.n + 1
                refund = refund.model_copy(update={"n": n, "number": refund_number(refund.case_id, n)})
            return send(payment, refund, at, resend=resend)

        return sent

    replaced(refunds, "send", make)


def asking_before_sending_again() -> None:
    """Nobody tells whoever sends a refund that an earlier call may have got through, so it is not looked for first."""

    def send(was: Callable[..., Any]) -> Callable[..., Any]:
        def sent(payment: Payment, refund: Refund, at: datetime, *, resend: bool = False) -> Any:
            return was(payment, refund, at, resend=False)

        return sent

    def start(was: Callable[..., None]) -> Callable[..., None]:
        def started(relay: Relay, place: str, record_id: str, said: Said, attempt: int) -> None:
            was(relay, place, record_id, said, 1 if said.wire == SendRefund.wire else attempt)

        return started

    replaced(refunds, "send", send)
    replaced(Relay, "_start", start)


def asking_after_a_refusal() -> None:
    """When the provider says no to a refund, that is believed without a look."""

    def look(was: Callable[..., Any]) -> Callable[..., Any]:
        async def looked(provider: WechatPay, number: str) -> Any:
            return None if _SENDING.get() else await was(provider, number)

        return looked

    def send(was: Callable[..., Any]) -> Callable[..., Any]:
        async def sent(effects: refund_effects.RefundEffects, provider: WechatPay, wish: SendRefund) -> Any:
            token = _SENDING.set(True)
            try:
                return await was(effects, provider, wish)
            finally:
                _SENDING.reset(token)

        return sent

    replaced(refund_effects, "_look", look)
    replaced(refund_effects.RefundEffects, "_send", send)


_SENDING: ContextVar[bool] = ContextVar("sending", default=False)


def asking_the_provider() -> None:
    """Both of the above."""
    asking_before_sending_again()
    asking_after_a_refusal()


def paid_in_time() -> None:
    """A payment that cannot be closed because it was made is refunded, also where nobody had asked to cancel."""

    def make(_: Any) -> Any:
        return lambda case: False

    replaced(unpaid, "was_paid_in_time", make)


def wishes_kept() -> None:
    """A wish to cancel meets the case that began because nobody paid."""
    replaced(wishes, "takes_no_wishes", lambda _: lambda case: False)


def callback_verification() -> None:
    """A callback is opened without a look at its signature."""

    class Believing:
        async def verify(self, headers: Mapping[str, str], raw: bytes) -> None:
            return None

    def make(open_callback: Callable[..., Any]) -> Callable[..., Any]:
        async def opened(provider: WechatPay, headers: Mapping[str, str], raw: bytes) -> Any:
            trusting: Any = copy(provider)
            trusting._line = Believing()
            return await open_callback(trusting, headers, raw)

        return opened

    replaced(WechatPay, "open_callback", make)


# ── stock ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def exchange_shuts_out() -> None:
    """Nobody looks whether goods of the order are being exchanged: it is shipped and cancelled meanwhile."""
    order_model.Order.open_exchange = property(lambda _: None)  # type: ignore[method-assign,assignment]

    def wake(was: Any) -> Any:
        def rang(order: order_model.Order | None, heard: Woke, at: datetime) -> Any:
            after, says = was(order, heard, at)
            for one in after.exchanges if after is not None else ():
                if one.status == "open":
                    after, more = exchanging.wake(after, one, at)
                    says = [*says, *more]
            return after, says

        return rang

    ORDERS.handlers[Woke] = wake(ORDERS.handlers[Woke])


def movement_id() -> None:
    """Each attempt at a movement has an id of its own."""
    numbers = count(1)

    def make(id_of: Callable[[str, int, str], str]) -> Callable[[str, int, str], str]:
        return lambda owner, line_no, cause: message_id(id_of(owner, line_no, cause), f"attempt/{next(numbers)}")

    replaced(inventory, "movement_id", make)


def waiting_for_the_bills() -> None:
    """A restored payment service refunds as if it remembered everything."""

    async def waits_not(restored: Restored, shop: str) -> bool:
        return False

    replaced(Restored, "waits", lambda _: waits_not)
