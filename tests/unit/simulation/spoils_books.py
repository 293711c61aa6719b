"""What may be wrong with the comparison of bills, in the shop of `tales`; and which check has to see it."""

from __future__ import annotations

from typing import Any

from tests.simulation.evidence import Asked
from tests.unit.simulation.given import AT, Scene
from tests.unit.simulation.spoils import seen_by
from tests.unit.simulation.tales import BACK, GONE

DAY = "house/2026-01-05"


def was_compared(scene: Scene) -> dict[str, Any]:
    """A day with a difference that healed and one that somebody closed, twice; what is known of it."""
    healed = {
        "n": 1,
        "order_id": BACK,
        "kind": "refund-not-ours",
        "subject": f"{BACK}-c1-1",
        "state": "healed",
        "by": "tuidan",
    }
    closed = {
        "n": 2,
        "order_id": BACK,
        "kind": "payment-not-in-bill",
        "subject": BACK,
        "state": "closed",
        "by": "s-finance",
    }
    differences = [{**healed, "remark": ""}, {**closed, "remark": "first"}]
    scene.hears(("payment", "reconciliations", DAY), f"compare {DAY}")
    day = scene.state("payment", "reconciliations", DAY)
    about = {"reconciliation_id": DAY, "shop": "", "day": "2026-01-05"}
    day.update(about, status="done", problem="", wake_at=None, differences=differences)
    for remark in ("first", "second"):
        wish = {"reconciliation_id": DAY, "n": 2, "remark": remark}
        scene.asked.append(Asked(AT, "s-finance", "close-difference", "", wish, 200, {}))
    return day


@seen_by("books-agree")
def a_difference_that_does_not_heal(scene: Scene) -> None:
    was_compared(scene)["differences"][0]["state"] = "open"


@seen_by("books-agree")
def a_bill_that_nobody_could_read(scene: Scene) -> None:
    was_compared(scene)["status"] = "unreadable"


@seen_by("books-agree")
def a_day_that_was_given_up(scene: Scene) -> None:
    was_compared(scene)["status"] = "failed"


@seen_by("every-night")
def a_night_without_bills(scene: Scene) -> None:
    scene.nightly = True


BY_HAND = "2000" + "7" * 24


@seen_by("found-by-hand")
def refunded_by_hand_and_never_found(scene: Scene) -> None:
    was_compared(scene)
    scene.pays("refund-accepted", GONE, 1, out_refund_no=BY_HAND)


def refunded_by_hand(scene: Scene) -> None:
    """And the payment knows of it."""
    refunded_by_hand_and_never_found(scene)
    found: dict[str, Any] = {
        "case_id": "",
        "number": BY_HAND,
        "closed_numbers": [],
        "payout": None,
        "status": "settled",
    }
    scene.state("payment", "payments", GONE)["refunds"].append({**found, "found": True})


def refunded_by_hand_and_an_open_difference(scene: Scene) -> None:
    """Nobody here knows the order: the comparison says so."""
    refunded_by_hand_and_never_found(scene)
    scene.state("payment", "reconciliations", DAY)["differences"][0]["subject"] = BY_HAND


def refunded_by_hand_on_another_day(scene: Scene) -> None:
    """Whose bill is not compared yet: it was past midnight in China."""
    refunded_by_hand_and_never_found(scene)
    scene.money[-1]["time"] = "2026-01-05T16:00:00Z"


@seen_by("closed-as-wished")
def closed_and_open_again(scene: Scene) -> None:
    was_compared(scene)["differences"][1]["state"] = "open"


@seen_by("closed-as-wished")
def closed_with_the_second_remark(scene: Scene) -> None:
    was_compared(scene)["differences"][1]["remark"] = "second"


@seen_by("closed-as-wished")
def closed_though_nobody_asked(scene: Scene) -> None:
    was_compared(scene)["differences"][0].update(state="closed", by="s-finance")
