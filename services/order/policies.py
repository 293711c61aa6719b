"""Who may cancel what: a list of rules that a shop edits as data. The first rule that fits decides, so read it like a
page of the shop's handbook. Pure.

allow: the cancellation begins, after an undo window where the rule gives one.
approve: it waits until one of `approve_by` says yes; never the one who asked.
deny: it is refused, with the rule's sentence.

`code`: the member of staff also has to give a confirmation code for exactly this order and amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.message import Fen, Intent, OrderId, Report
from contracts.order import REASON_PATTERN, Actor, CancelledLine, CancelOrder, Reason, ReasonFamily
from services.order.reason import BUILT_IN as BUILT_IN_REASONS
from services.order.reason import ReasonList

Role = Literal["customer", "customer-service", "supervisor", "finance", "warehouse", "administrator", "system"]
StaffRole = Literal["customer-service", "supervisor", "finance", "warehouse", "administrator"]
Way = Literal["allow", "approve", "deny"]
Cancellable = Literal["pending-payment", "paid", "shipped"]

RULES_MAX = 100
UNDO_SECONDS_MAX = 86_400
MINUTES_MAX = 60 * 24 * 3_650

_Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
_Sentence = Annotated[str, Field(max_length=200)]


_OUTCOME = ("name", "way", "approve_by", "code", "undo_seconds", "zh", "en")
"""The fields of a rule that are no condition."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Rule(BaseModel):
    """One rule. A condition that is empty fits everything; those that are given must all fit. `within_minutes`: the
    order is at most so old; `up_to_minor`: with it the order has given back at most so much (fen), what was cancelled
    of it before counts too; `categories`: all its goods are of these; `imported`: it is taken over from another
    system, where it has happened already."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Word
    who: tuple[Role, ...] = ()
    states: tuple[Cancellable, ...] = ()
    within_minutes: int | None = Field(None, ge=0, le=MINUTES_MAX)
    up_to_minor: Fen | None = None
    families: tuple[ReasonFamily, ...] = ()
    codes: tuple[Annotated[str, Field(pattern=REASON_PATTERN)], ...] = Field((), max_length=200)
    categories: tuple[Annotated[str, Field(max_length=64)], ...] = Field((), max_length=200)
    imported: bool | None = None
    way: Way
    approve_by: tuple[StaffRole, ...] = ()
    code: bool = False
    undo_seconds: int = Field(0, ge=0, le=UNDO_SECONDS_MAX)
    zh: _Sentence = ""
    en: _Sentence = ""

    @property
    def fits_everything(self) -> bool:
        """Whether it has no condition."""
        return all(getattr(self, name) in ((), None) for name in self.conditions())

    @classmethod
    def conditions(cls) -> tuple[str, ...]:
        """The fields that say which wishes it speaks of: whatever does not say what becomes of those."""
        return tuple(name for name in cls.model_fields if name not in _OUTCOME)

    @model_validator(mode="after")
    def _is_whole(self) -> Rule:
        if self.way == "deny" and not (self.zh and self.en):
            raise ValueError(f"rule {self.name} denies: give the sentence the asker reads, `zh` and `en`")
        if (self.way == "approve") != bool(self.approve_by):
            raise ValueError(f"rule {self.name}: `approve_by` belongs to way approve, and needs at least one role")
        if self.undo_seconds and self.way != "allow":
            raise ValueError(f"rule {self.name}: an undo window belongs to way allow")
        if self.way == "approve" and not (self.states and set(self.states) <= {"paid", "shipped"}):
            raise ValueError(
                f"rule {self.name}: only the cancellation of a paid order can wait, give states: [paid], [shipped] or "
                "both"
            )
        if self.undo_seconds and self.states != ("paid",):
            raise ValueError(
                f"rule {self.name}: only the cancellation of a paid order has an undo window, give states: [paid]"
            )
        if self.code and (self.way == "deny" or not self.who or not set(self.who) <= set(get_args(StaffRole))):
            raise ValueError(f"rule {self.name}: only named roles of the staff can be asked for a code")
        return self

    def fits(self, ask: Ask) -> bool:
        """Whether it speaks of this wish."""
        return (
            (not self.who or ask.role in self.who)
            and (not self.states or ask.state in self.states)
            and (self.within_minutes is None or ask.age_seconds <= self.within_minutes * 60)
            and (self.up_to_minor is None or ask.of_order_minor <= self.up_to_minor)
            and (not self.families or ask.reason.family in self.families)
            and (not self.codes or not {ask.reason.code, ask.reason.word}.isdisjoint(self.codes))
            and (not self.categories or set(ask.categories) <= set(self.categories))
            and self.imported in (None, ask.imported)
        )


class Ask(_Frozen):
    """What the rules look at: who asks, about an order in which state and how old (s), how much would go back (fen),
    why, and for goods of which categories. `before_minor`: what was cancelled of this order before (fen)."""

    role: str
    state: str
    age_seconds: float
    amount_minor: Fen
    reason: Reason
    categories: tuple[str, ...]
    before_minor: Fen = 0
    imported: bool = False

    @property
    def of_order_minor(self) -> int:
        """What is cancelled of the order in all, with this (fen). Limits look at that: ten small parts are one large
        cancellation."""
        return self.before_minor + self.amount_minor

    @classmethod
    def about(
        cls,
        by: Actor,
        state: str,
        placed_at: datetime,
        at: datetime,
        lines: Sequence[CancelledLine],
        reason: Reason,
        *,
        before_minor: int = 0,
        imported: bool = False,
    ) -> Ask:
        """The wish of `by` to cancel these pieces at `at`."""
        return cls(
            role=by.role or by.kind,
            state=state,
            age_seconds=(at - placed_at).total_seconds(),
            amount_minor=sum(line.amount_minor for line in lines),
            reason=reason,
            categories=tuple(sorted({line.category for line in lines})),
            before_minor=before_minor,
            imported=imported,
        )


class Policy(BaseModel):
    """One version of the rules. Version 0 is built in. Raises ValueError for a list that leaves a wish undecided, has
    a rule that can never be reached, or two of one name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=0)
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=RULES_MAX)

    @model_validator(mode="after")
    def _decides_everything(self) -> Policy:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are called {twice[0]}")
        for rule, after in zip(self.rules, self.rules[1:], strict=False):
            if rule.fits_everything:
                raise ValueError(f"rule {after.name} can never be reached: {rule.name} before it fits everything")
        if not self.rules[-1].fits_everything:
            raise ValueError(f"the last rule must fit everything, {self.rules[-1].name} has a condition")
        return self

    def decide(self, ask: Ask) -> Rule:
        """The rule that decides."""
        return next(rule for rule in self.rules if rule.fits(ask))


