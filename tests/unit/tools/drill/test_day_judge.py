"""The judge of a day lets a day in order pass, and finds every kind of lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.gateway.auth import PROVIDER, RIGHTS
from tools.drill.day.judge import LINES, Evidence, Promised, judge
from tools.drill.day.reading import route_of

PAID = "every order was paid what its customer was told"
BACK = "every customer got back what was promised, and nothing else"
UNTOUCHED = "no money moved for what was taken back or refused"
TOLD = "every message reached a phone exactly once"
CODES = "every confirmation code went out in one short message"
SHELF = "the shelf agrees with what was sold"
TRAIL = "every deed of the staff stands in the audit trail"
ROUTES = "every route was used by somebody"
SANDBOX = "the sandbox's own check of its ledger"

PHONE = "13900000001"
DEED = ("POST", "/admin/v1/orders/o1/ship", 200)


def money(kind: str, amount_minor: int, order_id: str = "o1", openid: str = "z") -> dict[str, Any]:
    return {"kind": kind, "amount_minor": amount_minor, "out_trade_no": order_id, "openid": openid}


def message(template: str, **values: str) -> dict[str, Any]:
    return {"template_name": template, "channel": "sms-tencent", "to": f"+86{PHONE}", "values": values}


def in_order() -> Evidence:
    """o1 was paid 500 and given back 200, by refund; o2 was paid 300, refused once, and stays."""
    return Evidence(
        orders={
            "o1": Promised("z", 500, 200, Counter(["refund-arrived"]), 500, 200),
            "o2": Promised("z", 300, 0, Counter(["refund-failed"]), 300, 0),
        },
        money=[
            money("payment", 500),
            money("payment", 300, "o2"),
            money("refund-accepted", 200),
            money("refund-success", 200),
            money("payment", 999, "others", "somebody"),
        ],
        messages=[
            message("refund-arrived", order="o1"),
            {**message("refund-failed", character_string1="o2"), "channel": "wechat", "to": "z"},
            message("verification-code", code="123456"),
        ],
        codes={PHONE: 1},
        shelf={"tea": (18, 18)},
        deeds={"wang": Counter([DEED])},
        trail={"wang": Counter([DEED, ("POST", "/admin/v1/session", 200)])},
        asked=frozenset((right.method, right.path) for right in RIGHTS if right.may != PROVIDER),
    )


def wrong(evidence: Evidence) -> set[str]:
    return {check.name[1] for check in judge(evidence) if not check.agrees}


def test_a_day_in_order_passes_and_everything_was_looked_at() -> None:
    assert wrong(in_order()) == set()
    assert all(check.compared for check in judge(in_order()))
    assert len(judge(in_order())) == len(LINES) == 9


def without(lines: list[Any], kind: str) -> list[Any]:
    return [one for one in lines if kind not in {one.get("kind"), one.get("template_name")}]


LIES: dict[str, tuple[Callable[[Evidence], Evidence], set[str]]] = {
    "a payment is missing": (lambda day: replace(day, money=without([*day.money], "payment")), {PAID}),
    "a payment counts twice": (lambda day: replace(day, money=[*day.money, money("payment", 500)]), {PAID}),
    "a page shows another sum": (
        lambda day: replace(day, orders={**day.orders, "o1": replace(day.orders["o1"], paid_shown=499)}),
        {PAID},
    ),
    "a refund never arrived": (lambda day: replace(day, money=without([*day.money], "refund-success")), {BACK}),
    "a refund arrived twice": (lambda day: replace(day, money=[*day.money, money("refund-success", 200)]), {BACK}),
    "a refund is still on its way": (
        lambda day: replace(day, money=[*day.money, money("refund-accepted", 1)]),
        {BACK},
    ),
    "money for what was refused": (
        lambda day: replace(
            day, money=[*day.money, money("refund-accepted", 1, "o2"), money("refund-closed", 1, "o2")]
        ),
        {UNTOUCHED},
    ),
    "a transfer of which nobody knows": (
        lambda day: replace(
            day, money=[*day.money, money("transfer-accepted", 1, ""), money("transfer-success", 1, "")]
        ),
        {BACK},
    ),
    "a message is missing": (lambda day: replace(day, messages=without([*day.messages], "refund-failed")), {TOLD}),
    "a message went to somebody else": (
        lambda day: replace(
            day,
            messages=[{**one, "to": "y"} if one["channel"] == "wechat" else one for one in day.messages],
        ),
        {TOLD},
    ),
    "a message came twice": (
        lambda day: replace(day, messages=[*day.messages, message("refund-arrived", order="o1")]),
        {TOLD},
    ),
    "a code never came": (lambda day: replace(day, messages=without([*day.messages], "verification-code")), {CODES}),
    "a piece is missing": (lambda day: replace(day, shelf={"tea": (18, 17)}), {SHELF}),
    "the recount finds something": (lambda day: replace(day, stock_differences=[{"product_id": "tea"}]), {SHELF}),
    "a deed without a trace": (lambda day: replace(day, trail={}), {TRAIL}),
    "a deed with another outcome": (
        lambda day: replace(day, trail={"wang": Counter([(*DEED[:2], 409)])}),
        {TRAIL},
    ),
    "a route nobody used": (
        lambda day: replace(day, asked=day.asked - {("GET", "/admin/v1/audit")}),
        {ROUTES},
    ),
    "the sandbox disagrees with itself": (lambda day: replace(day, violations=["balance: …"]), {SANDBOX}),
}


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_is_found(lie: str) -> None:
    tell, found = LIES[lie]
    assert wrong(tell(in_order())) == found


def test_a_route_that_cannot_be_played_may_be_left_out() -> None:
    route = ("GET", "/admin/v1/audit")
    day = in_order()
    assert wrong(replace(day, asked=day.asked - {route}, left_out=frozenset([route]))) == set()


@pytest.mark.parametrize(
    ("method", "path", "row"),
    [
        ("POST", "/admin/v1/stock/recount", "/admin/v1/stock/recount"),
        ("GET", "/admin/v1/stock/tea", "/admin/v1/stock/{product_id}"),
        ("GET", "/mp/v1/orders/o1/cases/o1-c1/transfer", "/mp/v1/orders/{order_id}/cases/{case_id}/transfer"),
    ],
)
def test_a_request_belongs_to_its_row(method: str, path: str, row: str) -> None:
    assert route_of(method, path) == (method, row)


def test_a_request_to_nowhere_belongs_to_none() -> None:
    assert route_of("GET", "/nowhere") is None
