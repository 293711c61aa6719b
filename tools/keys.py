"""`tuidan keys`: the keys of personal data at rest, as an operator types them.

`TUIDAN_MONGO` and `TUIDAN_KEYS` name the database and the keys folder, as they do for the services; where neither is
set, the stack of this folder is meant. Exit code 2: it could not be done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import Progress as Bars

from chassis.keeping import Keeping
from chassis.mongo import Collection, Database
from chassis.personal import LOOK_SECONDS, Damaged, KeyMissing, Ring, WrongKeyFile, add_key, make_first_keys, read_keys
from chassis.record import Aggregate
from chassis.rotation import Overtaken, Progress, keys_in_use, seal_anew
from chassis.store import StoreUnavailable
from services.notify.handlers import NOTICES
from services.order.handlers import ORDERS
from tools.place import database_and_keys, refuse

KINDS: Sequence[tuple[str, Aggregate[Any]]] = (("order", ORDERS), ("notify", NOTICES))
"""Which service keeps which records about people."""
MARKS = "rotations"
GO_ON = "Go on with: tuidan keys rotate-personal --resume"


def run_make(folder: Path) -> None:
    """Make the first keys in `folder`; those that are there stay."""
    try:
        make_first_keys(folder)
        numbers = sorted(read_keys(folder))
    except (OSError, WrongKeyFile) as problem:
        refuse(str(problem))
    print(f"{folder}: personal keys {', '.join(map(str, numbers))} and the search key are there.")


def run_rotate(*, resume: bool) -> None:
    """Add a key (unless `resume`) and seal everything with the newest."""
    url, folder = database_and_keys()
    console = Console()
    try:
        number = max(read_keys(folder)) if resume else add_key(folder)
        console.print(f"personal-{number}.key: sealing with it.", highlight=False)
        left = asyncio.run(rotate(url, Ring(folder), console))
    except (WrongKeyFile, OSError) as problem:
        refuse(str(problem))
    except (KeyMissing, Damaged, StoreUnavailable) as problem:
        refuse(f"{problem}. {GO_ON}")
    except KeyboardInterrupt:
        refuse(f"Interrupted. {GO_ON}")
    except Overtaken:
        refuse(f"Records are saved faster than they are read. {GO_ON}")
    if left:
        refuse(
            f"{left} records cannot be read, and stay as they are: see above. All others are sealed with the new key."
        )
    console.print(
        f"Done. Within {LOOK_SECONDS:.0f} s of the new key's coming every service seals with it. When `tuidan keys "
        "personal` counts nothing under an older key, remove its file.",
        highlight=False,
    )


async def rotate(url: str, ring: Ring, console: Console) -> int:
    """Seal every record of every kind with the ring's newest key; what was stored meanwhile in a second pass. Returns
    how many cannot be read."""
    left = 0
    with Bars(console=console) as bars:
        for service, aggregate in KINDS:
            database = Database(url, f"tuidan_{service}")
            try:
                left += await _rotate(database, Keeping(aggregate, ring), bars)
            finally:
                await database.close()
    return left


async def _rotate(database: Database, keeping: Keeping, bars: Bars) -> int:
    name = keeping.aggregate.name
    records, marks = database.collection(name), database.collection(MARKS)
    total, left = await records.count({}), 0
    for turn in ("", " once more"):
        bar = bars.add_task(f"{name}{turn}", total=total)

        def show(progress: Progress, bar: Any = bar) -> None:
            bars.update(bar, completed=progress.seen)

        left = (await seal_anew(records, marks, keeping, show)).left
    return left


def run_show() -> None:
    """Count the records under each key. The exit code is 1 while an older key, or none, is still in use."""
    url, folder = database_and_keys()
    try:
        ring = Ring(folder)
        counted = asyncio.run(count(url, ring))
    except (WrongKeyFile, StoreUnavailable) as problem:
        refuse(str(problem))
    for name, by_key in counted.items():
        for key, records in sorted(by_key.items(), key=lambda row: row[0] or 0):
            print(f"{name:10} {f'personal-{key}.key' if key else 'plain':18} {records}")
    old = any(key != ring.current for by_key in counted.values() for key in by_key)
    raise typer.Exit(1 if old else 0)


async def count(url: str, ring: Ring) -> dict[str, dict[int | None, int]]:
    """Records by kind and key, read from the records themselves."""
    found = {}
    for service, aggregate in KINDS:
        database = Database(url, f"tuidan_{service}")
        try:
            records: Collection = database.collection(aggregate.name)
            found[aggregate.name] = await keys_in_use(records, Keeping(aggregate, ring))
        finally:
            await database.close()
    return found
