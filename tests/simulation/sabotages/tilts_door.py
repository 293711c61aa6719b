"""As `tilts`, for the guards at the door and behind it."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.plan import Plan, Shopper, Step
from tests.simulation.sabotages.tilts import _crowd, _dice, _plan

FIRST: Step = ["order", [["tea", 2]]]
PAY: Step = ["pay", "wallet"]
WAITS: Step = ["cancel", [], "customer", "customer", "wrong-item"]
CANCEL: Step = ["cancel", [], "customer", "customer", "changed-mind"]


def _calm(seed: int, guard: str, *tales: str) -> Plan:
    """Nothing goes wrong but what people do; the staff sign in."""
    return replace(_plan(seed, "plain", _crowd(_dice(seed, guard), *tales), []), signs_in=True)


def overreaching(seed: int) -> Plan:
    """Everybody tries what is not theirs to do."""
    return _calm(seed, "rights", "overreaches")


def erasing(seed: int) -> Plan:
    """An order is erased whose case waits for approval; nobody of the staff looks at anything."""
    steps: list[Step] = [FIRST, PAY, WAITS, ["wait", _dice(seed, "erasing").uniform(0.0, 9.0)], ["erase", "right"]]
    return replace(_plan(seed, "plain", [Shopper("c0", 0.5, steps)], []), signs_in=True, staff=0.0)


def wrong_codes(seed: int) -> Plan:
    """Whoever erases has no code, or another one."""
    dice = _dice(seed, "codes")
    shoppers = [
        Shopper(f"c{number}", dice.uniform(0.0, 9.0), [FIRST, PAY, CANCEL, ["wait", 20.0], ["erase", how]])
        for number, how in enumerate(("wrong", "none", "other"))
    ]
    return replace(_plan(seed, "plain", shoppers, []), signs_in=True)


def copied_tokens(seed: int) -> Plan:
    """Two hold the same refresh token."""
    steps: list[Step] = [FIRST, PAY, ["is-copied", False], ["browse"], ["is-copied", False], ["browse"]]
    dice = _dice(seed, "copies")
    shoppers = [Shopper(f"c{number}", dice.uniform(0.0, 9.0), steps, signs_in=True) for number in range(3)]
    return _plan(seed, "plain", shoppers, [])


def ratings(seed: int) -> Plan:
    """Rated while it waits for approval, and twice."""
    steps: list[Step] = [FIRST, PAY, WAITS, ["rate", 5, {}], ["rate", 1, {}]]
    dice = _dice(seed, "ratings")
    return _plan(seed, "plain", [Shopper(f"c{number}", dice.uniform(0.0, 9.0), steps) for number in range(3)], [])
