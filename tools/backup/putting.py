"""Putting a backup back: nothing is written before everything was checked, and nothing over what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from pathlib import Path

from chassis import clock
from chassis.mongo import Server, plain
from chassis.projection import Document
from chassis.store import RESTORING
from tools.backup.folder import LEFT_OUT, Content, Manifest, Part, Progress, check_files, documents, split
from tools.backup.taking import BackupRefused, connected

PAYMENT = "tuidan_payment"
RESTORED = "restored"
"""Where the payment service reads that it was restored: `services/payment/restored.py`."""
TOGETHER = 500
TOGETHER_BYTES = 8 << 20


def _nothing() -> None:
    pass


async def put(
    server: Server, folder: Path, say: Progress, *, replace: bool = False, last: Callable[[], object] = _nothing
) -> Manifest:
    """Write the backup into the databases it is of. `last`: done, in a thread, when everything is back and before any
    service may hear or decide; what it raises leaves the restore unfinished. Raises BackupDamaged before anything was
    written, BackupRefused, StoreUnavailable; stopped anywhere it can be run again."""
    manifest = check_files(folder, say)
    await _expect_nobody(server, manifest)
    parts = [part for part in manifest.parts if part.name != f"{PAYMENT}/{RESTORED}"]
    if not replace:
        if await _only_marks_are_left(server, manifest):
            await _take_marks_off(server, manifest)
            return manifest
        await _is_free(server, manifest)
    fresh = await _mark(server, manifest)
    try:
        # Whoever came between the first look and the marks has not seen them, and would work on under our hands.
        await _expect_nobody(server, manifest)
    except BackupRefused:
        for database in fresh:
            await server.drop(database, RESTORING)
        raise
    for database in manifest.databases:
        for name in await server.collections(database):
            if name != RESTORING:
                await server.drop(database, name)
    for part in parts:
        await _write(server, folder, part, say)
    for part in parts:
        await _read_back(server, part, say)
    await server.put(PAYMENT, RESTORED, [restored(folder, manifest)])
    await asyncio.to_thread(last)
    await _take_marks_off(server, manifest)
    return manifest


async def _expect_nobody(server: Server, manifest: Manifest) -> None:
    if there := await connected(server, manifest.databases):
        raise BackupRefused(
            f"Services are connected to this server: {', '.join(there)}. Stop them first (tuidan down)."
        )


async def _mark(server: Server, manifest: Manifest) -> list[str]:
    """Every database, before anything is deleted in any: stopped between two of them, no service may begin with one
    that is empty beside others of before. Marks are added, never replaced, so that there is no moment without one.
    Returns the databases that had none."""
    at = clock.now()
    fresh = [database for database in manifest.databases if RESTORING not in await server.collections(database)]
    for database in manifest.databases:
        await server.put(database, RESTORING, [{"_id": f"{manifest.digest}/{at.isoformat()}", "at": at}])
    return fresh


async def _take_marks_off(server: Server, manifest: Manifest) -> None:
    """In the order in which they were put there: so who is stopped here leaves another picture than who marks."""
    for database in manifest.databases:
        await server.drop(database, RESTORING)


async def _only_marks_are_left(server: Server, manifest: Manifest) -> bool:
    """Whether an earlier try of this same backup was stopped while it took the marks off: all had been read back, and
    services may have begun to work where there is none any more."""
    first, last = manifest.databases[0], manifest.databases[-1]
    names = await server.collections(first)
    if RESTORING in names or not await _is_ours(server, last, manifest):
        return False
    return bool(await _full(server, first, names))


async def _is_free(server: Server, manifest: Manifest) -> None:
    """Nothing is there, or only what an earlier try of this same backup has left."""
    for database in manifest.databases:
        if await _is_ours(server, database, manifest):
            continue
        if full := await _full(server, database, await server.collections(database)):
            raise BackupRefused(
                f"{database} is not empty ({', '.join(full)}): nothing was changed. With --replace all six databases "
                "are deleted first and what is in them now is lost."
            )


async def _full(server: Server, database: str, names: Sequence[str]) -> list[str]:
    """Those of a database's collections that hold something."""
    return [name for name in names if name not in LEFT_OUT and await server.count(database, name)]


async def _is_ours(server: Server, database: str, manifest: Manifest) -> bool:
    """Whether the latest restore that was begun there was of this same backup."""
    marks = [plain(document) async for piece in server.raw(database, RESTORING) for document in split(piece)]
    return bool(marks) and str(max(marks, key=lambda mark: mark["at"])["_id"]).startswith(manifest.digest)


async def _write(server: Server, folder: Path, part: Part, say: Progress) -> None:
    say(f"{part.name}: writing {part.documents:,}")
    for together in _together(documents(folder, part)):
        await server.put(part.database, part.collection, together)


def _together(all: Iterator[bytes]) -> Iterator[Sequence[bytes]]:
    pack: list[bytes] = []
    size = 0
    for document in all:
        if pack and (len(pack) == TOGETHER or size + len(document) > TOGETHER_BYTES):
            yield pack
            pack, size = [], 0
        pack.append(document)
        size += len(document)
    if pack:
        yield pack


async def _read_back(server: Server, part: Part, say: Progress) -> None:
    """What the server holds now is what the manifest says, document by document."""
    seen = Content()
    async for piece in server.raw(part.database, part.collection):
        for document in split(piece):
            seen.add(document)
    if (seen.documents, seen.digest) != (part.documents, part.content):
        raise BackupRefused(
            f"{part.name}: {seen.documents} documents are there, {part.documents} were written. Somebody else writes, "
            "or the server lost some: do not start the services; restore again."
        )
    say(f"{part.name}: {seen.documents:,} read back")


def restored(folder: Path, manifest: Manifest) -> Document:
    """What the payment service learns of it. Was the backup itself taken of a database that had been restored and not
    yet compared with the provider, nothing is known since that older one."""
    part, since = manifest.part(PAYMENT, RESTORED), [manifest.taken_at]
    before = [plain(document) for document in documents(folder, part)] if part else []
    since += [one["taken_at"].replace(tzinfo=UTC) for one in before if not one.get("over")]
    return {"_id": RESTORED, "taken_at": min(since), "restored_at": clock.now(), "cleared": [], "over": False}
