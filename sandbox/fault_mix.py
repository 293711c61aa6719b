"""Seeded trouble for refund numbers: what happens depends on the seed and the number, so the same run meets the same.

A road is one kind of trouble. ``refused`` is for good; ``abnormal`` and ``closed`` say how an accepted refund ends; the
other roads of a call strike the first POST of a number only, those of a callback the first callback of a number. A
number whose last part counts up (``case-7-2``, ``x_3``) is the later number of a refund that was closed, so the road
``closed`` lets it through. ``refused-closed`` and ``short-closed`` refuse, and show the refund as closed all the same.
"""

import hashlib
import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.fault_rules import Fault

REFUSED = "USER_ACCOUNT_ABNORMAL"
LATER_NUMBER = re.compile(r".*[-_](?!1$)[1-9]\d*")

# Strike every POST of the number until it is accepted, which a refused one never is.
UNTIL_ACCEPTED = {
    "refused": Fault(kind="error-before", http=403, code=REFUSED),
    "refused-closed": Fault(kind="error-before", http=403, code=REFUSED, refund_status="CLOSED"),
    "not-permitted": Fault(kind="error-before", http=403, code="NO_AUTH"),
    "abnormal": Fault(kind="status", refund_status="ABNORMAL"),
    "closed": Fault(kind="status", refund_status="CLOSED"),
}
# Strike the first POST of the number only.
FIRST_POST = {
    "short-closed": Fault(kind="error-before", http=403, code="NOT_ENOUGH", refund_status="CLOSED"),
    "unknown-before": Fault(kind="error-before"),
    "unknown-after": Fault(kind="error-after"),
    "drop-before": Fault(kind="drop-before"),
    "drop-after": Fault(kind="drop-after"),
    "error-before": Fault(kind="error-before"),
    "error-after": Fault(kind="error-after"),
    "limited-before": Fault(kind="error-before", http=429, code="FREQUENCY_LIMITED"),
    "limited-after": Fault(kind="error-after", http=429, code="FREQUENCY_LIMITED"),
    "slow": Fault(kind="slow", seconds=2),
    "unsigned": Fault(kind="unsigned"),
    "garbled": Fault(kind="garbled"),
    "wrong-amount": Fault(kind="wrong-amount"),
    "wrong-number": Fault(kind="wrong-number"),
    "callback-before-answer": Fault(kind="callback-before-answer"),
}
# Strike the first callback of the number.
CALLBACK = {
    "callback-lost": Fault(kind="callback-lost"),
    "callback-doubled": Fault(kind="callback-doubled"),
    "callback-late": Fault(kind="callback-late"),
    "callback-out-of-order": Fault(kind="callback-out-of-order"),
    "callback-forged": Fault(kind="callback-forged"),
    "callback-replayed": Fault(kind="callback-replayed"),
    "signtest": Fault(kind="signtest"),
}
Road = Literal[
    "refused",
    "refused-closed",
    "short-closed",
    "not-permitted",
    "unknown-before",
    "unknown-after",
    "drop-before",
    "drop-after",
    "error-before",
    "error-after",
    "limited-before",
    "limited-after",
    "slow",
    "unsigned",
    "garbled",
    "wrong-amount",
    "wrong-number",
    "abnormal",
    "closed",
    "callback-before-answer",
    "callback-lost",
    "callback-doubled",
    "callback-late",
    "callback-out-of-order",
    "callback-forged",
    "callback-replayed",
    "signtest",
]
Share = Annotated[float, Field(ge=0, le=1)]


def place(seed: int, purpose: str, number: str) -> float:
    """A number in [0, 1) that depends on its arguments only."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


class Shares(BaseModel):
    """Seed and shares of refund numbers, each between 0 and 1, together at most 1.

    ``refund_unknown_share`` is half ``unknown-before`` and half ``unknown-after`` (500 SYSTEM_ERROR);
    ``refund_refused_share`` is ``refused``; ``mix`` gives any road its share.
    """

    model_config = ConfigDict(extra="forbid")
    seed: int = 0
    refund_unknown_share: Share = 0.0
    refund_refused_share: Share = 0.0
    mix: dict[Road, Share] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sum(self) -> Self:
        whole = self.refund_unknown_share + self.refund_refused_share + sum(self.mix.values())
        # Shares such as ten times 0.1 add up to a hair more than one.
        if whole > 1 + 1e-9:
            raise ValueError("the shares exceed the whole")
        return self

    def of(self, out_refund_no: str) -> Road | None:
        """The road of a refund number, the same whenever asked."""
        rest = place(self.seed, "refund", out_refund_no) - self.refund_refused_share
        if rest < 0:
            return "refused"
        rest -= self.refund_unknown_share
        if rest < 0:
            return "unknown-before" if place(self.seed, "half", out_refund_no) < 0.5 else "unknown-after"
        for road, share in self.mix.items():
            rest -= share
            if rest < 0:
                return None if road == "closed" and LATER_NUMBER.fullmatch(out_refund_no) else road
        return None
