"""A version of the policy, tried on the cancellations of a past period."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chassis import clock
from contracts.message import Message
from contracts.order import Actor
from contracts.task import ResolveTask
from services.order.policies import BUILT_IN
from tests.unit.order.desk import cancelling_desk
from tests.unit.order.told import (
    CASE,
    CLOSE_REFUSED,
    ID,
    OPENED,
    RESERVED,
    STAFF,
    cancel,
    held,
    kept,
    paid,
    place,
    refused,
    told,
)

FINANCE = Actor(kind="staff", id="f1", role="finance")
BY_TRANSFER = ResolveTask(order_id=ID, task_id=f"{CASE}-t1", choice="cancel-by-transfer", by=FINANCE)


async def tried(*heard: Message) -> Any:
    """What the built-in rules would have decided about the cancellations of an order that heard this."""
    desk = cancelling_desk()
    await desk.hears(place(), RESERVED, OPENED, *heard)
    now, day = clock.now(), timedelta(days=1)
    period = {"since": (now - day).isoformat(), "until": (now + day).isoformat()}
    return (await desk.http.post("/policies/0/preview", json=period)).json()


async def test_the_rules_that_decided_decide_the_same_again_about_an_order_that_turned_out_paid() -> None:
    found = await tried(cancel(policy=BUILT_IN, by=STAFF), paid(), CLOSE_REFUSED)
    assert (found["was"], found["would"], found["changes"]) == ({"allow": 1}, {"allow": 1}, [])
    only_unpaid = Actor(kind="staff", id="s2", role="customer-service")
    found = await tried(cancel(policy=BUILT_IN, by=only_unpaid), paid(), CLOSE_REFUSED)
    assert (found["was"], found["would"], found["changes"]) == ({"allow": 1}, {"allow": 1}, [])


async def test_a_case_that_no_rule_was_asked_about_is_not_tried() -> None:
    undone = (cancel(policy=BUILT_IN, by=STAFF), held(), refused(), kept(), told("refund-failed"))
    found = await tried(paid(), *undone, BY_TRANSFER)
    assert (found["cases"], found["changes"]) == (1, [])
