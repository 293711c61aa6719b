"""The smallest examples of the guards at the door and behind it (see `test_sabotage`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from chassis.bucket import SharedRedis
from chassis.memory_database import MemoryDatabase
from chassis.problem import Problem
from chassis.record import Refusal
from contracts.message import CaseId, OrderId
from contracts.order import Actor
from contracts.rating import RateCancellation
from services.gateway import api, mp
from services.gateway.auth import right_for
from services.gateway.clients import Answer
from services.gateway.codes import Codes, Matter
from services.gateway.sessions import Sessions
from services.gateway.tokens import Caller, Signer
from services.gateway.trail import Deed, Trail
from services.gateway.vault import Vault
from services.order import erasing
from services.order.deleting import Facts
from services.order.handlers import ORDERS
from tests.unit.order import told

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
DOOR, CUSTOMERS, ERASING = cast(Any, api), cast(Any, mp), cast(Any, erasing)
"""What a guard is called where it stands."""
VAULT = Vault("k" * 32)
Holds = list[bool]


def refused(work: Callable[[], object]) -> bool:
    """Whether it is not done."""
    try:
        work()
    except (Problem, Refusal):
        return True
    return False


def table_of_rights() -> Holds:
    warehouse = Caller("staff", "s-warehouse", "", "", "", "warehouse", frozenset(), 0.0)
    right = right_for("POST", "/admin/v1/orders/{order_id}/cancellation")
    return [refused(lambda: DOOR.allow(right, warehouse))]


def own_orders() -> Holds:
    async def ask(*_: Any, **__: Any) -> Answer:
        return Answer(200, b'{"customer_id": "c1"}', {})

    caller = SimpleNamespace(sub="c2")
    call: Any = SimpleNamespace(caller=caller, services=SimpleNamespace(order=SimpleNamespace(ask=ask)))
    return [refused(lambda: asyncio.run(CUSTOMERS._own_order(call, "order-1")))]


def audit_trail() -> Holds:
    database = MemoryDatabase()
    trail = Trail(cast(Any, database.collection("audit")), lambda: AT)
    asyncio.run(trail.intend(Deed("s1", "supervisor", "POST", "/r", "/r", "", (), "", "")))
    return [len(asyncio.run(database.collection("audit").find({}))) == 1]


def confirmation_codes() -> Holds:
    async def wrong(*_: Any) -> int:
        return 0

    codes = Codes(cast(SharedRedis, SimpleNamespace(ask=wrong)), VAULT, lambda: AT)
    return [refused(lambda: asyncio.run(codes.take(Matter("s1", "delete-order", "order-1", 100), "000000", "u")))]


def refresh_once() -> Holds:
    signer = cast(Signer, SimpleNamespace(access=lambda *_: "token"))
    sessions = Sessions(cast(Any, MemoryDatabase().collection("sessions")), signer, VAULT, lambda: AT)

    async def twice() -> None:
        first = await sessions.open("customer", "c1", {})
        await sessions.refresh("customer", first.refresh)
        await sessions.refresh("customer", first.refresh)

    return [refused(lambda: asyncio.run(twice()))]


def rated_when_over() -> Holds:
    order = told.Told().hears(told.place(), told.RESERVED, told.OPENED, told.paid(), told.cancel())
    state = order.record.state
    assert state is not None
    by = Actor(kind="customer", id=state.customer_id)
    case_id = CaseId(state.cases[0].case_id)
    wish = RateCancellation(order_id=OrderId(state.order_id), case_id=case_id, questionnaire=1, stars=5, by=by)
    return [refused(lambda: ORDERS.handlers[RateCancellation](state, wish, AT))]


def rules_of_deleting() -> Holds:
    order = told.Told().hears(told.place(), told.RESERVED)
    state = order.record.state
    assert state is not None
    return [bool(ERASING.denying(Facts(state, AT, timedelta(0))))]


EXAMPLES: Mapping[str, Callable[[], Holds]] = {
    "table-of-rights": table_of_rights,
    "own-orders": own_orders,
    "audit-trail": audit_trail,
    "confirmation-codes": confirmation_codes,
    "refresh-once": refresh_once,
    "rated-when-over": rated_when_over,
    "rules-of-deleting": rules_of_deleting,
}
