"""Taking orders away as an administrator does: export, read back, register, look what would go, ask for a code, erase;
and put back what was exported."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.confirming import code_for
from tests.simulation.loop import EPOCH

if TYPE_CHECKING:
    from tests.simulation.people import Door, Person

Json = dict[str, Any]

WHO = "s-administrator"
REASON = "the customer asked for it"
HEAD = (
    '{{"format":"tuidan-order/1","line":{line},"of":{of},"order_id":"{order_id}","sha256":"{sha256}","state":{state}}}'
)


async def erase(person: Person, key: str, how: str, who: str = WHO) -> None:
    """Erase the order, with a code that is `how` (see `code_for`); `stale`: the order goes on after its export."""
    door, order_id = person.door, person.order_id
    if not order_id:
        return
    _, export = await door.ask(who, "GET", f"/admin/v1/orders/{order_id}/export")
    lines = export.get("lines", ())
    person.exported = list(lines) or person.exported
    export_id = await register(door, who, [order_id], lines)
    if how == "stale":
        await door.ask(person.name, "DELETE", f"/mp/v1/orders/{order_id}", what="hide", order=order_id)
    _, shown = await door.ask(who, "GET", f"/admin/v1/orders/{order_id}/deletion")
    amount_minor = int((shown.get("confirmation") or {}).get("amount_minor", 0))
    code = await code_for(door, who, "delete-order", order_id, amount_minor, "right" if how == "stale" else how)
    body = {"export_id": export_id, "reason": REASON, "code": code or "0"}
    path = f"/admin/v1/orders/{order_id}/deletion"
    await door.ask(who, "POST", path, body, key=key, what="erase", order=order_id)


async def erase_everything(person: Person, key: str, dry: bool) -> None:
    """Export every finished order, and erase what the rules let go."""
    door = person.door
    before = datetime.fromtimestamp(EPOCH + door.loop.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    _, page = await door.ask(WHO, "GET", f"/admin/v1/exports/orders?before={before}&limit=5")
    orders = page.get("orders", ())
    if not orders:
        return
    lines = [
        HEAD.format(line=number, of=len(orders), **{name: one[name] for name in ("order_id", "sha256", "state")})
        for number, one in enumerate(orders, start=1)
    ]
    person.exported = lines
    order_ids = [str(one["order_id"]) for one in orders]
    export_id = await register(door, WHO, order_ids, lines)
    path = f"/admin/v1/exports/{export_id}/deletion"
    await door.ask(WHO, "POST", path, {"reason": REASON, "dry_run": True})
    _, shown = await door.ask(WHO, "GET", path)
    if dry or "amount_minor" not in shown:
        return
    code = await code_for(door, WHO, "delete-orders", export_id, int(shown["amount_minor"]))
    await door.ask(
        WHO, "POST", path, {"reason": REASON, "code": code or "0"}, key=key, what="erase-many", order=export_id
    )


async def register(door: Door, who: str, order_ids: Sequence[str], lines: Sequence[str]) -> str:
    """Say what was written and read back: the export's id."""
    sha256 = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    await door.ask(who, "POST", "/admin/v1/exports", {"order_ids": list(order_ids), "sha256": sha256})
    return sha256


async def restore(person: Person, key: str, dry: bool) -> None:
    """Put back what was exported last, whatever has become of it."""
    if not person.exported:
        return
    body = {"lines": person.exported, "dry_run": dry}
    await person.door.ask(
        WHO, "POST", "/admin/v1/restorations", body, what="" if dry else "restore", order=_first(body)
    )


async def restore_damaged(person: Person, key: str) -> None:
    """Put back lines that were changed on their way."""
    if person.exported:
        body = {"lines": [f"{line[:-2]} }}" for line in person.exported]}
        await person.door.ask(WHO, "POST", "/admin/v1/restorations", body)


async def erase_and_go_on(person: Person, key: str) -> None:
    """Two administrators at once; each has a code of the same person."""
    await asyncio.gather(erase(person, f"{key}-1", "right"), erase(person, f"{key}-2", "none"))


def _first(body: Json) -> str:
    return str(json.loads(body["lines"][0])["order_id"])


STEPS: Mapping[str, Callable[..., Awaitable[object]]] = {
    "erase": erase,
    "erase-everything": erase_everything,
    "erase-at-once": erase_and_go_on,
    "restore": restore,
    "restore-damaged": restore_damaged,
}
