"""A world as plain data that can be kept, shown and shrunk: who does what, and what goes wrong, when. Running a plan
draws only from its `seed` again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Step = list[Any]
"""What somebody does next: its name, then its arguments (see `people.STEPS`)."""
Fault = dict[str, Any]
"""What goes wrong: `kind`, `at` (virtual seconds), and what that kind needs (see `faults.KINDS`)."""

PRODUCTS: Mapping[str, int] = {
    "bag": 5,
    "postcard": 90,
    "tea": 300,
    "cup": 1_000,
    "pot": 12_800,
    "table": 260_000,
    "green-tea": 300,
    "mug": 1_000,
}
"""What the shop sells, with prices in fen: from less than the smallest merchant transfer (10 fen) to more than the
largest one without a name (2,000 yuan)."""
SCARCE = ("cup", "mug")
"""Only a few pieces of them: what a case released may be sold before it can be taken again, and an exchange may find
too little."""
STOCK = {name: 7 if name in SCARCE else 1_000 for name in PRODUCTS}
VARIANTS: Mapping[str, str] = {"tea": "green-tea", "green-tea": "tea", "cup": "mug", "mug": "cup"}
"""What can be exchanged for what, at the same price."""

SERVICES = ("order", "payment", "inventory", "notify", "analytics")
SHOPPERS = 11
BUSY_SECONDS = 60.0
"""People come within so many seconds."""


@dataclass(frozen=True)
class Shopper:
    """One person with a phone: comes `at` some time and does `steps` one after the other. `subscribes`: takes WeChat
    messages. `signs_in`: at the real door, with WeChat's code; else with a token of the stand-in, which may name the
    `shop` of another merchant account that is paid to."""

    name: str
    at: float
    steps: list[Step]
    subscribes: bool = False
    signs_in: bool = False
    shop: str = ""


@dataclass(frozen=True)
class Plan:
    """One world. `house`: which of the prepared houses (`world.SHAPES`); `scheduler`: `random`, or `pct-D` with D
    changes of priority; `staff`: how diligent the staff are (0: nobody works); `rolling`: two versions of the order
    service are under way; `nights`: so many bills are compared at the end; `bills`: what is wrong with them until
    somebody starts the comparison again (`bookkeeping.SPOILS`; empty: nothing); `thorough`: what the services log is
    read, and at the end everything is heard once more and may change nothing (I09); `signs_in`: the staff sign in at
    the real door; `traced`: spans are made of everything, and messages carry where they belong; `late_shift`: when all
    has come to rest the staff come once more, and deal with what was left to them."""

    seed: int
    house: str = "plain"
    scheduler: str = "random"
    shoppers: list[Shopper] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    staff: float = 0.5
    rolling: bool = False
    nights: int = 0
    thorough: bool = False
    signs_in: bool = False
    bills: str = ""
    traced: bool = False
    late_shift: bool = False

    def to_json(self) -> str:
        """One line that `from_json` reads. Nothing in it is sorted: of a mix of faults the order counts."""
        return json.dumps(_plain(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read a kept plan. Raises ValueError or TypeError when it is none."""
        found = json.loads(text)
        return cls(**{**found, "shoppers": [Shopper(**shopper) for shopper in found["shoppers"]]})


def _plain(plan: Plan) -> dict[str, Any]:
    return {**vars(plan), "shoppers": [vars(shopper) for shopper in plan.shoppers]}
