"""`tuidan trace`, as a person types it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime

import typer
from rich.console import Console

from services.gateway.model import ORDER_ID_PATTERN
from tools.cases.finding import CASE
from tools.place import kafka_address, refuse
from tools.records import KafkaRefused, records
from tools.topics.listing import RETENTION, read
from tools.trace import showing
from tools.trace.gathering import FIRST, Gathered, gather
from tools.trace.weaving import woven

UNKNOWN = 1
MS_PER_DAY = 86_400_000


def run_trace(order_id: str, kafka: str, since: datetime | None, *, as_json: bool, every_partition: bool) -> None:
    """Print the tree of an order's messages; exit code 1 when there is none, 2 when it could not be read."""
    if not re.fullmatch(ORDER_ID_PATTERN, order_id):
        refuse(f"{order_id!r} 不是订单号 · is no order id: letters, digits, - and _, at most 40{_order_of(order_id)}")
    progress = Console(stderr=True)
    try:
        with records(kafka or kafka_address()) as cluster, progress.status("…") as status:

            def counted(seen: int, total: int) -> None:
                status.update(f"读取 · reading {seen:,} of {total:,} records")

            began = time.monotonic()
            found = gather(cluster, order_id, since, counted, every_partition=every_partition)
    except KafkaRefused as problem:
        refuse(f"{problem}")
    _tell_reading(found, time.monotonic() - began, progress.print)
    if not found.records:
        typer.echo(_unknown(order_id, since, every_partition=every_partition), err=True)
        raise typer.Exit(UNKNOWN)
    roots = woven(found.records)
    if as_json:
        tree = [showing.nested(order_id, root) for root in roots]
        print(json.dumps({"order_id": order_id, "messages": tree}, ensure_ascii=False, indent=2))
        return
    for line in showing.lines(order_id, roots):
        typer.echo(line)


def _tell_reading(found: Gathered, seconds: float, say: Callable[..., None]) -> None:
    say(f"读了 · read {found.read:,} records of {found.partitions} partitions in {seconds:.1f} s", highlight=False)
    if found.missing:
        say(f"缺主题 · topics that are not there: {', '.join(found.missing)}", highlight=False)


def _unknown(order_id: str, since: datetime | None, *, every_partition: bool) -> str:
    days = next(int(topic.settings[RETENTION]) / MS_PER_DAY for topic in read() if topic.name == FIRST)
    after = f" since {since.isoformat()}" if since else ""
    more = "" if every_partition else "; where partitions were added meanwhile: --every-partition"
    return (
        f"没有这个订单的消息 · no message about {order_id}{after}: there is no such order on this cluster, or its last "
        f"event is older than the topics keep ({days:g} days). Its own story: tuidan cases show {order_id}{more}"
        f"{_order_of(order_id)}"
    )


def _order_of(name: str) -> str:
    case = CASE.fullmatch(name)
    return f". 若这是取消单 · if it is a case, name its order: tuidan trace {case['order']}" if case else ""
