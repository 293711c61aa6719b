"""`tuidan topics`, as a person or a deployment types it. Exit codes: 0 as listed, 1 something differs, 2 not done."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import typer

from tools.place import kafka_address, refuse
from tools.stack.home import current_home
from tools.stack.status import has_real_kafka
from tools.topics.cluster import Cluster, ClusterRefused
from tools.topics.drift import Difference, Means, differences
from tools.topics.listing import PATH, Listed, ListUnreadable, read

DIFFERS = 1
NAMED = "TUIDAN_KAFKA"
_ADVICE: dict[Means, str] = {
    "create": "make what is absent:  tuidan topics create",
    "mend": "set what is set otherwise:  tuidan topics create --mend",
    "hand": "partitions and copies are changed by hand: docs/operating.md, Topics",
}


def run_create(kafka: str, copies: int | None, file: Path | None, *, mend: bool) -> None:
    """Make the topics that are missing; with `mend`, also set what is set otherwise. Never takes anything away."""

    def create(cluster: Cluster, listed: list[Listed]) -> int:
        there = cluster.found(topic.name for topic in listed)
        made = cluster.make(topic for topic in listed if topic.name not in there)
        for name in made:
            print(f"{name}: made")
        left = [row for row in differences(listed, there) if row.topic in there]
        mended = [row for row in left if mend and row.means == "mend"]
        cluster.mend(mended)
        for row in mended:
            print(f"{row.topic}: {row.setting} was {row.found}, is {row.listed} now")
        left = [row for row in left if row not in mended]
        print(f"{len(made)} of {len(listed)} topics were made, {len(mended)} settings set.", flush=True)
        _show(left)
        return 0

    _run(kafka, copies, file, create)


def run_check(kafka: str, copies: int | None, file: Path | None) -> None:
    """Show every difference between the list and the cluster."""

    def check(cluster: Cluster, listed: list[Listed]) -> int:
        rows = differences(listed, cluster.found(topic.name for topic in listed))
        if not rows:
            print(f"All {len(listed)} topics are as listed.")
        _show(rows)
        return DIFFERS if rows else 0

    _run(kafka, copies, file, check)


def _run(kafka: str, copies: int | None, file: Path | None, what: Callable[[Cluster, list[Listed]], int]) -> None:
    try:
        listed = read(file or PATH, copies)
        code = what(Cluster(_address(kafka)), listed)
    except (ListUnreadable, ClusterRefused) as problem:
        refuse(f"{problem}")
    raise typer.Exit(code)


def _address(named: str) -> str:
    """Which cluster is meant. The stack's broker in memory has every topic and answers nothing about settings."""
    address = named or kafka_address()
    if not named and not os.environ.get(NAMED) and not has_real_kafka(current_home()):
        refuse(
            "The broker of this stack is the one in memory: it has every topic by itself, and no settings. For a real "
            f"one: tuidan down, then tuidan up --kafka native; or name a cluster with --kafka HOST:PORT or {NAMED}"
        )
    return address


def _show(rows: list[Difference]) -> None:
    for row in rows:
        print(f"{row.topic}: {row.setting} is {row.found}, listed {row.listed}")
    for means, advice in _ADVICE.items():
        if any(row.means == means for row in rows):
            print(f"→ {advice}")
