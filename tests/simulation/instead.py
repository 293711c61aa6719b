"""What customers take in place of cancelling: the parcel later, or goods of the same kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.simulation.loop import EPOCH

if TYPE_CHECKING:
    from tests.simulation.people import Person


async def postpone(person: Person, key: str, days: int) -> None:
    """Keep the order and have it sent so many days later."""
    if not person.order_id:
        return
    path = f"/mp/v1/orders/{person.order_id}/alternatives"
    await person.door.ask(person.name, "GET", path)
    day = datetime.fromtimestamp(EPOCH + person.door.loop.now, UTC) + timedelta(days=days)
    body = {"kind": "later-delivery", "day": day.date().isoformat()}
    await person.door.ask(person.name, "POST", path, body, key=key, what="postpone", order=person.order_id)


async def take_similar(person: Person, key: str) -> None:
    """Order the first of the similar goods that are shown, and cancel what was ordered first."""
    old = person.order_id
    if not old:
        return
    _, shown = await person.door.ask(person.name, "GET", f"/mp/v1/orders/{old}/alternatives")
    for row in shown.get("similar", ())[:1]:
        await person.place(f"{key}-new", [[row["product_id"], row["quantity"]]], int(row["unit_price_minor"]))
        path, reason = f"/mp/v1/orders/{old}/cancellation", {"family": "customer", "code": "found-better"}
        await person.door.ask(person.name, "POST", path, {"reason": reason}, key=key, what="cancel", order=old)


async def ship(person: Person, key: str, early: bool) -> None:
    """The warehouse hands the parcel over, although the customer wanted it later, or in ignorance of that."""
    if person.order_id:
        body = {"carrier": "顺丰", "tracking_number": f"SF{person.name}", "early": early}
        path = f"/admin/v1/orders/{person.order_id}/ship"
        await person.door.ask("s-warehouse", "POST", path, body, what="ship", order=person.order_id)


STEPS: Mapping[str, Callable[..., Awaitable[object]]] = {
    "postpone": postpone,
    "take-similar": take_similar,
    "ship-postponed": ship,
}
