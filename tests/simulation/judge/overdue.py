"""What must not be forgotten while everything else is well: money that is on its way for days, WeChat's record of a
parcel, without which it keeps the shop's money, and goods that are set aside for somebody who does not pay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from tests.simulation.evidence import Violation
from tests.simulation.judge.books import shop_of
from tests.simulation.judge.ledger import ARRIVED, CAME_BACK, OURS
from tests.simulation.judge.reading import Reading
from tests.simulation.judge.stories import Story

TOO_LONG = timedelta(days=3, hours=12)
"""A person looks after three days; the provider is asked every few hours by then."""
ENDS_WITHIN = timedelta(hours=1)
"""So long after its time an order may still be open that nobody paid."""
NOT_PAID = "not-paid-in-time"
"""The reason of a case that began because nobody seemed to pay."""
PAID_IN_TIME = "paid"
"""Why such a case is undone."""
SAYS_SO = frozenset({"refund-stuck", "refund-abnormal", "cannot-give-back", "refund-refused", "no-answer"})
"""Kinds of tasks that say that a refund does not arrive."""


def waited_too_long(reading: Reading) -> Iterable[Violation]:
    """In the end a person was called for each refund that was on its way for more than three days."""
    called: dict[str, set[str]] = defaultdict(set)
    for body in reading.bodies("staff-task-raised.v2"):
        called[body["case_id"]].add(body["kind"])
    for case_id, number, since, until in _under_way(reading):
        if until - since > TOO_LONG and not called[case_id] & SAYS_SO:
            what = f"{number} was on its way from {since:%d %H:%M} to {until:%d %H:%M}, and nobody was called"
            yield Violation("I06", case_id, what)


def _under_way(reading: Reading) -> Iterable[tuple[str, str, datetime, datetime]]:
    """Of each refund of ours that was accepted: its case, its number, since and until when it was on its way."""
    since: dict[str, datetime] = {}
    until: dict[str, datetime] = {}
    for line in reading.evidence.money:
        number, at = str(line.get("out_refund_no")), datetime.fromisoformat(line["time"])
        if line["kind"] == "refund-accepted":
            since.setdefault(number, at)
        elif line["kind"] in (*ARRIVED, *CAME_BACK):
            until.setdefault(number, at)
    for number, at in since.items():
        ours = OURS.fullmatch(number)
        if ours is not None:
            yield ours["case"], number, at, until.get(number, reading.evidence.at)


def told_to_wechat(reading: Reading) -> Iterable[Violation]:
    """In the end WeChat was told of each paid parcel that has left, with its number, unless money of its order went
    back or another shop was paid (whose own mini-program has the record); and of none that never left.
    """
    left = {body["order_id"]: str(body["tracking_number"]) for body in reading.bodies("order-shipped.v1")}
    for order_id in reading.evidence.shipping:
        if order_id not in left:
            yield Violation("I06", order_id, "WeChat was told that it is shipped, and it never left")
    for story in reading.stories.values():
        number = left.get(story.order_id)
        paid = reading.books.paid.get(story.order_id) and not shop_of(reading, story.order_id)
        if number is None or not paid or _money_moved(reading, story):
            continue
        told = {str(parcel.get("tracking_no")) for parcel in reading.evidence.shipping.get(story.order_id, ())}
        if number not in told:
            yield Violation("I06", story.order_id, f"left as parcel {number}, WeChat was told of {sorted(told)}")


def _money_moved(reading: Reading, story: Story) -> bool:
    tried = any(reading.books.purse(case_id).numbers for case_id in story.cases)
    return tried or bool(reading.books.by_hand.get(story.order_id))


def ends_unpaid(reading: Reading) -> Iterable[Violation]:
    """In the end no order waits for money beyond its time. It ends by itself only then, only where none came before its
    payment was closed, and says so truly where some did: who has paid keeps the order, and nothing goes back.
    """
    minutes = reading.evidence.unpaid_minutes
    for story in reading.stories.values():
        if not story.as_placed:
            continue
        paid = bool(reading.books.paid.get(story.order_id))
        until = datetime.fromisoformat(story.as_placed["placed_at"]) + timedelta(minutes=minutes)
        overdue = bool(minutes) and reading.evidence.at > until + ENDS_WITHIN
        if overdue and story.state == "pending-payment" and not paid:
            yield Violation("I06", story.order_id, f"waits for its payment, could be paid until {until:%d %H:%M}")
        for case in story.cases.values():
            if case.accepted["reason"].get("word") != NOT_PAID:
                continue
            if not minutes or datetime.fromisoformat(case.accepted["accepted_at"]) < until:
                yield Violation("I06", case.case_id, f"ended unpaid early, could be paid until {until:%d %H:%M}")
            if reading.books.purse(case.case_id).numbers:
                yield Violation("I06", case.case_id, "began because nobody paid, and money of it goes back")
            if case.because == PAID_IN_TIME and not paid:
                yield Violation("I06", case.case_id, "is said to be paid, and nobody did")
