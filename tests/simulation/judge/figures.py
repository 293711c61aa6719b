"""Figures: the facts that analytics keeps, and the products that the order service shows, are what the events say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sandbox.clock import CHINA
from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.hearing import origin
from tests.simulation.judge.reading import Message, Reading

Facts = dict[str, dict[str, list[dict[str, Any]]]]
"""By collection and id, what may stand there: more than one thing where an event was said again with other words."""


def facts(reading: Reading) -> Iterable[Violation]:
    """Analytics keeps exactly the facts that the events in the topics tell, each once: lines of orders, cases, refunds,
    calls that settled nothing, notices, pieces on the shelf again, ratings, saved orders. Before the end, and where a
    broker lost records that nobody had read, those of the events that it has read must be there, and none that no
    event tells."""
    collections = reading.evidence.documents.get("analytics")
    if collections is None:
        return
    every = _facts(_told(reading))
    whole = reading.evidence.final and not reading.emptied
    wanted_facts = every if whole else _facts(_told(reading, read=True))
    for name, documents in collections.items():
        if name not in _NAMES:
            continue
        told = every.get(name, {})
        for id, document in documents.items():
            if id not in told:
                yield Violation("I11", f"{name}/{id}", "no event tells this")
            else:
                yield from _compare(f"{name}/{id}", document, told[id])
    for name, wanted in wanted_facts.items():
        have = collections.get(name, {})
        for id, possible in wanted.items():
            missing = [part for part in possible if id not in have or _parts(part) - _parts(have[id])]
            if missing:
                yield Violation("I11", f"{name}/{id}", f"not counted: {missing[0]}")


def _compare(subject: str, document: Row, told: list[dict[str, Any]]) -> Iterator[Violation]:
    """Every field that the judge knows has a value that an event gives it, and is there if its event was counted: of
    several parts that make up one document each comes with its own event."""
    for one in told:
        if _parts(one) <= document.keys() and not one.keys() <= document.keys():
            yield Violation("I11", subject, f"has no {sorted(one.keys() - document.keys())}")
    for field in {field for one in told for field in one}:
        if field not in document:
            continue
        possible = [one[field] for one in told if field in one]
        value = document[field]
        known = {key: value.get(key) for key in possible[0]} if isinstance(possible[0], dict) else value
        if known not in possible:
            yield Violation("I11", subject, f"{field} is {known!r}, the events say {possible!r}")
    for part in _PARTS & document.keys():
        if not any(part in one for one in told):
            yield Violation("I11", subject, f"has {part}, which no event tells")


_PARTS = {"accepted", "completed", "undone", "kind", "stars", "lost"}
_NAMES = (
    "facts_order_lines",
    "facts_cases",
    "facts_refunds",
    "facts_refund_attempts",
    "facts_notices",
    "facts_stock_returns",
    "facts_ratings",
    "facts_saved_orders",
)


def _parts(fact: Row) -> set[str]:
    return _PARTS & fact.keys()


def _told(reading: Reading, *, read: bool = False) -> Iterator[Message]:
    """The events that analytics can read, or only those that it has read. What it could not take lies in the dead
    letters."""
    ours = [letter for letter in reading.letters if letter.header("dead_service") == "analytics" and not letter.foreign]
    buried = {origin(letter)[1:] for letter in ours}
    for message in _read(reading) if read else reading.messages:
        if message.wire in _TELLS and not message.foreign and message.place not in buried:
            yield message


def _read(reading: Reading) -> Iterator[Message]:
    for (group, topic, partition), upto in reading.evidence.committed.items():
        if group == "analytics":
            yield from (one for one in reading.standing.get((topic, partition), ()) if one.offset < upto)


def _facts(events: Iterable[Message]) -> Facts:
    found: Facts = defaultdict(lambda: defaultdict(list))
    seen: set[str] = set()
    for message in events:
        if message.id in seen:
            continue
        seen.add(message.id)
        for name, id, fact in _TELLS[message.wire](message.body):
            if fact not in found[name][id]:
                found[name][id].append(fact)
    return found


Fact = Iterator[tuple[str, str, dict[str, Any]]]


def _order(body: Row) -> Fact:
    """Orders are counted by the first line of each month, product, … they have."""
    seen: set[tuple[str, str]] = set()
    for line in body["lines"]:
        about = {"month": _month(body["occurred_at"]), "product": line["product_id"], "category": line["category"]}
        about["group"] = body["customer_group"]
        first_of = {by: int((by, about[by]) not in seen) for by in about}
        seen |= set(about.items())
        yield (
            "facts_order_lines",
            f"{body['order_id']}/{line['line_no']}",
            {
                "order_id": body["order_id"],
                "quantity": line["quantity"],
                "amount_minor": line["paid_minor"],
                "first_of": first_of,
                **about,
            },
        )


def _case(part: str) -> Any:
    def tell(body: Row) -> Fact:
        facts: dict[str, Any] = {"month": _month(body["occurred_at"])}
        if part == "undone":
            facts["because"] = body["because"]
        else:
            facts |= {
                "group": body["customer_group"],
                "lines": [_line(line) for line in body["lines"]],
                "reason": body["reason"].get("word") or body["reason"]["code"],
                "family": body["reason"]["family"],
                "whole": body["whole"],
                "quantity": sum(line["quantity"] for line in body["lines"]),
                "amount_minor": sum(line["amount_minor"] for line in body["lines"]),
            }
        if part == "completed":
            facts["refunded_minor"] = body["refunded"]["amount_minor"]
            for number in range(1, body.get("after_alternatives", 0) + 1):
                yield "facts_saved_orders", f"{body['order_id']}/{number}", {"lost": True}
        yield "facts_cases", body["case_id"], {"order_id": body["order_id"], part: facts}

    return tell


def _line(line: Row) -> dict[str, Any]:
    what = {name: line[name] for name in ("category", "quantity", "amount_minor")}
    return {"product": line["product_id"], **what}


def _refund(body: Row) -> Fact:
    fact = {name: body[name] for name in ("case_id", "order_id")}
    fact |= {"amount_minor": body["amount"]["amount_minor"], "month": _month(body["settled_at"])}
    yield "facts_refunds", body["refund_number"], fact


def _attempt(body: Row) -> Fact:
    id = f"{body['refund_number']}/{body['outcome']}/{body['attempt']}"
    yield "facts_refund_attempts", id, {name: body[name] for name in ("case_id", "outcome", "provider_code")}


def _notice(body: Row) -> Fact:
    fact = {name: body[name] for name in ("case_id", "order_id", "outcome", "channel")}
    fact["month"] = _month(body["told_at"])
    yield "facts_notices", f"{body['case_id']}/{body['outcome']}", fact


def _back(body: Row) -> Fact:
    for line in () if body.get("exchanged") else body["lines"]:
        fact = {"case_id": body["case_id"], "product": line["product_id"], "quantity": line["quantity"]}
        yield "facts_stock_returns", f"{body['case_id']}/{line['line_no']}", fact


def _rating(body: Row) -> Fact:
    fact = {name: body[name] for name in ("order_id", "stars", "outcome")}
    fact |= {"reason": body["reason"].get("word") or body["reason"]["code"], "group": body["customer_group"]}
    fact |= {"month": _month(body["occurred_at"]), "answers": [f"{q}={a}" for q, a in sorted(body["answers"].items())]}
    yield "facts_ratings", body["case_id"], fact


def _saved(body: Row) -> Fact:
    yield "facts_saved_orders", f"{body['order_id']}/{body['number']}", _kept(body)


def _kept(body: Row) -> dict[str, Any]:
    about = {"order_id": body["order_id"], "group": body["customer_group"], "month": _month(body["occurred_at"])}
    return {"kind": body["kind"], **about}


_TELLS: Mapping[str, Any] = {
    "cancellation-rated.v1": _rating,
    "alternative-taken.v1": _saved,
    "order-placed.v1": _order,
    "cancellation-accepted.v1": _case("accepted"),
    "cancellation-completed.v1": _case("completed"),
    "cancellation-undone.v1": _case("undone"),
    "refund-settled.v1": _refund,
    "refund-attempted.v1": _attempt,
    "customer-told.v2": _notice,
    "stock-released.v1": _back,
    "stock-taken-back.v1": _back,
}


def _month(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(CHINA).strftime("%Y-%m")


def products(reading: Reading) -> Iterable[Violation]:
    """The order service's copy of each product is the newest revision of those it has read."""
    known = reading.evidence.documents.get("order", {}).get("products")
    if known is None:
        return
    for (group, topic, partition), upto in reading.evidence.committed.items():
        listed = reading.standing.get((topic, partition), ()) if group == "order" else ()
        for message in listed:
            if message.wire != "product-listed.v1" or message.foreign or message.offset >= upto:
                continue
            have = known.get(message.body["product_id"], {}).get("revision", 0)
            if have < message.body["revision"]:
                yield Violation("I11", message.key, f"revision {message.body['revision']} was read, {have} is shown")
