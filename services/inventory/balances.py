"""How many pieces of each product there are, and the ledger of every movement that made it so.

A balance is one document per product, changed by thousands of orders, so it is guarded by no version:

    balances  {_id: product, available, reserved, sold, received, swept, pending: [{id, available?, reserved?, …}]}
    ledger    {_id: movement, product_id, owner, line_no, cause, available, reserved, sold, received,
               refused, swept?, at}

`owner` is the order or the receipt. **The ledger line is the decision**; whoever writes it first has decided, for ever.
A marker in `pending` is provisional: it says that the balance already contains the movement. So a movement can be
performed again at any time, by two performers at once, one of which slept for minutes:

* A marker goes in together with its amounts, only if it is not there yet and nobody has swept since we looked
  (`swept`). A marker is swept only after its ledger line is written, and counts `swept` up. Whoever looked at `swept`
  first and found no ledger line after that, and still meets the same `swept`, cannot count a movement twice.
* A marker whose ledger line says "refused" is taken out together with its amounts.
* The ledger line keeps the `swept` at which its marker was in the balance, so a recount knows exactly which lines a
  balance it read contains, however much moves meanwhile (see `recount`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chassis.clock import Clock
from chassis.projection import BulkResult, Document, Update
from services.inventory.model import Amounts, Movement

Outcome = Literal["applied", "refused", "impossible"]
"""`impossible`: a firm movement finds less than was set aside. The books are wrong, nothing was decided."""

ROUNDS_MAX = 20
"""How often a movement looks again because somebody swept between its look and its step."""

MARKERS_MAX = 32
"""Markers a product may carry before whoever moves it sweeps them."""


PRODUCTS_TOGETHER = 200
"""Balances read at once when all are gone through."""


class Unsettled(Exception):
    """Somebody swept at every try. Nothing is lost: perform the movements again."""


class Documents(Protocol):
    """What is needed of a collection: `mongo.Collection`, or a stand-in."""

    async def find(
        self,
        filter: Document,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[dict[str, Any]]: ...

    async def find_certainly(self, ids: Sequence[str]) -> list[dict[str, Any]]: ...

    async def aggregate(self, pipeline: Sequence[Document]) -> list[dict[str, Any]]: ...

    async def update_all(self, updates: Iterable[Update]) -> BulkResult: ...

    async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]: ...

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Document | None = None) -> None: ...


@dataclass(slots=True)
class _Round:
    """One try at the movements `left`. `seen`: the balances as they were before the ledger was asked; `markers`: the
    movements found in a balance, with its `swept` then; `again`: what has to look again."""

    seen: dict[str, dict[str, Any]]
    left: list[Movement]
    markers: dict[str, int] = field(default_factory=dict)
    again: list[Movement] = field(default_factory=list)

    def swept(self, movement: Movement) -> int | None:
        """How often the movement's product had been swept when we looked; None when it had no balance."""
        balance = self.seen.get(movement.product_id)
        return None if balance is None else int(balance["swept"])


