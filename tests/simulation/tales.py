"""What people do in a world: tales of orders that are paid, cancelled, shipped, and all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.simulation import tales_door
from tests.simulation.plan import BUSY_SECONDS, PRODUCTS, VARIANTS, Shopper, Step

Tale = Callable[[Random, list[Step], int], None]
"""Adds the steps that follow an order of so many lines."""

REASONS = {
    "customer": ("changed-mind", "wrong-item", "found-better"),
    "merchant": ("out-of-stock", "quality", "delivery"),
    "system": ("fault", "duplicate"),
}


def shopper(dice: Random, number: int) -> Shopper:
    """Somebody with a tale of their own."""
    steps: list[Step] = []
    tale = dice.choices(list(TALES), [weight for weight, _ in TALES.values()])[0]
    kinds, pieces = (3, 4) if tale == "cancelled in parts" else (dice.choice((1, 1, 2, 3)), 3)
    names = dice.sample(list(PRODUCTS), kinds)
    if tale == "exchanges":
        names[0] = dice.choice(list(VARIANTS))
    lines = [[name, dice.randint(1, pieces)] for name in names]
    steps.append(["order", lines])
    TALES[tale][1](dice, steps, len(lines))
    if dice.random() < 0.2:
        steps += [["look"], ["browse"]]
    return Shopper(
        f"c{number}", round(dice.uniform(0, BUSY_SECONDS), 3), steps, dice.random() < 0.3, dice.random() < 0.5
    )


def _cancel(dice: Random, count: int, *, part: bool = False) -> Step:
    staff = dice.random() < 0.4
    family = dice.choice(("merchant", "system")) if staff else "customer"
    lines = (
        [[line_no, 1] for line_no in sorted(dice.sample(range(1, count + 1), dice.randint(1, count)))] if part else []
    )
    return ["cancel", lines, "staff" if staff else "customer", family, dice.choice(REASONS[family])]


def _wait(dice: Random, upto: float = 8.0) -> Step:
    return ["wait", round(dice.uniform(0, upto), 3)]


def _pay(dice: Random) -> Step:
    how = dice.choices(("wallet", "card", "coupon"), (6, 2, 2))[0]
    return ["pay", how]


def _paid_cancelled(dice: Random, steps: list[Step], count: int) -> None:
    steps += [_pay(dice), _wait(dice), _cancel(dice, count)]
    if dice.random() < 0.25:
        steps += [_wait(dice, 12.0), ["withdraw"]]


def _regrets(dice: Random, steps: list[Step], count: int) -> None:
    """Thinks better of it, at any instant: while it waits, while it begins, when it has begun; and better again."""
    cancel = ["cancel", [], "customer", "customer", dice.choice(("found-better", "wrong-item"))]
    steps += [_pay(dice), _wait(dice, 3.0), cancel, _wait(dice, 14.0), ["withdraw"]]
    if dice.random() < 0.5:
        steps += [_wait(dice, 3.0), _cancel(dice, count, part=dice.random() < 0.3)]
    elif dice.random() < 0.5:
        steps += [_wait(dice, 3.0), ["ship"]]


def _twice(dice: Random, steps: list[Step], count: int) -> None:
    cancel = _cancel(dice, count)
    steps += [_pay(dice), _wait(dice), cancel, _wait(dice, 1.0), list(cancel), ["again"]]


def _in_parts(dice: Random, steps: list[Step], count: int) -> None:
    steps += [_pay(dice)]
    steps += [_wait(dice, 3.0), _cancel(dice, count, part=True), _wait(dice, 3.0), _cancel(dice, count, part=True)]
    for _ in range(dice.randint(2, 4)):
        steps += [["wait", round(dice.uniform(1, 75), 3)], _cancel(dice, count, part=True)]
    steps += [["wait", 70.0], _cancel(dice, count)]


def _unpaid(dice: Random, steps: list[Step], count: int) -> None:
    steps += [_wait(dice), _cancel(dice, count)]


def _pays_while_cancelling(dice: Random, steps: list[Step], count: int) -> None:
    steps += [["starts-to-pay"], _cancel(dice, count), _wait(dice, 0.5), ["confirms-payment", dice.random() < 0.6]]


def _shipped_meanwhile(dice: Random, steps: list[Step], count: int) -> None:
    steps += [_pay(dice), _wait(dice), ["both", ["ship"], _cancel(dice, count)]]
    if dice.random() < 0.5:
        steps += [_wait(dice), ["deliver"], _wait(dice), ["complete"]]


def _shipped(dice: Random, steps: list[Step], count: int) -> None:
    steps += [_pay(dice), _wait(dice), ["ship"], _wait(dice), ["deliver"], _wait(dice), _cancel(dice, count)]


def _called_back(dice: Random, steps: list[Step], count: int) -> None:
    """The parcel has left: the warehouse has to get it back first. Some think better of it meanwhile, some twice."""
    steps += [_pay(dice), _wait(dice, 3.0), ["ship"], _wait(dice, 3.0), _cancel(dice, count, part=dice.random() < 0.4)]
    if dice.random() < 0.3:
        steps += [_wait(dice, 40.0), ["withdraw"]]
    if dice.random() < 0.4:
        steps += [["wait", round(dice.uniform(20, 75), 3)], _cancel(dice, count, part=dice.random() < 0.5)]
    if dice.random() < 0.3:
        steps += [_wait(dice, 60.0), ["deliver"], _wait(dice), ["complete"]]


def _both_cancel(dice: Random, steps: list[Step], count: int) -> None:
    one, other = _cancel(dice, count, part=dice.random() < 0.5), _cancel(dice, count, part=dice.random() < 0.5)
    steps += [_pay(dice), _wait(dice), ["both", one, other]]


def _refunded_by_hand(dice: Random, steps: list[Step], count: int) -> None:
    """Before the order is cancelled, or after: for the same goods, or for what is left of it."""
    by_hand: Step = ["refund-by-hand", dice.random() < 0.5]
    if dice.random() < 0.5:
        steps += [_pay(dice), _wait(dice), by_hand, _wait(dice), _cancel(dice, count)]
    else:
        steps += [_pay(dice), _wait(dice), _cancel(dice, count, part=dice.random() < 0.5), _wait(dice, 60.0), by_hand]


def _hidden(dice: Random, steps: list[Step], count: int) -> None:
    """Too early, in time, twice; and now and then the order is cancelled after all."""
    steps += [_pay(dice), ["hide"], _wait(dice)]
    if dice.random() < 0.5:
        steps += [["ship"], _wait(dice), ["deliver"], _wait(dice), ["both", ["complete"], ["hide"]]]
    else:
        steps += [_cancel(dice, count), ["hide"], ["wait", round(dice.uniform(20, 90), 3)]]
    steps += [["hide"], _wait(dice), ["hide"], ["browse"]]
    if dice.random() < 0.3:
        steps += [_cancel(dice, count)]


def _exchanges(dice: Random, steps: list[Step], count: int) -> None:
    """Takes other goods at any instant of an order: once, back again, while it is cancelled, shipped or refunded by
    hand, and cancels what came of it."""
    lines = steps[0][1]
    line_no = dice.choice([no for no, (name, _) in enumerate(lines, 1) if name in VARIANTS] or [1])
    name, pieces = lines[line_no - 1]

    def exchange() -> Step:
        return ["exchange", line_no, dice.randint(1, pieces), VARIANTS.get(name, "tea")]

    meanwhile: tuple[Step, ...] = (["ship"], _cancel(dice, count), _cancel(dice, count, part=True), exchange())
    meanwhile += (["refund-by-hand", dice.random() < 0.5],)
    steps += [_pay(dice) if dice.random() < 0.9 else ["starts-to-pay"], _wait(dice, 2.0)]
    for _ in range(dice.randint(1, 3)):
        if dice.random() < 0.6:
            steps += [["both", exchange(), ["wait-and", round(dice.uniform(0, 0.6), 3), dice.choice(meanwhile)]]]
        else:
            steps += [exchange()]
        steps += [_wait(dice, 6.0)]
    new = [count + 1, 1]
    back: Step = ["exchange", count + 1, 1, name if name in VARIANTS else "tea"]
    part = ["cancel", [[line_no, 1], new], "customer", "customer", "changed-mind"]
    ends: tuple[list[Step], ...] = (
        [back, _wait(dice), _cancel(dice, count)],
        [part, ["wait", 70.0], _cancel(dice, count)],
        [["ship"], _wait(dice), ["deliver"]],
        [_cancel(dice, count), _wait(dice, 12.0), ["withdraw"], _wait(dice, 2.0), exchange()],
        [],
    )
    steps += dice.choice(ends)


def _at_the_last_moment(dice: Random, steps: list[Step], count: int) -> None:
    """Pays about when the order ends unpaid (`world.HURRIED_MINUTES`), or when it has ended."""
    steps += [["starts-to-pay"], ["wait", round(dice.uniform(52, 64), 3)], ["confirms-payment", dice.random() < 0.3]]
    if dice.random() < 0.3:
        steps += [_wait(dice), _cancel(dice, count)]


def _wishes_at_the_last_moment(dice: Random, steps: list[Step], count: int) -> None:
    """Pays in time, and has just been told so by the phone when it regrets: the order may be ending unpaid by then."""
    steps += [["starts-to-pay"], ["wait", round(dice.uniform(48, 58), 3)], ["confirms-payment", False]]
    steps += [["wait", round(dice.uniform(2, 20), 3)], _cancel(dice, count)]


def _never_paid(dice: Random, steps: list[Step], count: int) -> None:
    steps += [["starts-to-pay"], _wait(dice)]


TALES: dict[str, tuple[int, Tale]] = {
    "paid, cancelled": (8, _paid_cancelled),
    "cancelled twice": (2, _twice),
    "cancelled in parts": (9, _in_parts),
    "cancelled unpaid": (2, _unpaid),
    "pays while cancelling": (2, _pays_while_cancelling),
    "shipped meanwhile": (2, _shipped_meanwhile),
    "shipped": (1, _shipped),
    "called back": (3, _called_back),
    "both cancel": (2, _both_cancel),
    "regrets": (3, _regrets),
    "refunded by hand": (2, _refunded_by_hand),
    "hidden": (2, _hidden),
    "exchanges": (6, _exchanges),
    "at the last moment": (2, _at_the_last_moment),
    "wishes at the last moment": (1, _wishes_at_the_last_moment),
    "never paid": (1, _never_paid),
    **tales_door.TALES,
}
"""By name: how often it is told, against the others, and how it goes."""
