"""The door of operators: one command for many tasks at once, looked at before it is done."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from contracts.order import Actor
from services.gateway import model
from services.gateway.api import Calling, GuardedRoute, Name, Word, passed_on, told
from services.gateway.bodies import JsonBody
from services.gateway.clients import SLOW_SECONDS

router = APIRouter(prefix="/admin/v1/tasks", route_class=GuardedRoute, tags=["staff"])

WorkList = Literal["stuck", "parked", "person", "approval"]
"""Cases that stay without an answer, that wait for money on the merchant's account, for a person, for approval."""
TASKS_MAX = 200

_STRICT = ConfigDict(extra="forbid", frozen=True)


class BulkWanted(BaseModel):
    """One command for the tasks that are named, or for those of a work list that it fits (`kind`: only such tasks).
    `note`: the proof where money was paid outside, else a remark. A real run names the `digest` of its dry run."""

    model_config = _STRICT
    command: Literal["try-again", "other-route", "settled-outside", "give-up"]
    note: str = Field("", max_length=500)
    task_ids: tuple[Annotated[Name, Field(max_length=64)], ...] | None = Field(None, min_length=1, max_length=TASKS_MAX)
    list: WorkList | None = None
    kind: Word | None = None
    dry_run: StrictBool = False
    digest: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _complete(self) -> BulkWanted:
        if (self.task_ids is None) == (self.list is None):
            raise ValueError("give either task_ids or list")
        if self.task_ids is not None and len(set(self.task_ids)) != len(self.task_ids):
            raise ValueError("task_ids names a task twice")
        if self.kind is not None and self.list is None:
            raise ValueError("kind narrows a list: give list, too")
        if not self.dry_run and self.digest is None:
            raise ValueError("make a dry run first (dry_run: true), and give its digest")
        return self


class _Bulk(BaseModel):
    request_id: str
    fingerprint: str
    command: str
    note: str
    task_ids: tuple[str, ...] | None
    list: str | None
    kind: str | None
    dry_run: bool
    digest: str | None
    by: Actor


@router.post("/resolutions")
async def resolve_many(call: Calling, wanted: Annotated[BulkWanted, Depends(JsonBody(BulkWanted))]) -> Response:
    """Do what was shown to many tasks, or show it: `{"dry_run", "digest", "tasks": [{"task_id", "outcome", …}],
    "count", "refused", "sums", "more"}`. `outcome`: would-be-done, done, refused. The same Idempotency-Key with the
    same body goes on where a crash stopped it, and does no task twice. Problems: changed-since-dry-run (409),
    idempotency-key-reused (409)."""
    caller = call.caller
    body = _Bulk(
        **wanted.model_dump(),
        request_id=model.request_id(caller.kind, caller.sub, "tasks", call.key),
        fingerprint=model.fingerprint(wanted),
        by=call.actor,
    )
    answer = await call.services.order.ask("POST", "/tasks/resolutions", body=told(body), seconds=SLOW_SECONDS)
    return passed_on(answer)
