"""Worlds that lose their databases: all are put back as they were at one moment (docs/decisions/0039), and what
happened since then only the provider knows, and people do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chassis.values import stored
from services.payment import restored
from tests.simulation.loop import EPOCH

if TYPE_CHECKING:
    from tests.simulation.faults import End, Place
    from tests.simulation.house import House
    from tests.simulation.people import Person

KIND = "databases-lost"
DOWN_SECONDS = 60.0
"""From the loss until services run again: longer than a consumer's session, and than any call."""
PATIENCE_SECONDS = 900.0
ASKS_AGAIN_AFTER = (2.0, 5.0, 15.0, 60.0, 600.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0)
"""Until the bill is there and what waited for it has ended."""


@dataclass
class Loss:
    """What becomes of the databases, for people to wait for."""

    backed_up: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    restored: asyncio.Event = field(default_factory=asyncio.Event)


async def lose(place: Place, fault: Mapping[str, Any]) -> End:
    """Take a backup now; lose everything since then when the fault ends, and put the backup back."""
    house, loss = place.house, place.door.loss
    kept = {
        service: {name: dict(one.documents) for name, one in storage.collections.items()}
        for service, storage in house.storages.items()
    }
    taken_at = house.loop.now
    loss.backed_up.set()

    async def lost() -> None:
        loss.lost.set()
        house.shut = True
        for process in house.processes.values():
            house.kill(process)
        await asyncio.sleep(DOWN_SECONDS)
        _put_back(house, kept, taken_at)
        house.shut = False
        await house.open()
        loss.restored.set()

    return lost


def _put_back(house: House, kept: Mapping[str, Mapping[str, dict[str, Any]]], taken_at: float) -> None:
    """What `tuidan restore` does: the databases, the note for payment, and consumer groups go on at the end."""
    for service, storage in house.storages.items():
        for name, documents in storage.collections.items():
            documents.documents = dict(kept[service].get(name, {}))
        storage.remember()
        house.loop.changed(storage.sight)
    taken, now = (datetime.fromtimestamp(EPOCH + at, UTC) for at in (taken_at, house.loop.now))
    note = {"_id": restored.NAME, "taken_at": taken, "restored_at": now, "cleared": [], "over": False}
    house.storages["payment"].collections[restored.NAME].documents[restored.NAME] = stored(note)
    for group in house.broker.groups.values():
        group.committed = {place: len(records) for place, records in house.broker.records.items()}


# ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────────
async def wish(person: Person, key: str, line_no: int) -> None:
    """Cancel a whole line, unless it is cancelled: until somebody has taken the wish, or for two days."""
    path = f"/mp/v1/orders/{person.order_id}/cancellation"
    for pause in ASKS_AGAIN_AFTER if person.order_id else ():
        order = await person.look()
        line = next((one for one in order.get("lines", ()) if one["line_no"] == line_no), None)
        if line is not None and line["left"] == 0:
            return
        quantity = line["quantity"] if line is not None else person.quantities[line_no - 1]
        lines = [{"line_no": line_no, "quantity": quantity}]
        body = {"reason": {"family": "customer", "code": "changed-mind"}, "lines": lines}
        status, answer = await person.door.ask(
            person.name, "POST", path, body, key=key, what="wish", order=person.order_id
        )
        if status not in (0, 409, 503) or answer.get("code") not in (None, "cancellation-open"):
            return
        await asyncio.sleep(pause)


async def by_hand(person: Person, key: str, line_no: int) -> None:
    """Somebody pays a line back on the merchant platform, of which the restored databases will know nothing."""
    loss = person.door.loss
    order = await person.look()
    line = next((one for one in order.get("lines", ()) if one["line_no"] == line_no), None)
    if line is None or not order.get("paid_minor") or not loss.backed_up.is_set() or loss.lost.is_set():
        return
    body = {"out_trade_no": person.order_id, "amount_minor": line["paid_minor"], "from_available": line_no % 2 == 0}
    status, _ = await person.door.sandbox("POST", "/_control/platform/refunds", body)
    person.door.note(person.name, "by-hand", person.order_id, {"lines": [{"line_no": line_no}]}, status, {})


async def until(person: Person, key: str, what: str) -> None:
    """Wait for the backup, or until all is back again; not for ever, where a smaller plan has no loss."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await getattr(person.door.loss, what).wait()
    except TimeoutError:
        return


STEPS: Mapping[str, Callable[..., Awaitable[object]]] = {"wish": wish, "by-hand": by_hand, "until": until}
