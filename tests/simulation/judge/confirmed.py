"""Confirmation codes: what needs one was done only with the one that was sent for exactly that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.simulation.evidence import Asked, Row, Violation
from tests.simulation.judge.reading import Reading

LASTS = timedelta(minutes=5)
SLACK = timedelta(minutes=1)
"""Asking again with the same key takes its time, and clocks are not all the same."""


class Sent(NamedTuple):
    """A code that a member of staff got: for which action, about what, for how much (fen), when."""

    who: str
    action: str
    about: str
    amount_minor: int
    at: datetime


def with_a_code(reading: Reading) -> Iterable[Violation]:
    """An order is erased, and a paid one cancelled by a supervisor for its quality, only after whoever did it gave the
    code that had come by short message for this action, this order and this amount, not more than five minutes before.
    Asked at the end: what somebody still asks for again is not written down yet."""
    codes = _sent(reading)
    for body in reading.bodies("order-erased.v1"):
        who, one, many = body["by"]["id"], body["order_id"], body["export_id"]
        single = _given(reading, codes, who, "erase", one, "delete-order", None)
        if not single and not _given(reading, codes, who, "erase-many", many, "delete-orders", None):
            yield Violation("I23", one, f"erased by {who}, without the code for it")
    for story in reading.stories.values():
        for case in story.cases.values():
            asked = case.accepted
            by = asked["by"]
            if case.opened_in == "paid" and by.get("role") == "supervisor" and asked["reason"]["code"] == "quality":
                given = _given(reading, codes, by["id"], "cancel", story.order_id, "cancel-order", case.amount)
                if not given and not asked.get("reference"):
                    yield Violation("I23", case.case_id, f"cancelled by {by['id']}, without the code for it")


def _given(
    reading: Reading, codes: dict[str, Sent], who: str, what: str, about: str, action: str, amount_minor: int | None
) -> bool:
    for asked in reading.evidence.asked:
        if (asked.what, asked.who, asked.order_id) != (what, who, about):
            continue
        sent = codes.get(str(asked.body.get("code", "")))
        if sent is None or (sent.who, sent.action, sent.about) != (who, action, about):
            continue
        if asked.at - sent.at <= LASTS + SLACK and amount_minor in (None, sent.amount_minor):
            return True
    return False


def _sent(reading: Reading) -> dict[str, Sent]:
    """By code: whoever asked for one got it in the last message to their phone before they were answered."""
    lines = [line for line in reading.evidence.messages if "code" in line["values"] and "minutes" in line["values"]]
    return {code: sent for one in reading.evidence.asked if one.what == "code" for code, sent in _message(one, lines)}


def _message(asked: Asked, lines: list[Row]) -> Iterator[tuple[str, Sent]]:
    end = str(asked.answer.get("sent_to", ""))[-4:]
    mine = [line for line in lines if end and str(line["to"]).endswith(end) and _time(line) <= asked.at]
    for line in mine[-1:]:
        body = asked.body
        sent = Sent(asked.who, body["action"], body["order_id"], int(body["amount_minor"]), _time(line))
        yield str(line["values"]["code"]), sent


def _time(line: Row) -> datetime:
    return datetime.fromisoformat(str(line["time"]))
