"""What the drill does, drawn from its seed: who orders what, what is cancelled and why, which refunds meet trouble,
when the merchant's money runs short, and which service is killed when. Pure: the same seed is the same drill."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple, get_args

from sandbox.fault_mix import Road
from sandbox.faults import Shares
from tools.replay.plan import OrderLine, Product

TROUBLED_SHARE = 0.5
"""Of all refund numbers; every kind of fault that the sandbox's mix knows gets its part of it."""
WEIGHTS = {"refused": 3}
"""Parts of kinds that get more than one: both other roads, transfer and undo, begin with a refusal for good."""
ORDERS_PER_CUSTOMER = 3
STAFF_SHARE = 0.5
MERCHANT_SHARE = 0.8
"""Of what staff cancels; the rest is the system's fault."""
PUT_OFF_SHARE = 0.3
"""Of the customers who have to confirm a transfer: they look at it and confirm only the next time."""
VICTIMS = ("order", "payment", "inventory", "notify", "gateway")

_OPENING = 1_000_000
# From less than the smallest merchant transfer (10 fen) to more than the largest one without a name (2,000 yuan).
PRICES = {"bag": 5, "postcard": 90, "tea": 990, "cup": 3_500, "pot": 12_800, "tray": 39_900, "set": 128_800}
PRICES["table"] = 260_000
PRODUCTS = tuple(Product(f"drill-{name}", name, "drill", (price,), _OPENING) for name, price in PRICES.items())
REASONS = {
    "customer": ("changed-mind", "wrong-item", "found-better"),
    "merchant": ("out-of-stock", "quality", "delivery"),
    "system": ("fault", "duplicate"),
}


class Visit(NamedTuple):
    """One order from its placing to its cancellation. `cancelled`: (line number, pieces), nothing for the whole order.
    `looks`: how often its customer looks at a transfer until it is confirmed."""

    number: int
    customer_id: str
    lines: tuple[OrderLine, ...]
    cancelled: tuple[tuple[int, int], ...]
    by_staff: bool
    family: str
    code: str
    looks: int

    @property
    def key(self) -> str:
        """The Idempotency-Key of every request about it."""
        return f"drill-{self.number}"

    @property
    def amount_minor(self) -> int:
        """What the cancellation has to give back, in fen."""
        prices = {line.line_no: line.unit_price_minor for line in self.lines}
        pieces = self.cancelled or tuple((line.line_no, line.quantity) for line in self.lines)
        return sum(prices[line_no] * quantity for line_no, quantity in pieces)


class Spell(NamedTuple):
    """The merchant has enough money for `fair` seconds, then only `left_minor` fen for `short` seconds."""

    fair: float
    short: float
    left_minor: int


class Blow(NamedTuple):
    """`after` seconds from the one before, this service is killed."""

    after: float
    service: str


def visit(seed: int, number: int, count: int) -> Visit:
    """The order of that number, of `count`."""
    dice = _dice(seed, f"visit/{number}")
    chosen = dice.sample(PRODUCTS, dice.choice((1, 1, 2, 3)))
    lines = tuple(
        OrderLine(place, product.product_id, dice.randint(1, 4), product.offers_minor[0])
        for place, product in enumerate(chosen, start=1)
    )
    by_staff = dice.random() < STAFF_SHARE
    family = ("merchant" if dice.random() < MERCHANT_SHARE else "system") if by_staff else "customer"
    return Visit(
        number=number,
        customer_id=f"drill-{number % -(-count // ORDERS_PER_CUSTOMER)}",
        lines=lines,
        cancelled=_some(lines, dice) if dice.random() < 0.5 else (),
        by_staff=by_staff,
        family=family,
        code=dice.choice(REASONS[family]),
        looks=2 if dice.random() < PUT_OFF_SHARE else 1,
    )


def _some(lines: tuple[OrderLine, ...], dice: Random) -> tuple[tuple[int, int], ...]:
    chosen = sorted(dice.sample(lines, dice.randint(1, len(lines))), key=lambda line: line.line_no)
    return tuple((line.line_no, dice.randint(1, line.quantity)) for line in chosen)


def lingers(seed: int, number: int) -> float:
    """How long, between 0 and 1, the customer of that order keeps it."""
    return _dice(seed, f"lingers/{number}").random()


def shares(seed: int, troubled: float = TROUBLED_SHARE) -> Shares:
    """Which refund numbers meet which trouble, in the sandbox's own words. `troubled`: share of all numbers."""
    weights = {kind: WEIGHTS.get(kind, 1) for kind in get_args(Road)}
    part = troubled / sum(weights.values())
    return Shares(seed=seed, mix={kind: part * weight for kind, weight in weights.items()})


def weather(seed: int) -> Iterator[Spell]:
    """For ever. The first shortage comes soon, so that a short drill has one too."""
    dice = _dice(seed, "weather")
    fair = (3.0, 6.0)
    while True:
        yield Spell(dice.uniform(*fair), dice.uniform(2.0, 5.0), dice.randint(0, 2_000))
        fair = (40.0, 90.0)


def blows(seed: int, every: float) -> Iterator[Blow]:
    """For ever, `every` seconds apart on average; none at all when that is 0."""
    dice = _dice(seed, "blows")
    while every > 0:
        yield Blow(every * dice.uniform(0.5, 1.5), dice.choice(VICTIMS))


def _dice(seed: int, what: str) -> Random:
    return Random(f"{seed}/{what}")
