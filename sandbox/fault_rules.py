"""What can go wrong, and rules that say where: a rule names a call, the numbers it must carry, and the fault."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from sandbox.errors import InjectedError

Call = Literal[
    "prepay",
    "pay-query",
    "close",
    "customer-pay",
    "refund",
    "refund-query",
    "abnormal-refund",
    "transfer",
    "transfer-query",
    "transfer-cancel",
    "bill",
    "certificates",
    "login",
    "access-token",
    "subscribe",
    "shipping",
    "shipping-query",
    "sms-tencent",
    "sms-alibaba",
    "sms-tencent-query",
    "sms-alibaba-query",
    "pay-callback",
    "refund-callback",
    "transfer-callback",
    "event-push",
    "sms-receipt",
]
Kind = Literal[
    "error-before",
    "error-after",
    "drop-before",
    "drop-after",
    "slow-before",
    "slow",
    "status",
    "states",
    "unsigned",
    "garbled",
    "wrong-amount",
    "wrong-number",
    "signtest",
    "callback-before-answer",
    "callback-lost",
    "callback-doubled",
    "callback-late",
    "callback-out-of-order",
    "callback-forged",
    "callback-replayed",
]
CALLBACK_CALLS = ("pay-callback", "refund-callback", "transfer-callback")
# Deliveries without signature or encryption: there is nothing to forge.
PLAIN_DELIVERIES = ("event-push", "sms-receipt")
# Calls whose answers are not WeChat Pay's: there is no signature to spoil.
OTHER_CALLS = (
    "customer-pay",
    "login",
    "access-token",
    "subscribe",
    "shipping",
    "shipping-query",
    "sms-tencent",
    "sms-alibaba",
    "sms-tencent-query",
    "sms-alibaba-query",
)
ANSWER_KINDS = ("unsigned", "garbled", "wrong-amount", "wrong-number", "signtest")
TIMED_KINDS = ("slow-before", "slow", "callback-late", "callback-out-of-order")


def _trouble(http: int) -> int:
    """202 says that a call was taken and is not done."""
    if http != 202 and not 400 <= http <= 599:
        raise ValueError("202, or 400 to 599")
    return http


class Fault(BaseModel):
    """What goes wrong.

    Calls: ``error-*`` answers ``http`` and ``code`` before or after the call took effect; ``drop-*`` closes the
    connection without an answer; ``slow`` holds the answer back for ``seconds`` of real time, ``slow-before`` has done
    nothing when it then closes the connection; ``status`` lets an accepted refund end as ``refund_status``, also one
    that is sent to another card (``abnormal-refund``, ABNORMAL); an ``error-before`` of ``refund`` with CLOSED leaves
    one behind that is shown as closed; ``states`` takes an accepted transfer through ``first_state``, TRANSFERING for
    ``sending_seconds``, and FAIL with ``fail_reason``; ``callback-before-answer`` delivers the callback before the
    answer of the call that caused it. Answers: ``unsigned``, ``garbled`` (no JSON), ``wrong-amount``, ``wrong-number``
    (of somebody else), ``signtest`` (the documented probe signature).

    Callbacks: ``callback-lost`` never sends it, ``callback-doubled`` sends it twice, ``callback-late`` after
    ``seconds`` of business time, ``callback-out-of-order`` behind the next one of the same order (or after
    ``seconds``), ``callback-forged`` sends one with another amount and a foreign signature first,
    ``callback-replayed`` sends it again with a time stamp of six minutes ago, ``signtest`` sends a probe first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind
    http: Annotated[int, AfterValidator(_trouble)] = 500
    code: str = "SYSTEM_ERROR"
    seconds: float = Field(default=60.0, ge=0, le=365 * 24 * 3600)
    refund_status: Literal["ABNORMAL", "CLOSED"] | None = None
    after_days: float | None = Field(default=None, ge=0, description="PROCESSING for so many days before refund_status")
    settle_seconds: float | None = Field(default=None, ge=0, description="PROCESSING, or ACCEPTED, for so many seconds")
    first_state: Literal["ACCEPTED", "PROCESSING"] | None = Field(
        default=None, description="of a transfer; PROCESSING until it is asked for again under its number"
    )
    sending_seconds: float | None = Field(default=None, ge=0, description="TRANSFERING after the confirmation")
    fail_reason: str | None = Field(default=None, max_length=64, description="FAIL after the confirmation, with this")

    @property
    def names_states(self) -> bool:
        """Whether it says what becomes of a transfer."""
        return (self.first_state, self.sending_seconds, self.fail_reason) != (None, None, None)

    def error(self) -> InjectedError:
        """The error answer of an ``error-*`` fault."""
        return InjectedError(self.http, self.code)

    def fits(self, call: str) -> bool:
        """Whether this can go wrong with such a call."""
        if call in PLAIN_DELIVERIES:
            return self.kind in ("callback-lost", "callback-doubled", "callback-late")
        if self.kind == "status":
            return call == "refund" or (call == "abnormal-refund" and self.refund_status == "ABNORMAL")
        if self.kind == "states":
            return call == "transfer"
        if self.kind == "callback-before-answer":
            return call in ("refund", "customer-pay")
        if self.kind == "signtest":
            return call not in OTHER_CALLS
        if call == "customer-pay":
            return False
        if self.kind in ANSWER_KINDS:
            return call not in (*CALLBACK_CALLS, *OTHER_CALLS)
        return self.kind.startswith("callback-") == (call in CALLBACK_CALLS)


class Rule(BaseModel):
    """Strikes ``times`` matching calls, beginning with the ``nth`` (1 is the first).

    Neither given: every matching call. Only ``nth``: that one call. Only ``times``: the first so many. ``match`` holds
    exact values of the numbers a call carries, such as mchid, out_trade_no, out_refund_no, openid, template_id, phone.
    """

    model_config = ConfigDict(extra="forbid")
    call: Call
    match: dict[str, str] = Field(default_factory=dict)
    nth: int | None = Field(default=None, ge=1)
    times: int | None = Field(default=None, ge=1)
    until: Literal["topped-up"] | None = Field(default=None, description="ends when the merchant's balance is set")
    fault: Fault
    seen: int = Field(default=0, ge=0, description="matching calls so far")
    struck: int = Field(default=0, ge=0, description="calls this rule has spoiled")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        fault = self.fault
        if not fault.fits(self.call):
            raise ValueError(f"a fault {fault.kind} does not belong to the call {self.call}")
        if "seconds" in fault.model_fields_set and fault.kind not in TIMED_KINDS:
            raise ValueError(f"only {', '.join(TIMED_KINDS)} take seconds")
        if (fault.kind == "states") != fault.names_states:
            raise ValueError("a states fault, and only that, names the first_state, sending_seconds or fail_reason")
        names_status = fault.refund_status is not None or (fault.settle_seconds is not None and fault.kind != "states")
        if (self.call, fault.kind, fault.refund_status) == ("refund", "error-before", "CLOSED"):
            return self
        if (fault.kind == "status") != names_status or (fault.after_days is not None and fault.refund_status is None):
            raise ValueError("a status fault, and only that, names the refund_status, or settle_seconds")
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
