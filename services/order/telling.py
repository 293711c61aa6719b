"""How HTTP reaches an order: a wish is heard once under its cause, a refusal becomes a problem document."""

from __future__ import annotations

from chassis.engine import Engine
from chassis.problem import Problem
from chassis.record import Heard, Refusal
from contracts.message import Command, Message, message_id
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.problems import problem_of


async def tell(engine: Engine, message: Message, cause: str) -> Order:
    """Let the order hear `message`; returns it as it is afterwards. The same `cause` is heard once."""
    heard = Heard(message, message_id(cause, "http"), engine.clock(), answers_travel=False)
    try:
        decided = await engine.hear(heard)
    except Refusal as refusal:
        raise problem_of(refusal.event) from refusal
    assert decided is not None
    assert isinstance(decided.record.state, Order)
    return decided.record.state


async def read(engine: Engine, order_id: str) -> Order:
    """The order as it is stored now. Raises a 404 problem when there is none."""
    return (await read_version(engine, order_id))[0]


async def read_version(engine: Engine, order_id: str) -> tuple[Order, int]:
    """The order as it is stored now, and which version of it that is. Raises a 404 problem when there is none."""
    record = await engine.read(ORDERS, order_id)
    if record is None or not isinstance(record.state, Order):
        raise Problem(404, "unknown-order", "没有这个订单。", "There is no such order.")
    return record.state, record.version


def same_order(order_id: str, asked: Command) -> None:
    """Raises a 422 problem when path and body name two orders."""
    if asked.key_value != order_id:
        raise Problem(
            422, "invalid-request", "地址与内容中的订单号不一致。", "The order in the path is not the one in the body."
        )
