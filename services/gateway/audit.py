"""The audit trail, for administrators to read. Nobody writes here, and nobody deletes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from services.gateway.api import Calling, GuardedRoute, Name, Page

router = APIRouter(prefix="/admin/v1/audit", route_class=GuardedRoute, tags=["staff"])


class WhichEntries(Page):
    """Whose deeds, and about what: an id that stood in the path, such as an order's."""

    staff: Name | None = None
    subject: Annotated[str, Field(min_length=1, max_length=128)] | None = None


@router.get("")
async def read_trail(call: Calling, which: Annotated[WhichEntries, Query()]) -> Response:
    """What was done and tried, the newest first: `{"entries", "next"}`. `before` and `after` are how things stood, null
    where there is nothing to see or nobody could look; `outcome` is done, refused, or unknown: begun, and what came of
    it was not written down."""
    found = await call.identity.trail.page(
        staff=which.staff, subject=which.subject, after=which.after or "", limit=which.limit
    )
    return JSONResponse(jsonable_encoder(found))
