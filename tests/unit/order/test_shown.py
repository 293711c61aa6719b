"""What the order service shows is what the gateway's document says of it, field by field. Bodies are handed on as they
are and services know nothing of each other, so a field that is added here is described there by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from contracts.order import Actor
from contracts.task import GoodsBack
from services.gateway.cancelling import RuleWanted
from services.gateway.shown_orders import CustomersOrder, StaffsOrder
from services.gateway.shown_policies import RuleShown
from services.order.model import Order
from services.order.policies import BUILT_IN, Rule, Verdict
from services.order.questionnaire import Rating
from services.order.returned import Parcel
from services.order.story import customers_order
from services.order.views import order_view
from tests.unit.order import told

DESCRIBED = "describe it in services/gateway/shown_orders.py or shown_cases.py"
STAFF = Actor(kind="staff", id="s1", role="supervisor")


def with_everything() -> Order:
    """A cancelled order about which there is something to show in each part."""
    order = told.paid_order().hears(told.cancel(), told.held(), told.accepted(), told.released()).order
    case = order.cases[0].model_copy(
        update={
            "verdict": Verdict(approved=True, by=STAFF, at=told.START),
            "rating": Rating(questionnaire=1, stars=5, outcome="completed", rated_at=told.START),
            "parcel": Parcel(
                found="returned", goods=(GoodsBack(line_no=1, good=1, damaged=0),), at=told.START, by=STAFF
            ),
        }
    )
    return order.with_case(case)


def with_a_task() -> Order:
    return told.paid_order().hears(told.cancel(), told.held(), told.refused(), told.kept()).order


def shown(view: dict[str, Any]) -> str:
    return json.dumps(view, default=lambda one: one.isoformat())


def undescribed(described: type[BaseModel], view: dict[str, Any]) -> list[str]:
    """The fields of a view that are not in its description, or not as it says."""
    try:
        described.model_validate_json(shown(view), extra="forbid")
    except ValidationError as problem:
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problem.errors(include_url=False)]
    return []


@pytest.mark.parametrize("order", [with_everything(), with_a_task()], ids=["with-everything", "with-a-task"])
def test_each_field_of_an_order_is_described_in_the_openapi_document(order: Order) -> None:
    assert undescribed(CustomersOrder, customers_order(order)) == [], DESCRIBED
    assert undescribed(StaffsOrder, order_view(order)) == [], DESCRIBED


def test_a_field_that_is_not_described_is_named() -> None:
    view = customers_order(with_everything())
    view["cases"][0]["refund"]["bank_day"] = "2025-03-01"
    del view["cases"][0]["note"]
    found = undescribed(CustomersOrder, view)
    assert [one.partition(":")[0] for one in found] == ["cases.0.note", "cases.0.refund.bank_day"]


def test_a_rule_of_a_policy_is_taken_and_shown_with_all_its_fields() -> None:
    """Three classes, because a service imports no other one."""
    wanted = list(Rule.model_fields)
    assert list(RuleWanted.model_fields) == wanted, "the same fields in services/gateway/cancelling.py"
    assert list(RuleShown.model_fields) == wanted, "the same fields in services/gateway/shown_policies.py"
    taken, kept = (_limits(one) for one in (RuleWanted, Rule))
    assert taken == kept, "the same limits in services/gateway/cancelling.py"
    for rule in BUILT_IN.rules:
        assert undescribed(RuleShown, rule.model_dump(mode="json")) == []


def _limits(rule: type[BaseModel]) -> dict[str, Any]:
    """What each field takes, without words for people; `who` is the same list put together otherwise."""
    fields = rule.model_json_schema()["properties"]
    return {name: {**field, "title": ""} for name, field in fields.items() if name != "who"}
