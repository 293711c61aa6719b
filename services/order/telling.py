"""How HTTP reaches an order: a wish is heard once under its cause, a refusal becomes a problem document."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from chassis.engine import Engine
from chassis.etags import versions
from chassis.problem import Problem, invalid_request
from chassis.record import Heard, Record, Refusal, Stale
from contracts.message import Command, Message, message_id
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.problems import problem, problem_of

IfMatch = Annotated[str | None, Header(alias="If-Match")]


async def tell(engine: Engine, message: Message, cause: str, if_match: str | None = None) -> Order:
    """Let the order hear `message`; returns it as it is afterwards. The same `cause` is heard once, and a repeat of it
    is answered whatever the version is by now. `if_match`: the versions it is meant for, as an HTTP header has them.
    Raises the problem of a refusal, version-changed (412), invalid-request (422)."""
    at = engine.clock()
    heard = Heard(message, message_id(cause, "http"), at, answers_travel=False, meant_for=_meant_for(if_match))
    try:
        decided = await engine.hear(heard)
    except Stale as stale:
        raise Problem(
            412,
            "version-changed",
            "订单在此期间已变化,请重新加载后再决定。",
            "The order has changed meanwhile. Load it again and decide anew.",
        ) from stale
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
    record = await read_record(engine, order_id)
    assert record.state is not None
    return record.state, record.version


async def read_record(engine: Engine, order_id: str) -> Record[Order]:
    """The order's record as it is stored now; it has a state. Raises a 404 problem when there is none."""
    record = await engine.read(ORDERS, order_id)
    if record is None or not isinstance(record.state, Order):
        raise problem("unknown-order")
    return record


def same_order(order_id: str, asked: Command) -> None:
    """Raises a 422 problem when path and body name two orders."""
    if asked.key_value != order_id:
        raise Problem(
            422, "invalid-request", "地址与内容中的订单号不一致。", "The order in the path is not the one in the body."
        )


def _meant_for(if_match: str | None) -> frozenset[int] | None:
    if if_match is None:
        return None
    try:
        return versions(if_match)
    except ValueError as wrong:
        raise invalid_request([{"loc": ("header", "If-Match"), "msg": str(wrong)}]) from wrong
