"""The seeded mix: which trouble a refund number meets depends on the seed and the number alone."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import httpx
import pytest

from sandbox.app import advance, settle
from sandbox.fault_mix import CALLBACK, FIRST_POST, UNTIL_ACCEPTED, Road, Shares
from tests.unit.sandbox.shop import Shop

MakeShop = Callable[..., Awaitable[Shop]]
NUMBERS = [f"case-{place}_1" for place in range(4000)]
ROADS: tuple[Road, ...] = get_args(Road)
EVERY = {"seed": 7, "mix": dict.fromkeys(ROADS, 0.03)}


def number_with(road: str) -> str:
    shares = Shares.model_validate(EVERY)
    return next(number for number in NUMBERS if shares.of(number) == road)


def test_every_road_is_one_of_three_kinds() -> None:
    assert {*UNTIL_ACCEPTED, *FIRST_POST, *CALLBACK} == set(ROADS)
    assert len(UNTIL_ACCEPTED) + len(FIRST_POST) + len(CALLBACK) == len(ROADS)


def test_the_shares_are_what_was_asked_for() -> None:
    shares = Shares.model_validate({"seed": 7, "mix": {"drop-after": 0.2, "abnormal": 0.1}})
    found = Counter(shares.of(number) for number in NUMBERS)
    assert found["drop-after"] / len(NUMBERS) == pytest.approx(0.2, abs=0.02)
    assert found["abnormal"] / len(NUMBERS) == pytest.approx(0.1, abs=0.02)
    assert set(found) == {"drop-after", "abnormal", None}


def test_the_same_seed_gives_the_same_roads_and_another_seed_others() -> None:
    seven = [Shares.model_validate(EVERY).of(number) for number in NUMBERS]
    assert [Shares.model_validate(EVERY).of(number) for number in reversed(NUMBERS)] == seven[::-1]
    assert [Shares.model_validate(EVERY | {"seed": 8}).of(number) for number in NUMBERS] != seven
    assert set(seven) == {*ROADS, None}


def test_the_old_shares_come_first_and_stay_what_they_were() -> None:
    old: dict[str, Any] = {"seed": 7, "refund_unknown_share": 0.2, "refund_refused_share": 0.1}
    alone, beside = Shares.model_validate(old), Shares.model_validate(old | {"mix": {"drop-after": 0.3}})
    for number in NUMBERS:
        assert beside.of(number) == (alone.of(number) or beside.of(number))
    assert Counter(map(beside.of, NUMBERS))["drop-after"] > 1000


@pytest.mark.parametrize(
    ("number", "road"),
    [
        ("case-1", "closed"),
        ("case-1-1", "closed"),
        ("case-10", None),
        ("case-2", None),
        ("case_3", None),
        ("case-7-2", None),
        ("case", "closed"),
        ("case-0", "closed"),
        ("case-02", "closed"),
    ],
)
def test_the_next_number_after_a_closed_one_goes_through(number: str, road: str | None) -> None:
    assert Shares.model_validate({"mix": {"closed": 1}}).of(number) == road
    assert Shares.model_validate({"mix": {"abnormal": 1}}).of(number) == "abnormal"


async def test_shares_that_mean_nothing_are_refused(shop: Shop) -> None:
    for mix in ({"closed": 0.6, "abnormal": 0.6}, {"closed": -0.1}, {"flood": 0.1}):
        assert (await shop.http.put("/_control/faults", json={"mix": mix})).status_code == 422
    assert (await shop.http.put("/_control/faults", json={"mix": dict.fromkeys(ROADS[:10], 0.1)})).is_success


async def first_post(shop: Shop, number: str) -> Any:
    """HTTP status of the first POST, or what the client makes of an answer it cannot believe."""
    try:
        return (await shop.refund(number, "order-0001", 10))[0]
    except httpx.TransportError:
        return "dropped"
    except ValueError:
        return "garbled"
    except Exception as problem:
        # The client raises bare exceptions, and this one for what it cannot verify.
        if "algorithm" not in str(problem):
            raise
        return "not believed"


# What the first POST looks like, whether it is shown then, and what the second POST looks like.
POSTS: dict[Road, tuple[Any, bool, Any]] = {
    "refused": (403, False, 403),
    "refused-closed": (403, True, 200),
    "short-closed": (403, True, 200),
    "not-permitted": (403, False, 403),
    "unknown-before": (500, False, 200),
    "unknown-after": (500, True, 200),
    "drop-before": ("dropped", False, 200),
    "drop-after": ("dropped", True, 200),
    "error-before": (500, False, 200),
    "error-after": (500, True, 200),
    "limited-before": (429, False, 200),
    "limited-after": (429, True, 200),
    "unsigned": ("not believed", True, 200),
    "garbled": ("garbled", True, 200),
    "wrong-amount": (200, True, 200),
    "wrong-number": (200, True, 200),
    "abnormal": (200, True, 200),
    "closed": (200, True, 200),
    "callback-before-answer": (200, True, 200),
}


@pytest.mark.parametrize("road", POSTS)
async def test_what_a_number_meets(shop: Shop, road: Road) -> None:
    first, shown, second = POSTS[road]
    await shop.control("PUT", "/faults", EVERY)
    await shop.paid("order-0001")
    assert await first_post(shop, number_with(road)) == first
    assert (await shop.refund_state(number_with(road)))[0] == (200 if shown else 404)
    assert await first_post(shop, number_with(road)) == second


@pytest.mark.parametrize("end", ["abnormal", "closed"])
async def test_how_a_number_ends(shop: Shop, end: Road) -> None:
    await shop.control("PUT", "/faults", EVERY)
    await shop.paid("order-0001")
    await shop.control("PUT", "/balance", {"balance_minor": 0})
    assert await first_post(shop, number_with(end)) == 403
    await shop.control("PUT", "/balance", {"balance_minor": 100})
    # It was not accepted, so it has not met its fate yet.
    await shop.refund(number_with(end), "order-0001", 10)
    await settle(shop.app)
    assert (await shop.refund_state(number_with(end)))[1]["status"] == end.upper()


# How many deliveries the receiver believes: at once, and after a minute.
HEARD: dict[Road, tuple[int, int]] = {
    "callback-lost": (0, 0),
    "callback-doubled": (2, 2),
    "callback-late": (0, 1),
    "callback-out-of-order": (0, 1),
    "callback-replayed": (2, 2),
}


@pytest.mark.parametrize("road", HEARD)
async def test_what_becomes_of_a_numbers_callback(shop: Shop, road: Road) -> None:
    at_once, later = HEARD[road]
    await shop.paid("order-0001")
    await settle(shop.app)
    await shop.control("PUT", "/faults", EVERY)
    await shop.refund(number_with(road), "order-0001", 10)
    await settle(shop.app)
    assert shop.receiver.events()[1:] == ["REFUND.SUCCESS"] * at_once
    await advance(shop.app, 61)
    assert shop.receiver.events()[1:] == ["REFUND.SUCCESS"] * later


@pytest.mark.parametrize(("road", "extra"), [("callback-forged", "forged"), ("signtest", "signtest")])
async def test_what_comes_beside_a_numbers_callback(shop: Shop, road: Road, extra: str) -> None:
    await shop.control("PUT", "/faults", EVERY)
    await shop.paid("order-0001")
    await shop.refund(number_with(road), "order-0001", 10)
    await settle(shop.app)
    lines = await shop.control("GET", "/callbacks")
    extras = [[beside["what"] for beside in line["extras"]] for line in lines if line["call"] == "refund-callback"]
    assert extras == [[extra]]
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS", "REFUND.SUCCESS"]


async def test_two_runs_with_one_mix_are_alike(make_shop: MakeShop) -> None:
    quick = {"seed": 7, "mix": dict.fromkeys((road for road in ROADS if road != "slow"), 0.03)}

    async def run() -> list[Any]:
        shop = await make_shop()
        await shop.control("PUT", "/faults", quick)
        await shop.paid("order-0001", 100)
        return [await first_post(shop, number) for number in NUMBERS[:30]]

    first = await run()
    assert {200, 403, 429, 500, "dropped"} <= set(first)
    assert await run() == first
