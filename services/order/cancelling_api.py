"""The order service's HTTP about cancelling: ask first, cancel, take back, approve; and the policy that decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from chassis.engine import Engine
from chassis.problem import Problem
from chassis.record import Refusal
from contracts.decision import DecideCancellation, WithdrawCancellation
from contracts.order import Actor, CancelOrder
from services.order import wishes
from services.order.model import Case, Order
from services.order.policies import Policy, Rule
from services.order.policybook import PolicyBook
from services.order.preview import PastCases, cancel_preview
from services.order.problems import not_valid, problem_of
from services.order.story import customers_case
from services.order.telling import IfMatch, read, same_order, tell
from services.order.views import case_view

PERIOD_MAX = timedelta(days=366)

Version = Annotated[int, Path(ge=0, le=99_999_999)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPolicy(_Body):
    """Rules to save as a new version."""

    rules: tuple[Rule, ...]
    note: str = Field(min_length=1, max_length=200)
    by: Actor


class Period(_Body):
    """The past cancellations to decide once more."""

    since: AwareDatetime
    until: AwareDatetime


class Activation(_Body):
    """Which version this one takes over from."""

    instead_of: int = Field(ge=0, le=99_999_999)
    by: Actor


def routes(engine: Engine, policies: PolicyBook, past: PastCases) -> APIRouter:
    """The routes about cancelling."""
    router = APIRouter()
    _add_cancelling(router, engine, policies)
    _add_policies(router, engine, policies, past)
    return router


def _add_cancelling(router: APIRouter, engine: Engine, policies: PolicyBook) -> None:
    @router.post("/orders/{order_id}/cancellation-preview")
    async def preview(order_id: str, asked: CancelOrder) -> dict[str, Any]:
        same_order(order_id, asked)
        order = await read(engine, order_id)
        try:
            order = wishes.expect_own(order, asked)
            reason = wishes.reason_chosen(asked, await policies.reasons.newest())
            lines = wishes.pieces_wanted(order, asked)
        except Refusal as refusal:
            raise problem_of(refusal.event) from refusal
        return cancel_preview(order, asked, reason.reason, lines, await policies.active(), engine.clock())

    @router.post("/orders/{order_id}/cancellation", status_code=202)
    async def cancel(order_id: str, asked: CancelOrder, if_match: IfMatch = None) -> dict[str, Any]:
        same_order(order_id, asked)
        cause = f"{order_id}/cancel/{asked.request_id}/{asked.fingerprint}"
        order = await tell(engine, await policies.ready(asked), cause, if_match)
        case = next(case for case in order.cases if case.met_by(asked.request_id))
        return _shown(order, case, asked.by)

    @router.post("/cases/{case_id}/withdrawal")
    async def withdraw(case_id: str, asked: WithdrawCancellation, if_match: IfMatch = None) -> dict[str, Any]:
        _same_case(case_id, asked)
        order = await tell(engine, asked, f"{case_id}/withdraw/{asked.by.kind}/{asked.by.id}", if_match)
        return _case(order, case_id, asked.by)

    @router.post("/cases/{case_id}/decision")
    async def decide(case_id: str, asked: DecideCancellation, if_match: IfMatch = None) -> dict[str, Any]:
        _same_case(case_id, asked)
        word = "approve" if asked.approve else "reject"
        order = await tell(engine, asked, f"{case_id}/{word}/{asked.by.id}/{asked.note}", if_match)
        return _case(order, case_id, asked.by)


def _add_policies(router: APIRouter, engine: Engine, policies: PolicyBook, past: PastCases) -> None:
    @router.get("/policies")
    async def versions() -> dict[str, Any]:
        return await policies.versions()

    @router.get("/policies/{version}")
    async def show(version: Version) -> dict[str, Any]:
        return (await policies.version(version)).model_dump(mode="json")

    @router.post("/policies", status_code=201)
    async def save(new: NewPolicy) -> dict[str, Any]:
        _check(new.rules)
        return {"version": await policies.save(new.rules, new.note, new.by, engine.clock())}

    @router.post("/policies/{version}/preview")
    async def preview(version: Version, period: Annotated[Period, Body()]) -> dict[str, Any]:
        if not timedelta(0) < period.until - period.since <= PERIOD_MAX:
            raise Problem(
                422,
                "invalid-period",
                "时间段须为正且不超过 366 天。",
                "The period must be longer than nothing and at most 366 days.",
            )
        return await past.under(await policies.version(version), period.since, period.until)

    @router.post("/policies/{version}/activation")
    async def activate(version: Version, wanted: Activation) -> dict[str, Any]:
        return {"active": await policies.activate(version, wanted.instead_of, wanted.by, engine.clock())}


def _check(rules: tuple[Rule, ...]) -> None:
    """Raises the validation error that FastAPI would have raised for the list as a whole."""
    try:
        Policy(version=1, rules=rules)
    except ValidationError as problem:
        raise not_valid("body", problem) from problem


def _same_case(case_id: str, asked: WithdrawCancellation | DecideCancellation) -> None:
    if asked.case_id != case_id:
        raise Problem(
            422, "invalid-request", "地址与内容中的取消单号不一致。", "The case in the path is not the one in the body."
        )


def _case(order: Order, case_id: str, by: Actor) -> dict[str, Any]:
    case = order.case(case_id)
    assert case is not None
    return _shown(order, case, by)


def _shown(order: Order, case: Case, by: Actor) -> dict[str, Any]:
    return customers_case(order, case) if by.kind == "customer" else case_view(order, case)
