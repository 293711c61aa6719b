"""Plans of worlds that lose their databases (`losing`)."""

from __future__ import annotations

from random import Random

from tests.simulation.losing import KIND
from tests.simulation.mishaps import mishaps
from tests.simulation.plan import BUSY_SECONDS, PRODUCTS, SCARCE, Plan, Shopper, Step

HOUSE = "bills"
SHOPPERS = 8
BEFORE = frozenset({"kill", "kill-at", "terminate", "freeze", "network", "unreachable", "database-unanswered"})
"""What else goes wrong in these worlds."""
ROADS = ("drop-after", "error-after", "limited-before", "unknown-after", "callback-lost", "callback-late", "slow")
"""What goes wrong at the provider: nothing that ends in a transfer, which no trade bill shows."""


def plan_with_a_loss(seed: int) -> Plan:
    """People who buy, and want some of it back before the backup, between backup and loss, and when all is back; the
    same goods again, or others first, and some that were paid back by hand meanwhile."""
    dice = Random(f"loss/{seed}")
    backup = round(dice.uniform(20, BUSY_SECONDS), 3)
    lasts = round(dice.uniform(15, 90), 3)
    faults = [fault for fault in mishaps(dice, backup + lasts, 1) if fault["kind"] in BEFORE]
    if dice.random() < 0.6:
        mix = {road: round(dice.choice((0.2, 0.5)) / len(ROADS), 4) for road in dice.sample(ROADS, 3)}
        faults.append({"kind": "provider", "at": 0.0, "lasts": 400.0, "seed": dice.randrange(10**6), "mix": mix})
    faults.append({"kind": KIND, "at": backup, "lasts": lasts})
    faults.sort(key=lambda one: float(one["at"]))
    shoppers = [_shopper(dice, number) for number in range(SHOPPERS)]
    scheduler = dice.choice(("random", "random", "pct-3"))
    return Plan(seed, HOUSE, scheduler, shoppers, faults, staff=0.0, nights=2)


def _shopper(dice: Random, number: int) -> Shopper:
    kinds = dice.choice((1, 2, 2, 3))
    names = dice.sample([name for name in PRODUCTS if name not in SCARCE], kinds)
    lines = list(range(1, kinds + 1))
    dice.shuffle(lines)
    steps: list[Step] = [["until", "backed_up"]] if dice.random() < 0.1 else []
    steps += [["order", [[name, dice.randint(1, 3)] for name in names]], ["pay", "wallet"]]
    before, by_hand = lines[: dice.randint(0, kinds)], []
    for line_no in before:
        steps += [["until", "backed_up"]] if dice.random() < 0.5 else []
        steps += [["wait", round(dice.uniform(0, 15), 3)], ["wish", line_no]]
    if len(before) < kinds and dice.random() < 0.5:
        by_hand = [lines[len(before)]]
        steps += [["until", "backed_up"], ["wait", round(dice.uniform(0, 10), 3)], ["by-hand", by_hand[0]]]
    again = [line_no for line_no in lines if dice.random() < (0.8 if line_no in before + by_hand else 0.4)]
    dice.shuffle(again)
    steps += [["until", "restored"]]
    for line_no in again:
        steps += [["wait", round(dice.choice((5.0, 60.0, 7_200.0)) * dice.random(), 3)], ["wish", line_no]]
    return Shopper(f"c{number}", round(dice.uniform(0, 30), 3), steps, dice.random() < 0.3)
