"""What people try who may not: at orders of others, with roles that are not theirs, at the wrong door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.people import Person

Json = dict[str, Any]
REASON = {"family": "customer", "code": "changed-mind", "remark": ""}
CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222021234567890123", "real_name": "张三"}

TRIES: Mapping[str, tuple[str, str, str, Json | None]] = {
    "cancels another's order": ("", "POST", "/mp/v1/orders/{other}/cancellation", {"reason": REASON}),
    "looks at another's order": ("", "GET", "/mp/v1/orders/{other}", None),
    "hides another's order": ("", "DELETE", "/mp/v1/orders/{other}", None),
    "pays another's order": ("", "POST", "/mp/v1/orders/{other}/pay", {}),
    "comes as staff": ("", "GET", "/admin/v1/orders", None),
    "ships as a customer": ("", "POST", "/admin/v1/orders/{order}/deliver", {}),
    "warehouse cancels": ("s-warehouse", "POST", "/admin/v1/orders/{order}/cancellation", {"reason": REASON}),
    "finance cancels": ("s-finance", "POST", "/admin/v1/orders/{order}/cancellation", {"reason": REASON}),
    "service ships": ("s-customer-service", "POST", "/admin/v1/orders/{order}/deliver", {}),
    "supervisor reads the trail": ("s-supervisor", "GET", "/admin/v1/audit?limit=2", None),
    "supervisor exports": ("s-supervisor", "GET", "/admin/v1/orders/{order}/export", None),
    "warehouse decides": ("s-warehouse", "POST", "/admin/v1/cases/{order}-c1/decision", {"approve": True}),
    "warehouse names a card": ("s-warehouse", "POST", "/admin/v1/cases/{order}-c1/bank-card", CARD),
    "staff place an order": ("s-supervisor", "GET", "/mp/v1/orders", None),
    "a role that nobody has": ("s-director", "GET", "/admin/v1/orders", None),
}
"""By what it is: who (empty: the customer), and what is asked."""


async def overreach(person: Person, key: str, what: str) -> None:
    """Try one of these."""
    who, method, path, body = TRIES[what]
    placed = [one for one in person.door.asked if one.what == "place" and one.status == 201]
    others = [str(one.answer["order_id"]) for one in placed if one.who != person.name]
    path = path.format(order=person.order_id or "none", other=others[0] if others else "none")
    needs_key = path.endswith("/cancellation")
    await person.door.ask(who or person.name, method, path, body, key=key if needs_key else "")


STEPS: Mapping[str, Callable[..., Awaitable[object]]] = {"overreaches": overreach}
