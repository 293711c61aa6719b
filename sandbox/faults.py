"""Faults on demand: seeded shares of refund numbers, and rules that name calls.

Seeded shares: what happens to a refund number depends on nothing but the seed and the number, so the same run meets
the same faults. A *refused* number is refused for good (403 USER_ACCOUNT_ABNORMAL). An *unknown* number gets 500
SYSTEM_ERROR on its first POST only; half of them are accepted before that answer, half are not.

Rules: a rule names a call, the numbers it must carry, which of the matching calls it strikes, and the fault.
"""

import hashlib
import json
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.errors import InjectedError
from sandbox.settings import SandboxSettings
from sandbox.store import Store

Call = Literal[
    "prepay",
    "pay-query",
    "close",
    "refund",
    "refund-query",
    "subscribe",
    "sms-tencent",
    "sms-alibaba",
    "pay-callback",
    "refund-callback",
]
Kind = Literal[
    "error-before", "error-after", "drop-before", "drop-after", "status", "callback-lost", "callback-doubled"
]
CALLBACK_CALLS = ("pay-callback", "refund-callback")
REFUSED = "USER_ACCOUNT_ABNORMAL"


class Fault(BaseModel):
    """What goes wrong.

    ``error-*`` answers ``http`` and ``code`` before or after the call took effect; ``drop-*`` closes the connection
    without an answer; ``status`` lets an accepted refund end as ``refund_status``; ``callback-lost`` never sends the
    callback, ``callback-doubled`` sends it twice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind
    http: int = Field(default=500, ge=400, le=599)
    code: str = "SYSTEM_ERROR"
    refund_status: Literal["ABNORMAL", "CLOSED"] | None = None

    def error(self) -> InjectedError:
        """The error answer of an ``error-*`` fault."""
        return InjectedError(self.http, self.code)


class Rule(BaseModel):
    """Strikes ``times`` matching calls, beginning with the ``nth`` (1 is the first).

    Neither given: every matching call. Only ``nth``: that one call. Only ``times``: the first so many. ``match`` holds
    exact values of the numbers a call carries, such as out_trade_no, out_refund_no, openid, template_id, phone.
    """

    model_config = ConfigDict(extra="forbid")
    call: Call
    match: dict[str, str] = Field(default_factory=dict)
    nth: int | None = Field(default=None, ge=1)
    times: int | None = Field(default=None, ge=1)
    fault: Fault
    seen: int = Field(default=0, ge=0, description="matching calls so far")
    struck: int = Field(default=0, ge=0, description="calls this rule has spoiled")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        callback_fault = self.fault.kind.startswith("callback-")
        if callback_fault != (self.call in CALLBACK_CALLS):
            raise ValueError("callback-* faults belong to callbacks, the others to calls")
        if (self.fault.kind == "status") != (self.fault.refund_status is not None):
            raise ValueError("a status fault, and only that, names the refund_status")
        if self.fault.kind == "status" and self.call != "refund":
            raise ValueError("a status fault belongs to the call `refund`")
        return self

    def meets(self, call: str, numbers: dict[str, str]) -> bool:
        """Whether this call is one the rule counts."""
        return self.call == call and all(numbers.get(name) == value for name, value in self.match.items())

    def strikes(self) -> bool:
        """Whether the matching call just counted is spoiled."""
        first = self.nth or 1
        if self.times is None:
            return self.seen == first if self.nth else True
        return first <= self.seen < first + self.times


class Shares(BaseModel):
    """Seed and shares of refund numbers, each between 0 and 1, together at most 1."""

    model_config = ConfigDict(extra="forbid")
    seed: int = 0
    refund_unknown_share: float = Field(default=0.0, ge=0, le=1)
    refund_refused_share: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if self.refund_unknown_share + self.refund_refused_share > 1:
            raise ValueError("the shares exceed the whole")
        return self

    def of(self, out_refund_no: str) -> Literal["refused", "unknown-before", "unknown-after"] | None:
        """The fault of a refund number, the same whenever asked."""
        place = _place(self.seed, "refund", out_refund_no)
        if place < self.refund_refused_share:
            return "refused"
        if place < self.refund_refused_share + self.refund_unknown_share:
            return "unknown-before" if _place(self.seed, "half", out_refund_no) < 0.5 else "unknown-after"
        return None


def _place(seed: int, purpose: str, number: str) -> float:
    """A number in [0, 1) that depends on its arguments only."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


class Faults:
    """Decides for each call whether something goes wrong. Kept in the store, so a restart changes nothing."""

    def __init__(self, store: Store, settings: SandboxSettings) -> None:
        self._store = store
        shares = store.kept("fault-shares")
        rules = store.kept("fault-rules")
        self.shares = Shares.model_validate_json(shares) if shares else shares_of(settings)
        self.rules = [Rule.model_validate(rule) for rule in json.loads(rules)] if rules else []

    def set_shares(self, shares: Shares) -> None:
        """Replace seed and shares."""
        self.shares = shares
        self._store.keep("fault-shares", shares.model_dump_json())

    def add_rules(self, rules: list[Rule]) -> None:
        """Add rules behind those that are there; the first rule that strikes wins."""
        self.rules.extend(rules)
        self._keep_rules()

    def clear_rules(self) -> None:
        """Forget all rules."""
        self.rules = []
        self._keep_rules()

    def _keep_rules(self) -> None:
        self._store.keep("fault-rules", json.dumps([rule.model_dump() for rule in self.rules]))

    def draw(self, call: Call, numbers: dict[str, str]) -> Fault | None:
        """The fault that a rule holds for this call, or None. Counts the call for every rule it meets."""
        fault: Fault | None = None
        met = False
        for rule in self.rules:
            if rule.meets(call, numbers):
                met = True
                rule.seen += 1
                if fault is None and rule.strikes():
                    rule.struck += 1
                    fault = rule.fault
        if met:
            self._keep_rules()
        return fault

    def draw_for_refund(self, out_refund_no: str) -> Fault | None:
        """The seeded fault for a POST of a refund number that was not accepted yet, or None."""
        kind = self.shares.of(out_refund_no)
        if kind is None:
            return None
        if kind == "refused":
            return Fault(kind="error-before", http=403, code=REFUSED)
        first = self._store.run("INSERT OR IGNORE INTO fault_first_posts VALUES (?)", out_refund_no)
        if not first:
            return None
        return Fault(kind="error-before" if kind == "unknown-before" else "error-after")


def shares_of(settings: SandboxSettings) -> Shares:
    """The shares the settings ask for."""
    return Shares(
        seed=settings.fault_seed,
        refund_unknown_share=settings.refund_unknown_share,
        refund_refused_share=settings.refund_refused_share,
    )