class Balances:
    """The balances and the ledger of one service."""

    def __init__(self, balances: Documents, ledger: Documents, clock: Clock) -> None:
        self.balances = balances
        self.ledger = ledger
        self.clock = clock

    async def prepare(self) -> None:
        """Make the index that the recount reads."""
        await self.ledger.ensure_index([("product_id", 1), ("swept", 1)])

    async def open(self, product_ids: Iterable[str]) -> None:
        """Give these products a balance of nothing unless they have one."""
        zero = {**Amounts()._asdict(), "swept": 0, "pending": []}
        await self.balances.insert_new([{"_id": id, **zero} for id in dict.fromkeys(product_ids)])

    async def move(self, wanted: Iterable[Movement]) -> dict[str, Outcome]:
        """Perform movements, each once for ever; the outcome by movement id. Raises Unsettled, or StoreUnavailable:
        then nobody knows how far it came and performing them again is right."""
        left = list({movement.id: movement for movement in wanted}.values())
        outcomes: dict[str, Outcome] = {}
        for _ in range(ROUNDS_MAX):
            if not left:
                return outcomes
            left = await self._try(left, outcomes)
        if left:
            raise Unsettled(f"{len(left)} movements met a sweep {ROUNDS_MAX} times")
        return outcomes

    async def _try(self, left: Sequence[Movement], outcomes: dict[str, Outcome]) -> list[Movement]:
        """One round: settle what can be settled; returns what has to look again."""
        seen = await self._look(left)
        full = _full(seen, left)
        # Only now: a movement whose line is missing here cannot have been swept before `swept` was read.
        ids = [movement.id for movement in left]
        known = await self._decided([*ids, *(marker["id"] for id in full for marker in seen[id]["pending"])])
        outcomes.update((id, known[id]) for id in ids if id in known)
        turn = _Round(seen, [movement for movement in left if movement.id not in known])
        if await self._apply(turn):
            turn.markers = {one.id: turn.seen[one.product_id]["swept"] for one in turn.left}
        else:
            outcomes.update(await self._find_markers(turn))
        said = await self._decide(turn)
        outcomes.update(said)
        await self._sweep_full(full, turn, known | said)
        return turn.again

    async def _look(self, left: Sequence[Movement]) -> dict[str, dict[str, Any]]:
        """`swept` and markers of the products; a product that pieces come in for gets a balance first."""
        ids = list(dict.fromkeys(movement.product_id for movement in left))
        seen = await self._read(ids)
        new = {one.product_id for one in left if one.amounts.received and one.product_id not in seen}
        if new:
            await self.open(new)
            seen |= await self._read(list(new))
        return seen

    async def _read(self, product_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        found = await self.balances.find({"_id": {"$in": product_ids}}, fields=["swept", "pending"])
        return {balance["_id"]: balance for balance in found}

    async def _decided(self, ids: Iterable[str]) -> dict[str, Outcome]:
        """What the ledger says about these movements. A line that is there is believed only of the majority: one that a
        primary without it has written alone is taken back, and a marker swept because of it would be counted again."""
        lines = await self.ledger.find({"_id": {"$in": list(ids)}}, fields=["refused"])
        if lines:
            lines = await self.ledger.find_certainly([line["_id"] for line in lines])
        return {line["_id"]: "refused" if line["refused"] else "applied" for line in lines}

    async def _apply(self, turn: _Round) -> bool:
        """Put markers and amounts into the balances where the guard allows; true when it did for every one."""
        updates = [_put_in(one, swept) for one in turn.left if (swept := turn.swept(one)) is not None]
        result = await self.balances.update_all(updates)
        return result.matched == len(turn.left)

    async def _find_markers(self, turn: _Round) -> dict[str, Outcome]:
        """Which movements are in the balances now. Leaves to this round what it can decide; returns what cannot be
        decided at all."""
        balances = await self._read(list(dict.fromkeys(one.product_id for one in turn.left)))
        inside = {one["id"]: balance["swept"] for balance in balances.values() for one in balance["pending"]}
        now_swept = {id: balance["swept"] for id, balance in balances.items()}
        decidable: list[Movement] = []
        impossible: dict[str, Outcome] = {}
        for movement in turn.left:
            if movement.id in inside:
                turn.markers[movement.id] = inside[movement.id]
                decidable.append(movement)
            elif now_swept.get(movement.product_id) != turn.swept(movement):
                turn.again.append(movement)
            elif movement.firm:
                impossible[movement.id] = "impossible"
            else:
                decidable.append(movement)
        turn.left = decidable
        return impossible

    async def _decide(self, turn: _Round) -> dict[str, Outcome]:
        """Write ledger lines. Where someone was first, theirs is the decision: take back what it did not grant."""
        if not turn.left:
            return {}
        at = self.clock()
        lines = [_ledger_line(one, turn.markers.get(one.id)) | {"at": at} for one in turn.left]
        late = await self.ledger.insert_new(lines)
        said: dict[str, Outcome] = {one.id: "applied" if one.id in turn.markers else "refused" for one in turn.left}
        if late:
            said |= await self._decided(turn.left[position].id for position in late)
            wrong = [one for one in turn.left if one.id in turn.markers and said[one.id] == "refused"]
            await self.balances.update_all([_take_out(one.product_id, one.id, one.amounts) for one in wrong])
        return said

    async def _sweep_full(self, full: Iterable[str], turn: _Round, known: Mapping[str, Outcome]) -> None:
        """Sweep products that carry too many markers, as far as this round knows what became of them."""
        carried = {id: list(turn.seen[id]["pending"]) for id in full}
        for one in turn.left:
            if one.product_id in carried and known[one.id] == "applied":
                carried[one.product_id].append({"id": one.id})
        updates, _ = _sweep(({**turn.seen[id], "pending": markers} for id, markers in carried.items()), known)
        await self.balances.update_all(updates)

    async def sweep_markers(self, product_ids: Sequence[str] | None = None) -> int:
        """Take decided markers out of these balances, or of all that have any; returns how many. A marker without a
        ledger line is left alone: its intent is still stored and will be performed again."""
        swept, after = 0, ""
        while True:
            page: dict[str, Any] = {"$gt": after} if product_ids is None else {"$gt": after, "$in": product_ids}
            balances = await self.balances.find(
                {"_id": page, "pending.0": {"$exists": True}},
                fields=["swept", "pending"],
                sort=[("_id", 1)],
                limit=PRODUCTS_TOGETHER,
            )
            known = await self._decided(marker["id"] for balance in balances for marker in balance["pending"])
            updates, count = _sweep(balances, known)
            await self.balances.update_all(updates)
            swept += count
            if len(balances) < PRODUCTS_TOGETHER:
                return swept
            after = balances[-1]["_id"]

    async def stock(self, after: str = "", limit: int = 100) -> list[dict[str, Any]]:
        """Up to `limit` balances in the order of their product ids, beginning behind `after`."""
        found = await self.balances.find(
            {"_id": {"$gt": after}}, fields=list(Amounts._fields), sort=[("_id", 1)], limit=limit
        )
        return [_row(balance) for balance in found]

    async def stock_of(self, product_id: str) -> dict[str, Any] | None:
        """One balance, or None when the product never had one."""
        found = await self.balances.find({"_id": product_id}, fields=list(Amounts._fields))
        return _row(found[0]) if found else None

    async def stock_of_all(self, product_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The balances of those of these products that have one."""
        found = await self.balances.find({"_id": {"$in": list(product_ids)}}, fields=list(Amounts._fields))
        return [_row(balance) for balance in found]


def _row(balance: Mapping[str, Any]) -> dict[str, Any]:
    return {"product_id": balance["_id"], **Amounts.read(balance)._asdict()}


def _put_in(movement: Movement, swept: int) -> Update:
    """Amounts and marker together, if nobody swept, it is not in yet, and there is enough of what it takes."""
    change = movement.amounts.fields()
    enough = {name: {"$gte": -amount} for name, amount in change.items() if amount < 0}
    return Update(
        {"_id": movement.product_id, "swept": swept, "pending.id": {"$ne": movement.id}, **enough},
        {"$inc": change, "$push": {"pending": {"id": movement.id, **change}}},
    )


def _take_out(product_id: str, movement_id: str, amounts: Amounts) -> Update:
    """The opposite of putting it in, if it is in."""
    return Update(
        {"_id": product_id, "pending.id": movement_id},
        {
            "$inc": {name: -amount for name, amount in amounts.fields().items()},
            "$pull": {"pending": {"id": movement_id}},
        },
    )


def _full(seen: Mapping[str, Mapping[str, Any]], left: Iterable[Movement]) -> list[str]:
    """Products that would carry too many markers with those of `left`."""
    coming = Counter(movement.product_id for movement in left)
    return [id for id, balance in seen.items() if len(balance["pending"]) + coming[id] > MARKERS_MAX]


def _sweep(balances: Iterable[Mapping[str, Any]], known: Mapping[str, Outcome]) -> tuple[list[Update], int]:
    """Take markers out whose ledger lines are known; those that were applied count `swept` up, if nobody else did
    since we looked. The updates, and how many markers they take out."""
    updates: list[Update] = []
    count = 0
    for balance in balances:
        applied = [marker["id"] for marker in balance["pending"] if known.get(marker["id"]) == "applied"]
        refused = [marker for marker in balance["pending"] if known.get(marker["id"]) == "refused"]
        if applied:
            pull = {"$pull": {"pending": {"id": {"$in": applied}}}, "$inc": {"swept": 1}}
            updates.append(Update({"_id": balance["_id"], "swept": balance["swept"]}, pull))
        updates.extend(_take_out(balance["_id"], marker["id"], Amounts.read(marker)) for marker in refused)
        count += len(applied) + len(refused)
    return updates, count


def _ledger_line(movement: Movement, swept: int | None) -> dict[str, Any]:
    """The line that decides: applied when the movement is in the balance (`swept` of then), else refused."""
    amounts = Amounts() if swept is None else movement.amounts
    line = {
        "_id": movement.id,
        "product_id": movement.product_id,
        "owner": movement.owner,
        "line_no": movement.line_no,
        "cause": movement.cause,
        **amounts._asdict(),
        "refused": swept is None,
    }
    return line if swept is None else line | {"swept": swept}
