"""The order service's HTTP for operators: the lists of what needs somebody, and one command for many tasks. Internal:
only the gateway calls it, and says who asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.engine import Engine
from chassis.problem import Problem
from contracts.order import Actor
from services.order.bulk import TASKS_MAX, Plan, Planned, order_of, plan, standing_of, sums, wish
from services.order.bulk_runs import Begun, BulkRuns
from services.order.exports import Exports
from services.order.problems import problem
from services.order.telling import tell
from services.order.work import Word, Work, WorkList, choice_for
from services.order.work_lists import WorkLists
from services.order.work_words import WHAT_HAPPENS

PAGES_MAX = 5
TaskId = Annotated[str, Field(min_length=1, max_length=64)]


class BulkResolution(BaseModel):
    """A command for many tasks: those that are named, or those of a work list that it fits, the longest wait first;
    `kind` narrows the list. `digest`: of the dry run that was looked at."""

    model_config = ConfigDict(extra="forbid")
    request_id: str = Field(min_length=1, max_length=64)
    fingerprint: str = Field(max_length=64)
    command: Word
    note: str = Field("", max_length=500)
    task_ids: tuple[TaskId, ...] = Field((), max_length=TASKS_MAX)
    list: WorkList | None = None
    kind: str | None = Field(None, max_length=32)
    dry_run: bool = False
    digest: str = Field("", max_length=64)
    by: Actor

    @model_validator(mode="after")
    def _names_tasks_once(self) -> BulkResolution:
        if bool(self.task_ids) == (self.list is not None):
            raise ValueError("give either task_ids or list")
        if len(set(self.task_ids)) != len(self.task_ids):
            raise ValueError("task_ids names a task twice")
        return self


def routes(engine: Engine, works: WorkLists, orders: Exports, runs: BulkRuns) -> APIRouter:
    """The routes for operators. `orders` reads orders by id."""
    router = APIRouter()
    desk = Desk(engine, works, orders, runs)

    @router.get("/work-lists/{name}")
    async def page(
        name: WorkList,
        after: Annotated[str, Query(max_length=128)] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> dict[str, Any]:
        return await works.page(name, after=after, limit=limit, now=engine.clock())

    @router.post("/tasks/resolutions")
    async def resolve_many(asked: BulkResolution) -> dict[str, Any]:
        return await (desk.show(asked) if asked.dry_run else desk.run(asked))

    return router


class Desk:
    """Shows what a bulk command would do, and does it."""

    def __init__(self, engine: Engine, works: WorkLists, orders: Exports, runs: BulkRuns) -> None:
        self._engine = engine
        self._works = works
        self._orders = orders
        self._runs = runs

    async def show(self, asked: BulkResolution) -> dict[str, Any]:
        """The plan, its digest, and whether the list goes on. Nothing is changed."""
        made, more = await self._plan(asked)
        rows = [_row(task, "refused" if task.refusal else "would-be-done") for task in made.tasks]
        return {"dry_run": True, "digest": made.digest, "more": more, **_counted(rows), "sums": sums(made.to_do)}

    async def run(self, asked: BulkResolution) -> dict[str, Any]:
        """Do what the dry run has shown, each task once however often this is asked. Raises the problems dry-run-first
        (422), changed-since-dry-run, idempotency-key-reused (409)."""
        begun = await self._runs.find(asked.request_id) or await self._begin(asked)
        if begun.fingerprint != asked.fingerprint:
            raise problem("idempotency-key-reused")
        # One after the other, as they were planned. When the database is away a repeat goes on where this stopped.
        rows = [await self._do(task, begun.plan, asked) for task in begun.plan.tasks]
        finished = [task for task, row in zip(begun.plan.tasks, rows, strict=True) if row["outcome"] == "done"]
        return {"dry_run": False, "digest": begun.plan.digest, "more": False, **_counted(rows), "sums": sums(finished)}

    async def _begin(self, asked: BulkResolution) -> Begun:
        if not asked.digest:
            raise problem("dry-run-first")
        made, _ = await self._plan(asked)
        if made.digest != asked.digest:
            raise problem("changed-since-dry-run")
        begun = Begun(asked.fingerprint, made)
        return await self._runs.begin(asked.request_id, begun, asked.by, self._engine.clock())

    async def _plan(self, asked: BulkResolution) -> tuple[Plan, bool]:
        named, more = asked.task_ids, False
        if asked.list is not None:
            named, more = await self._listed(asked.list, asked.command, asked.kind)
        ids = list(dict.fromkeys(order_of(task_id) for task_id in named))
        orders = {str(order.order_id): order for order in await self._orders.known(ids)}
        return plan(orders, named, asked.command, asked.note, asked.by, self._engine.clock()), more

    async def _listed(self, name: WorkList, command: Word, kind: str | None) -> tuple[tuple[TaskId, ...], bool]:
        """The tasks of the list that the command fits, at most `TASKS_MAX`; whether there may be more."""
        named: list[str] = []
        after = ""
        for _ in range(PAGES_MAX):
            works, following = await self._works.read(name, after=after, limit=TASKS_MAX)
            named += [task_id for _, work in works for task_id in _fitting(work, command, kind)]
            if len(named) > TASKS_MAX or following is None:
                return tuple(named[:TASKS_MAX]), len(named) > TASKS_MAX
            after = following
        return tuple(named), True

    async def _do(self, task: Planned, made: Plan, asked: BulkResolution) -> dict[str, Any]:
        if task.refusal:
            return _row(task, "refused")
        try:
            order = await tell(self._engine, wish(task, made.note, asked.by), f"bulk/{asked.request_id}/{task.task_id}")
        except Problem as trouble:
            said = {"refusal": trouble.code, "zh": trouble.zh, "en": trouble.en}
            return _row(task.model_copy(update=said), "refused")
        after = standing_of(order, task.task_id)
        return {**_row(task, "done"), "after": after.model_dump() if after else None}


def _fitting(work: Work, command: Word, kind: str | None) -> Iterator[str]:
    for task in work.tasks:
        if kind in (None, task.kind) and choice_for(task, command) is not None:
            yield task.task_id


def _row(task: Planned, outcome: str) -> dict[str, Any]:
    row = {**task.model_dump(exclude={"zh", "en"}), "outcome": outcome}
    words = (task.zh, task.en) if task.refusal else WHAT_HAPPENS[task.choice]
    return {**row, "in_words": {"zh": words[0], "en": words[1]}}


def _counted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    refused = sum(row["outcome"] == "refused" for row in rows)
    return {"tasks": rows, "count": len(rows) - refused, "refused": refused}
