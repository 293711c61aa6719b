"""Each guard that `sabotage` switches off: without it the code behaves otherwise, on the smallest example there is.
Examples run in a copy of this process: there is no way back."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from chassis import record
from chassis.delivery import Delivery, Receiver
from chassis.engine import Engine
from chassis.journal import Said
from chassis.memory_database import MemoryDatabase
from chassis.record import Heard, Record, Refusal
from chassis.relay import Relay
from chassis.saga import Saga, pivot
from contracts.inventory import HoldStock, KeepStock, ReleaseStock, ReserveStock, StockHeld, StockLine, StockShort
from contracts.message import CaseId, Message, Money, OrderId, ProductId
from contracts.payment import ClosePayment, OpenPayment
from sandbox.signing import encrypted_resource
from services.inventory.handlers import RESERVATIONS
from services.inventory.model import MoveStock, Reservation, ReservedLine, movements
from services.payment import refunds, restored
from services.payment.aggregate import PAYMENTS
from services.payment.model import Payment, Receipt, Refund, refund_number
from services.payment.outside import RefundShown, SendRefund
from services.payment.refund_effects import RefundEffects
from services.payment.shown import ProviderRefund
from services.payment.signing import BadSignature
from services.payment.wechatpay import Refused, WechatPay
from tests.simulation import faults
from tests.simulation.broker import SimBroker
from tests.simulation.member import SimBus
from tests.simulation.sabotage import GUARDS, switch_off
from tests.simulation.sabotages import attacks
from tests.simulation.sea import StillWater
from tests.simulation.world import SHAPES
from tests.unit.order.test_exchanging import exchange
from tests.unit.order.test_expiring import expired, placed
from tests.unit.order.told import CLOSE_REFUSED, SHIP, accepted, cancel, held, paid_order
from tests.unit.simulation.examples_door import EXAMPLES as DOOR_EXAMPLES

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ORDER, CASE, TEA = OrderId("order-1"), CaseId("order-1-c1"), ProductId("tea")
LINES = (StockLine(line_no=1, product_id=TEA, quantity=2),)
YUAN = Money(amount_minor=100, currency="CNY")
RESERVED = Reservation(order_id=ORDER, status="reserved", lines=(ReservedLine(line_no=1, product_id=TEA, quantity=2),))
HOLD = Heard(HoldStock(order_id=ORDER, case_id=CASE, lines=LINES), "heard-1", AT)
KEY = b"k" * 32

Holds = list[bool]
"""What a guard sees to; all true with it, all false without."""


def _any(thing: Any) -> Any:
    """A stand-in for whatever is wanted."""
    return thing


def deduplication() -> Holds:
    first = record.hear(RESERVATIONS, Record(ORDER, state=RESERVED), HOLD)
    return [record.hear(RESERVATIONS, first.record, HOLD).repeat]


def version_check() -> Holds:
    async def save_twice() -> set[str]:
        store = MemoryDatabase().store(RESERVATIONS)
        await store.save([Record(ORDER, state=RESERVED)])
        return await store.save([Record(ORDER, state=RESERVED)])

    return [asyncio.run(save_twice()) == {ORDER}]


class Waiting:
    """A broker that acknowledges nothing."""

    async def send(self, *_: object) -> Any:
        return asyncio.get_running_loop().create_future()


def outbox() -> Holds:
    async def unsaid_after_a_save() -> int:
        database, publisher = MemoryDatabase(), _any(Waiting())
        heard = Engine("inventory", {RESERVATIONS: database.store(RESERVATIONS)}, publisher, lambda: AT)
        await database.store(RESERVATIONS).save([Record(ORDER, state=RESERVED)])
        hearing = asyncio.create_task(heard.hear(HOLD))
        for _ in range(20):
            await asyncio.sleep(0)
        hearing.cancel()
        return len(database.collections[RESERVATIONS.name].documents[ORDER]["unsaid"])

    return [asyncio.run(unsaid_after_a_save()) == 1]


def commit_after_publish() -> Holds:
    class Busy:
        async def receive(self, batch: object) -> bool:
            await asyncio.sleep(3600)
            return True

    async def noted_in_hand() -> bool:
        bus = SimBus(SimBroker(StillWater(), lambda: 0.5), "inventory")
        receiver: Any = Busy()
        bus.listen(["inventory.commands"], receiver)
        hearing = asyncio.create_task(bus._hear_batch([Delivery("inventory.commands", 0, 0, b"", b"", ())]))
        await asyncio.sleep(0)
        noted = bool(bus.noted)
        hearing.cancel()
        return noted

    return [not asyncio.run(noted_in_hand())]


def dead_letters() -> Holds:
    buried: list[str] = []

    class Publisher:
        async def send(self, topic: str, *_: object) -> Any:
            buried.append(topic)
            acknowledged = asyncio.get_running_loop().create_future()
            acknowledged.set_result(None)
            return acknowledged

    async def receive() -> None:
        receiver = Receiver("inventory", _any(None), Publisher(), lambda: AT)
        await receiver.receive([Delivery("inventory.commands", 0, 0, b"", b"?", ())])

    asyncio.run(receive())
    return [buried == ["inventory.commands.dead"]]


def undo_before_original() -> Holds:
    def after(handlers: Mapping[type[Message], Any], state: Any, undo: Message, original: Message) -> Any:
        state, _ = handlers[type(undo)](state, undo, AT)
        return handlers[type(original)](state, original, AT)[1]

    stock, money = RESERVATIONS.handlers, PAYMENTS.handlers
    held = after(stock, RESERVED, KeepStock(order_id=ORDER, case_id=CASE), HOLD.message)
    reserve = ReserveStock(order_id=ORDER, lines=LINES)
    reserved = after(stock, None, ReleaseStock(order_id=ORDER, case_id=CASE, lines=LINES), reserve)
    asked = {"order_id": ORDER, "customer_id": "c1", "openid": "o1", "amount": YUAN, "description": "tea"}
    opened = after(money, None, ClosePayment(order_id=ORDER, case_id=CASE), OpenPayment.model_validate(asked))
    return [not isinstance(held[0], StockHeld), isinstance(reserved[0], StockShort), not opened]


class Wanted(BaseModel):
    """The facts of a saga of one step."""

    order_id: OrderId
    lines: tuple[StockLine, ...]


def ask_again() -> Holds:
    saga = Saga("s", 1, Wanted, pivot("set the stock aside", ReserveStock))
    run, _ = saga.start(Wanted(order_id=ORDER, lines=LINES), AT)
    return [run.wake_at is not None]


def _unknown() -> tuple[Payment, Refund]:
    """A refund that was sent, and nobody knows what came of it."""
    number = refund_number(CASE, 1)
    refund = Refund(case_id=CASE, number=number, amount=YUAN, status="unknown", sent_at=AT)
    receipt = Receipt(amount=YUAN, transaction_id="t", paid_at=AT)
    return Payment(order_id=ORDER, status="paid", receipt=receipt, refunds=(refund,)), refund


def _sent_again() -> SendRefund:
    _, says = refunds.go_on(*_unknown(), AT)
    sent = says[0]
    assert isinstance(sent, SendRefund)
    return sent


def fixed_refund_number() -> Holds:
    return [_sent_again().number == refund_number(CASE, 1)]


def query_before_resend() -> Holds:
    attempts: list[int] = []

    async def perform(said: Said, attempt: int) -> None:
        attempts.append(attempt)

    class Provider:
        merchant = SimpleNamespace(mchid="1900000001")

        async def refund(self, *args: object) -> ProviderRefund:
            raise Refused(403, "USER_ACCOUNT_ABNORMAL", "")

        async def query_refund(self, number: str) -> ProviderRefund:
            shown = {"out_refund_no": number, "out_trade_no": ORDER, "refund_id": "r", "status": "PROCESSING"}
            amount = {"refund": 100, "payer_refund": 100, "total": 100, "payer_total": 100, "currency": "CNY"}
            return ProviderRefund.model_validate({**shown, "amount": amount})

    class Turns:
        def turn(self, **_: object) -> Turns:
            return self

        async def __aenter__(self) -> Turns:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def answered(self, code: str) -> None: ...

    async def calls() -> bool:
        relay: Any = SimpleNamespace(
            _performing={}, _in_hand={}, _not_begun=set(), _closing=False, _perform=perform, _ended=lambda _: None
        )
        Relay._start(relay, "payments", ORDER, Said("said-1", SendRefund.wire, None, ORDER, "", "", AT), 2)
        there = await RefundEffects(_any(None), _any(Turns()))._send(_any(Provider()), _sent_again())
        return isinstance(there, RefundShown)

    found = asyncio.run(calls())
    return [_sent_again().resend, attempts == [2], found]


def paid_in_time() -> Holds:
    return ["refund-payment" not in expired(placed()).hears(CLOSE_REFUSED, held(), accepted()).said]


def wishes_kept() -> Holds:
    try:
        expired(placed()).hears(cancel())
    except Refusal:
        return [True]
    return [False]


def movement_id() -> Holds:
    wish = MoveStock(order_id=ORDER, why="reserve", lines=LINES)
    return [movements(wish) == movements(wish)]


def callback_verification() -> Holds:
    class Strict:
        async def verify(self, headers: object, raw: object) -> None:
            raise BadSignature("the signature does not fit", "forged")

    provider: Any = WechatPay.__new__(WechatPay)
    provider._line, provider._keys = Strict(), SimpleNamespace(merchant=SimpleNamespace(apiv3_key=KEY))
    body = {
        "id": "EV-1",
        "event_type": "TRANSACTION.SUCCESS",
        "resource": encrypted_resource(KEY, b"{}", "transaction"),
    }
    try:
        asyncio.run(provider.open_callback({}, json.dumps(body).encode()))
    except BadSignature:
        return [True]
    return [False]


def exchange_shuts_out() -> Holds:
    def refused(message: Message) -> bool:
        under_way = paid_order().hears(exchange())
        try:
            under_way.hears(message)
        except Refusal:
            return True
        return False

    return [refused(SHIP), refused(cancel())]


class Kept:
    """A collection with these documents, whatever is asked for."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self._documents = documents

    async def find(self, filter: object, *, fields: object = None, limit: int = 0) -> list[dict[str, Any]]:
        return list(self._documents)

    async def update_all(self, updates: object) -> None:
        return None


