"""Payments and reconciliations on one real engine in memory, with a provider whose bills and answers are given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from chassis import timers
from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.record import Heard
from contracts.message import CustomerId, Message, OrderId, message_id
from contracts.payment import OpenPayment, RefundPayment
from services.payment.calling import Refused
from services.payment.handlers import PAYMENTS
from services.payment.model import Payment
from services.payment.outside import PaymentQueried, RefundShown
from services.payment.reconciliation import RECONCILIATIONS
from services.payment.reconciliation_record import Reconciliation, StartReconciliation, id_of
from services.payment.reconciling import Nightly, Reconciler
from services.payment.shown import ProviderRefund, Trade
from tests.unit.payment.given import fen

DAY = date(2026, 11, 1)
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
MORNING = datetime(2026, 11, 2, 2, 30, tzinfo=UTC)
"""10:30 in China on the day after."""
NOTHING = Refused(400, "NO_STATEMENT_EXIST", "请求的账单文件不存在")


class Clock:
    """Moves only when told."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class FakeProvider:
    """Bills and answers as they were given; an exception is raised. `most_at_once`: how many questions ran together."""

    trades: bytes | Exception = NOTHING
    funds: bytes | Exception = NOTHING
    topped_up: bytes | Exception = NOTHING
    payments: dict[str, Trade | Exception] = field(default_factory=dict)
    refunds: dict[str, ProviderRefund | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    running: int = 0
    most_at_once: int = 0

    async def trade_bill(self, day: date, kind: str, /) -> bytes:
        given = self.topped_up if kind == "RECHARGE_REFUND" else self.trades
        return cast(bytes, self._given(f"trade {day} {kind}", given))

    async def fund_flow_bill(self, day: date, account: str, /) -> bytes:
        return cast(bytes, self._given(f"fund {day} {account}", self.funds))

    async def query_payment(self, out_trade_no: str, /) -> Trade:
        return cast(Trade, await self._answer(out_trade_no, self.payments))

    async def query_refund(self, out_refund_no: str, /) -> ProviderRefund:
        return cast(ProviderRefund, await self._answer(out_refund_no, self.refunds))

    async def _answer(self, number: str, answers: dict[str, Any]) -> Any:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        return self._given(number, answers.get(number, Refused(404, "RESOURCE_NOT_EXISTS", "")))

    def _given(self, question: str, answer: Any) -> Any:
        self.asked.append(question)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def questions(self) -> list[str]:
        """What was asked besides bills."""
        return [one for one in self.asked if " " not in one]


class MemoryBooks:
    """Our payments in the memory store."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def ids_of(self, shop: str, start: datetime, end: datetime) -> list[str]:
        def is_of_day(payment: Payment) -> bool:
            times = [
                payment.receipt.paid_at if payment.receipt else None,
                *(one.accepted_at for one in payment.refunds),
            ]
            return payment.shop == shop and any(at is not None and start <= at < end for at in times)

        return [payment.order_id for payment in self._all() if is_of_day(payment)]

    async def payments(self, ids: Sequence[str]) -> list[Payment]:
        return [payment for payment in self._all() if payment.order_id in ids]

    def _all(self) -> list[Payment]:
        return [Payment.model_validate(document["state"]) for document in self._store.documents.values()]


class CountingHouse:
    """One replica. A second one on the same stores is a neighbour, or the same after a crash."""

    def __init__(self, provider: FakeProvider, neighbour: CountingHouse | None = None) -> None:
        self.provider = provider
        self.clock: Clock = neighbour.clock if neighbour else Clock(NOON)
        self.payments: MemoryStore = neighbour.payments if neighbour else MemoryStore(PAYMENTS)
        self.days: MemoryStore = neighbour.days if neighbour else MemoryStore(RECONCILIATIONS)
        self.engine = Engine(
            "payment", {PAYMENTS: self.payments, RECONCILIATIONS: self.days}, MemoryBroker(), self.clock
        )
        Reconciler(self.engine, self, MemoryBooks(self.payments)).join()
        self.nightly = Nightly(self.engine, lambda: [""])
        self._heard = 0

    def of(self, shop: str, /) -> FakeProvider:
        if shop:
            raise LookupError(shop)
        return self.provider

    async def hear(self, message: Message) -> None:
        self._heard += 1
        id = message_id(f"{type(message).__name__}/{hash(self)}", self._heard)
        await self.engine.hear(Heard(message, id, self.clock(), answers_travel=False))

    async def start(self, *, again: bool = True) -> Reconciliation:
        """Reconcile the day and wait until it goes on only with time."""
        wish = StartReconciliation(
            reconciliation_id=id_of("", DAY), shop="", day=DAY.isoformat(), by="operator", again=again
        )
        await self.hear(wish)
        await self.drain()
        return await self.day()

    async def drain(self) -> None:
        while not self.engine.relay.idle:
            await self.engine.relay.drain(30.0)

    async def later(self, wait: timedelta) -> Reconciliation:
        """Let time pass, ring what is due, take up what was left."""
        self.clock.now += wait
        await timers.ring(self.engine)
        await self.engine.relay.sweep(self.engine.stores)
        await self.drain()
        return await self.day()

    async def day(self, day: date = DAY) -> Reconciliation:
        record = await self.engine.read(RECONCILIATIONS, id_of("", day))
        assert record is not None
        assert isinstance(record.state, Reconciliation)
        return record.state

    async def payment(self, order: str) -> Payment:
        record = await self.engine.read(PAYMENTS, order)
        assert record is not None
        assert isinstance(record.state, Payment)
        return record.state

    # ── what has happened ────────────────────────────────────────────────────────────────────────────────────────────
    async def ordered(self, order: str) -> None:
        await self.hear(
            OpenPayment(
                order_id=OrderId(order),
                customer_id=CustomerId("C"),
                openid="openid",
                amount=fen(10_000),
                description="茶叶",
            )
        )

    async def paid(self, order: str) -> None:
        await self.ordered(order)
        await self.hear(PaymentQueried(order_id=OrderId(order), trade=trade(order)))

    async def refunded(self, order: str, case: str, status: str = "SUCCESS") -> None:
        """A refund of 40 yuan that the provider has shown in this status."""
        wish = {"order_id": order, "case_id": case, "amount": fen(4_000), "reason": "不想要了"}
        await self.hear(RefundPayment.model_validate(wish))
        shown = {"order_id": order, "number": f"{case}-1", "refund": refund(order, f"{case}-1", status), "by": "answer"}
        await self.hear(RefundShown.model_validate(shown))


def trade(order: str, state: str = "SUCCESS", at: datetime = NOON) -> Trade:
    """A payment of 100 yuan as the provider shows it; its transaction is T-<order>."""
    paid = {"transaction_id": f"T-{order}", "success_time": at.isoformat()} if state == "SUCCESS" else {}
    known = {"out_trade_no": order, "trade_state": state, "amount": {"total": 10_000}, **paid}
    return Trade.model_validate(known)


def refund(order: str, number: str, status: str = "SUCCESS", amount: int = 4_000) -> ProviderRefund:
    """A refund as the provider shows it; its own number is R-<number>."""
    done = {"success_time": NOON.isoformat()} if status == "SUCCESS" else {}
    known = {
        "out_refund_no": number,
        "out_trade_no": order,
        "refund_id": f"R-{number}",
        "status": status,
        "amount": {"refund": amount, "total": 10_000, "payer_refund": amount},
        **done,
    }
    return ProviderRefund.model_validate(known)
