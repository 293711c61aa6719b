"""Worlds in which one guard is needed: who comes and what goes wrong is drawn from the seed as in `plan`, but of the
kind that the guard stands against, so that a few seeds show whether it is missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import get_args

from sandbox.fault_mix import Road
from tests.simulation.plan import BUSY_SECONDS, PRODUCTS, SHOPPERS, VARIANTS, Fault, Plan, Shopper, Step
from tests.simulation.strangers import SPOILS
from tests.simulation.tales import TALES

UNTIL = BUSY_SECONDS + 40.0
CASES = ("order", "payment", "inventory")
SERVICES_IN_HAND = ("order", "analytics")
"""Those that hear what nobody says again."""


def _plan(seed: int, house: str, shoppers: list[Shopper], faults: list[Fault]) -> Plan:
    """A world of these people and these faults, with a clerk who does half of what lies there."""
    ordered = sorted(faults, key=lambda one: float(one["at"]))
    return Plan(seed, house, shoppers=shoppers, faults=ordered)


def _dice(seed: int, guard: str) -> Random:
    return Random(f"sabotage/{guard}/{seed}")


def _crowd(dice: Random, *tales: str, within: float = BUSY_SECONDS) -> list[Shopper]:
    """Shoppers to whom one of these tales happens (see `plan.TALES`)."""
    return [_shopper(dice, f"c{number}", dice.choice(tales), within) for number in range(SHOPPERS)]


def _shopper(dice: Random, name: str, tale: str, within: float) -> Shopper:
    kinds, pieces = (3, 4) if tale == "cancelled in parts" else (dice.choice((1, 2)), 3)
    names = dice.sample(list(PRODUCTS), kinds)
    names[0] = dice.choice(list(VARIANTS)) if tale == "exchanges" else names[0]
    lines = [[product, dice.randint(1, pieces)] for product in names]
    steps: list[Step] = [["order", lines]]
    TALES[tale][1](dice, steps, len(lines))
    return Shopper(name, round(dice.uniform(0, within), 3), steps, dice.random() < 0.3)


def _some(dice: Random, count: int, make: Callable[[float], Fault]) -> list[Fault]:
    """So many faults at any time."""
    return [make(round(dice.uniform(1.0, UNTIL), 3)) for _ in range(count)]


def _provider(seed: int, **shares: float) -> Fault:
    """What becomes of refunds at the provider, by share of their numbers."""
    assert shares.keys() <= {road.replace("-", "_") for road in get_args(Road)}
    mix = {road.replace("_", "-"): share for road, share in shares.items()}
    return {"kind": "provider", "at": 0.0, "lasts": UNTIL, "seed": seed, "mix": mix}


def _calls(call: str, fault: str, times: int, at: float = 0.0) -> Fault:
    """The next so many calls of a kind go wrong (see `faults._provider_call`)."""
    return {"kind": "provider-call", "at": at, "lasts": 1.0, "call": call, "fault": fault, "times": times}


# ── one for each guard ───────────────────────────────────────────────────────────────────────────────────────────────
def repeats(seed: int) -> Plan:
    """Everything comes twice: topics are wound back, callbacks are doubled, and refunds do not go smoothly."""
    dice = _dice(seed, "repeats")
    faults = _some(dice, 12, lambda at: {"kind": "rewound", "at": at, "group": dice.choice(CASES), "records": 50})
    faults += [_provider(seed, unknown_after=0.2, drop_before=0.2, abnormal=0.1, closed=0.2)]
    faults += [_calls("refund-callback", "error-after", 20), _calls("pay-callback", "error-after", 20)]
    return _plan(seed, "plain", _crowd(dice, "paid, cancelled", "cancelled in parts", "shipped meanwhile"), faults)


def races(seed: int) -> Plan:
    """Two processes of each service, and two wishes at once about the same order."""
    dice = _dice(seed, "races")
    return _plan(seed, "pairs", _crowd(dice, "both cancel", "shipped meanwhile", "pays while cancelling"), [])


def crashes(seed: int) -> Plan:
    """Processes die between one crossing and the next, and what they send does not always get through."""
    dice = _dice(seed, "crashes")

    def kill(at: float) -> Fault:
        who = f"{dice.choice(CASES)}/0"
        return {"kind": "kill-at", "at": at, "who": who, "crossing": dice.randint(1, 60), "lasts": 0.5}

    faults: list[Fault] = [*_some(dice, 12, kill), {"kind": "unstored", "at": 0.0, "share": 0.1, "lasts": UNTIL}]
    return _plan(seed, "plain", _crowd(dice, "paid, cancelled", "cancelled in parts"), faults)


def crashes_with_messages_in_hand(seed: int) -> Plan:
    """Processes die while they wait for their database with messages in hand."""
    dice = _dice(seed, "in hand")
    faults: list[Fault] = []
    for number in range(4):
        for service in SERVICES_IN_HAND:
            at = round(number * 20 + dice.uniform(0.0, 10.0), 3)
            kill = {"kind": "kill", "at": at + round(dice.uniform(1.0, 6.0), 3), "who": f"{service}/0", "lasts": 1.0}
            faults += [{"kind": "database-away", "at": at, "service": service, "lasts": 7.0}, kill]
    return _plan(seed, "plain", _crowd(dice, "paid, cancelled", "cancelled in parts"), faults)


def spoiled_topics(seed: int) -> Plan:
    """Somebody's broken program writes to the topics."""
    dice = _dice(seed, "spoiled")

    def spoil(at: float) -> Fault:
        return {"kind": "poison", "at": at, "how": dice.choice(tuple(SPOILS)), "number": dice.randrange(10**6)}

    return _plan(seed, "plain", _crowd(dice, "paid, cancelled", "cancelled in parts"), _some(dice, 8, spoil))


