"""Faults: the same seed gives the same faults, and a rule strikes exactly where it says."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from sandbox.app import settle
from sandbox.fault_rules import Call, Kind
from sandbox.faults import Rule, Shares
from tests.unit.sandbox.shop import Shop

MakeShop = Callable[..., Awaitable[Shop]]
SANDBOX = Path(__file__).parents[3] / "sandbox"
NAMED_ONLY = ("fault_rules.py", "fault_mix.py", "script.py")
NUMBERS = [f"case-{place}_1" for place in range(4000)]


def numbers_with(shares: Shares, wanted: str) -> list[str]:
    return [number for number in NUMBERS if shares.of(number) == wanted]


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    seven, again, eight = (
        Shares(seed=seed, refund_unknown_share=0.02, refund_refused_share=0.01) for seed in (7, 7, 8)
    )
    drawn = [seven.of(number) for number in NUMBERS]
    assert drawn == [again.of(number) for number in NUMBERS]
    assert drawn != [eight.of(number) for number in NUMBERS]


def test_the_shares_are_what_was_asked_for() -> None:
    shares = Shares(seed=7, refund_unknown_share=0.2, refund_refused_share=0.1)
    found = Counter(shares.of(number) for number in NUMBERS)
    assert found["refused"] / len(NUMBERS) == pytest.approx(0.1, abs=0.02)
    assert found["unknown-before"] / len(NUMBERS) == pytest.approx(0.1, abs=0.02)
    assert found["unknown-after"] / len(NUMBERS) == pytest.approx(0.1, abs=0.02)


def test_a_larger_refused_share_keeps_those_that_were_refused() -> None:
    few = set(numbers_with(Shares(seed=7, refund_refused_share=0.01), "refused"))
    more = set(numbers_with(Shares(seed=7, refund_refused_share=0.05), "refused"))
    assert few
    assert few < more


async def test_a_refused_number_is_refused_for_good(shop: Shop) -> None:
    shares = {"seed": 7, "refund_unknown_share": 0.0, "refund_refused_share": 0.01}
    await shop.control("PUT", "/faults", shares)
    number = numbers_with(Shares.model_validate(shares), "refused")[0]
    await shop.paid("order-0001")
    for _ in range(3):
        code, refused = await shop.refund(number, "order-0001", 10)
        assert (code, refused["code"]) == (403, "USER_ACCOUNT_ABNORMAL")
    assert (await shop.refund_state(number))[0] == 404
    summary = await shop.get("/_ledger/summary")
    assert summary["refused_numbers"] == [number]
    assert summary["refusals"] == {"count": 1, "amount_minor": 10}
    assert summary["refunds_accepted"]["count"] == 0


async def test_a_refused_refund_may_be_shown_as_closed(shop: Shop) -> None:
    await shop.paid("order-0001")
    fault = {"kind": "error-before", "http": 403, "code": "NOT_ENOUGH", "refund_status": "CLOSED"}
    await shop.control("POST", "/faults/rules", [{"call": "refund", "nth": 1, "fault": fault}])
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 403
    assert (await shop.refund_state("refund-1"))[1]["status"] == "CLOSED"
    assert (await shop.refund("refund-1", "order-0001", 10))[1]["status"] == "CLOSED"
    summary = await shop.get("/_ledger/summary")
    assert (summary["refused_numbers"], summary["refunds_accepted"]["count"]) == (["refund-1"], 0)
    assert summary["refunds_closed"]["count"] == 0, "nothing was taken that could come back"
    assert (await shop.get("/_ledger/check"))["ok"] is True


@pytest.mark.parametrize(("kind", "known_after"), [("unknown-before", 404), ("unknown-after", 200)])
async def test_an_unknown_number_fails_once_before_or_after_acceptance(shop: Shop, kind: str, known_after: int) -> None:
    shares = {"seed": 7, "refund_unknown_share": 0.05}
    await shop.control("PUT", "/faults", shares)
    number = numbers_with(Shares.model_validate(shares), kind)[0]
    await shop.paid("order-0001")
    code, unknown = await shop.refund(number, "order-0001", 10)
    assert (code, unknown["code"]) == (500, "SYSTEM_ERROR")
    assert (await shop.get("/_ledger/summary"))["refused_numbers"] == []
    assert (await shop.refund_state(number))[0] == known_after
    assert (await shop.refund(number, "order-0001", 10))[0] == 200
    await settle(shop.app)
    summary = await shop.get("/_ledger/summary")
    assert summary["refunded"] == {"count": 1, "amount_minor": 10}
    assert summary["refused_numbers"] == []


async def test_two_runs_with_one_seed_are_alike(make_shop: MakeShop) -> None:
    async def run() -> list[int]:
        shop = await make_shop(fault_seed=7, refund_unknown_share=0.3, refund_refused_share=0.2)
        await shop.paid("order-0001", 1000)
        return [(await shop.refund(number, "order-0001", 1, 1000))[0] for number in NUMBERS[:40]]

    first = await run()
    assert set(first) == {200, 403, 500}
    assert await run() == first


@pytest.mark.parametrize(
    ("limits", "struck"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"nth": 2}, [2]),
        ({"times": 2}, [1, 2]),
        ({"nth": 3, "times": 2}, [3, 4]),
    ],
)
async def test_a_rule_strikes_the_calls_it_names(shop: Shop, limits: dict[str, int], struck: list[int]) -> None:
    rule = {"call": "refund-query", "match": {"out_refund_no": "refund-1"}, "fault": {"kind": "error-before"}}
    await shop.control("POST", "/faults/rules", [rule | limits])
    found = []
    for turn in range(1, 6):
        assert (await shop.refund_state("refund-2"))[0] == 404
        if (await shop.refund_state("refund-1"))[0] == 500:
            found.append(turn)
    assert found == struck
    await shop.control("DELETE", "/faults/rules")
    assert (await shop.refund_state("refund-1"))[0] == 404


async def test_an_error_after_the_call_took_effect(shop: Shop) -> None:
    await shop.paid("order-0001")
    fault = {"kind": "error-after", "http": 429, "code": "FREQUENCY_LIMITED"}
    await shop.control("POST", "/faults/rules", [{"call": "refund", "times": 1, "fault": fault}])
    code, answer = await shop.refund("refund-1", "order-0001", 10)
    assert (code, answer["code"]) == (429, "FREQUENCY_LIMITED")
    assert (await shop.refund_state("refund-1"))[0] == 200
    assert (await shop.get("/_ledger/summary"))["refusals"]["count"] == 0


async def test_a_refusal_put_in_place_of_the_call_is_in_the_ledger(shop: Shop) -> None:
    await shop.paid("order-0001")
    fault = {"kind": "error-before", "http": 403, "code": "USER_ACCOUNT_ABNORMAL"}
    rule = {"call": "refund", "match": {"out_trade_no": "order-0001"}, "fault": fault}
    await shop.control("POST", "/faults/rules", [rule])
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 403
    assert (await shop.get("/_ledger/summary"))["refused_numbers"] == ["refund-1"]


@pytest.mark.parametrize(("kind", "known_after"), [("drop-before", 404), ("drop-after", 200)])
async def test_a_dropped_call_is_a_transport_error(shop: Shop, kind: str, known_after: int) -> None:
    await shop.paid("order-0001")
    await shop.control("POST", "/faults/rules", [{"call": "refund", "times": 1, "fault": {"kind": kind}}])
    with pytest.raises(httpx.TransportError):
        await shop.refund("refund-1", "order-0001", 10)
    assert (await shop.refund_state("refund-1"))[0] == known_after
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 200


@pytest.mark.parametrize("call", ["prepay", "pay-query", "close"])
async def test_payments_can_fail_too(shop: Shop, call: str) -> None:
    await shop.prepay("order-0001")
    rule = {"call": call, "match": {"out_trade_no": "order-0001"}, "fault": {"kind": "error-before"}}
    await shop.control("POST", "/faults/rules", [rule])
    codes = {
        "prepay": (await shop.prepay("order-0001"))[0],
        "pay-query": (await shop.trade_state("order-0001"))[0],
        "close": (await shop.pay.close("order-0001"))[0],
    }
    assert codes == {"prepay": 200, "pay-query": 200, "close": 204} | {call: 500}


@pytest.mark.parametrize(
    "rule",
    [
        {"call": "refunds", "fault": {"kind": "error-before"}},
        {"call": "refund", "fault": {"kind": "callback-lost"}},
        {"call": "pay-callback", "fault": {"kind": "error-before"}},
        {"call": "close", "fault": {"kind": "status", "refund_status": "CLOSED"}},
        {"call": "refund", "fault": {"kind": "status"}},
        {"call": "refund", "fault": {"kind": "error-after", "refund_status": "CLOSED"}},
        {"call": "refund", "fault": {"kind": "error-before", "refund_status": "ABNORMAL"}},
        {"call": "transfer", "fault": {"kind": "error-before", "refund_status": "CLOSED"}},
        {"call": "refund", "nth": 0, "fault": {"kind": "error-before"}},
        {"call": "refund", "fault": {"kind": "error-before", "http": 200}},
    ],
)
async def test_a_rule_that_means_nothing_is_refused(shop: Shop, rule: dict[str, Any]) -> None:
    assert (await shop.http.post("/_control/faults/rules", json=[rule])).status_code == 422
    with pytest.raises(ValueError):
        Rule.model_validate(rule)


async def test_faults_can_be_seen_and_cleared(shop: Shop) -> None:
    await shop.control("PUT", "/faults", {"seed": 7, "refund_unknown_share": 0.5})
    await shop.control("POST", "/faults/rules", [{"call": "close", "fault": {"kind": "error-before"}}])
    seen = await shop.control("GET", "/faults")
    assert (seen["seed"], seen["refund_unknown_share"], len(seen["rules"])) == (7, 0.5, 1)
    cleared = await shop.control("DELETE", "/faults")
    assert (cleared["seed"], cleared["refund_unknown_share"], cleared["rules"]) == (0, 0.0, [])
    too_much = {"refund_unknown_share": 0.6, "refund_refused_share": 0.6}
    assert (await shop.http.put("/_control/faults", json=too_much)).status_code == 422


def test_each_call_and_each_kind_of_fault_is_in_the_readme() -> None:
    rules = (SANDBOX / "README.md").read_text("utf-8").split("### Fault rules\n", 1)[1].split("\n### ", 1)[0]
    assert [call for call in get_args(Call) if f"`{call}`" not in rules] == []
    assert [kind for kind in get_args(Kind) if f"`{kind}`" not in rules] == []


def test_each_kind_of_fault_is_carried_out_somewhere() -> None:
    """One that is only named would strike a call and change nothing. Of `states` what it carries is looked at."""
    code = "".join(file.read_text("utf-8") for file in sorted(SANDBOX.glob("*.py")) if file.name not in NAMED_ONLY)
    carried = {"states": "fault.first_state", "status": "fault.refund_status"}
    assert [kind for kind in get_args(Kind) if carried.get(kind, f'"{kind}"') not in code] == []
