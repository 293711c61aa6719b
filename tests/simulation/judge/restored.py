"""After a backup was put back: what was refunded meanwhile is refunded no second time, and becomes known again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from services.payment.restored import NAME as RESTORED
from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.lives import told_of_refunds
from tests.simulation.judge.reading import Reading

BACK = {"refund-accepted": 1, "refund-closed": -1, "refund-returned": -1}
"""No transfers: nothing in these worlds leads to one (`lost_plans`)."""
MAY_HAVE_BEEN_HEARD = (0, 200, 201, 202, 503)


def nothing_twice(reading: Reading) -> Iterable[Violation]:
    """No order gives back more than what the lines cost that its customer wanted to cancel, or that somebody paid back
    by hand: each of them once, whenever and however often it was wished.
    """
    wanted: dict[str, set[int]] = defaultdict(set)
    worth: dict[str, dict[int, int]] = {}
    for asked in reading.evidence.asked:
        if asked.what == "place" and asked.status == 201:
            lines = enumerate(asked.body.get("lines", ()), 1)
            worth[str(asked.answer["order_id"])] = {no: row["quantity"] * row["unit_price_minor"] for no, row in lines}
        elif asked.what in ("wish", "by-hand") and asked.status in MAY_HAVE_BEEN_HEARD:
            wanted[asked.order_id] |= {row["line_no"] for row in asked.body["lines"]}
    for order_id, numbers in _back(reading).items():
        allowed = sum(worth.get(order_id, {}).get(no, 0) for no in wanted[order_id])
        if sum(numbers.values()) > allowed:
            yield Violation("I28", order_id, f"{numbers} went back, lines {sorted(wanted[order_id])} cost {allowed}")


def _back(reading: Reading) -> dict[str, dict[str, int]]:
    """By order: fen that went back under each number."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in reading.evidence.money:
        sign = BACK.get(line["kind"], 0)
        if sign:
            found[str(line["out_trade_no"])][str(line["out_refund_no"])] += sign * line["amount_minor"]
    return {order: {number: fen for number, fen in rows.items() if fen} for order, rows in found.items()}


def known_again(reading: Reading) -> Iterable[Violation]:
    """In the end every refund that the provider made of an order that is there stands in its payment and with the
    order, as a case or as a task of a person; one of an order that is lost is an open difference.
    """
    orders, payments = reading.of("order", "orders"), reading.of("payment", "payments")
    listed = {str(one["subject"]) for day in _days(reading) for one in day["differences"]}
    for order_id, numbers in _back(reading).items():
        order, payment = orders.get(order_id), payments.get(order_id)
        in_payment = set(_numbers(payment.state)) if payment is not None and payment.state else set()
        for number in numbers:
            if number in listed:
                continue
            if number not in in_payment:
                yield Violation("I28", number, f"a refund of {order_id} that nobody knows of")
            elif order is not None and number not in told_of_refunds(order.state):
                yield Violation("I28", number, f"{order_id} has neither a case nor a task for it")


def payments_known_again(reading: Reading) -> Iterable[Violation]:
    """In the end every payment is known to its order; one of an order that is lost is an open difference."""
    orders, payments = reading.of("order", "orders"), reading.of("payment", "payments")
    listed = {str(one["order_id"]) for day in _days(reading) for one in day["differences"]}
    for order_id, fen in reading.books.paid.items():
        order, payment = orders.get(order_id), payments.get(order_id)
        if order is None and order_id not in listed:
            yield Violation("I28", order_id, f"{fen} fen were paid for an order that is lost, and nobody knows")
        elif order is not None and not (payment and payment.state.get("receipt") and order.state.get("paid")):
            yield Violation("I28", order_id, f"{fen} fen were paid before the loss, and are not known again")


def _days(reading: Reading) -> Iterator[Row]:
    return (record.state for record in reading.of("payment", "reconciliations").values())


def _numbers(state: Row) -> Iterator[str]:
    for refund in state.get("refunds") or ():
        yield str(refund["number"])
        yield from refund["closed_numbers"]


def truly_completed(reading: Reading) -> Iterable[Violation]:
    """A completed case of a paid order has given back its amount: under its number, at the provider."""
    back = _back(reading)
    for order_id, order in reading.of("order", "orders").items():
        for case in order.state["cases"]:
            refund = case.get("refund")
            if case["status"] != "completed" or not refund:
                continue
            number, wanted = refund["number"], refund["amount"]["amount_minor"]
            if back.get(order_id, {}).get(number) != wanted:
                yield Violation("I28", case["case_id"], f"completed with {wanted} fen, {back.get(order_id)} went back")


def books_compared(reading: Reading) -> Iterable[Violation]:
    """In the end every day since the backup was compared, and nothing waits for it any more."""
    note = reading.stored("payment", RESTORED).get(RESTORED)
    if note is None or not note["over"]:
        yield Violation("I28", "payment", f"has not compared every day since the backup: {note}")
