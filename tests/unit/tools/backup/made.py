"""A small backup made by hand: one paid order whose only case was refunded, as the three services keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import encode

from tools.backup.folder import DATABASES, Manifest, Writer, write_manifest

Books = Mapping[str, Sequence[Mapping[str, Any]]]
AT = datetime(2026, 11, 1, 8, tzinfo=UTC)
PAID = {"amount_minor": 5_000, "currency": "CNY"}
CASE = {"case_id": "order-1-c1", "road": "paid", "status": "completed", "amount": PAID}
CASE |= {"refund": {"number": "order-1-c1-1"}}


def order(id: str = "order-1", **state: Any) -> dict[str, Any]:
    return {"_id": id, "version": 3, "state": {"paid": PAID, "cases": [CASE], "exchanges": [], **state}}


def payment(id: str = "order-1", **state: Any) -> dict[str, Any]:
    refunds = [{"case_id": "order-1-c1", "amount": PAID, "status": "settled"}]
    return {"_id": id, "version": 5, "state": {"receipt": {"amount": PAID}, "refunds": refunds, **state}}


def reservation(id: str = "order-1", **state: Any) -> dict[str, Any]:
    return {"_id": id, "version": 2, "state": {"cases": {"order-1-c1": {"status": "released"}}, **state}}


def books(
    orders: Sequence[Mapping[str, Any]] | None = None,
    payments: Sequence[Mapping[str, Any]] | None = None,
    reservations: Sequence[Mapping[str, Any]] | None = None,
) -> Books:
    """What is kept, by database and collection; in agreement unless something else is given."""
    return {
        "tuidan_order/orders": [order()] if orders is None else orders,
        "tuidan_payment/payments": [payment()] if payments is None else payments,
        "tuidan_inventory/reservations": [reservation()] if reservations is None else reservations,
    }


def made(folder: Path, kept: Books | None = None) -> Manifest:
    """Write it as `tuidan backup` does."""
    folder.mkdir(mode=0o700, exist_ok=True)
    parts = []
    for name, documents in (books() if kept is None else kept).items():
        database, collection = name.split("/")
        writer = Writer(folder, database, collection)
        with writer.opened() as file:
            writer.add(file, b"".join(encode(one) for one in documents))
        parts.append(writer.part())
    manifest = Manifest(
        tuidan="0",
        mongodb="6.0",
        taken_at=AT,
        finished_at=AT,
        snapshot=True,
        databases=DATABASES,
        parts=tuple(parts),
    )
    write_manifest(folder, manifest)
    return manifest.sealed()


def quiet(_: str) -> None:
    """Progress nobody looks at."""