def waits_for_the_bills() -> Holds:
    note = {"_id": restored.NAME, "taken_at": AT, "restored_at": AT, "cleared": []}

    async def waits() -> bool:
        one = restored.Restored(Kept(note), Kept(), lambda: AT, timedelta(minutes=5))
        await one.prepare()
        return await one.waits("shop")

    return [asyncio.run(waits())]


EXAMPLES: Mapping[str, Callable[[], Holds]] = {
    "deduplication": deduplication,
    "version-check": version_check,
    "fixed-refund-number": fixed_refund_number,
    "outbox": outbox,
    "commit-after-publish": commit_after_publish,
    "dead-letters": dead_letters,
    "undo-before-original": undo_before_original,
    "ask-again": ask_again,
    "query-before-resend": query_before_resend,
    "paid-in-time": paid_in_time,
    "wishes-are-kept": wishes_kept,
    "movement-id": movement_id,
    "callback-verification": callback_verification,
    "exchange-shuts-out": exchange_shuts_out,
    "waits-for-the-bills": waits_for_the_bills,
    **DOOR_EXAMPLES,
}


def in_a_copy(work: Callable[[], None]) -> str:
    """Do something in a copy of this process; what went wrong there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        problem = ""
        try:
            work()
        except BaseException:  # why: whatever it was, the parent must hear of it
            problem = traceback.format_exc()[-4000:]
        os.write(writing, problem.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as end:
        problem = end.read()
    os.waitpid(child, 0)
    return problem


@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_its_work_is_not_done(guard: str) -> None:
    def work() -> None:
        with_it = EXAMPLES[guard]()
        assert all(with_it), with_it
        switch_off(guard, None)
        without = EXAMPLES[guard]()
        assert not any(without), without

    assert in_a_copy(work) == ""


@pytest.mark.parametrize("guard", GUARDS)
def test_other_guards_stay(guard: str) -> None:
    def work() -> None:
        switch_off(guard, None)
        gone = {name for name, example in EXAMPLES.items() if not all(example())}
        assert gone == {guard}

    assert in_a_copy(work) == ""


@pytest.mark.parametrize("guard", GUARDS)
def test_worlds_of_a_guard_follow_from_the_seed(guard: str) -> None:
    plan = GUARDS[guard].plan
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
    assert plan(7).house in SHAPES
    assert {fault["kind"] for fault in plan(7).faults} <= faults.KINDS.keys() | attacks.KINDS.keys()


def test_every_guard_has_an_example() -> None:
    assert EXAMPLES.keys() == GUARDS.keys()
