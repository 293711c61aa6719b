"""Whom a message reached, and the amount that stood in it: judged by who ordered at the door, and by the provider's
money book."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from sandbox.subscribe import openid_of
from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.notices import ON_ITS_WAY, SHOWN_MAX, shown_order
from tests.simulation.judge.reading import Reading

YUAN = re.compile(r"[^0-9]*([0-9]+)\.([0-9]{2})[^0-9]*")
"""An amount as customers read it; all worlds sell for yuan."""


def right_one(reading: Reading) -> Iterable[Violation]:
    """A message about an order reaches the one who placed it, and nobody else: the phone that was given with the order,
    the openid of whoever gave it.
    """
    owners = _owners(reading)
    by_shown = {order_id[-SHOWN_MAX:]: order_id for order_id in owners}
    for line in reading.evidence.messages:
        order_id = by_shown.get((shown_order(line) or "")[-SHOWN_MAX:])
        if order_id is not None and str(line["to"]).removeprefix("+86") not in owners[order_id]:
            what = f"{line['template_name']} went by {line['channel']} to {str(line['to'])[-4:]}, who has not placed it"
            yield Violation("I07", order_id, what)


def _owners(reading: Reading) -> Mapping[str, set[str]]:
    """By order: where its customer can be reached. Orders of which nobody knows who placed them are left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for asked in reading.evidence.asked:
        if asked.what == "place" and asked.answer.get("order_id"):
            phone = str((asked.body.get("contact") or {}).get("phone", ""))
            found[str(asked.answer["order_id"])] |= {openid_of(asked.who), phone}
    for body in reading.bodies("place-order.v1"):
        found[body["order_id"]] |= {str(body["contact"].get("openid", "")), str(body["contact"]["phone"])}
    return found


def true_amounts(reading: Reading) -> Iterable[Violation]:
    """The amount a customer reads is the one that arrived, or was sent, or is to be given back; and what a channel
    carried is what was to be told.
    """
    told: dict[tuple[str, str], set[int]] = defaultdict(set)
    for body in reading.bodies("tell-customer.v2"):
        told[body["order_id"], body["outcome"]].add(body["amount_minor"])
        true = _true(reading, body)
        if true is not None and body["amount_minor"] not in true:
            what = f"{body['outcome']} is told with {body['amount_minor']} fen, it is {sorted(true)}"
            yield Violation("I07", body["case_id"], what)
    by_shown = {order_id[-SHOWN_MAX:]: order_id for order_id, _ in told}
    for line in reading.evidence.messages:
        order_id = by_shown.get((shown_order(line) or "")[-SHOWN_MAX:], "")
        # One that uses the template of another outcome names that one.
        outcomes = (line["template_name"], *(ON_ITS_WAY if line["template_name"] in ON_ITS_WAY else ()))
        wanted = {fen for outcome in outcomes for fen in told.get((order_id, outcome), ())}
        for shown in _amounts(line):
            if wanted and shown not in wanted:
                yield Violation("I07", order_id, f"{line['template_name']} says {shown} fen, was to say {wanted}")


def _true(reading: Reading, body: Row) -> set[int] | None:
    story = reading.stories.get(body["order_id"])
    case = story.cases.get(body["case_id"]) if story is not None else None
    if case is None:
        return {0} if str(body["case_id"]).endswith("-placing") else None
    purse, outcome = reading.books.purse(case.case_id), body["outcome"]
    if outcome == "refund-arrived":
        outside = {case.amount} if case.case_id in reading.settled_outside else set()
        return {purse.arrived_minor} | outside
    if outcome in ON_ITS_WAY:
        return {*purse.sent.values(), case.amount}
    return {"refund-failed": {case.amount}, "cancellation-refused": {0}}.get(outcome, {0, case.amount})


def _amounts(line: Row) -> Iterator[int]:
    for name, value in line["values"].items():
        found = YUAN.fullmatch(str(value)) if name.startswith("amount") else None
        if found is not None:
            yield int(found[1]) * 100 + int(found[2])
        elif name.startswith("amount"):
            yield -1  # no amount at all
