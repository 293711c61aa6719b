"""The comparison with the provider's bills: when they are whole it finds nothing, and what a person closed stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sandbox.clock import CHINA
from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Reading

THE_NOON_AFTER = timedelta(hours=36)
"""From the beginning of a day: its bills are there at half past ten of the next one."""


def agree(reading: Reading) -> Iterable[Violation]:
    """Every day that was compared agrees with the provider's bills, and none was given up. Bills are whole at the
    end, and everything that went wrong with a payment has healed by then.
    """
    for day in _days(reading):
        id = str(day["reconciliation_id"])
        if day["status"] == "unreadable" or (day["status"] == "failed" and day["wake_at"] is None):
            yield Violation("I29", id, f"given up: {day['status']}, {day['problem']}")
        for one in day["differences"] if day["status"] == "done" else ():
            if one["state"] == "open":
                yield Violation("I29", id, f"{one['kind']} of {one['subject']} is open: {one['remark']}")


def closed_as_wished(reading: Reading) -> Iterable[Violation]:
    """A difference that somebody closed stays closed, by whom and with what was said first; no other is."""
    wished: dict[tuple[str, int], tuple[str, str]] = {}
    for asked in reading.evidence.asked:
        if asked.what == "close-difference" and asked.status == 200:
            place = str(asked.body["reconciliation_id"]), int(asked.body["n"])
            wished.setdefault(place, (asked.who, str(asked.body["remark"])))
    closed = {
        (str(day["reconciliation_id"]), int(one["n"])): (str(one["by"]), str(one["remark"]))
        for day in _days(reading)
        for one in day["differences"]
        if one["state"] == "closed"
    }
    for place in sorted(wished.keys() | closed.keys()):
        if wished.get(place) != closed.get(place):
            id, n = place
            yield Violation("I29", id, f"difference {n} was closed by {wished.get(place)}, says {closed.get(place)}")


def found_by_hand(reading: Reading) -> Iterable[Violation]:
    """A refund that somebody made by hand stands in the bill of its day: when that day is compared, the payment service
    knows of it, or a difference says that nobody here knows its order.
    """
    compared = {(str(day["shop"]), str(day["day"])) for day in _days(reading) if day["status"] == "done"}
    listed = {str(one["subject"]) for day in _days(reading) for one in day["differences"]}
    payments = reading.of("payment", "payments")
    for line in reading.evidence.money if compared else ():
        number, order_id = str(line.get("out_refund_no")), str(line["out_trade_no"])
        payment = payments.get(order_id)
        if line["kind"] != "refund-accepted" or number not in reading.books.by_hand.get(order_id, ()):
            continue
        known = {one["number"] for one in (payment.state.get("refunds") or ())} if payment is not None else set()
        day = datetime.fromisoformat(line["time"]).astimezone(CHINA).date().isoformat()
        if (shop_of(reading, order_id), day) in compared and number not in known | listed:
            yield Violation("I29", number, f"was made by hand for {order_id}, {day} was compared, nobody knows of it")


def every_night(reading: Reading) -> Iterable[Violation]:
    """Where bills are compared by night, each day on which somebody paid was taken up by the noon after it."""
    if not reading.evidence.nightly:
        return
    begun = {(str(day["shop"]), str(day["day"])) for day in _days(reading)}
    for line in reading.evidence.money:
        day = datetime.fromisoformat(line["time"]).astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
        if line["kind"] != "payment" or day + THE_NOON_AFTER > reading.evidence.at:
            continue
        if (shop_of(reading, str(line["out_trade_no"])), day.date().isoformat()) not in begun:
            yield Violation(
                "I29", str(day.date()), f"{line['out_trade_no']} was paid, and the day's bills were never looked at"
            )


def shop_of(reading: Reading, order_id: str) -> str:
    """Which shop an order belongs to; the house where its payment is not known."""
    payment = reading.of("payment", "payments").get(order_id)
    return str(payment.state.get("shop") or "") if payment is not None and payment.state else ""


def _days(reading: Reading) -> Iterator[Row]:
    return (record.state for record in reading.of("payment", "reconciliations").values() if record.state)
