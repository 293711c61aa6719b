"""Both doors to the shop's list of reasons: customers see what they may give, staff every version, and publish the next
one."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.api import Calling, GuardedRoute, passed_on
from services.gateway.bodies import JsonBody

router = APIRouter(route_class=GuardedRoute)

Version = Annotated[int, Path(ge=0, le=99_999_999, description="version of the list of reasons")]


class ReasonsWanted(BaseModel):
    """The whole list after version `instead_of`, retired reasons included; the order service checks it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    reasons: list[dict[str, Any]] = Field(min_length=1, max_length=200)
    instead_of: int = Field(ge=0, le=99_999_998)
    note: str = Field(min_length=1, max_length=200)


@router.get("/mp/v1/reasons", tags=["customer"])
async def list_own_reasons(call: Calling) -> Response:
    """Why I may cancel: `{"version", "reasons": [{"code", "zh", "en", "text_required"}]}`."""
    return passed_on(await call.services.order.ask("GET", "/reasons", query={"family": "customer"}))


@router.get("/admin/v1/reasons", tags=["staff"])
async def list_reasons(call: Calling) -> Response:
    """The reasons of all families, retired ones included, and which versions there are: `{"version", "reasons",
    "versions"}`."""
    return passed_on(await call.services.order.ask("GET", "/reasons"))


@router.get("/admin/v1/reasons/{version}", tags=["staff"])
async def show_reasons(call: Calling, version: Version) -> Response:
    """The reasons of one version. Problem: unknown-reasons (404)."""
    return passed_on(await call.services.order.ask("GET", f"/reasons/{version}"))


@router.post("/admin/v1/reasons", status_code=201, tags=["staff"])
async def publish_reasons(
    call: Calling, wanted: Annotated[ReasonsWanted, Depends(JsonBody(ReasonsWanted))]
) -> Response:
    """Publish the next version, which counts from now on: `{"version"}`. Problems: unknown-reasons (404),
    reasons-changed (409), reasons-forgotten, invalid-request (422), with the reason that is wrong."""
    body = {**wanted.model_dump(mode="json"), "by": call.actor.model_dump()}
    return passed_on(await call.services.order.ask("POST", "/reasons", body=json.dumps(body).encode()))
