"""The staff's door to what comes before a cancellation: ask first, take back, approve; and the rules that decide."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from contracts.decision import DecideCancellation, WithdrawCancellation
from contracts.message import CaseId as Case
from contracts.message import Fen
from contracts.message import OrderId as Order
from contracts.order import REASON_PATTERN, ReasonFamily
from services.gateway import model
from services.gateway.admin import cancellation
from services.gateway.api import Call, Calling, CaseId, GuardedRoute, OrderId, passed_on, told
from services.gateway.bodies import Empty, JsonBody
from services.gateway.clients import SLOW_SECONDS, segment
from services.gateway.finding import Cancellable
from services.gateway.roles import Role, RuleRole

router = APIRouter(prefix="/admin/v1", route_class=GuardedRoute, tags=["staff"])

Version = Annotated[int, Path(ge=0, le=99_999_999, description="version of the policy")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DecisionWanted(_Strict):
    """Yes or no to a cancellation that waits for approval. `note`: why not; the customer reads it."""

    approve: StrictBool
    note: str = Field("", max_length=200)


class RuleWanted(_Strict):
    """One rule. A condition that is left out fits everything; those that are given must all fit. `within_minutes`: the
    order is at most so old; `up_to_minor`: with it the order has given back at most so much (fen), earlier parts count
    too; `undo_seconds`: how long an allowed cancellation can be taken back. What belongs together (a sentence to deny,
    roles to approve) the order service checks."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    who: tuple[RuleRole, ...] = ()
    states: tuple[Cancellable, ...] = ()
    within_minutes: int | None = Field(None, ge=0, le=5_256_000)
    up_to_minor: Fen | None = None
    families: tuple[ReasonFamily, ...] = ()
    codes: tuple[Annotated[str, Field(pattern=REASON_PATTERN)], ...] = Field((), max_length=200)
    categories: tuple[Annotated[str, Field(max_length=64)], ...] = Field((), max_length=200)
    imported: StrictBool | None = None
    way: Literal["allow", "approve", "deny"]
    approve_by: tuple[Role, ...] = ()
    code: StrictBool = False
    undo_seconds: int = Field(0, ge=0, le=86_400)
    zh: str = Field("", max_length=200)
    en: str = Field("", max_length=200)


class PolicyWanted(_Strict):
    """Rules, first to last; the last one fits everything."""

    rules: list[RuleWanted] = Field(min_length=1, max_length=100)
    note: str = Field(min_length=1, max_length=200)


class PeriodWanted(BaseModel):
    """Which past cancellations to decide once more (RFC 3339)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    since: model.Instant
    until: model.Instant


class ActivationWanted(_Strict):
    """The version that decides now, as far as the caller knows."""

    instead_of: int = Field(ge=0, le=99_999_999)


@router.post("/orders/{order_id}/cancellation-preview")
async def preview_cancellation(
    call: Calling,
    order_id: OrderId,
    wanted: Annotated[model.StaffCancellation, Depends(JsonBody(model.StaffCancellation))],
) -> Response:
    """What the same body would do at `…/cancellation`: `{"way", "code_needed", "approve_by", "amount_minor",
    "expected_by", "lines", …}`. Problems: as there."""
    command = cancellation(call, order_id, wanted)
    return await _ask(call, f"/orders/{order_id}/cancellation-preview", told(command))


@router.post("/cases/{case_id}/withdrawal")
async def withdraw_cancellation(call: Calling, case_id: CaseId, _: Empty) -> Response:
    """Take a cancellation back while it waits. Problems: unknown-case (404), too-late (409)."""
    command = WithdrawCancellation(order_id=_order_of(case_id), case_id=Case(case_id), by=call.actor)
    return await _change(call, f"/cases/{segment(case_id)}/withdrawal", told(command))


@router.post("/cases/{case_id}/decision")
async def decide_cancellation(
    call: Calling, case_id: CaseId, wanted: Annotated[DecisionWanted, Depends(JsonBody(DecisionWanted))]
) -> Response:
    """Approve or reject a cancellation that waits for it. Problems: unknown-case (404), already-decided (409),
    not-your-role, second-person-needed (403), note-required (422)."""
    command = DecideCancellation(
        order_id=_order_of(case_id), case_id=Case(case_id), approve=wanted.approve, note=wanted.note, by=call.actor
    )
    return await _change(call, f"/cases/{segment(case_id)}/decision", told(command))


@router.get("/policies")
async def list_policies(call: Calling) -> Response:
    """All versions, and which one decides: `{"versions", "active"}`."""
    return passed_on(await call.services.order.ask("GET", "/policies"))


@router.get("/policies/{version}")
async def show_policy(call: Calling, version: Version) -> Response:
    """The rules of one version. Problem: unknown-policy (404)."""
    return passed_on(await call.services.order.ask("GET", f"/policies/{version}"))


@router.post("/policies", status_code=201)
async def save_policy(call: Calling, wanted: Annotated[PolicyWanted, Depends(JsonBody(PolicyWanted))]) -> Response:
    """Check and save rules as a new version, which decides nothing yet: `{"version"}`. Problem: invalid-request (422),
    with the rule that is wrong."""
    rules = [rule.model_dump(mode="json", exclude_unset=True) for rule in wanted.rules]
    body = {"rules": rules, "note": wanted.note, "by": call.actor.model_dump()}
    return await _ask(call, "/policies", json.dumps(body).encode())


@router.post("/policies/{version}/preview")
async def preview_policy(
    call: Calling, version: Version, wanted: Annotated[PeriodWanted, Depends(JsonBody(PeriodWanted))]
) -> Response:
    """What this version would have decided about a past period's cancellations: `{"cases", "was", "would", "changed",
    "changes"}`. Problems: unknown-policy (404), invalid-period, period-too-long (422)."""
    answer = await call.services.order.ask(
        "POST", f"/policies/{version}/preview", body=told(wanted), seconds=SLOW_SECONDS
    )
    return passed_on(answer)


@router.post("/policies/{version}/activation")
async def activate_policy(
    call: Calling, version: Version, wanted: Annotated[ActivationWanted, Depends(JsonBody(ActivationWanted))]
) -> Response:
    """Let this version decide from now on. Problems: unknown-policy (404), policy-changed (409)."""
    body = {"instead_of": wanted.instead_of, "by": call.actor.model_dump()}
    return await _ask(call, f"/policies/{version}/activation", json.dumps(body).encode())


def _order_of(case_id: str) -> Order:
    """A case carries its order's id."""
    return Order(case_id.rpartition("-c")[0])


async def _ask(call: Call, path: str, body: bytes) -> Response:
    return passed_on(await call.services.order.ask("POST", path, body=body))


async def _change(call: Call, path: str, body: bytes) -> Response:
    return passed_on(await call.services.order.ask("POST", path, body=body, headers=call.conditions))
