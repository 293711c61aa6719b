"""`tuidan trace …`: what it can be told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer


def trace(
    order_id: Annotated[str, typer.Argument(metavar="ORDER")],
    since: Annotated[datetime | None, typer.Option(help="Only records that came then or later, UTC.")] = None,
    every_partition: Annotated[
        bool, typer.Option("--every-partition", help="Where topics were given more partitions meanwhile.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    kafka: Annotated[str, typer.Option(help="HOST:PORT; TUIDAN_KAFKA, else that of the stack, when left out.")] = "",
) -> None:
    """Show every message of one order over all topics as a tree: what was said because of what, when, by whom, without
    personal data. Exit code 0 shown, 1 there is none, 2 it could not be read."""
    from tools.trace.command import run_trace

    at = since.replace(tzinfo=UTC) if since is not None else None
    run_trace(order_id, kafka, at, as_json=as_json, every_partition=every_partition)
