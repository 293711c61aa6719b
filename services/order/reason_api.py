"""The order service's HTTP about reasons: what may be given, every version, the next one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.engine import Engine
from contracts.order import Actor, ReasonFamily
from services.order.problems import not_valid
from services.order.reason import ReasonEntry, ReasonList, offered
from services.order.reasonbook import ReasonBook

Version = Annotated[int, Path(ge=0, le=99_999_999)]


class NewReasons(BaseModel):
    """Reasons to publish after version `instead_of`, all of them, retired ones included."""

    model_config = ConfigDict(extra="forbid")

    reasons: tuple[ReasonEntry, ...]
    instead_of: int = Field(ge=0, le=99_999_998)
    note: str = Field(min_length=1, max_length=200)
    by: Actor


def reason_routes(engine: Engine, reasons: ReasonBook) -> APIRouter:
    """The routes about reasons."""
    router = APIRouter()

    @router.get("/reasons")
    async def newest(family: ReasonFamily | None = None) -> dict[str, Any]:
        found = await reasons.newest()
        if family is not None:
            return offered(found, family)
        return {**found.model_dump(mode="json"), "versions": await reasons.versions()}

    @router.get("/reasons/{version}")
    async def show(version: Version) -> dict[str, Any]:
        return (await reasons.version(version)).model_dump(mode="json")

    @router.post("/reasons", status_code=201)
    async def publish(new: NewReasons) -> dict[str, Any]:
        _check(new.reasons)
        published = await reasons.publish(new.reasons, new.instead_of, new.note, new.by, engine.clock())
        return {"version": published.version}

    return router


def _check(reasons: tuple[ReasonEntry, ...]) -> None:
    """Raises the validation error that FastAPI would have raised for the list as a whole."""
    try:
        ReasonList(version=1, reasons=reasons)
    except ValidationError as problem:
        raise not_valid("body", problem) from problem
