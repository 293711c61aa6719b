"""Records: versions, journals, and that what was told gives what is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Message, Reading, Stored
from tests.simulation.judge.stories import Story

JOURNAL_MAX = 64
TIMELINE_MAX = 300
KEPT_MAX = 200
GONE_IN_THE_END = ("unsaid", "said", "performing", "noting", "waiting", "in-flight", "queued")
"""Names (or ends of names) in `sizes` of what must be empty when nothing moves any more."""


def versions(reading: Reading) -> Iterable[Violation]:
    """A record's version is the number of its saves, each of which wrote at least one entry of its journal: so it is at
    least 1 and, until a journal is long enough to lose entries, at most their number. What is unsaid stands in the
    journal. (That versions go up by exactly one is seen between two evidences: `since`.)
    """
    for record in reading.records:
        version, entries = record.document["version"], len(record.journal)
        if version < 1 or (version > entries and not record.may_be_pruned):
            yield Violation("I05", record.name, f"version {version} with {entries} entries in its journal")
        known = {said["id"] for entry in record.journal for said in entry["said"]} if record.unsaid else set()
        for id in record.unsaid:
            if id not in known:
                yield Violation("I05", record.name, f"{id} is still to be said, but was never decided")


def bounded(reading: Reading) -> Iterable[Violation]:
    """Journals drop passing entries beyond 64 (decision 0010), timelines moments beyond 300; what a process keeps in
    memory stays small.
    """
    for record in reading.records:
        if len(record.journal) <= JOURNAL_MAX:
            continue
        unsaid = set(record.unsaid)
        passing = sum(
            entry["passing"] and not any(one["id"] in unsaid for one in entry["said"]) for entry in record.journal
        )
        if passing > JOURNAL_MAX:
            yield Violation("I17", record.name, f"{passing} passing entries in its journal")
    for order in reading.of("order", "orders").values():
        if len(order.state.get("timeline", ())) > TIMELINE_MAX:
            yield Violation("I17", order.name, f"{len(order.state['timeline'])} moments in its timeline")
    for name, size in reading.evidence.sizes.items():
        if size > KEPT_MAX:
            yield Violation("I17", name, f"{size} entries in memory")


def nothing_left_over(reading: Reading) -> Iterable[Violation]:
    """In the end nothing is left to be said or done, and nothing is kept for it in memory."""
    for record in reading.records:
        if record.unsaid:
            yield Violation("I17", record.name, f"still to be said: {list(record.unsaid)}")
    for name, size in reading.evidence.sizes.items():
        if size and name.endswith(GONE_IN_THE_END):
            yield Violation("I17", name, f"{size} entries in memory when nothing moves any more")


def told_is_known(reading: Reading) -> Iterable[Violation]:
    """What a record has told gives what it knows: folding the events in the journal of an order, a payment, a
    reservation or a notice gives the state that is stored. Facts that no event tells (how often a call was tried, say)
    are not compared; times that a record never tells are not either.
    """
    for order_id, order in reading.of("order", "orders").items():
        story = reading.stories.get(order_id)
        if story is not None and order.state:
            yield from _order(story, order.state)
    for payment in reading.of("payment", "payments").values():
        yield from _payment(payment, reading.events_of(payment, "payment.events"))
    for reservation in reading.of("inventory", "reservations").values():
        yield from _reservation(reservation, reading.events_of(reservation, "inventory.events"))
    for notice in reading.of("notify", "notices").values():
        yield from _notice(notice, reading.events_of(notice, "notify.events"))


def _order(story: Story, state: Row) -> Iterator[Violation]:
    paid = state["paid"]["amount_minor"] if state["paid"] else None
    told = (story.state, story.total, story.paid)
    known_of = (state["state"], state["total_minor"], paid)
    if told != known_of and not (_awaits_receipt(state) and told == ("pending-payment", state["total_minor"], None)):
        yield Violation("I18", story.order_id, f"told {told}, known {known_of}")
    for line in state["lines"]:
        if line["cancelled"] != story.cancelled.get(line["line_no"], 0):
            what = f"told {story.cancelled.get(line['line_no'], 0)} pieces back, known {line['cancelled']}"
            yield Violation("I18", f"{story.order_id}/{line['line_no']}", what)
    known = {case["case_id"]: (case["status"], case["amount"]["amount_minor"]) for case in state["cases"]}
    cases = {case.case_id: (case.status, case.amount) for case in story.cases.values()}
    if known != cases:
        yield Violation("I18", story.order_id, f"told {cases}, known {known}")


def _awaits_receipt(state: Row) -> bool:
    """It is known to be paid, because its payment could not be closed; how much is asked for, and told then."""
    return bool(state["state"] == "paid" and state["paid"] is None and state["ask_payment_at"])


def _payment(payment: Stored, events: list[Message]) -> Iterator[Violation]:
    state = payment.state
    received = sorted({one.body["amount"]["amount_minor"] for one in events if one.wire == "payment-received.v1"})
    receipt = [state["receipt"]["amount"]["amount_minor"]] if state.get("receipt") else []
    if received != receipt and not payment.may_be_pruned:
        yield Violation("I18", payment.name, f"told {received} received, known {receipt}")
    last: dict[str, Row] = {}
    for one in events:
        if one.wire in _STATUS_OF:
            last[one.body["case_id"]] = {"wire": one.wire, **one.body}
    for refund in state.get("refunds") or ():
        told = last.get(refund["case_id"])
        if told is not None and not _may_be(told, refund):
            yield Violation(
                "I18", payment.name, f"told {told['wire']} of {refund['case_id']}, known {refund['status']}"
            )
        if told is not None and told["wire"] == "refund-accepted.v1" and told["amount"] != refund["amount"]:
            yield Violation(
                "I18", payment.name, f"told {told['amount']} of {refund['case_id']}, known {refund['amount']}"
            )


def _may_be(told: Row, refund: Row) -> bool:
    if told["wire"] == "refund-accepted.v1" and told["refund_number"] in refund["closed_numbers"]:
        return refund["status"] in (*_STATUS_OF[told["wire"]], *_PENDING)
    return refund["status"] in _STATUS_OF[told["wire"]]


_PENDING = ("intended", "unknown", "parked")
_STATUS_OF = {
    "refund-accepted.v1": ("accepted", "paying-out", "settled", "mismatch", "abnormal", "refused"),
    "refund-refused.v1": ("refused", "unknown", "intended", "paying-out", "parked", "mismatch"),
    "refund-settled.v1": ("settled",),
}
"""What a refund may be once this was the last that was told of it: `settled` is told to whoever watches only; a person
may let a refused one go on. Of the accepted ones only one that closed since may be pending: it goes on under the next
number."""


def _reservation(reservation: Stored, events: list[Message]) -> Iterator[Violation]:
    state = reservation.state
    said = [one.wire for one in events]
    if "stock-reserved.v1" in said and state["status"] not in ("reserved", "dispatching", "dispatched"):
        yield Violation("I18", reservation.name, f"told that it is set aside, known {state['status']}")
    if "stock-short.v1" in said and state["status"] != "short":
        yield Violation("I18", reservation.name, f"told that it is short, known {state['status']}")
    last = {one.body["case_id"]: one.wire for one in events if one.wire in _CASE_OF}
    for case_id, wire in last.items():
        known = state["cases"].get(case_id, {}).get("status")
        if known not in _CASE_OF[wire]:
            yield Violation("I18", reservation.name, f"told {wire} of {case_id}, known {known}")


_CASE_OF = {
    "stock-held.v1": ("held", "releasing"),
    "stock-hold-refused.v1": ("refused", "withdrawn", "kept"),
    "stock-kept.v1": ("kept", "withdrawn", "refused"),
    "stock-released.v1": ("released", "taking-again"),
    "stock-taken-again.v1": ("taken-again",),
    "stock-not-taken-again.v1": ("released", "taking-again"),
}


def _notice(notice: Stored, events: list[Message]) -> Iterator[Violation]:
    state = notice.state
    told = [one.body for one in events if one.wire == "customer-told.v2"]
    known = state.get("told_at")
    if told and not known and state.get("first_call", 1) == 1:
        yield Violation("I18", notice.name, "told that the customer was told, known is no such thing")
    if known and not told and not notice.may_be_pruned:
        yield Violation("I18", notice.name, "the customer was told, but that was never said")
    if told and any(one["outcome"] != state["asked"]["outcome"] for one in told):
        yield Violation("I18", notice.name, f"told {told[-1]['outcome']}, known {state['asked']['outcome']}")
