"""`tuidan backup` and `tuidan restore`, as a person types them. Exit codes: 0 done and it agrees, 1 the folder is
damaged or the services do not agree with each other inside it, 2 not done."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import typer

from chassis.mongo import Server
from chassis.store import StoreUnavailable
from services.payment.reconciliation_record import first_without_bill
from tools.backup.crosscheck import Agreement, compare
from tools.backup.folder import BackupDamaged, Manifest, check_files
from tools.backup.groups import Groups
from tools.backup.place import forget_topics, stack_mongo
from tools.backup.putting import put
from tools.backup.taking import BackupRefused, take
from tools.place import readable, refuse
from tools.stack.home import current_home
from tools.topics.cluster import ClusterRefused

WRONG = 1
NO_KAFKA = "none"
AFTERWARDS = """What was refunded since then is not known here. Before customers come back:
  1. start the services; refunds of orders that were refunded before wait by themselves
  2. tuidan reconcile DAY   for each day since {day} (China time); today's bill can be had tomorrow after 10:30
  3. docs/operating.md, After a restore: parcels, transfers, erased orders, payments of orders that are lost"""

RIGHTS = (
    "The user needs the role readWrite (for a backup: read) in each of the six databases, and clusterMonitor in admin, "
    "to see whether services are connected; MongoDB's roles backup and restore do not show that."
)


def run_backup(words: list[str], mongo: str) -> None:
    """`[FOLDER]` takes a backup, `[check, FOLDER]` checks one."""
    if len(words) == 2 and words[0] == "check":
        with _in_words():
            _checked(Path(words[1]))
        return
    if len(words) != 1 or words[0] == "check":
        refuse("Type: tuidan backup FOLDER, or: tuidan backup check FOLDER")
    folder = Path(words[0])
    with _in_words(), _mongo(mongo, may_be_up=True) as url:
        manifest = asyncio.run(_take(url, folder))
        kind = "of one moment, while it ran" if manifest.snapshot else "of a system at rest"
        _say(f"{folder}: {_counted(manifest)}, {kind}, {manifest.taken_at.isoformat()}")
        _checked(folder)


def run_restore(folder: Path, mongo: str, kafka: str, *, replace: bool) -> None:
    """Put a backup back, then let no group hear what the topics still hold."""
    mongo, kafka = mongo or os.environ.get("TUIDAN_MONGO", ""), kafka or os.environ.get("TUIDAN_KAFKA", "")
    if mongo and not kafka:
        refuse(
            "Also say --kafka HOST:PORT: what its topics hold is of a time that the backup does not know, and must not "
            f"be heard. --kafka {NO_KAFKA} when the topics are new or emptied."
        )
    if kafka and kafka != NO_KAFKA and not mongo:
        refuse(
            "A Kafka is named (--kafka, TUIDAN_KAFKA) and no MongoDB is: the backup would go into the stack of this "
            "folder, and services of that Kafka would never hear what they have not heard yet. Name --mongo as well, "
            "or no Kafka. Nothing was changed"
        )
    groups = Groups(kafka) if kafka and kafka != NO_KAFKA else None
    with _in_words(), _mongo(mongo, may_be_up=False) as url:
        if groups is not None and (there := groups.with_members()):
            raise BackupRefused(f"Services are members of their groups: {', '.join(there)}. Stop them first.")

        def nobody_hears_what_is_there() -> None:
            if groups is not None:
                _say(f"every group goes on behind {groups.go_to_the_end():,} records")
            if not mongo:
                forget_topics(current_home())

        manifest = asyncio.run(_put(url, folder, nobody_hears_what_is_there, replace=replace))
        print(f"{_counted(manifest)} are back as they were at {manifest.taken_at.isoformat()}.")
        print(AFTERWARDS.format(day=first_without_bill(manifest.taken_at)), flush=True)
        _agreed(compare(folder, manifest))


async def _take(url: str, folder: Path) -> Manifest:
    server = Server(url)
    try:
        return await take(server, folder, _say)
    finally:
        await server.close()


async def _put(url: str, folder: Path, last: Callable[[], object], *, replace: bool) -> Manifest:
    server = Server(url)
    try:
        return await put(server, folder, _say, replace=replace, last=last)
    finally:
        await server.close()


def _checked(folder: Path) -> None:
    """Leaves with exit code 1 when it is not as it should be."""
    manifest = check_files(folder, _say)
    agreement = compare(folder, manifest)
    print(f"{folder}: {_counted(manifest)} as they were at {manifest.taken_at.isoformat()}; every file is whole.")
    _agreed(agreement)


def _agreed(agreement: Agreement) -> None:
    print(f"{agreement.orders:,} orders, {agreement.refunds:,} refunds: ", end="")
    if not agreement.found:
        print("the services agree with each other.", flush=True)
        return
    print(f"{agreement.found:,} differences between the services.")
    for text in agreement.differences:
        print(f"  {text}")
    raise typer.Exit(WRONG)


def _counted(manifest: Manifest) -> str:
    return f"{sum(part.documents for part in manifest.parts):,} documents in {len(manifest.parts)} collections"


@contextmanager
def _mongo(named: str, *, may_be_up: bool) -> Iterator[str]:
    url = named or os.environ.get("TUIDAN_MONGO", "")
    with nullcontext(readable(url)) if url else stack_mongo(current_home(), may_be_up=may_be_up) as address:
        yield address


@contextmanager
def _in_words() -> Iterator[None]:
    """What keeps it from being done is said, with its exit code."""
    try:
        yield
    except BackupDamaged as problem:
        sys.stderr.write(f"{problem}\n")
        raise typer.Exit(WRONG) from problem
    except StoreUnavailable as problem:
        why = f"{problem}"
        if "SnapshotTooOld" in why:
            why += " It took longer than the server keeps a moment: raise minSnapshotHistoryWindowInSeconds."
        if "not authorized" in why:
            why += f" {RIGHTS}"
        refuse(why)
    except (BackupRefused, ClusterRefused) as problem:
        refuse(str(problem))
    except OSError as problem:
        refuse(f"The folder cannot be read or written: {problem}")
    except KeyboardInterrupt:
        refuse("Interrupted. A backup that was not finished has no manifest; a restore can be run again as it was.")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
