"""More of what people do in a world: what comes before a cancellation, in place of it, and long after it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.simulation.overreach import TRIES
from tests.simulation.plan import Step

Tale = Callable[[Random, list[Step], int], None]
HOW = {"right": 6, "wrong": 1, "late": 1, "other": 1, "none": 1, "stale": 1}
"""Which code is given for an erasure (see `confirming.code_for`, `erasing.erase`)."""


def _wait(dice: Random, upto: float = 8.0, since: float = 0.0) -> Step:
    return ["wait", round(dice.uniform(since, upto), 3)]


def _cancel(dice: Random, how: str = "right") -> Step:
    """As `tales._cancel`, where what happens afterwards counts."""
    if dice.random() < 0.3:
        return ["cancel", [], "staff", "merchant", dice.choice(("out-of-stock", "quality", "quality")), how]
    return ["cancel", [], "customer", "customer", dice.choice(("changed-mind", "found-better"))]


def _ends(dice: Random, steps: list[Step]) -> None:
    """An order that soon ends: cancelled unpaid, cancelled, or delivered."""
    which = dice.choice(("unpaid", "cancelled", "cancelled", "cancelled", "completed", "completed"))
    if which == "unpaid":
        steps += [_wait(dice, 3.0), ["cancel", [], "customer", "customer", "changed-mind"]]
    elif which == "cancelled":
        steps += [["pay", "wallet"], _wait(dice, 4.0), _cancel(dice)]
    else:
        steps += [["pay", "wallet"], _wait(dice, 3.0), ["ship"], _wait(dice, 2.0), ["deliver"], ["complete"]]
    steps += [_wait(dice, 60.0, 5.0)]


def _confirmed(dice: Random, steps: list[Step], count: int) -> None:
    """Staff cancel with a code: the right one, or whatever they have."""
    how = dice.choice(("right", "right", "wrong", "other", "late"))
    cancel = ["cancel", [], "staff", "merchant", "quality", how]
    steps += [["pay", "wallet"], _wait(dice), cancel, _wait(dice, 3.0), ["again"]]


def _rated(dice: Random, steps: list[Step], count: int) -> None:
    """Too early, in time, once more, and otherwise."""
    first: Step = ["rate", dice.randint(1, 5), dice.choice(({}, {"understood": "yes"}, {"understood": "perhaps"}))]
    other: Step = ["rate", dice.randint(1, 5), {}]
    steps += [["pay", "wallet"], _wait(dice, 3.0), _cancel(dice), first, _wait(dice, 40.0, 10.0)]
    steps += [dice.choice((first, ["both", first, other])), _wait(dice), first, other]


def _postponed(dice: Random, steps: list[Step], count: int) -> None:
    """Kept, and cancelled all the same now and then; the warehouse does not always know."""
    later: Step = ["postpone", dice.choice((0, 1, 3, 3, 59, 99))]
    steps += [["pay", "wallet"], _wait(dice, 3.0), dice.choice((later, ["both", later, list(later)]))]
    steps += [_wait(dice), ["ship-postponed", dice.random() < 0.5], _wait(dice, 3.0)]
    if dice.random() < 0.4:
        steps += [_cancel(dice), _wait(dice, 3.0), ["postpone", 2]]


def _similar(dice: Random, steps: list[Step], count: int) -> None:
    steps[-1] = ["order", [["postcard", dice.randint(1, 3)]]]
    steps += [["pay", "wallet"], _wait(dice, 3.0), ["take-similar"], ["pay", "wallet"]]


def _erased(dice: Random, steps: list[Step], count: int) -> None:
    """Erased, or not, and put back now and then; people go on with it as if nothing had happened."""
    _ends(dice, steps)
    how = dice.choices(list(HOW), list(HOW.values()))[0]
    steps += [dice.choice((["erase", how], ["erase", how], ["erase-at-once"]))]
    if dice.random() < 0.4:
        steps += [_wait(dice, 90.0), ["restore", dice.random() < 0.2], ["restore-damaged"]]
    steps += [dice.choice((["look"], ["hide"], _cancel(dice), ["browse"]))]
    if dice.random() < 0.3:
        steps += [["erase", "right"], ["both", ["restore", False], ["erase", "right"]]]


def _all_erased(dice: Random, steps: list[Step], count: int) -> None:
    """An administrator clears up, whatever the others are doing."""
    _ends(dice, steps)
    steps += [["erase-everything", dice.random() < 0.2], _wait(dice, 70.0)]
    if dice.random() < 0.5:
        steps += [["restore", False], _wait(dice), ["erase-everything", False]]


def _comes_and_goes(dice: Random, steps: list[Step], count: int) -> None:
    steps += [["subscribe", dice.choice(("accept", "reject", "ban"))], ["pay", "wallet"], _wait(dice)]
    steps += [dice.choice((["signs-out"], ["another-phone"], ["is-copied", dice.random() < 0.3]))]
    steps += [_cancel(dice), ["guesses", dice.choice(("s-finance", "s-nobody"))], ["watch", 20.0, dice.random() < 0.3]]
    if dice.random() < 0.3:
        steps += [["comes-back"]]


def _watches(dice: Random, steps: list[Step], count: int) -> None:
    """Sees the order move while others move it."""
    steps += [
        ["pay", "wallet"],
        ["both", ["watch", dice.choice((5.0, 20.0, 40.0)), dice.random() < 0.3], _cancel(dice)],
    ]


def _overreaches(dice: Random, steps: list[Step], count: int) -> None:
    """Tries what nobody may, before and after doing what one may."""
    steps += [["pay", "wallet"], *(["overreaches", what] for what in dice.sample(list(TRIES), 4))]
    steps += [_cancel(dice), *(["overreaches", what] for what in dice.sample(list(TRIES), 3))]


TALES: dict[str, tuple[int, Tale]] = {
    "confirmed with a code": (1, _confirmed),
    "rated": (3, _rated),
    "postponed": (2, _postponed),
    "takes similar goods": (1, _similar),
    "erased": (3, _erased),
    "all erased": (1, _all_erased),
    "comes and goes": (2, _comes_and_goes),
    "watches": (1, _watches),
    "overreaches": (1, _overreaches),
}
"""As in `tales`."""
