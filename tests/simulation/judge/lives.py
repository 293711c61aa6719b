"""Lives: everything that began ends, or lies visibly with a person; nothing waits for something that cannot come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Reading, Stored

ENDED = ("done", "undone")
RUNS = ("placing", "dispatching", "erasing")
"""Long processes of an order besides its cases."""
WITH_A_PERSON = ("refund-stuck", "refund-abnormal", "cannot-give-back")
"""Kinds of tasks that say that a case cannot go on by itself, or not without somebody's help."""

LATE = timedelta(minutes=5)
"""How long after its time a timer may still ring in the end."""

BUSY_RESERVATION = ("reserving", "dispatching")
BUSY_CASE = ("wanted", "releasing", "taking-again", "coming-back")


def payments_known(reading: Reading) -> Iterable[Violation]:
    """In the end every payment in the provider's ledger is known to the payment service and to its order."""
    payments, orders = reading.of("payment", "payments"), reading.of("order", "orders")
    for order_id, fen in reading.books.paid.items():
        payment, order = payments.get(order_id), orders.get(order_id)
        if payment is None or not payment.state.get("receipt"):
            yield Violation("I06", order_id, f"{fen} fen were paid, the payment service does not know")
        elif order is None or not order.state.get("paid"):
            yield Violation("I06", order_id, f"{fen} fen were paid, the order does not know")


def refunds_known(reading: Reading) -> Iterable[Violation]:
    """In the end an order knows of every refund that its payment has found made by hand: by a case, by a task of a
    person, or with an exchange that is still under way. Nothing asks for that word. One that was erased hears of
    nothing: a person is called instead."""
    orders = reading.of("order", "orders")
    for order_id, payment in reading.of("payment", "payments").items():
        order = orders.get(order_id)
        if order is None or order.state.get("erased"):
            continue
        for refund in payment.state["refunds"] if payment.state else ():
            money_went = refund.get("found") and refund["status"] != "refused"
            if money_went and refund["number"] not in told_of_refunds(order.state):
                yield Violation("I06", refund["number"], f"was made by hand, {order_id} has never heard of it")


def told_of_refunds(order: Row) -> set[str]:
    """The numbers of refunds that an order knows of."""
    cases = {str((case.get("refund") or {}).get("number")) for case in order["cases"]}
    taken_over = {str(case.get("found")) for case in order["cases"]}
    later = {str(found["refund_number"]) for one in order.get("exchanges") or () for found in one.get("found") or ()}
    return cases | taken_over | later | {str(task["facts"].get("refund_number")) for task in order.get("tasks") or ()}


def legal_lives(reading: Reading) -> Iterable[Violation]:
    """Each order's own events, in the order of its decisions, tell a life that can be: placed, paid once, one open case
    at a time, shipped only without one, nothing after an end but what the decisions allow (money that came too late or
    went back by hand opens a case of its own; a person lets an undone case go on). Likewise a payment is received once
    and never closed afterwards, and a refund that has arrived is heard of no more.
    """
    for story in reading.stories.values():
        for problem in story.problems:
            yield Violation("I05", story.order_id, problem)
    for payment in reading.of("payment", "payments").values():
        yield from _payment_life(reading, payment)
    for reservation in reading.of("inventory", "reservations").values():
        said = {message.wire for message in reading.events_of(reservation, "inventory.events")}
        if {"stock-reserved.v1", "stock-short.v1"} <= said:
            yield Violation("I05", reservation.name, "set aside and short")


def _payment_life(reading: Reading, payment: Stored) -> Iterator[Violation]:
    received: Row | None = None
    settled = set()
    for message in reading.events_of(payment, "payment.events"):
        case_id = message.body.get("case_id")
        if message.wire == "payment-received.v1":
            # One that came late is told some times over, in the same words.
            if received not in (None, message.body):
                yield Violation("I05", payment.name, "received twice")
            received = message.body
        elif message.wire == "payment-closed.v1" and received is not None:
            yield Violation("I05", payment.name, "closed after it was received")
        elif case_id in settled and message.wire in _REFUND_WORDS:
            yield Violation("I05", payment.name, f"{message.wire} of {case_id} after its money had arrived")
        if message.wire == "refund-settled.v1":
            settled.add(case_id)


_REFUND_WORDS = (
    "refund-accepted.v1",
    "refund-refused.v1",
    "refund-attempted.v1",
    "refund-rerouted.v1",
    "refund-settled.v1",
    "refund-delayed.v1",
)


