"""Fault scripts: YAML that says in words what goes wrong, and with which order, made into rules and shares."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.fault_mix import Road, Share
from sandbox.faults import Fault, Faults, Rule, Shares
from sandbox.sms_parts import normal_number

Place = tuple[int | str, ...]

# The words a script may use for a fault; any kind of a rule may also be written as a mapping.
FAULTS: dict[str, Fault] = {
    "error-before": Fault(kind="error-before"),
    "error-after": Fault(kind="error-after"),
    "timeout-before": Fault(kind="slow-before"),
    "timeout-after": Fault(kind="slow"),
    "reset-before": Fault(kind="drop-before"),
    "reset-after": Fault(kind="drop-after"),
    "429": Fault(kind="error-before", http=429, code="FREQUENCY_LIMITED"),
    "429-after": Fault(kind="error-after", http=429, code="FREQUENCY_LIMITED"),
    "not-enough": Fault(kind="error-before", http=403, code="NOT_ENOUGH"),
    "refused": Fault(kind="error-before", http=403, code="USER_ACCOUNT_ABNORMAL"),
    "abnormal": Fault(kind="status", refund_status="ABNORMAL"),
    "closed": Fault(kind="status", refund_status="CLOSED"),
    "wrong-amount": Fault(kind="wrong-amount"),
    "wrong-number": Fault(kind="wrong-number"),
    "unsigned": Fault(kind="unsigned"),
    "garbled": Fault(kind="garbled"),
    "signtest": Fault(kind="signtest"),
    "callback-before-answer": Fault(kind="callback-before-answer"),
    "callback-lost": Fault(kind="callback-lost"),
    "callback-doubled": Fault(kind="callback-doubled"),
    "callback-late": Fault(kind="callback-late"),
    "callback-out-of-order": Fault(kind="callback-out-of-order"),
    "callback-forged": Fault(kind="callback-forged"),
    "callback-replayed": Fault(kind="callback-replayed"),
}
# A callback fault may name the call that causes the callback.
CALLBACKS_OF = {"pay": "pay-callback", "refund": "refund-callback", "transfer": "transfer-callback"}
# Short words for what a rule matches.
MATCHES = {
    "order": "out_trade_no",
    "refund": "out_refund_no",
    "payment": "transaction_id",
    "merchant": "mchid",
    "customer": "openid",
    "template": "template_id",
}


class ScriptError(Exception):
    """A script that means nothing: the line (from 1), the place in it, and what is wrong there."""

    def __init__(self, line: int, place: str, problem: str) -> None:
        super().__init__(f"line {line}, {place}: {problem}" if place else f"line {line}: {problem}")
        self.line = line
        self.place = place
        self.problem = problem


class Entry(BaseModel):
    """One rule of a script."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    call: str
    fault: str | dict[str, Any]
    order: str | None = None
    refund: str | None = None
    payment: str | None = None
    merchant: str | None = None
    customer: str | None = None
    template: str | None = None
    phone: str | None = None
    match: dict[str, str] = Field(default_factory=dict)
    nth: int | None = None
    times: int | None = None
    until: Literal["topped-up"] | None = None
    after_days: float | None = None
    seconds: float | None = None

    def rule(self) -> Rule:
        """The rule this means; ValueError when there is no such call, fault, or pair of them."""
        fault = self._fault()
        call = self.call
        if fault["kind"].startswith("callback-") and fault["kind"] != "callback-before-answer":
            call = CALLBACKS_OF.get(call, call)
        elif fault["kind"] == "callback-before-answer" and call == "pay":
            call = "customer-pay"
        given = {"nth": self.nth, "times": self.times, "until": self.until}
        limits = {name: value for name, value in given.items() if value is not None}
        return Rule.model_validate({"call": call, "match": self._match(), "fault": fault, **limits})

    def _fault(self) -> dict[str, Any]:
        if isinstance(self.fault, str):
            if self.fault not in FAULTS:
                raise ValueError(f"no such fault `{self.fault}`; one of {', '.join(FAULTS)}")
            fault = FAULTS[self.fault].model_dump(exclude_unset=True)
        else:
            fault = Fault.model_validate(self.fault).model_dump(exclude_unset=True)
        given = {"after_days": self.after_days, "seconds": self.seconds}
        return fault | {name: value for name, value in given.items() if value is not None}

    def _match(self) -> dict[str, str]:
        short = {name: getattr(self, word) for word, name in MATCHES.items() if getattr(self, word) is not None}
        phone = {} if self.phone is None else {"phone": normal_number(self.phone) or self.phone}
        return self.match | short | phone


class Script(BaseModel):
    """A whole script. ``mix`` is as in ``PUT /_control/faults``."""

    model_config = ConfigDict(extra="forbid")
    seed: int = 0
    mix: dict[Road, Share] = Field(default_factory=dict)
    rules: list[Entry] = Field(default_factory=list)


class Plan(BaseModel):
    """What a script means."""

    shares: Shares
    rules: list[Rule]

    def load(self, faults: Faults) -> None:
        """Put this in place of all that could go wrong so far."""
        faults.set_shares(self.shares)
        faults.clear_rules()
        faults.add_rules(self.rules)


def read_script(text: str) -> Plan:
    """Understand a script; ScriptError names the first wrong line."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        content = {} if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        raise ScriptError(1 if mark is None else mark.line + 1, "", str(problem.problem)) from None
    except yaml.YAMLError as problem:
        raise ScriptError(1, "", str(problem)) from None
    try:
        script = Script.model_validate(content)
        shares = Shares(seed=script.seed, mix=script.mix)
    except ValidationError as problem:
        raise _error(root, (), problem) from None
    rules = []
    for place, entry in enumerate(script.rules):
        try:
            rules.append(entry.rule())
        except ValidationError as problem:
            raise _error(root, ("rules", place), problem) from None
        except ValueError as problem:
            path: Place = ("rules", place, "fault")
            raise ScriptError(line_of(root, path), _dotted(path), str(problem)) from None
    return Plan(shares=shares, rules=rules)


def read_script_file(path: Path) -> Plan:
    """Understand a file; ScriptError, or OSError where it cannot be read."""
    return read_script(path.read_text(encoding="utf-8"))


def _error(root: yaml.Node | None, above: Place, problem: ValidationError) -> ScriptError:
    first = problem.errors()[0]
    path = (*above, *first["loc"])
    words = str(first["ctx"]["error"]) if "error" in first.get("ctx", {}) else first["msg"]
    return ScriptError(line_of(root, path), _dotted(path), words)


def _dotted(path: Place) -> str:
    return ".".join(str(part) for part in path)


def line_of(node: yaml.Node | None, path: Place) -> int:
    """The line of the deepest part of the path that is written down."""
    if node is None:
        return 1
    line: int = node.start_mark.line + 1
    for part in path:
        below = _child(node, part)
        if below is None:
            break
        node = below
        line = node.start_mark.line + 1
    return line


def _child(node: yaml.Node, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        child: yaml.Node = node.value[part]
        return child
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    return None
