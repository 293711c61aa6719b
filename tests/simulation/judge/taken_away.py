"""Orders that were taken away: hidden by their customers, erased by staff."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Reading, Stored

FINISHED = ("completed", "cancelled")
NEEDS_THE_CUSTOMER = ("intended", "unknown", "parked", "accepted", "abnormal", "paying-out")
"""A refund in one of these states may still have to be told, or sent another way."""
WORTH_HIDING = 2
DIGITS = re.compile(r"[0-9]{4}")
"""In the name of where money went: a card's."""


def hidden_as_wished(reading: Reading) -> Iterable[Violation]:
    """Whoever was told that an order is hidden finds it hidden, and only finished orders are that their customer asked
    to hide.
    """
    orders = reading.of("order", "orders")
    asked_for = (one for one in reading.evidence.attempts if one.method == "DELETE" and not 400 <= one.status < 500)
    wished = {one.path.rpartition("/")[2] for one in asked_for}
    for asked in reading.evidence.asked:
        order = orders.get(asked.order_id)
        if asked.what == "hide" and asked.status == 200 and not (order and order.state.get("hidden_at")):
            yield Violation("I06", asked.order_id, "its customer was told that it is hidden, and it is not")
    for id, order in orders.items():
        if not order.state.get("hidden_at"):
            continue
        if id not in wished:
            yield Violation("I06", id, "hidden, and nobody asked for it")
        if order.state["state"] not in FINISHED and not order.state["cases"]:
            yield Violation("I06", id, f"hidden while {order.state['state']}")


def not_needed(reading: Reading) -> Iterable[Violation]:
    """What is erased is needed by nobody: no case of it is open, no task, no refund that still needs the customer."""
    for id, order in _erased(reading):
        state = order.state
        if state["state"] not in FINISHED:
            yield Violation("I06", id, f"erased while {state['state']}")
        for case in state["cases"]:
            if case["status"] == "open":
                yield Violation("I06", id, f"erased, and its case {case['case_id']} is open")
        for task in state.get("tasks") or ():
            if task["done_at"] is None:
                yield Violation("I06", id, f"erased, and its task {task['task_id']} is open")
        payment = reading.of("payment", "payments").get(id)
        for refund in (payment.state.get("refunds") or ()) if payment is not None else ():
            if refund["status"] in NEEDS_THE_CUSTOMER:
                yield Violation("I06", id, f"erased, and its refund {refund['number']} is {refund['status']}")


def forgotten(reading: Reading) -> Iterable[Violation]:
    """In the end no stored document about an erased order, of any service, says whose it was."""
    for id, _ in _erased(reading):
        values = _personal(reading, id)
        for service, collections in reading.evidence.documents.items():
            for collection, documents in collections.items():
                for name, document in documents.items():
                    text = repr(document)
                    if id not in text:
                        continue
                    for value in values:
                        if value in text:
                            subject = f"{service}/{collection}/{name}"
                            yield Violation("I16", subject, f"{value[:2]}*** of the erased order {id}")


def _erased(reading: Reading) -> Iterator[tuple[str, Stored]]:
    for id, order in reading.of("order", "orders").items():
        if order.state.get("erased"):
            yield id, order


def _personal(reading: Reading, order_id: str) -> list[str]:
    """What was once said of the order's customer: at the door, in wishes, and of the bank they paid from (its name with
    the end of a card's number)."""
    found: set[str] = set()
    for body in reading.bodies("refund-accepted.v1"):
        if body["order_id"] == order_id and DIGITS.search(body["route"]):
            found.add(body["route"])
    for asked in reading.evidence.asked:
        if asked.what == "card" and asked.order_id == order_id:
            found.add(str(asked.body["bank_account"]))
        if asked.what == "place" and asked.answer.get("order_id") == order_id:
            found.update(_of(asked.body.get("contact") or {}))
    for body in reading.bodies("place-order.v1", "open-payment.v1", "tell-customer.v2"):
        if body["order_id"] == order_id:
            for part in (body, body.get("contact") or {}, body.get("to") or {}):
                found.update(_of(part))
    return sorted(found)


def _of(part: Row) -> Iterator[str]:
    for name in ("phone", "openid", "name"):
        value = str(part.get(name) or "")
        if len(value) >= WORTH_HIDING:
            yield value
