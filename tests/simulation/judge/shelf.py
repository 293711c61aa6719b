"""The stock ledger, folded: what it says of each line of each order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation.evidence import Row


@dataclass(slots=True)
class Claim:
    """What the ledger says of one line of one order. `given_back`: pieces by case, `taken_again` and
    `came_back` (with a parcel that had left) likewise."""

    product_id: str = ""
    asked: int = 0
    reserved: int = 0
    sold: int = 0
    given_back: dict[str, int] = field(default_factory=dict)
    taken_again: dict[str, int] = field(default_factory=dict)
    came_back: dict[str, int] = field(default_factory=dict)


def claims_in(ledger: Iterable[Row]) -> dict[str, dict[int, Claim]]:
    """By order and line number. Lines that were refused say that nothing happened."""
    found: dict[str, dict[int, Claim]] = defaultdict(dict)
    for line in ledger:
        if line["refused"] or line["cause"] == "receive":
            continue
        claims = found[line["owner"]]
        claim = claims.get(line["line_no"])
        if claim is None:
            claim = claims[line["line_no"]] = Claim(line["product_id"])
        claim.reserved += line["reserved"]
        claim.sold += line["sold"]
        why, _, about = line["cause"].partition(":")
        case_id = about.rpartition(":")[0]
        if why in ("reserve", "swap") or (why == "short" and not about):
            claim.asked += line["reserved"]
        elif why == "release":
            claim.given_back[about] = claim.given_back.get(about, 0) + line["available"]
        elif why == "take-back":
            claim.came_back[about] = claim.came_back.get(about, 0) + line["available"]
        elif why in ("take-again", "short"):
            claim.taken_again[case_id] = claim.taken_again.get(case_id, 0) + line["reserved"]
    return found
