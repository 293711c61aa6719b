"""Small worlds, each with one tale and nothing left to chance: what the sweep kills processes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulation.plan import Fault, Plan, Shopper, Step

TEA: Step = ["order", [["tea", 2], ["cup", 1]]]
CUSTOMERS = ["cancel", [], "customer", "customer", "changed-mind"]
SHOPS = ["cancel", [], "staff", "merchant", "out-of-stock"]
PART = ["cancel", [[1, 1]], "customer", "customer", "wrong-item"]
PAY: Step = ["pay", "wallet"]
EXCHANGE: Step = ["exchange", 1, 1, "green-tea"]
NOBODY_HEARS: Fault = {"kind": "unreachable", "at": 45.0, "host": "gateway", "lasts": 60.0}
"""The provider tells nobody of a payment while the order's time runs out (`world.HURRIED_MINUTES`)."""


def _provider(**mix: float) -> Fault:
    return {"kind": "provider", "at": 0.0, "lasts": 300.0, "seed": 1, "mix": mix}


def _story(
    *steps: Step, faults: tuple[Fault, ...] = (), staff: float = 1.0, more: tuple[Shopper, ...] = (), **plan: Any
) -> Plan:
    return Plan(1, shoppers=[Shopper("c0", 0.0, list(steps)), *more], faults=list(faults), staff=staff, **plan)


STORIES: Mapping[str, Plan] = {
    "cancelled unpaid": _story(TEA, CUSTOMERS),
    "paid and cancelled": _story(TEA, PAY, CUSTOMERS),
    "cancelled in two parts": _story(TEA, PAY, PART, ["wait", 65.0], CUSTOMERS),
    "paid while being cancelled": _story(TEA, ["starts-to-pay"], ["both", CUSTOMERS, ["confirms-payment"]]),
    "never paid": _story(TEA, ["starts-to-pay"], house="pairs"),
    "paid at the last moment, unheard": _story(
        TEA, ["starts-to-pay"], ["wait", 52.0], ["confirms-payment"], faults=(NOBODY_HEARS,), house="pairs"
    ),
    "paid too late": _story(TEA, ["starts-to-pay"], CUSTOMERS, ["wait", 2.0], ["confirms-payment", True]),
    "shipped while being cancelled": _story(TEA, PAY, ["both", ["ship"], CUSTOMERS]),
    "called back": _story(TEA, PAY, ["ship"], CUSTOMERS, ["wait", 200.0]),
    "refused and undone": _story(TEA, PAY, CUSTOMERS, faults=(_provider(refused=1.0),)),
    "refused and transferred": _story(TEA, PAY, SHOPS, faults=(_provider(refused=1.0),)),
    "unknown after acceptance": _story(TEA, PAY, CUSTOMERS, faults=(_provider(**{"unknown-after": 1.0}),)),
    "unknown before acceptance": _story(TEA, PAY, CUSTOMERS, faults=(_provider(**{"drop-before": 1.0}),)),
    "abnormal, another card": _story(TEA, PAY, CUSTOMERS, faults=(_provider(abnormal=1.0),)),
    "closed, next number": _story(TEA, PAY, CUSTOMERS, faults=(_provider(closed=1.0),)),
    "balance short": _story(
        TEA, PAY, CUSTOMERS, faults=({"kind": "balance-short", "at": 0.0, "left": 0, "lasts": 25.0},)
    ),
    "refunded by hand": _story(TEA, PAY, ["refund-by-hand", True], ["wait", 3.0], nights=1, house="fees"),
    "exchanged, then cancelled": _story(TEA, PAY, EXCHANGE, ["wait", 5.0], CUSTOMERS),
    "exchanged while being cancelled": _story(TEA, PAY, ["both", EXCHANGE, CUSTOMERS]),
    "exchanged, too few are left": _story(
        ["order", [["cup", 1]]], PAY, ["exchange", 1, 1, "mug"], more=(Shopper("c1", 0.0, [["order", [["mug", 7]]]]),)
    ),
    "told by short message": _story(TEA, PAY, CUSTOMERS, house="fees"),
}
"""By name. The provider's faults begin at once and stay for the numbers they struck."""
