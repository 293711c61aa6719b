"""What people may decide about cancellations, in the houses of the worlds (see `people.RULES`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.ledger import OURS
from tests.simulation.judge.reading import Reading
from tests.simulation.judge.stories import CaseStory, Story

UNDO_WINDOW = timedelta(seconds=9)
ALONE_MINOR = 1_000
"""So much of an order (fen) a supervisor may give back for its delivery without asking anybody."""
AT_ONCE = timedelta(minutes=5)
"""What is heard has the time at which it came; where two came at once the later may have been decided first."""
APPROVERS = ("supervisor", "finance")


def before_it_begins(reading: Reading) -> Iterable[Violation]:
    """A cancellation that needed approval moved money only after somebody else who may had said yes; what was taken
    back or rejected moved none, and none moves while a customer may still think better of it (unless clocks were
    wrong). Customer service cancels nothing that is paid.
    """
    sent = {} if reading.evidence.skewed else _first_sent(reading)
    decided = {body["case_id"]: body for body in reading.bodies("cancellation-decided.v1")}
    for story in reading.stories.values():
        for case in story.cases.values():
            numbers = reading.books.purse(case.case_id).numbers
            if numbers and case.because in ("withdrawn", "rejected"):
                yield Violation("I19", case.case_id, f"was {case.because}, and money was tried: {sorted(numbers)}")
            yield from _decided_rightly(case, decided.get(case.case_id), bool(numbers))
            over = datetime.fromisoformat(case.accepted["accepted_at"]) + UNDO_WINDOW
            if case.accepted.get("waits_for") == "undo-window" and sent.get(case.case_id, over) < over:
                yield Violation("I19", case.case_id, f"money moved at {sent[case.case_id]}, not before {over}")
            if numbers and _over_the_limit(story, case) and case.accepted.get("waits_for") != "approval":
                yield Violation("I19", case.case_id, f"{case.amount} fen after what went before, and nobody was asked")
            by = case.accepted["by"]
            if by.get("role") == "customer-service" and case.opened_in != "pending-payment" and numbers:
                yield Violation("I19", case.case_id, "customer service sent back money")


def _over_the_limit(story: Story, case: CaseStory) -> bool:
    """Whether a paid order's case is one that a supervisor may not decide alone: with it more goes back than they may,
    however many parts it is given back in (decision 0044). Whether one that went on later had gone before is unsure.
    """
    by, code = case.accepted["by"], case.accepted["reason"]["code"]
    if (by.get("role"), code, case.opened_in) != ("supervisor", "delivery", "paid"):
        return False
    before = list(story.cases.values())[: list(story.cases).index(case.case_id)]
    given = sum(one.amount for one in before if one.status == "completed" and not one.resumed)
    return given + case.amount > ALONE_MINOR


def _first_sent(reading: Reading) -> dict[str, datetime]:
    """By case: when money was first asked for under one of its numbers."""
    found: dict[str, datetime] = {}
    for line in reading.evidence.money:
        ours = OURS.fullmatch(str(line.get("out_refund_no")))
        if ours is not None:
            found.setdefault(ours["case"], datetime.fromisoformat(line["time"]))
    return found


def _decided_rightly(case: CaseStory, decision: Row | None, moved: bool) -> Iterator[Violation]:
    asked = case.accepted
    if decision is None:
        if asked.get("waits_for") == "approval" and moved:
            yield Violation("I19", case.case_id, "money moved, and nobody had approved it")
        return
    by = decision["by"]
    if by["role"] not in APPROVERS:
        yield Violation("I19", case.case_id, f"decided by {by['id']}, whose role is {by['role']!r}")
    if by["id"] == asked["by"]["id"]:
        yield Violation("I19", case.case_id, f"decided by {by['id']}, who had asked for it")
    if not decision["approved"] and moved:
        yield Violation("I19", case.case_id, "rejected, and money moved")


def money_is_matched(reading: Reading) -> Iterable[Violation]:
    """While nobody has said what a refund that was made by hand was for, no customer gets back any goods: their money
    may have gone back with it.
    """
    for order_id, order in () if reading.evidence.skewed else reading.of("order", "orders").items():
        story = reading.stories.get(order_id)
        to_match = [task for task in order.state.get("tasks") or () if task["kind"] == "refund-made-outside"]
        for case in story.cases.values() if story is not None else ():
            at = datetime.fromisoformat(case.accepted["accepted_at"])
            if not case.accepted["lines"] or case.accepted["by"]["kind"] != "customer":
                continue
            for task in to_match:
                explained = task["done_at"] is not None and task["done_at"] <= at + AT_ONCE
                if task["raised_at"] + AT_ONCE < at and not explained:
                    yield Violation("I19", case.case_id, f"accepted while {task['task_id']} was open: paid by hand?")


WAREHOUSE = ("warehouse", "supervisor", "administrator")


def goods_before_money(reading: Reading) -> Iterable[Violation]:
    """Of a parcel that had left no money goes back, and none is asked for, before somebody of the warehouse has said
    that it is in the house again and its goods are in the books; what was not to be had back gives back nothing.
    """
    back = {body["case_id"] for body in reading.bodies("stock-taken-back.v1")}
    found = {
        body["task_id"].rpartition("-t")[0]: body["choice"]
        for body in reading.bodies("task-resolved.v1")
        if body["choice"] in ("intercepted", "returned", "delivered", "not-intercepted")
    }
    wished = {body["case_id"] for body in reading.bodies("refund-payment.v1")}
    for story in reading.stories.values():
        for case in story.cases.values():
            moved = case.case_id in wished or bool(reading.books.purse(case.case_id).numbers)
            if case.parcel_left and moved and case.case_id not in back:
                yield Violation("I19", case.case_id, "money moved, and its parcel is not back in the books")
            if case.case_id in back and found.get(case.case_id) not in ("intercepted", "returned"):
                what = f"its goods are back, the warehouse said {found.get(case.case_id)}"
                yield Violation("I19", case.case_id, what)
            if case.parcel_left and case.status == "completed" and case.case_id not in back:
                yield Violation("I19", case.case_id, "completed, and its parcel is not back")
    for asked in reading.evidence.asked:
        if asked.what == "report" and 200 <= asked.status < 300 and asked.who.removeprefix("s-") not in WAREHOUSE:
            yield Violation("I19", asked.order_id, f"{asked.who} reported what became of a parcel")


def rules_kept(reading: Reading) -> Iterable[Violation]:
    """Which cancellations of paid orders have to wait follows from who asks and why."""
    for story in reading.stories.values():
        for case in story.cases.values():
            wanted = _must_wait_for(story, case)
            if case.parcel_left:
                wanted = "approval" if wanted == "approval" else "parcel"
            if (case.opened_in == "paid" or case.parcel_left) and case.accepted.get("waits_for", "") != wanted:
                what = f"waits for {case.accepted.get('waits_for')!r}, should wait for {wanted!r}"
                yield Violation("I19", case.case_id, what)


def _must_wait_for(story: Story, case: CaseStory) -> str:
    by, code = case.accepted["by"], case.accepted["reason"]["code"]
    if by["kind"] == "customer":
        return {"found-better": "undo-window", "wrong-item": "approval"}.get(code, "")
    large = case.parcel_left or _over_the_limit(story, case)
    return "approval" if by.get("role") == "supervisor" and code == "delivery" and large else ""
