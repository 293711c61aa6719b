"""What is shown of policies, for the OpenAPI document; see `shown_orders`."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel

from contracts.order import Actor, ReasonFamily
from services.gateway.finding import Cancellable
from services.gateway.roles import Role, RuleRole
from services.gateway.shown_cases import Way


class PolicyVersion(BaseModel):
    """A version; 0 is built in, made by nobody."""

    version: int
    note: str
    by: Actor | None
    at: AwareDatetime | None


class Policies(BaseModel):
    """All versions, newest first, and which one decides."""

    versions: list[PolicyVersion]
    active: int


class RuleShown(BaseModel):
    """One rule, spelled out. A condition that is empty or null fits everything."""

    name: str
    who: list[RuleRole]
    states: list[Cancellable]
    within_minutes: int | None
    up_to_minor: int | None
    families: list[ReasonFamily]
    codes: list[str]
    categories: list[str]
    imported: bool | None
    way: Way
    approve_by: list[Role]
    code: bool
    undo_seconds: int
    zh: str
    en: str


class PolicyShown(BaseModel):
    """The rules of one version, first to last."""

    version: int
    rules: list[RuleShown]


class PolicySaved(BaseModel):
    """It decides nothing yet."""

    version: int


class PolicyActive(BaseModel):
    """Which version decides now."""

    active: int


class DecisionChanged(BaseModel):
    """A past cancellation that these rules would have decided otherwise."""

    order_id: str
    case_id: str
    accepted_at: AwareDatetime
    role: str
    amount_minor: int
    was: Way
    would: Way
    rule: str


class PolicyPreview(BaseModel):
    """What these rules would have decided; at most 200 changes are shown."""

    policy_version: int
    cases: int
    was: dict[str, int]
    would: dict[str, int]
    changed: int
    changes: list[DecisionChanged]