def exchanges(seed: int) -> Plan:
    """Goods are exchanged while the order is cancelled or shipped, and inventory takes its time."""
    dice = _dice(seed, "exchanges")
    faults = _some(dice, 30, lambda at: {"kind": "held", "at": at, "partition": dice.randrange(4), "lasts": 3.0})
    return _plan(seed, "plain", _crowd(dice, "exchanges"), faults)


def overtaking(seed: int) -> Plan:
    """Commands are late because a first try to send them failed, and later ones overtake them."""
    dice = _dice(seed, "overtaking")
    faults: list[Fault] = [{"kind": "unstored", "at": 0.0, "share": 0.3, "lasts": UNTIL}]
    return _plan(seed, "plain", _crowd(dice, "cancelled unpaid"), faults)


def losses(seed: int) -> Plan:
    """Again and again the broker loses everything it has while a service cannot read on, because of its database."""
    dice = _dice(seed, "losses")
    faults: list[Fault] = []
    for number in range(8):
        at = round(4.0 + number * 6 + dice.uniform(0.0, 2.0), 3)
        service = dice.choice(("payment", "inventory", "notify"))
        faults.append({"kind": "database-away", "at": at, "service": service, "lasts": 4.0})
        faults.append({"kind": "broker-emptied", "at": at + 3.5})
    return _plan(seed, "plain", _crowd(dice, "paid, cancelled", "cancelled in parts", within=30.0), faults)


def unknown_refunds(seed: int) -> Plan:
    """The provider takes refunds and nobody hears of it: not by an answer, and not by a callback."""
    dice = _dice(seed, "unknown")
    faults = [_provider(seed, unknown_after=0.3, drop_after=0.3), _calls("refund-callback", "error-before", 100)]
    return _plan(seed, "plain", _crowd(dice, "paid, cancelled", "cancelled in parts"), faults)


def refused_repeats(seed: int) -> Plan:
    """As above, and a number that the provider has already is refused when it comes once more."""
    plan = unknown_refunds(seed)
    return replace(plan, faults=[*plan.faults, {"kind": "repeats-refused", "at": 0.0, "lasts": UNTIL}])


def forgeries(seed: int) -> Plan:
    """Somebody calls back in the provider's name: orders are paid that are not."""
    dice = _dice(seed, "forgeries")
    faults: list[Fault] = [{"kind": "forged-payments", "at": at} for at in (15.0, 30.0, 45.0, 60.0, 75.0)]
    return _plan(seed, "plain", _crowd(dice, "never paid", "paid, cancelled", "shipped"), faults)


def unanswered_stock(seed: int) -> Plan:
    """Inventory's database does what it is asked, and its answers are lost."""
    dice = _dice(seed, "stock")
    faults: list[Fault] = [
        {"kind": "database-unanswered", "at": 0.0, "service": "inventory", "share": 0.1, "lasts": UNTIL}
    ]
    return _plan(seed, "plain", _crowd(dice, "paid, cancelled", "cancelled in parts", "shipped"), faults)


def last_moments(seed: int) -> Plan:
    """People pay when their time is as good as over, and the provider reaches nobody whom it could tell."""
    dice = _dice(seed, "last moments")
    nobody_there: Fault = {"kind": "unreachable", "at": 48.0, "host": "gateway", "lasts": UNTIL}
    return _plan(seed, "pairs", _crowd(dice, "at the last moment", within=40.0), [nobody_there])


def last_wishes(seed: int) -> Plan:
    """People who have paid cancel when their time is over, and the payment service, which would know, is away."""
    dice = _dice(seed, "last wishes")
    away: list[Fault] = [
        {"kind": "kill", "at": 46.0, "who": f"payment/{number}", "lasts": UNTIL - 46.0} for number in range(2)
    ]
    return _plan(seed, "pairs", _crowd(dice, "wishes at the last moment", within=40.0), away)
