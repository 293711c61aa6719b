"""Taking a backup: everything as it was at one moment, streamed into a folder."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from chassis import clock
from chassis.mongo import Server
from chassis.store import RESTORING
from tools.backup.folder import COLLECTION, DATABASES, LEFT_OUT, Manifest, Part, Progress, Writer, write_manifest

SAY_EVERY = 50_000


class BackupRefused(Exception):
    """It cannot be done as things are; the text says why and what to do."""


async def take(server: Server, folder: Path, say: Progress, names: Sequence[str] = DATABASES) -> Manifest:
    """Copy the databases `names` into `folder`, which must be new or empty. Raises BackupRefused, StoreUnavailable,
    OSError; what is there then has no manifest."""
    _expect_empty(folder)
    mongodb, keeps_snapshots = await server.facts()
    if not keeps_snapshots:
        await _nobody_writes(server, names)
    taken_at = clock.now()
    # Named before the moment: one that is made later was not there yet, and MongoDB refuses to read it as of before.
    there = [(database, name) for database in names for name in await server.collections(database)]
    _expect_whole(there)
    _make(folder)
    async with AsyncExitStack() as moment:
        if keeps_snapshots:
            await moment.enter_async_context(server.one_moment())
        parts = [await _copy(server, folder, *one, say) for one in there if one[1] not in LEFT_OUT]
    if not keeps_snapshots:
        await _nobody_writes(server, names)
    if not any(part.documents for part in parts):
        raise BackupRefused(f"there is nothing in {', '.join(names)}: is this the right server?")
    manifest = Manifest(
        tuidan=_own_version(),
        mongodb=mongodb,
        taken_at=taken_at,
        finished_at=clock.now(),
        snapshot=keeps_snapshots,
        databases=tuple(names),
        parts=tuple(parts),
    )
    write_manifest(folder, manifest)
    return manifest.sealed()


def _own_version() -> str:
    """The operator's image holds the code alone and no package of it."""
    try:
        return version("tuidan")
    except PackageNotFoundError:
        return "unpackaged"


def _expect_empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused(f"{folder} is not empty: name a folder that is new")


def _expect_whole(there: Sequence[tuple[str, str]]) -> None:
    if half := [database for database, name in there if name == RESTORING]:
        raise BackupRefused(f"half of a backup is put back in {', '.join(half)}: finish it with tuidan restore")
    if odd := [f"{database}/{name}" for database, name in there if not re.fullmatch(COLLECTION, name)]:
        raise BackupRefused(f"{', '.join(odd)} cannot be a file: give the collection another name, or delete it")


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


async def _nobody_writes(server: Server, names: Sequence[str]) -> None:
    """A standalone server shows six databases at one moment only while nobody writes."""
    if there := await connected(server, names):
        raise BackupRefused(
            "This MongoDB is a standalone server, which keeps no snapshots, and services are connected to it: "
            f"{', '.join(there)}. Stop them first (tuidan down), or let MongoDB run as a replica set."
        )


async def connected(server: Server, names: Sequence[str]) -> list[str]:
    """Which services are connected to the server now."""
    there = await server.connected()
    return [name for name in names if name in there]


async def _copy(server: Server, folder: Path, database: str, collection: str, say: Progress) -> Part:
    """One collection, piece by piece; the count at the same moment must agree."""
    writer, said = Writer(folder, database, collection), 0
    with writer.opened() as file:
        async for piece in server.raw(database, collection):
            await asyncio.to_thread(writer.add, file, piece)
            if writer.content.documents - said >= SAY_EVERY:
                said = writer.content.documents
                say(f"{database}/{collection}: {said:,} …")
    expected = await server.count(database, collection)
    if writer.content.documents != expected:
        raise BackupRefused(f"{database}/{collection}: {writer.content.documents} documents read, {expected} are there")
    say(f"{database}/{collection}: {expected:,}")
    return await asyncio.to_thread(writer.part)
