"""What follows from an answer, and what people are owed without asking: who was told that something is done finds it
done, nobody gets more than was asked for, and what nobody else sees to is shown to a person."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from tests.simulation.evidence import Asked, Row, Violation
from tests.simulation.judge.overdue import PAID_IN_TIME
from tests.simulation.judge.reading import Reading

MOVED = {"deliver": "order-delivered.v1", "complete": "order-completed.v1"}
PEOPLE_DECIDED = ("withdrawn", "rejected", "delivered", "not-intercepted")
"""Why a case was undone because somebody wanted it so, and knows."""


def _heard(asked: Asked) -> bool:
    """Whether it may have been done: no refusal came back, or one of a later try that was not even looked at."""
    return not 400 <= asked.status < 500 or asked.status in (401, 429)


# ── what was answered ────────────────────────────────────────────────────────────────────────────────────────────────
def answers_kept(reading: Reading) -> Iterable[Violation]:
    """A wish that was answered with success was followed, as it was said: a cancellation was taken back, decided about,
    a task dealt with, a parcel's fate noted, an order delivered or closed.
    """
    done = _done(reading)
    forgotten = {
        body["case_id"] for body in reading.bodies("cancellation-undone.v1") if body["because"] == PAID_IN_TIME
    }
    for asked in reading.evidence.asked:
        good = 200 <= asked.status < 300
        if good and asked.what == "cancel" and asked.answer.get("case_id") in forgotten:
            yield Violation("I06", asked.order_id, f"{asked.who} was told that it is being cancelled, and it was not")
        wanted = _wanted(asked) if good else None
        if wanted is not None and wanted not in done[asked.order_id]:
            yield Violation("I06", asked.order_id, f"{asked.what} was answered {asked.status}, and was not done")


def _wanted(asked: Asked) -> tuple[str, str] | None:
    if asked.what == "withdraw":
        return "undone", "withdrawn"
    if asked.what == "decide":
        return f"decided by {asked.who}", str(asked.body["approve"])
    if asked.what in ("resolve", "report"):
        return "resolved", str(asked.body["choice" if asked.what == "resolve" else "found"])
    return ("moved", MOVED[asked.what]) if asked.what in MOVED else None


def _done(reading: Reading) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for body in reading.bodies("cancellation-undone.v1"):
        found[body["order_id"]].add(("undone", body["because"]))
    for body in reading.bodies("cancellation-decided.v1"):
        found[body["order_id"]].add((f"decided by {body['by']['id']}", str(body["approved"])))
    for body in reading.bodies("task-resolved.v1"):
        found[body["order_id"]].add(("resolved", body["choice"]))
    for wire in MOVED.values():
        for body in reading.bodies(wire):
            found[body["order_id"]].add(("moved", wire))
    return found


def as_ordered(reading: Reading) -> Iterable[Violation]:
    """An order is of what its customer asked for, at the price that was shown; what is paid for it is what it costs."""
    for asked in reading.evidence.asked:
        story = reading.stories.get(str(asked.answer.get("order_id"))) if asked.what == "place" else None
        if story is None or not story.as_placed or asked.status != 201:
            continue
        wanted = [tuple(line[name] for name in _LINE) for line in asked.body.get("lines", ())]
        placed = [tuple(line[name] for name in _LINE) for line in story.as_placed["lines"]]
        if wanted and placed != wanted:
            yield Violation("I06", story.order_id, f"{wanted} was ordered, {placed} was placed")
        costs = _price(reading, asked.body)
        if wanted and (story.total > costs or (story.total < costs and not asked.body.get("coupon"))):
            yield Violation("I06", story.order_id, f"costs {story.total} fen, by its goods {costs}")
    charged: Counter[str] = Counter()
    for line in reading.evidence.money:
        if line["kind"] in ("payment", "coupon"):
            charged[str(line["out_trade_no"])] += line["amount_minor"]
    for order_id, fen in charged.items():
        story = reading.stories.get(order_id)
        if story is not None and story.as_placed and fen != story.total:
            yield Violation("I06", order_id, f"{fen} fen were paid for it, it costs {story.total}")


def _price(reading: Reading, wanted: Row) -> int:
    """What an order costs without a coupon, fen: its goods, less the house's discount, and freight."""
    goods = sum(line["quantity"] * line["unit_price_minor"] for line in wanted.get("lines", ()))
    return int(goods - goods * reading.evidence.discount_percent // 100 + reading.evidence.freight_minor)


_LINE = ("product_id", "quantity", "unit_price_minor")


def placed_once(reading: Reading) -> Iterable[Violation]:
    """In the end there are no more orders than were asked for: who got no answer asks again with the same key. What
    another system writes to the topics has numbers of its own.
    """
    theirs = {body["order_id"] for body in reading.bodies("place-order.v1")}
    placed = {body["order_id"] for body in reading.bodies("order-placed.v1")} - theirs
    asked = [one for one in reading.evidence.asked if one.what == "place" and _heard(one)]
    if len(placed) > len(asked):
        known = {str(one.answer.get("order_id")) for one in asked}
        what = f"{len(placed)} orders, {len(asked)} were asked for; nobody was told of {sorted(placed - known)}"
        yield Violation("I06", "orders", what)


def sent_when_wanted(reading: Reading) -> Iterable[Violation]:
    """A parcel that its customer wants later leaves before that day only where the warehouse said that it shall."""
    not_before: dict[str, tuple[int, str]] = {}
    for body in reading.bodies("alternative-taken.v1"):
        if body.get("deliver_after"):
            one = body["number"], str(body["deliver_after"])
            not_before[body["order_id"]] = max(one, not_before.get(body["order_id"], one))
    early = {
        one.order_id for one in reading.evidence.asked if one.what == "ship" and one.body.get("early") and _heard(one)
    }
    for body in reading.bodies("order-shipped.v1"):
        wanted = not_before.get(body["order_id"])
        if wanted and _time(body["shipped_at"]) < _time(wanted[1]) and body["order_id"] not in early:
            yield Violation("I25", body["order_id"], f"left at {body['shipped_at']}, is wanted from {wanted[1]} on")


def as_counted(reading: Reading) -> Iterable[Violation]:
    """Of a parcel that came back just the pieces go on the shelf that the warehouse has found to be good."""
    counted: dict[str, list[Counter[int]]] = defaultdict(list)
    for asked in reading.evidence.asked:
        if asked.what == "report" and _heard(asked) and "goods" in asked.body:
            counted[asked.order_id].append(_pieces(asked.body["goods"], "good"))
    for body in reading.bodies("stock-taken-back.v1"):
        back = _pieces(body["lines"], "quantity")
        if back not in counted[body["order_id"]]:
            what = f"{dict(back)} went on the shelf, {[dict(one) for one in counted[body['order_id']]]} were found good"
            yield Violation("I04", body["case_id"], what)


def _pieces(lines: Iterable[Row], name: str) -> Counter[int]:
    found: Counter[int] = Counter()
    for line in lines:
        found[line["line_no"]] += line[name]
    return +found


# ── what nobody asks for ─────────────────────────────────────────────────────────────────────────────────────────────
def shown_to_a_person(reading: Reading) -> Iterable[Violation]:
    """In the end of each case that was undone because something did not work a person was asked to look at it: its
    customer wanted it and did not get it, and nothing goes on by itself. What a person was asked stands in the list
    that people see.
    """
    raised: set[str] = set()
    for body in reading.bodies("staff-task-raised.v2"):
        raised.add(body["case_id"])
        order = reading.of("order", "orders").get(body["order_id"])
        listed = {task["task_id"] for task in order.state.get("tasks") or ()} if order is not None else set()
        if order is not None and body["task_id"] not in listed:
            yield Violation("I06", body["task_id"], f"{body['kind']}: said to be asked, and stands in no list")
    for story in reading.stories.values():
        for case in story.cases.values():
            nobody_minds = case.because in (*PEOPLE_DECIDED, PAID_IN_TIME)
            if case.status == "undone" and not nobody_minds and case.case_id not in raised:
                yield Violation("I06", case.case_id, f"undone because of {case.because!r}, and nobody was told")


def announced(reading: Reading) -> Iterable[Violation]:
    """In the end each customer whose paid order the shop cancelled of its own accord was to be told when it began."""
    told = {body["case_id"] for body in reading.bodies("tell-customer.v2") if body["outcome"] == "cancellation-begun"}
    for case_id, accepted in _of_their_own_accord(reading):
        if case_id not in told:
            yield Violation("I07", case_id, f"cancelled by {accepted['by']['id']}, and its customer was not told first")


def _of_their_own_accord(reading: Reading) -> Iterator[tuple[str, Row]]:
    begun = {body["case_id"] for body in reading.bodies("refund-payment.v1")}
    for story in reading.stories.values():
        for case in story.cases.values():
            asked = case.accepted
            theirs = asked["by"]["kind"] == "customer" or asked["reason"]["family"] == "customer"
            paid = case.case_id in begun and case.opened_in in ("paid", "shipped")
            if paid and asked["lines"] and not (theirs or asked.get("reference")):
                yield case.case_id, asked


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
