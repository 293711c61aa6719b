"""Sealing everything anew with the newest key, in bounded batches, while services run.

A batch is read, sealed, and written back record by record on condition that its version is still the one that was read;
whoever saves meanwhile seals by itself, so a record that was overtaken is only looked at again. How far it came is
stored after every batch: started again it goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chassis.keeping import Keeping
from chassis.mongo import Collection
from chassis.projection import Update

BATCH = 200
TURNS_MAX = 50


@dataclass(frozen=True, slots=True)
class Progress:
    """`after`: everything up to this id is done. `seen` and `changed`: records since the rotation to `key` began;
    `left`: those of them that cannot be read, and stay as they are."""

    key: int
    after: str = ""
    seen: int = 0
    changed: int = 0
    left: int = 0
    done: bool = False


class Overtaken(Exception):
    """Records were saved by others as fast as they were read. Start again later; it goes on from there."""


async def seal_anew(
    records: Collection, marks: Collection, keeping: Keeping, tell: Callable[[Progress], None], batch: int = BATCH
) -> Progress:
    """Seal every record of one kind with the newest key. `marks`: where progress is stored. Raises KeyMissing,
    StoreUnavailable, Overtaken."""
    assert keeping.ring is not None, "nothing is sealed without keys"
    progress = await _begun(marks, keeping.aggregate.name, keeping.ring.current)
    while not progress.done:
        found = await records.find({"_id": {"$gt": progress.after}}, sort=[("_id", 1)], limit=batch)
        readable = [document for document in found if keeping.is_readable(document)]
        changed = await _seal(records, keeping, readable)
        progress = replace(
            progress,
            after=found[-1]["_id"] if found else progress.after,
            seen=progress.seen + len(found),
            changed=progress.changed + changed,
            left=progress.left + len(found) - len(readable),
            done=not found,
        )
        await _mark(marks, keeping.aggregate.name, progress)
        tell(progress)
    return progress


async def keys_in_use(records: Collection, keeping: Keeping, batch: int = BATCH) -> dict[int | None, int]:
    """How many records are sealed with each key, read from the records themselves; None: with something plain."""
    counted: dict[int | None, int] = {}
    after = ""
    while found := await records.find({"_id": {"$gt": after}}, sort=[("_id", 1)], limit=batch):
        for document in found:
            for key in keeping.keys_of(document):
                counted[key] = counted.get(key, 0) + 1
        after = found[-1]["_id"]
    return counted


async def _seal(records: Collection, keeping: Keeping, found: Sequence[dict[str, Any]]) -> int:
    """Seal these records; returns how many it wrote. Those that were overtaken are read again."""
    wrote = 0
    for _ in range(TURNS_MAX):
        updates = [
            Update({"_id": document["_id"], "version": document["version"]}, {"$set": changes})
            for document in found
            if (changes := keeping.anew(document)) is not None
        ]
        if not updates:
            return wrote
        wrote += (await records.update_all(updates)).matched
        ids = [update.filter["_id"] for update in updates]
        found = await records.find({"_id": {"$in": ids}})
    raise Overtaken


async def _begun(marks: Collection, name: str, key: int) -> Progress:
    """Where a rotation to this key stands; one to an older key is forgotten."""
    (mark,) = await marks.find({"_id": name, "key": key}) or [{}]
    kept = {field: mark[field] for field in ("after", "seen", "changed", "left") if field in mark}
    # One that came to its end begins anew: it may be that something has been stored since by whoever had the old key.
    return Progress(key) if mark.get("done") else Progress(key, **kept)


async def _mark(marks: Collection, name: str, progress: Progress) -> None:
    fields = {name: getattr(progress, name) for name in ("key", "after", "seen", "changed", "left", "done")}
    await marks.update_all([Update({"_id": name}, {"$set": fields}, upsert=True)])
