"""From a seed to a plan. The same seed is the same plan."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.simulation.bookkeeping import SPOILS
from tests.simulation.losing import KIND
from tests.simulation.lost_plans import plan_with_a_loss
from tests.simulation.mishaps import mishaps
from tests.simulation.plan import SHOPPERS, Plan, Shopper
from tests.simulation.sealed import SHOPS
from tests.simulation.tales import shopper
from tests.simulation.world import SHAPES

HOUSES = {"plain": 5, "pairs": 3, "fees": 2}
"""How often a world is in which house, against the others (`world.SHAPES`)."""
SCHEDULERS = {"random": 6, "pct-3": 2, "pct-10": 2}
LOSS_SHARE = 0.04
"""So many worlds lose their databases."""
THOROUGH_SHARE = 0.1
SPOILED_SHARE = 0.6
"""Of the worlds whose bills are compared, so many are shown wrong ones first."""
SIGN_IN_SHARE = 0.5
"""In so many worlds the staff sign in at the real door, in the others with tokens of the stand-in."""
LATE_SHIFT_SHARE = 0.4
"""In so many worlds the staff come once more when all is over."""
TRACED_SHARE = 0.04
"""In so many worlds spans are made."""
AFTER_THE_LAST_SECONDS = 40.0
"""Things go wrong until so long after the last person has come."""


def plan_of(seed: int) -> Plan:
    """The world of a seed."""
    if Random(f"loses/{seed}").random() < LOSS_SHARE:
        return plan_with_a_loss(seed)
    dice = Random(f"plan/{seed}")
    house = _one_of(dice, HOUSES)
    scheduler = _one_of(dice, SCHEDULERS)
    rolling = house == "pairs" and dice.random() < 0.4
    shoppers = [shopper(dice, number) for number in range(SHOPPERS)]
    if SHAPES[house].shops:
        shoppers = _of_shops(Random(f"shops/{seed}"), shoppers)
    plan = Plan(seed, house, scheduler, shoppers, staff=dice.choice((0.0, 0.5, 0.9)), rolling=rolling)
    until = max(one.at for one in shoppers) + AFTER_THE_LAST_SECONDS
    faults = mishaps(dice, until, 2 if house == "pairs" else 1)
    if rolling:
        faults.append({"kind": "deploy", "at": round(dice.uniform(10, until), 3), "lasts": 20.0})
    by_hand = "refund-by-hand" in repr(shoppers)
    compares = house == "fees" and (by_hand or dice.random() < 0.3)
    return replace(
        plan,
        faults=faults,
        nights=int(compares),
        thorough=dice.random() < THOROUGH_SHARE,
        signs_in=dice.random() < SIGN_IN_SHARE,
        bills=_spoiled_bills(Random(f"bills/{seed}")) if compares else "",
        traced=Random(f"traced/{seed}").random() < TRACED_SHARE,
        late_shift=Random(f"late/{seed}").random() < LATE_SHIFT_SHARE,
    )


def may_be_heard_again(plan: Plan) -> bool:
    """Whether everything may be heard once more at the end: after a restore topics tell of a time that was undone."""
    return all(fault["kind"] != KIND for fault in plan.faults)


def _of_shops(dice: Random, shoppers: list[Shopper]) -> list[Shopper]:
    """Some of them pay to another merchant account. Who signs in at the real door is the house's own customer."""
    shops = [dice.choice(("", *SHOPS)) for _ in shoppers]
    return [replace(one, shop="" if one.signs_in else shop) for one, shop in zip(shoppers, shops, strict=True)]


def _spoiled_bills(dice: Random) -> str:
    return dice.choice(tuple(SPOILS)) if dice.random() < SPOILED_SHARE else ""


def _one_of(dice: Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]
