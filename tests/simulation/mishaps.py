"""What goes wrong in a world: which of the faults that there are (see `faults`), when, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, get_args

from sandbox.fault_mix import Road
from tests.simulation.partner import WISHES
from tests.simulation.plan import SERVICES, Fault
from tests.simulation.strangers import SPOILS

Draw = Callable[[Random, str, str, float], dict[str, Any]]
"""What a fault needs besides its time: of chance, a service, a process, and how long it lasts."""

CALLS = (
    "prepay",
    "pay-query",
    "close",
    "refund-query",
    "transfer",
    "transfer-query",
    "subscribe",
    "sms-tencent",
    "sms-tencent",
    "sms-alibaba",
    "access-token",
    "abnormal-refund",
    "bill",
    "pay-callback",
    "shipping",
)
HARD_SHARE = 0.4
"""Where there is trouble at the provider, so many worlds have little else than refusals for good and one more kind:
what follows them (other roads, undoing, goods taken again) is where a saga is weakest, and seldom met by chance."""
BESIDE_REFUSED = {
    "closed": 4,
    "abnormal": 2,
    "refused-closed": 1,
    "short-closed": 1,
    "not-permitted": 1,
    "unknown-after": 1,
}
ON_HARD_ROADS = ("transfer", "transfer", "transfer-query", "abnormal-refund", "refund-query")
HOW = ("error-before", "error-after", "drop-before", "drop-after", "slow", "refused")
FAIL_REASONS = ("REAL_NAME_CHECK_FAIL", "RECEIVE_ACCOUNT_NOT_PERMMIT", "TRANSFER_RISK")
"""Why a confirmed transfer brought nothing: three of those that WeChat Pay documents (查询转账单, `fail_reason`)."""


def mishaps(dice: Random, until: float, instances: int) -> list[Fault]:
    """Some worlds are calm, most have some faults, some are a storm."""
    count = dice.choices((0, 3, 7, 14), (1, 4, 4, 2))[0]
    faults = [_fault(dice, until, instances) for _ in range(count)]
    if dice.random() < 0.7:
        hard = dice.random() < HARD_SHARE
        mix = _hard_mix(dice) if hard else _mix(dice)
        faults.append({"kind": "provider", "at": 0.0, "lasts": until, "seed": dice.randrange(10**6), "mix": mix})
        faults += [_call(dice, until, dice.choice(ON_HARD_ROADS)) for _ in range(2 if hard else 0)]
        faults += [_detour(dice, until) for _ in range(dice.choice((0, 1, 2)) if hard else 0)]
    return sorted(faults, key=lambda one: float(one["at"]))


def _hard_mix(dice: Random) -> dict[str, float]:
    second = dice.choices(list(BESIDE_REFUSED), list(BESIDE_REFUSED.values()))[0]
    return {"refused": dice.choice((0.2, 0.4)), second: dice.choice((0.2, 0.5))}


def _call(dice: Random, until: float, call: str) -> Fault:
    """Some calls of this kind go wrong at any time."""
    fault = {"fault": dice.choice(HOW), "times": dice.randint(1, 6), "lasts": 1.0}
    return {"kind": "provider-call", "at": round(dice.uniform(0, until), 3), "call": call, **fault}


def _detour(dice: Random, until: float) -> Fault:
    """Some transfers, or other bank cards, do not go straight to their end."""
    kind = dice.choice(("transfer-states", "transfer-states", "card-refuses"))
    return {"kind": kind, "at": round(dice.uniform(0, until), 3), **FAULTS[kind][1](dice, "", "", 1.0)}


def _mix(dice: Random) -> dict[str, float]:
    roads = dice.sample(get_args(Road), dice.randint(3, 10))
    share = dice.choice((0.2, 0.5, 0.8)) / len(roads)
    return {road: round(share, 4) for road in roads}


def _fault(dice: Random, until: float, instances: int) -> Fault:
    kinds = list(FAULTS)
    kind = dice.choices(kinds, [FAULTS[name][0] for name in kinds])[0]
    at, lasts = round(dice.uniform(0, until), 3), round(dice.choice((0.5, 3.0, 12.0, 40.0)) * dice.uniform(0.3, 1.0), 3)
    service = dice.choice((*SERVICES, "gateway") if kind.startswith("database-") else SERVICES)
    who = dice.choice([*(f"{name}/{dice.randrange(instances)}" for name in SERVICES), "gateway/0"])
    return {"kind": kind, "at": at, **FAULTS[kind][1](dice, service, who, lasts)}


def _states(dice: Random) -> dict[str, Any]:
    """What a transfer goes through besides waiting for its customer, one or more of it."""
    states: dict[str, Any] = {
        "first_state": dice.choice(("ACCEPTED", "PROCESSING")),
        "sending_seconds": dice.choice((30.0, 3_600.0, 90_000.0)),
        "fail_reason": dice.choice(FAIL_REASONS),
    }
    states = {name: states[name] for name in dice.sample(sorted(states), dice.choice((1, 1, 2)))}
    if states.get("first_state") == "ACCEPTED":
        states["settle_seconds"] = dice.choice((10.0, 600.0, 40_000.0))
    return states


def _share(dice: Random) -> float:
    return dice.choice((0.02, 0.1, 0.3))


FAULTS: dict[str, tuple[int, Draw]] = {
    "kill": (8, lambda dice, service, who, lasts: {"who": who, "lasts": lasts}),
    "kill-at": (8, lambda dice, service, who, lasts: {"who": who, "crossing": dice.randint(1, 400), "lasts": lasts}),
    "terminate": (2, lambda dice, service, who, lasts: {"who": who, "lasts": lasts}),
    "freeze": (4, lambda dice, service, who, lasts: {"who": who, "lasts": lasts}),
    "skew": (
        2,
        lambda dice, service, who, lasts: {"who": who, "seconds": dice.choice((-300, -60, 60, 300)), "lasts": 60},
    ),
    "broker-down": (2, lambda dice, service, who, lasts: {"lasts": lasts}),
    "broker-emptied": (1, lambda dice, service, who, lasts: {}),
    "unacknowledged": (2, lambda dice, service, who, lasts: {"share": _share(dice), "lasts": lasts}),
    "unstored": (2, lambda dice, service, who, lasts: {"share": _share(dice), "lasts": lasts}),
    "held": (3, lambda dice, service, who, lasts: {"partition": dice.randrange(4), "lasts": lasts}),
    "rewound": (3, lambda dice, service, who, lasts: {"group": service, "records": dice.randint(1, 50)}),
    "group-reset": (1, lambda dice, service, who, lasts: {"group": service}),
    "poison": (
        2,
        lambda dice, service, who, lasts: {"how": dice.choice(tuple(SPOILS)), "number": dice.randrange(10**6)},
    ),
    "partner": (
        2,
        lambda dice, service, who, lasts: {
            "wires": dice.sample(tuple(WISHES), 2),
            "number": dice.randrange(10**6),
            "times": dice.choice((1, 1, 2)),
        },
    ),
    "looked-at": (2, lambda dice, service, who, lasts: {}),
    "database-away": (3, lambda dice, service, who, lasts: {"service": service, "lasts": lasts}),
    "database-refuses": (
        3,
        lambda dice, service, who, lasts: {"service": service, "share": _share(dice), "lasts": lasts},
    ),
    "database-unanswered": (
        4,
        lambda dice, service, who, lasts: {"service": service, "share": _share(dice), "lasts": lasts},
    ),
    "database-stale": (
        2,
        lambda dice, service, who, lasts: {"service": service, "share": _share(dice), "lasts": min(lasts, 10.0)},
    ),
    "redis-away": (2, lambda dice, service, who, lasts: {"lasts": lasts}),
    "redis-flushed": (1, lambda dice, service, who, lasts: {}),
    "network": (
        3,
        lambda dice, service, who, lasts: {
            "how": dice.choice(("lost", "unanswered", "cut")),
            "share": _share(dice),
            "lasts": lasts,
        },
    ),
    "unreachable": (
        2,
        lambda dice, service, who, lasts: {"host": dice.choice(("sandbox", "gateway", service)), "lasts": lasts},
    ),
    "forged-payments": (1, lambda dice, service, who, lasts: {}),
    "repeats-refused": (1, lambda dice, service, who, lasts: {"lasts": lasts}),
    "balance-short": (2, lambda dice, service, who, lasts: {"left": dice.randint(0, 2000), "lasts": lasts}),
    "certificate-rotates": (1, lambda dice, service, who, lasts: {}),
    "sms-undeliverable": (1, lambda dice, service, who, lasts: {"lasts": lasts}),
    "provider-call": (
        4,
        lambda dice, service, who, lasts: {
            "call": dice.choice(CALLS),
            "fault": dice.choice(HOW),
            "times": dice.choice((1, 2, 3, 6, 60)),
            "lasts": lasts,
        },
    ),
    "transfer-states": (
        1,
        lambda dice, service, who, lasts: {"states": _states(dice), "times": dice.choice((1, 2, 4))},
    ),
    "card-refuses": (1, lambda dice, service, who, lasts: {"times": dice.choice((1, 2))}),
}
"""By kind: how often it comes, against the others, and what it needs."""