def somebody_goes_on(reading: Reading) -> Iterable[Violation]:
    """At every moment each record that has not ended has a timer, or something of its own still to be said or done, or
    lies with a person. A record's timer is the earliest of what waits in it.
    """
    for order in reading.of("order", "orders").values():
        yield from _order_goes_on(order)
    for payment in reading.of("payment", "payments").values():
        for what in _waiting_in_payment(payment.state):
            if not payment.unsaid:
                yield Violation("I06", payment.name, f"{what}, without a timer and with nothing to do")
    for reservation in reading.of("inventory", "reservations").values():
        busy = list(_busy_in_reservation(reservation.state))
        if busy and not reservation.unsaid:
            yield Violation("I06", reservation.name, f"{busy}, with nothing to do")
    for receipt in reading.of("inventory", "receipts").values():
        if receipt.state["status"] == "receiving" and not receipt.unsaid:
            yield Violation("I06", receipt.name, "being received, with nothing to do")
    for notice in reading.of("notify", "notices").values():
        state = notice.state
        ended = state["told_at"] is not None or state["superseded_at"] is not None
        if not ended and notice.document["wake_at"] is None and not notice.unsaid:
            yield Violation("I06", notice.name, f"not told, standing at {state['channel']}, with nothing to do")


def _has_words(order: Stored) -> bool:
    """Whether it is erased and still holds words of what it had said before."""
    says = (said for entry in order.document["journal"] for said in entry["said"])
    return bool(order.state.get("erased")) and any(said["body"] and said["topic"] != "order.events" for said in says)


def _order_goes_on(order: Stored) -> Iterator[Violation]:
    state = order.state
    runs = {name: state[name] for name in RUNS if state.get(name)}
    runs |= {case["case_id"]: case["run"] for case in state.get("cases", ())}
    runs |= {one["exchange_id"]: one["run"] for one in state.get("exchanges", ())}
    windows = {case["case_id"]: case["ruling"]["until"] for case in state.get("cases", ()) if _has_not_begun(case)}
    waits = [
        state.get("ask_payment_at"),
        _ends_unpaid_at(state),
        *windows.values(),
        *(run["wake_at"] for run in runs.values()),
    ]
    times = [at for at in waits if at is not None]
    wakes_at, first = order.document["wake_at"], min(times, default=None)
    to_forget = wakes_at is not None and (first is None or wakes_at < first) and _has_words(order)
    if state and wakes_at != first and not to_forget:
        yield Violation("I06", order.name, f"its timer is set to {wakes_at}, its runs wait for {times}")
    for name, run in runs.items():
        if run["status"] not in ENDED and run["wake_at"] is None and name not in windows:
            yield Violation("I06", f"{order.name} {name}", f"waits at {run['step']!r} without a timer")
    for case in state.get("cases", ()):
        if case["status"] == "open" and case["run"]["status"] in ENDED and not _seen(state, case):
            yield Violation("I06", case["case_id"], "open and goes nowhere by itself, and nobody was asked to look")


def _ends_unpaid_at(state: Row) -> Any:
    """When an order ends because nobody pays it; None while a case is open, which may bring it to another end."""
    open_now = any(case["status"] == "open" for case in state.get("cases", ()))
    return state.get("pay_until") if state.get("state") == "pending-payment" and not open_now else None


def _has_not_begun(case: Row) -> bool:
    """It waits for somebody's approval, or until nobody can take it back any more."""
    ruling = case.get("ruling")
    return case["status"] == "open" and ruling is not None and bool(ruling["waits_for"]) and not ruling["over"]


def _seen(state: Row, case: Row) -> bool:
    """Whether a person was asked about this case and its task is open, or a person closed it."""
    tasks = [task for task in state["tasks"] if task["case_id"] == case["case_id"]]
    return any(task["done_at"] is None or task["done_by"] for task in tasks)


def _waiting_in_payment(state: Row) -> Iterator[str]:
    """What waits in a payment without a time of its own: then a call must be under way. A mismatch is a person's."""
    closing = state.get("closing")
    if closing is not None and closing["retry_at"] is None:
        yield "closing"
    for refund in state.get("refunds") or ():
        if refund["status"] not in ("settled", "refused", "mismatch") and refund["wake_at"] is None:
            yield f"refund {refund['number']} is {refund['status']}"
    shipping = state.get("shipping") or {}
    if shipping.get("status") == "wanted" and shipping["wake_at"] is None:
        yield "the shipping record is wanted"


