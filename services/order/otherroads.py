"""What is done when a refund is refused for good. A table of rules, the first that fits decides; read it like a page of
the shop's handbook.

transfer: the same money goes as a merchant transfer, which the customer confirms in the mini-program.
give-back: the order becomes what it was, goods set aside again, the customer told.
person: a task for staff, with what is true and what can be chosen.

Before the provider has accepted a refund nothing has been given away yet, so there both `give-back` and `person` undo
the case. Once it has accepted (and then closed) it, the goods may be sold: then they part.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from contracts.order import ReasonFamily
from contracts.payment import WITH_THE_SHOP, RefusalReason
from services.order.model import OrderState, Road

Way = Literal["transfer", "give-back", "person"]


class Rule(NamedTuple):
    """One rule. A column that is None fits everything; `below_minor` is in fen, `code` the refusal's own."""

    name: str
    way: Way
    family: ReasonFamily | None = None
    road: Road | None = None
    state: OrderState | None = None
    refusals: tuple[RefusalReason, ...] | None = None
    below_minor: int | None = None
    code: str | None = None

    def fits(
        self, family: ReasonFamily, road: Road, state: OrderState, refusal: RefusalReason, amount_minor: int, code: str
    ) -> bool:
        """Whether this rule speaks of such a case."""
        return (
            self.code in (None, code)
            and self.family in (None, family)
            and self.road in (None, road)
            and self.state in (None, state)
            and (self.refusals is None or refusal in self.refusals)
            and (self.below_minor is None or amount_minor < self.below_minor)
        )


# The provider makes no transfer of 2,000 yuan or more without the customer's real name, which the shop does not have
# (pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill).
NAMELESS_BELOW = 200_000
TRANSFERABLE_FEN = range(10, NAMELESS_BELOW)
"""Nor one below 0.1 yuan."""
SHUT: tuple[RefusalReason, ...] = ("account-abnormal", "too-old")
"""The original road is shut, but the customer could be paid another way."""

# Somebody has sent the money of an abnormal refund to the shop's bank, to pay the customer otherwise, or has done so.
# fmt: off
RULES: tuple[Rule, ...] = (
    Rule("with-the-shop-by-person",  "person",    code=WITH_THE_SHOP),
    Rule("late-payment-by-transfer", "transfer",  road="late-payment", refusals=SHUT, below_minor=NAMELESS_BELOW),
    Rule("late-payment-by-person",   "person",    road="late-payment"),
    Rule("our-fault-by-transfer",    "transfer",  family="merchant", refusals=SHUT, below_minor=NAMELESS_BELOW),
    Rule("system-fault-by-transfer", "transfer",  family="system", refusals=SHUT, below_minor=NAMELESS_BELOW),
    Rule("our-fault-by-person",      "person",    family="merchant"),
    Rule("system-fault-by-person",   "person",    family="system"),
    Rule("changed-mind-keeps-order", "give-back", family="customer", state="paid"),
    Rule("anything-else-by-person",  "person"),
)
# fmt: on


def rule_for(
    family: ReasonFamily, road: Road, state: OrderState, refusal: RefusalReason, amount_minor: int, code: str = ""
) -> Rule:
    """The rule that decides."""
    return next(rule for rule in RULES if rule.fits(family, road, state, refusal, amount_minor, code))


def transfer_when(family: ReasonFamily, road: Road, state: OrderState, amount_minor: int) -> tuple[RefusalReason, ...]:
    """The refusals after which the money of such a case goes as a transfer."""
    return tuple(
        refusal
        for refusal in get_args(RefusalReason)
        if rule_for(family, road, state, refusal, amount_minor).way == "transfer"
    )