class Ruling(_Frozen):
    """Which rule of which version of the policy let a case be opened, and what it had to wait for: approval by one of
    these roles, the end of its undo window, or the parcel. `over`: it waits no more. `state`: the order's, as the rules
    saw it; it may turn out to be paid since. Empty in older ones."""

    rule: str
    policy_version: int
    state: str = ""
    way: Literal["allow", "approve"] = "allow"
    waits_for: Literal["", "approval", "undo-window", "parcel"] = ""
    until: AwareDatetime | None = None
    approve_by: tuple[str, ...] = ()
    over: bool = False


class Verdict(_Frozen):
    """What somebody decided about a case that waited for approval."""

    approved: bool
    by: Actor
    at: AwareDatetime
    note: str = ""


class LookUpPolicy(Intent):
    """Find what is needed to decide a cancellation that came over a topic."""

    wire: ClassVar[str] = "look-up-policy"
    order_id: OrderId
    asked: CancelOrder


class ReadyToCancel(Report):
    """A wish to cancel with the policy that decides it, and the reasons that may be given."""

    wire: ClassVar[str] = "ready-to-cancel"
    order_id: OrderId
    asked: CancelOrder
    policy: Policy
    reasons: ReasonList = BUILT_IN_REASONS
    from_topic: bool = False


LARGE_MINOR = 500_000
FREE_MINUTES = 30
UNDO_SECONDS = 300
_SENIORS: tuple[StaffRole, ...] = ("supervisor", "administrator")
_SECOND: tuple[StaffRole, ...] = ("supervisor", "finance", "administrator")

# fmt: off
BUILT_IN = Policy(version=0, rules=(
    Rule(name="taken-over",          way="allow", imported=True),
    Rule(name="by-the-system",       way="allow", who=("system",)),
    Rule(name="customer-unpaid",     way="allow", who=("customer",), states=("pending-payment",)),
    Rule(name="customer-soon",       way="allow", who=("customer",), states=("paid",), within_minutes=FREE_MINUTES,
         undo_seconds=UNDO_SECONDS),
    Rule(name="customer-later",      way="approve", who=("customer",), states=("paid", "shipped"),
         approve_by=_SENIORS),
    Rule(name="service-unpaid",      way="allow", who=("customer-service",), states=("pending-payment",)),
    Rule(name="service-paid",        way="deny", who=("customer-service",),
         zh="客服只能取消未付款的订单,请转交主管处理。",
         en="Customer service cancels unpaid orders only. Hand this one to a supervisor."),
    Rule(name="seniors-unpaid",      way="allow", who=_SENIORS, states=("pending-payment",)),
    Rule(name="seniors-up-to-large", way="allow", who=_SENIORS, states=("paid", "shipped"), up_to_minor=LARGE_MINOR),
    Rule(name="seniors-large",       way="approve", who=_SENIORS, states=("paid", "shipped"), approve_by=_SECOND),
    Rule(name="nobody-else",         way="deny",
         zh="当前岗位不能取消订单。", en="This role does not cancel orders."),
))
# fmt: on
"""Customers freely within half an hour, later with approval; customer service only unpaid orders; seniors paid ones,
large amounts (more than 5,000 yuan of one order in all) with a second person."""
