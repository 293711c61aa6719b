"""What customers take in place of cancelling, what they say when it is over, and what they see meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import ORDER_EVENTS, Reading

UNKNOWN = (0, 429, 500, 503)
ACCEPTED = (200, 202)
ENDS = {"cancellation-completed.v1": "completed", "cancellation-undone.v1": "undone"}


def rated_when_over(reading: Reading) -> Iterable[Violation]:
    """A case is rated after it has ended, once, by the stars its customer gave, and says how it had ended. Who was told
    that the rating is noted finds it noted."""
    given: dict[str, set[str]] = defaultdict(set)
    for order in reading.of("order", "orders").values():
        ended: dict[str, set[str]] = defaultdict(set)
        for message in reading.events_of(order, ORDER_EVENTS):
            body, wire = message.body, message.wire
            if wire in ENDS:
                ended[body["case_id"]].add(ENDS[wire])
            elif wire == "cancellation-rated.v1" and body and body["outcome"] not in ended[body["case_id"]]:
                yield Violation("I24", body["case_id"], f"rated as {body['outcome']} before it was")
    for body in reading.bodies("cancellation-rated.v1"):
        given[body["case_id"]].add(f"{body['stars']} {sorted(body['answers'].items())}")
    for case_id, ratings in given.items():
        if len(ratings) > 1:
            yield Violation("I24", case_id, f"rated {len(ratings)} times: {sorted(ratings)}")
    asked = [one for one in reading.evidence.asked if one.what == "rate"]
    for one in asked:
        wanted = f"{one.body['stars']} {sorted(one.body['answers'].items())}"
        if one.status == 200 and not any(wanted in given[id] for id in given if id.startswith(f"{one.order_id}-")):
            yield Violation("I24", one.order_id, f"answered 200 to a rating of {one.body['stars']}, which is not noted")


def saved_once(reading: Reading) -> Iterable[Violation]:
    """A saved order counts once: an order has no more alternatives than were wished, numbered from one, each told in
    one way; a later delivery that was promised was taken, and every exchange that swapped goods counts."""
    told: dict[str, dict[int, Row]] = defaultdict(dict)
    for body in reading.bodies("alternative-taken.v1"):
        known = told[body["order_id"]].setdefault(body["number"], body)
        if known != body:
            yield Violation("I25", body["order_id"], f"alternative {body['number']} is told in two ways")
    wishes: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for one in reading.evidence.asked:
        if one.what in ("postpone", "exchange"):
            wishes[one.order_id].append((one.what, one.status))
    written = [one.body for one in reading.first.values() if one.wire == "exchange-goods.v1"]
    for order_id, _ in {(body["order_id"], body["request_id"]) for body in written}:
        wishes[order_id].append(("exchange", UNKNOWN[0]))
    swapped = {(body["order_id"], body["case_id"]) for body in reading.bodies("goods-exchanged.v1")}
    for order_id, taken in told.items():
        if sorted(taken) != list(range(1, len(taken) + 1)):
            yield Violation("I25", order_id, f"its alternatives are numbered {sorted(taken)}")
        possible = sum(status in (*ACCEPTED, *UNKNOWN) for _, status in wishes[order_id])
        if len(taken) > possible and reading.evidence.final:  # before that one may still be being asked
            yield Violation("I25", order_id, f"{len(taken)} alternatives were taken, {possible} were wished")
    for order_id in {*wishes, *(order_id for order_id, _ in swapped)}:
        promised = wishes[order_id].count(("postpone", 200)) + sum(order_id == one for one, _ in swapped)
        if promised > len(told[order_id]):
            yield Violation("I25", order_id, f"{promised} alternatives were promised, {len(told[order_id])} taken")


def seen_as_it_was(reading: Reading) -> Iterable[Violation]:
    """Who watches an order sees it go forward only, and no version that was never stored."""
    orders = reading.of("order", "orders")
    for one in reading.evidence.asked:
        if one.what != "watch" or one.status != 200:
            continue
        ids = list(one.answer["ids"])
        if ids != sorted(set(ids)):
            yield Violation("I26", one.order_id, f"watched in the order {ids}")
        order = orders.get(one.order_id)
        if ids and (order is None or max(ids) > order.document["version"]):
            yield Violation("I26", one.order_id, f"version {max(ids)} was shown and is not stored")


def many_as_told(reading: Reading) -> Iterable[Violation]:
    """What one command for many tasks was answered to have done was done: each such task is resolved as was said; the
    others were refused."""
    resolved = {(body["task_id"], body["choice"]) for body in reading.bodies("task-resolved.v1")}
    for one in reading.evidence.asked:
        if one.what != "resolve-many" or one.status != 200:
            continue
        for task in one.answer["tasks"]:
            done = task["outcome"] == "done"
            if done and (task["task_id"], task["choice"]) not in resolved:
                yield Violation("I27", task["task_id"], f"said to be dealt with by {task['choice']}, and was not")
            if not done and task["outcome"] != "refused":
                yield Violation("I27", task["task_id"], f"neither done nor refused, but {task['outcome']!r}")
