"""The door of staff who take orders away: look what would go, export, delete, restore."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool

from contracts.order import Actor
from services.gateway.api import Calling, GuardedRoute, OrderId, passed_on, told
from services.gateway.bodies import JsonBody
from services.gateway.clients import SLOW_SECONDS
from services.gateway.confirmations import DELETE, DELETE_MANY, confirm
from services.gateway.model import NAME_PATTERN, ORDER_ID_PATTERN, Instant

router = APIRouter(prefix="/admin/v1", route_class=GuardedRoute, tags=["staff"])

ORDERS_MAX = 200
"""Orders in one export."""
LINE_MAX = 7_000_000
"""Characters of one order: as many as a request has room for."""

_STRICT = ConfigDict(extra="forbid")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ExportId = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="id of an export: the SHA-256 of its file")]
Code = Annotated[
    str, Field(min_length=1, max_length=16, pattern=r"^[0-9A-Za-z]+$", description="the code you were sent")
]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class WhichExports(BaseModel):
    """Finished orders placed before a time, by id."""

    model_config = _STRICT
    before: Instant
    after: Annotated[str, Field(pattern=NAME_PATTERN)] | None = None
    limit: int = Field(ORDERS_MAX, ge=1, le=ORDERS_MAX)


class ExportWritten(BaseModel):
    """An export that was written and read back: its orders in the order of the file, the file's SHA-256."""

    model_config = _STRICT
    order_ids: tuple[Annotated[str, Field(pattern=ORDER_ID_PATTERN)], ...] = Field(min_length=1, max_length=ORDERS_MAX)
    sha256: Sha256


class DeletionWanted(BaseModel):
    """Delete one order, which this export holds, for this reason, confirmed with a code."""

    model_config = _STRICT
    export_id: Sha256
    reason: Reason
    code: Code


class BulkDeletionWanted(BaseModel):
    """Delete every order of an export that may be deleted. A dry run needs no code and changes nothing."""

    model_config = _STRICT
    reason: Reason
    code: Code | None = None
    dry_run: StrictBool = False


class RestorationWanted(BaseModel):
    """Lines of an export, as they stand in its file."""

    model_config = _STRICT
    lines: tuple[Annotated[str, Field(max_length=LINE_MAX)], ...] = Field(min_length=1, max_length=ORDERS_MAX)
    dry_run: StrictBool = False


class _Confirmation(BaseModel):
    amount_minor: int


class _Shown(BaseModel):
    erased_at: AwareDatetime | None
    confirmation: _Confirmation


class _Written(BaseModel):
    order_ids: tuple[str, ...]
    sha256: str
    by: Actor


class _Deletion(BaseModel):
    export_id: str | None = None
    reason: str
    confirmed: bool
    dry_run: bool | None = None
    by: Actor


class _Restoration(BaseModel):
    lines: tuple[str, ...]
    dry_run: bool
    by: Actor


@router.get("/orders/{order_id}/deletion")
async def show_deletion(call: Calling, order_id: OrderId) -> Response:
    """What deleting the order would do: `{"allowed", "erases", "keeps", "rules", "denied", "export", "confirmation"}`.
    Problem: unknown-order (404)."""
    return passed_on(await call.services.order.ask("GET", f"/orders/{order_id}/deletion"))


@router.post("/orders/{order_id}/deletion")
async def delete_order(
    call: Calling,
    order_id: OrderId,
    wanted: Annotated[DeletionWanted, Depends(JsonBody(DeletionWanted))],
) -> Response:
    """Erase the order's personal data: `{"order_id", "erased_at", "export_id"}`. Problems: unknown-order (404),
    deletion-denied with `rules`, export-required, export-outdated (409), code-wrong (403), codes-not-available
    (503)."""
    shown = await call.services.order.ask("GET", f"/orders/{order_id}/deletion")
    if shown.status != 200:
        return passed_on(shown)
    known = _Shown.model_validate_json(shown.body)
    if known.erased_at is None:  # a repeat changes nothing, and its code is used up
        await confirm(call, DELETE, order_id, known.confirmation.amount_minor, wanted.code, wanted)
    is_new = known.erased_at is None
    body = told(_Deletion(export_id=wanted.export_id, reason=wanted.reason, confirmed=is_new, by=call.actor))
    return passed_on(await call.services.order.ask("POST", f"/orders/{order_id}/deletion", body=body))


@router.get("/orders/{order_id}/export")
async def export_order(call: Calling, order_id: OrderId) -> Response:
    """One order as an export of one line: `{"export_id", "lines"}`. Problems: unknown-order (404), already-erased
    (409)."""
    return passed_on(await call.services.order.ask("GET", f"/orders/{order_id}/export"))


@router.get("/exports/orders")
async def export_orders(call: Calling, which: Annotated[WhichExports, Query()]) -> Response:
    """Finished orders placed before a time: `{"orders": [{"order_id", "sha256", "state"}], "next"}`. `tuidan orders
    export` makes files of them."""
    query = {**which.model_dump(exclude_none=True), "before": which.before.isoformat()}
    answer = await call.services.order.ask("GET", "/exports/orders", query=query, seconds=SLOW_SECONDS)
    return passed_on(answer)


@router.post("/exports")
async def register_export(
    call: Calling, written: Annotated[ExportWritten, Depends(JsonBody(ExportWritten))]
) -> Response:
    """Register an export that was written and read back: `{"export_id", "orders"}`. Problems: unknown-order (404),
    export-mismatch (409)."""
    body = told(_Written(order_ids=written.order_ids, sha256=written.sha256, by=call.actor))
    return passed_on(await call.services.order.ask("POST", "/exports", body=body, seconds=SLOW_SECONDS))


@router.get("/exports/{export_id}/deletion")
async def show_bulk_deletion(call: Calling, export_id: ExportId) -> Response:
    """How many orders an export holds and what the code is bound to: `{"export_id", "orders", "amount_minor"}`.
    Problem: unknown-export (404)."""
    return passed_on(await call.services.order.ask("GET", f"/exports/{export_id}/deletion"))


@router.post("/exports/{export_id}/deletion")
async def delete_export(
    call: Calling,
    export_id: ExportId,
    wanted: Annotated[BulkDeletionWanted, Depends(JsonBody(BulkDeletionWanted))],
) -> Response:
    """Erase the personal data of every order of the export that the rules let go: `{"orders": [{"order_id", "outcome",
    "rules"}]}`. Problems: unknown-export (404), code-wrong (403), codes-not-available (503)."""
    path = f"/exports/{export_id}/deletion"
    if not wanted.dry_run:
        shown = await call.services.order.ask("GET", path)
        if shown.status != 200:
            return passed_on(shown)
        amount_minor = _Confirmation.model_validate_json(shown.body).amount_minor
        await confirm(call, DELETE_MANY, export_id, amount_minor, wanted.code or "", wanted)
    wish = _Deletion(reason=wanted.reason, confirmed=not wanted.dry_run, dry_run=wanted.dry_run, by=call.actor)
    return passed_on(await call.services.order.ask("POST", path, body=told(wish), seconds=SLOW_SECONDS))


@router.post("/restorations")
async def restore_orders(
    call: Calling, wanted: Annotated[RestorationWanted, Depends(JsonBody(RestorationWanted))]
) -> Response:
    """Put exported orders back: `{"orders": [{"order_id", "outcome"}]}`, one for each line. Never over a newer one."""
    body = told(_Restoration(lines=wanted.lines, dry_run=wanted.dry_run, by=call.actor))
    return passed_on(await call.services.order.ask("POST", "/restorations", body=body, seconds=SLOW_SECONDS))
