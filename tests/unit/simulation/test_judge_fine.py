"""What looks wrong and is not: checks of money that stays, of promises and of bills let it pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.analytics.projections import PROJECTIONS
from tests.simulation.evidence import Asked
from tests.simulation.judge import CHECKS, figures
from tests.simulation.judge.reading import Reading
from tests.unit.simulation.given import AT, LATER, Scene
from tests.unit.simulation.spoils import ORDERS, a_refund_by_hand_that_the_order_never_heard_of
from tests.unit.simulation.spoils_books import (
    refunded_by_hand,
    refunded_by_hand_and_an_open_difference,
    refunded_by_hand_on_another_day,
    was_compared,
)
from tests.unit.simulation.spoils_kept import (
    came_back,
    came_too_late_and_lies_with_a_person,
    ends_unpaid,
    given_back_by_hand_in_two_parts,
    in_two_parts,
    said_to_be_paid_and_nobody_did,
    sent_before_its_customer_wants_it,
    takes_days_and_a_person_looks,
    takes_three_days,
    went_to_another_shop,
)
from tests.unit.simulation.spoils_restored import a_payment_of_a_lost_order_that_is_listed
from tests.unit.simulation.spoils_told import went_back_by_hand
from tests.unit.simulation.tales import BACK, GONE, UNPAID, is_placed, shop

Change = Callable[[Scene], object]


@pytest.mark.parametrize("change", [given_back_by_hand_in_two_parts, came_too_late_and_lies_with_a_person])
def test_money_that_went_back_otherwise_or_waits_is_not_kept(change: Change) -> None:
    scene = shop()
    change(scene)
    assert [one for check in ("nothing-kept", "fair-shares") for one in CHECKS[check](scene.evidence())] == []


def test_an_erased_order_hears_of_no_refund_by_hand() -> None:
    scene = shop()
    a_refund_by_hand_that_the_order_never_heard_of(scene)
    assert len(list(CHECKS["refunds-known"](scene.evidence()))) == 1
    scene.state(*ORDERS, BACK)["erased"] = {"at": AT}
    assert list(CHECKS["refunds-known"](scene.evidence())) == []


def test_what_came_back_as_it_was_counted_is_fine() -> None:
    scene = shop()
    came_back(scene, good=1)
    assert list(CHECKS["as-counted"](scene.evidence())) == []


@pytest.mark.parametrize("change", [takes_days_and_a_person_looks, takes_three_days, went_to_another_shop])
def test_what_takes_long_and_is_seen_or_is_another_shops_is_fine(change: Change) -> None:
    scene = shop()
    change(scene)
    assert [one for check in ("waited-too-long", "told-to-wechat") for one in CHECKS[check](scene.evidence())] == []


def test_an_order_that_ended_unpaid_in_time_is_fine() -> None:
    scene = shop()
    ends_unpaid(scene)
    assert list(CHECKS["ends-unpaid"](scene.evidence())) == []


def test_an_unpaid_order_may_wait_where_there_is_no_limit_or_it_was_placed_just_now() -> None:
    scene = shop()
    is_placed(scene, "shop-waits")
    scene.unpaid_minutes = 0
    assert list(CHECKS["ends-unpaid"](scene.evidence())) == []
    scene.unpaid_minutes, scene.at = 60, AT + timedelta(minutes=119)
    assert list(CHECKS["ends-unpaid"](scene.evidence())) == []


def test_an_order_whose_journal_forgot_that_a_timer_began_its_case_is_fine() -> None:
    """What a timer made it say is not kept for ever, as nobody hears that timer again."""
    scene = shop()
    ends_unpaid(scene)
    order = scene.record(*ORDERS, UNPAID)
    (begun,) = (
        one for one in order["journal"] if any(said["wire"] == "cancellation-accepted.v1" for said in one["said"])
    )
    order["journal"].remove(begun)
    assert list(CHECKS["legal-lives"](scene.evidence())), "nothing else was forgotten yet"
    order["journal"] += [{"heard": f"asked {n}", "passing": True, "said": []} for n in range(32)]
    assert list(CHECKS["legal-lives"](scene.evidence())) == []
    assert list(CHECKS["told-is-known"](scene.evidence())) == []


def test_a_case_whose_beginning_was_forgotten_began_before_its_order_was_paid_where_it_had_the_payment_closed() -> None:
    """Although the payment was heard of before anything else of the case, and a wish had its beginning said again."""
    scene = shop()
    order = scene.record(*ORDERS, BACK)
    (begun,) = (one for one in order["journal"] if one["heard"] == f"cancel {BACK}")
    accepted = json.loads(begun["said"][0]["body"])
    order["journal"].remove(begun)
    scene.hears((*ORDERS, BACK), "closes", ("close-payment.v1", {"order_id": BACK, "case_id": f"{BACK}-c1"}))
    scene.hears((*ORDERS, BACK), "wished once more", ("cancellation-accepted.v1", accepted))
    order["journal"] += [{"heard": f"asked {n}", "passing": True, "said": []} for n in range(32)]
    assert Reading(scene.evidence()).stories[BACK].cases[f"{BACK}-c1"].opened_in == "pending-payment"


def test_who_paid_in_time_and_kept_the_order_is_fine() -> None:
    scene = shop()
    said_to_be_paid_and_nobody_did(scene)
    scene.pays("payment", "shop-waits", 900)
    checks = ("ends-unpaid", "shown-to-a-person", "everybody-told")
    assert [one for check in checks for one in CHECKS[check](scene.evidence())] == []


def test_a_parcel_may_leave_before_its_day_where_the_warehouse_says_so() -> None:
    scene = shop()
    sent_before_its_customer_wants_it(scene)
    scene.asked.append(Asked(AT, "s-warehouse", "ship", GONE, {"early": True}, 0, {}))
    assert list(CHECKS["sent-when-wanted"](scene.evidence())) == []


def test_an_order_whose_placing_was_not_answered_may_be_there() -> None:
    scene = shop()
    is_placed(scene, "shop-again")
    scene.asked[-1] = replace(scene.asked[-1], status=0, answer={})
    assert list(CHECKS["placed-once"](scene.evidence())) == []


@pytest.mark.parametrize(
    "change", [refunded_by_hand, refunded_by_hand_and_an_open_difference, refunded_by_hand_on_another_day]
)
def test_a_refund_by_hand_that_is_known_or_cannot_be_yet_is_fine(change: Change) -> None:
    scene = shop()
    change(scene)
    assert list(CHECKS["found-by-hand"](scene.evidence())) == []


def test_a_day_that_is_not_over_or_was_looked_at_is_fine() -> None:
    scene = shop()
    scene.nightly, scene.at = True, AT + timedelta(hours=18)
    assert list(CHECKS["every-night"](scene.evidence())) == []
    was_compared(scene)["status"], scene.at = "fetching", LATER
    assert list(CHECKS["every-night"](scene.evidence())) == []


def test_a_refund_by_hand_that_was_explained_before_is_fine() -> None:
    scene = shop()
    went_back_by_hand(scene, AT - timedelta(hours=1))
    assert list(CHECKS["money-is-matched"](scene.evidence())) == []
    went_back_by_hand(scene, None)
    assert list(CHECKS["money-is-matched"](replace(scene.evidence(), skewed=True))) == [], "by whose clock?"


def test_a_payment_of_a_lost_order_that_somebody_sees_is_fine() -> None:
    scene = shop()
    a_payment_of_a_lost_order_that_is_listed(scene)
    assert list(CHECKS["payments-known-again"](replace(scene.evidence(), restored=True))) == []


def test_two_parts_that_are_within_the_limit_together_are_fine() -> None:
    scene = shop()
    in_two_parts(scene, first_minor=400)
    assert list(CHECKS["before-it-begins"](scene.evidence())) == []


def test_whatever_analytics_keeps_is_compared() -> None:
    assert {projection.name for projection in PROJECTIONS} == set(figures._NAMES)


def test_what_a_coupon_paid_counts_as_paid() -> None:
    scene = shop()
    for line in scene.money:
        if (line["kind"], line["out_trade_no"]) == ("payment", GONE):
            line["amount_minor"] -= 1
    scene.pays("coupon", GONE, 1)
    assert list(CHECKS["as-ordered"](scene.evidence())) == []