def _busy_in_reservation(state: Row) -> Iterator[str]:
    if state.get("status") in BUSY_RESERVATION:
        yield state["status"]
    reserving = state.get("status") == "reserving"
    for case_id, case in (state.get("cases") or {}).items():
        if case["status"] in BUSY_CASE and not (case["status"] == "wanted" and reserving):
            yield f"{case_id} {case['status']}"


# ── in the end ───────────────────────────────────────────────────────────────────────────────────────────────────────
def everything_ended(reading: Reading) -> Iterable[Violation]:
    """In the end each case has ended or lies with a person: it has an open task (or one that a person closed) and
    cannot go on by itself, or its refund is not over and a task says so. A task that only says "no answer" is not
    enough where the payment service knows how the refund ended. Placing, dispatching, erasing, closing, notices and
    stock have ended; no timer is overdue.
    """
    payments = reading.of("payment", "payments")
    for order in reading.of("order", "orders").values():
        state = order.state
        for name in RUNS:
            run = state.get(name)
            if run is not None and run["status"] not in ENDED:
                yield Violation(
                    "I06", order.name, f"{name} never ended: {run['step']!r}, asked {run['attempts']} times"
                )
        for one in state.get("exchanges", ()):
            if one["status"] == "open":
                what = f"open at {one['run']['step']!r}, asked {one['run']['attempts']} times"
                yield Violation("I06", one["exchange_id"], what)
        for case in state.get("cases", ()):
            if case["status"] == "open" and not _with_a_person(state, case, payments.get(order.id)):
                what = f"open at {case['run']['step']!r}, asked {case['run']['attempts']} times, with nobody"
                yield Violation("I06", case["case_id"], what)
    yield from _others_ended(reading)


def _with_a_person(state: Row, case: Row, payment: Stored | None) -> bool:
    if _has_not_begun(case):
        waits_for = case["ruling"]["waits_for"]
        return bool(waits_for == "approval") or (waits_for == "parcel" and _seen(state, case))
    if case["run"]["status"] in ENDED:
        return _seen(state, case)
    tasks = [task for task in state["tasks"] if task["case_id"] == case["case_id"]]
    asked = [task for task in tasks if task["done_at"] is None or task["done_by"]]
    if any(task["kind"] in WITH_A_PERSON for task in asked):
        return True
    refunds = payment.state.get("refunds") or () if payment is not None else ()
    refund = next((one for one in refunds if one["case_id"] == case["case_id"]), None)
    return bool(asked) and refund is not None and refund["status"] not in ("settled", "refused")


def _others_ended(reading: Reading) -> Iterator[Violation]:
    for payment in reading.of("payment", "payments").values():
        if payment.state.get("closing") is not None:
            yield Violation("I06", payment.name, "is being closed and never was")
    for reservation in reading.of("inventory", "reservations").values():
        for busy in _busy_in_reservation(reservation.state):
            yield Violation("I06", reservation.name, f"never ended: {busy}")
    for receipt in reading.of("inventory", "receipts").values():
        if receipt.state["status"] == "receiving":
            yield Violation("I06", receipt.name, "never received")
    for notice in reading.of("notify", "notices").values():
        if notice.state["told_at"] is None and notice.state["superseded_at"] is None:
            yield Violation("I06", notice.name, f"never told, standing at {notice.state['channel']}")
    for record in reading.records:
        wake_at = record.document["wake_at"]
        if wake_at is not None and wake_at + LATE < reading.evidence.at:
            yield Violation("I06", record.name, f"its timer should have rung at {wake_at}")


def wishes_kept(reading: Reading) -> Iterable[Violation]:
    """What a person was promised is in the books: an order that was answered as placed was placed, a cancellation that
    was accepted is a case, a parcel that was shipped has left, a payment was not forgotten. Nothing is promised by an
    answer of 400 and above, or by none.
    """
    for asked in reading.evidence.asked:
        if not 200 <= asked.status < 300:
            continue
        order_id = asked.order_id or str(asked.answer.get("order_id", ""))
        story = reading.stories.get(order_id)
        if asked.what == "place" and (story is None or not story.lines):
            yield Violation("I06", order_id, f"answered {asked.status} to placing it, and it was never placed")
        case_id = asked.answer.get("case_id")
        if asked.what == "cancel" and case_id and (story is None or case_id not in story.cases):
            yield Violation("I06", order_id, f"was promised case {case_id}, which was never opened")
        if asked.what == "ship" and (story is None or not story.left_the_house):
            yield Violation("I06", order_id, f"answered {asked.status} to shipping it, and it never left")
