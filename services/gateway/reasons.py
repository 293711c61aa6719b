"""Both doors to the shop's list of reasons: customers see what they may give, staff every version, and publish the next
one."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from contracts.order import REASON_PATTERN, ReasonCode, ReasonFamily
from services.gateway.api import Calling, GuardedRoute, passed_on
from services.gateway.bodies import JsonBody

router = APIRouter(route_class=GuardedRoute)

Version = Annotated[int, Path(ge=0, le=99_999_999, description="version of the list of reasons")]


_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
Code = Annotated[str, Field(pattern=REASON_PATTERN)]
Name = Annotated[str, Field(min_length=1, max_length=30)]
Solution = Annotated[str, Field(max_length=100)]


class ReasonWanted(BaseModel):
    """One reason. `counts_as`: under which code of the closed list readers count it who know no others; a code of that
    list counts as itself. `text_required`: it needs a remark. `retired`: no new wish may give it, but `use`. What
    belongs together (a solution for what the shop cancels, what to use instead), and what providers take in a message,
    the order service checks."""

    model_config = _STRICT
    family: ReasonFamily
    code: Code
    zh: Name
    en: Name
    solution_zh: Solution = ""
    solution_en: Solution = ""
    text_required: StrictBool = False
    retired: StrictBool = False
    use: str = Field("", pattern=rf"{REASON_PATTERN}|^$")
    counts_as: ReasonCode = "other"


class ReasonsWanted(BaseModel):
    """The whole list after version `instead_of`, retired reasons included; the order service checks it."""

    model_config = _STRICT
    reasons: tuple[ReasonWanted, ...] = Field(min_length=1, max_length=200)
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
    body = {**wanted.model_dump(mode="json", exclude_unset=True), "by": call.actor.model_dump()}
    return passed_on(await call.services.order.ask("POST", "/reasons", body=json.dumps(body).encode()))
