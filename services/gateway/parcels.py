"""The warehouse's door: what became of a parcel that had left when its order was cancelled."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.message import OrderId as Order
from contracts.task import GoodsBack, ResolveTask
from services.gateway.api import Calling, GuardedRoute, TaskId, passed_on, told
from services.gateway.bodies import JsonBody
from services.gateway.clients import segment

router = APIRouter(prefix="/admin/v1", route_class=GuardedRoute, tags=["staff"])


class LineBack(GoodsBack):
    """Pieces of one line that are in the warehouse again: good and damaged ones; what is missing counts as damaged."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    line_no: int = Field(ge=1, le=1_000_000)


class ParcelReported(BaseModel):
    """What became of the parcel. `goods`: of one that is back, every piece of the cancellation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    found: Literal["intercepted", "returned", "delivered", "not-intercepted"]
    goods: tuple[LineBack, ...] = Field((), max_length=2_000)
    note: str = Field("", max_length=500)

    @model_validator(mode="after")
    def _complete(self) -> ParcelReported:
        back = self.found in ("intercepted", "returned")
        if back != bool(self.goods):
            raise ValueError("give `goods` for a parcel that was intercepted or returned, and for no other")
        return self


@router.post("/tasks/{task_id}/parcel")
async def report_parcel(
    call: Calling, task_id: TaskId, wanted: Annotated[ParcelReported, Depends(JsonBody(ParcelReported))]
) -> Response:
    """Report what became of a parcel that is to come back: the order as it is then. Goods that are back let the refund
    begin; otherwise the cancellation ends and the order goes on. The same report again changes nothing. Problems:
    unknown-task (404), already-resolved (409), not-a-choice, goods-incomplete (422), not-your-task (403)."""
    command = ResolveTask(
        order_id=Order(task_id.rsplit("-", 2)[0]),
        task_id=task_id,
        choice=wanted.found,
        note=wanted.note,
        by=call.actor,
        goods=wanted.goods,
    )
    path = f"/tasks/{segment(task_id)}/resolve"
    return passed_on(await call.services.order.ask("POST", path, body=told(command), headers=call.conditions))
