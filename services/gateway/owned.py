"""Whose order it is: somebody else's and one that does not exist look the same."""

from __future__ import annotations

from chassis.problem import Problem
from services.gateway import model
from services.gateway.api import Call
from services.gateway.clients import Answer


async def own_order(call: Call, order_id: str) -> Answer:
    """The view of an order, or a problem of the order service. Raises unknown-order (404) for anybody else's."""
    answer = await call.services.order.ask("GET", f"/orders/{order_id}", query={"view": "customer"})
    missing = answer.status == 404
    if missing or (answer.status == 200 and model.owner_of(answer.body) != call.caller.sub):
        raise Problem(404, "unknown-order", "没有这个订单。", "There is no such order.")
    return answer


def is_case_of(order_id: str, case_id: str) -> bool:
    """Whether it can be a case of that order, whose id stands before its last dash: nobody sees another's."""
    return case_id.rpartition("-")[0] == order_id
