"""The door of those who answer for money: each day's bills of WeChat Pay against our books."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway import model
from services.gateway.api import Calling, GuardedRoute, Listing, fetched, passed_on, told
from services.gateway.bodies import Empty, JsonBody

router = APIRouter(prefix="/admin/v1/reconciliations", route_class=GuardedRoute, tags=["staff"])

_SHOP = r"^[0-9a-z-]{1,32}$"
Shop = Annotated[str, Path(pattern=_SHOP, description="name of a shop, house for the one without a name")]
Day = Annotated[str, Path(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a day in China that is over")]
Number = Annotated[int, Path(ge=1, description="number of a difference")]


class WhichShop(BaseModel):
    """Whose bills; the house when left out."""

    model_config = ConfigDict(extra="forbid")
    shop: Annotated[str, Field(pattern=_SHOP)] | None = None


class Closed(BaseModel):
    """A difference that somebody has dealt with."""

    by: str
    remark: str


@router.get("")
async def list_reconciliations(call: Calling, page: Listing) -> Response:
    """Without their differences, newest day first: `{"reconciliations", "next"}`."""
    return await fetched(call.services.payment, "/reconciliations", page)


@router.post("/{day}", status_code=202)
async def start_reconciliation(call: Calling, day: Day, which: Annotated[WhichShop, Query()], _: Empty) -> Response:
    """Reconcile a day now, or again: `{"reconciliation_id", "status", …}`. Problems: bad-date (422), unknown-shop."""
    query = {"shop": which.shop, "by": call.caller.sub}
    return passed_on(await call.services.payment.ask("POST", f"/reconciliations/{day}", query=query, body=b"{}"))


@router.get("/{shop}/{day}")
async def show_reconciliation(call: Calling, shop: Shop, day: Day) -> Response:
    """Its state, both sides' sums, its differences. Problem: unknown-reconciliation (404)."""
    return passed_on(await call.services.payment.ask("GET", f"/reconciliations/{shop}/{day}"))


@router.post("/{shop}/{day}/differences/{n}/close")
async def close_difference(
    call: Calling,
    shop: Shop,
    day: Day,
    n: Number,
    wanted: Annotated[model.DifferenceClosed, Depends(JsonBody(model.DifferenceClosed))],
) -> Response:
    """A person has dealt with a difference. Problems: unknown-reconciliation, unknown-difference (404)."""
    body = told(Closed(by=call.caller.sub, remark=wanted.remark))
    path = f"/reconciliations/{shop}/{day}/differences/{n}/close"
    return passed_on(await call.services.payment.ask("POST", path, body=body))
