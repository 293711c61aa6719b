"""What MongoDB spends on one save, by size of the document, indexes and size of the batch:
`python -m tests.benchmarks.bench_updates`

Updates are those of a record (its state set, an entry pushed onto its journal, guarded by the version), on a replica
set of one with `w:majority, j:true`. Processor time of mongod alone, so other work on the machine disturbs it little.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from pymongo import MongoClient, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from tests.support.mongod import MongoDidNotStart, running_mongod
from tools.stack.replica_set import NAME, make_set

ROUNDS = 9
RECORDS = 300


@dataclass(frozen=True)
class Shape:
    """Bytes of the state, entries of the journal and bytes of each, indexes on fields, updates sent together."""

    name: str
    state: int = 6_000
    entries: int = 10
    entry: int = 700
    indexes: int = 12
    batch: int = 10


SHAPES = (
    Shape("an order"),
    Shape("an order, alone", batch=1),
    Shape("an order, 100 together", batch=100),
    Shape("an order without indexes", indexes=0),
    Shape("an order of a small state", state=500),
    Shape("a small record", state=300, entries=1, entry=200),
    Shape("a small record without indexes", state=300, entries=1, entry=200, indexes=0),
    Shape("the same, 100 together", state=300, entries=1, entry=200, indexes=0, batch=100),
)


@contextmanager
def replica_set() -> Iterator[tuple[MongoClient[dict[str, object]], psutil.Process]]:
    """A server of our own, and its process."""
    with running_mongod("--replSet", NAME) as address:
        asyncio.run(make_set(address.removeprefix("mongodb://")))
        client = MongoClient[dict[str, object]](address, directConnection=True, w="majority", journal=True)
        yield client, psutil.Process(client.admin.command("serverStatus")["pid"])


def measured(collection: Collection[dict[str, object]], process: psutil.Process, shape: Shape) -> float:
    """Milliseconds of the processor that MongoDB spends on one update."""
    for number in range(shape.indexes):
        collection.create_index([(f"found_by.f{number}", 1), ("_id", 1)])
    collection.insert_many([_record(id, shape) for id in range(RECORDS)])
    before, done = _cpu(process), 0
    for version in range(ROUNDS):
        for start in range(0, RECORDS, shape.batch):
            updates = [_update(id, version, shape) for id in range(start, min(RECORDS, start + shape.batch))]
            collection.bulk_write(updates, ordered=False)
            done += len(updates)
    return 1000 * (_cpu(process) - before) / done


def _record(id: int, shape: Shape) -> dict[str, object]:
    journal = [{"heard": str(n), "said": _text(shape.entry)} for n in range(shape.entries)]
    return {"_id": id, "version": 0, "state": _text(shape.state), "found_by": _found(0), "journal": journal}


def _update(id: int, version: int, shape: Shape) -> UpdateOne:
    state = {"state": _text(shape.state), "found_by": _found(version + 1), "version": version + 1}
    pushed = {"journal": {"$each": [{"heard": str(version), "said": _text(shape.entry)}]}}
    return UpdateOne({"_id": id, "version": version}, {"$set": state, "$push": pushed})


def _found(version: int) -> dict[str, int]:
    """Two of the fields change with each save, as an order's state and its time do."""
    return {f"f{number}": version if number < 2 else number for number in range(12)}


def _text(size: int) -> str:
    return os.urandom(size // 2).hex()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Print a line for each shape."""
    try:
        with replica_set() as (client, process):
            for shape in SHAPES:
                spent = measured(client.bench[shape.name.replace(" ", "_")], process, shape)
                print(f"{shape.name:34} {spent:6.3f} ms of the processor an update", flush=True)
    except (PyMongoError, TimeoutError, MongoDidNotStart) as problem:
        raise SystemExit(f"bench_updates: {problem}") from problem


if __name__ == "__main__":
    main()
