"""Money: what was paid goes back once, as much as it should, for a reason. The provider's ledger is the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.ledger import Books, payout_number
from tests.simulation.judge.reading import Reading
from tests.simulation.judge.stories import CaseStory, Story

OUTSIDE = "线下退款"
"""The route of money that was paid outside this system."""


def within_what_was_paid(reading: Reading) -> Iterable[Violation]:
    """At no moment do refunds and transfers of an order exceed what its customer paid, nor does the sandbox's own
    check of its ledger find anything. A refund made by hand counts once the payment service could know of it: nobody
    asks it before.
    """
    yield from _wrong(reading, "I01")
    for found in reading.evidence.ledger_violations:
        yield Violation("I01", str(found.get("subject")), f"{found.get('rule')}: {found.get('found')}")


def ended_cases(reading: Reading) -> Iterable[Violation]:
    """A completed case has given back its amount, once, by refund or transfer; an undone one nothing. What a provider's
    coupon paid is no money of the customer's and does not go back as money; what a person settled outside this system
    is in no ledger. An unpaid order and goods that cost nothing give nothing back.
    """
    books = reading.books
    for story in reading.stories.values():
        outside = [case.amount for case in story.cases.values() if case.case_id in reading.settled_outside]
        back = sum(sum(books.purse(case_id).live.values()) for case_id in _known_when_settled(reading, story))
        if outside and back + sum(outside) > (story.paid or 0):
            yield Violation(
                "I01", story.order_id, f"{back} fen went back and {outside} outside, {story.paid} were paid"
            )
        for case in story.cases.values():
            live = books.purse(case.case_id).live
            if case.status == "undone" and live:
                yield Violation("I01", case.case_id, f"undone, but money left: {live}")
            elif case.status == "completed":
                yield from _completed(reading, books, story, case)


def _known_when_settled(reading: Reading, story: Story) -> list[str]:
    """The order's cases, up to the last whose money a person paid outside; with later ones that are no refund made by
    hand. Such a refund, found in a bill after that, was unknown to whoever paid."""
    cases, by_hand = list(story.cases), set(reading.adopted.values())
    last = max((n for n, case_id in enumerate(cases) if case_id in reading.settled_outside), default=-1)
    return [case_id for n, case_id in enumerate(cases) if n <= last or case_id not in by_hand]


def _completed(reading: Reading, books: Books, story: Story, case: CaseStory) -> Iterator[Violation]:
    purse = books.purse(case.case_id)
    wanted = case.refunded
    free = case.case_id in reading.closed_unpaid or case.amount == 0
    if wanted != (0 if free else case.amount):
        yield Violation("I01", case.case_id, f"completed with {wanted} fen, accepted with {case.amount}")
    if case.case_id in reading.settled_outside:
        if purse.live:
            yield Violation("I01", case.case_id, f"settled outside, and paid here too: {purse.live}")
        return
    if len(purse.live) != (1 if wanted else 0):
        yield Violation("I01", case.case_id, f"completed with {wanted} fen, the ledger has {purse.live}")
        return
    arrived = purse.arrived_minor
    # The order may not have heard of its payment yet: what was to be paid is known from the beginning.
    coupon = books.paid.get(story.order_id, 0) < story.total
    if arrived > wanted or (arrived != wanted and not coupon):
        yield Violation("I01", case.case_id, f"completed with {wanted} fen, {arrived} have arrived")


def one_at_a_time(reading: Reading) -> Iterable[Violation]:
    """At most one refund or transfer of a case is effective (accepted, not closed, not returned) at any moment; numbers
    are `<case>-<n>`, n grows only after the provider closed number n-1; and every number that reached the provider
    stands in the payment's record, because it was stored before the call.
    """
    yield from _wrong(reading, "I02")
    for case_id, purse in reading.books.purses.items():
        order_id = case_id.rpartition("-c")[0]
        payment = reading.of("payment", "payments").get(order_id)
        if payment is None:
            continue
        for number in purse.numbers - _known(payment.state.get("refunds") or ()):
            yield Violation("I02", number, "reached the provider, but the payment's record does not have it")


def _known(refunds: Iterable[Row]) -> set[str]:
    known = {number for refund in refunds for number in (refund["number"], *refund["closed_numbers"])}
    for refund in refunds:
        payouts = refund["payout"]["n"] if refund.get("payout") else 0
        known |= {payout_number(refund["case_id"], n) for n in range(1, payouts + 1)}
    return known


def for_a_reason(reading: Reading) -> Iterable[Violation]:
    """No money goes back without an accepted cancellation, and what the payment service says about money the ledger
    says too: received, accepted, arrived. Excepted are refunds made by hand, which ask nobody, and what was settled
    outside.
    """
    yield from _wrong(reading, "I03")
    stories = reading.stories
    for case_id, purse in reading.books.purses.items():
        story = stories.get(case_id.rpartition("-c")[0])
        if purse.numbers and (story is None or case_id not in story.cases):
            yield Violation(
                "I03", case_id, f"money was sent back under {sorted(purse.numbers)}, but no case was accepted"
            )
    yield from _received(reading)
    yield from _went_back(reading)


def _received(reading: Reading) -> Iterator[Violation]:
    paid = reading.books.paid
    for body in reading.bodies("payment-received.v1", "order-paid.v1"):
        order_id, amount = body["order_id"], body["amount"]["amount_minor"]
        if not 0 < paid.get(order_id, 0) <= amount:
            yield Violation("I03", order_id, f"said to be paid {amount} fen, the ledger has {paid.get(order_id, 0)}")


def _went_back(reading: Reading) -> Iterator[Violation]:
    books = reading.books
    accepted = {number for purse in books.purses.values() for number in purse.numbers}
    arrived = {number: fen for purse in books.purses.values() for number, fen in purse.arrived.items()}
    for body in reading.bodies("refund-accepted.v1"):
        if body["route"] != OUTSIDE and body["refund_number"] not in accepted:
            yield Violation("I03", body["refund_number"], "said to be accepted, the ledger does not have it")
    for body in reading.bodies("refund-settled.v1"):
        number, amount = body["refund_number"], body["amount"]["amount_minor"]
        if body["case_id"] not in reading.settled_outside and arrived.get(number) != amount:
            yield Violation("I03", number, f"said to have arrived, {amount} fen; the ledger has {arrived.get(number)}")


def whole_fen(reading: Reading) -> Iterable[Violation]:
    """Amounts are whole fen, in the ledger and in every event about money; lines of an order add up to its total; what
    cases give back of a line never exceeds its pieces and its price, and is exactly its price when nothing is left, but
    for what went back by hand for goods nobody named; and money that "came too late" was not given back before.
    """
    for line in reading.evidence.money:
        if type(line["amount_minor"]) is not int or (line["amount_minor"] < 0 and line["kind"] != "balance-set"):
            yield Violation("I15", f"ledger line {line.get('id')}", f"{line['kind']} of {line['amount_minor']!r}")
    for body in reading.bodies(*_MONEY):
        amounts = (body.get("amount"), body.get("refunded"), body.get("total"), body.get("payer_refund"))
        for amount in amounts:
            if amount is not None and (type(amount["amount_minor"]) is not int or amount["amount_minor"] < 0):
                yield Violation("I15", str(body.get("case_id") or body["order_id"]), f"an amount of {amount!r}")
    for story in reading.stories.values():
        yield from _shares(story)


def _shares(story: Story) -> Iterator[Violation]:
    if sum(map(story.worth, story.lines)) != story.total:
        yield Violation("I15", story.order_id, f"its lines do not add up to {story.total} fen")
    back = story.given_back
    returned = by_hand = short = 0
    for case in story.cases.values():
        is_late = case.accepted["reason"]["code"] == "late-payment"
        if is_late and returned + case.amount > (story.paid or 0):
            yield Violation(
                "I15", case.case_id, f"{case.amount} fen of {story.paid} came late, {returned} had gone back"
            )
        returned += case.refunded
        given: Iterable[Row] = case.accepted["lines"]
        if given and sum(line["amount_minor"] for line in given) != case.amount:
            yield Violation("I15", case.case_id, f"its lines do not add up to {case.amount} fen")
        if case.status == "completed":
            by_hand += 0 if given or is_late else case.refunded
    for no in story.lines:
        left, worth = story.left(no), story.worth(no)
        if left < 0 or back.get(no, 0) > worth:
            what = f"{left} pieces left, {back.get(no, 0)} of {worth} fen given back"
            yield Violation("I15", f"{story.order_id}/{no}", what)
        short += worth - back.get(no, 0) if left == 0 else 0
    if short > by_hand:
        what = f"{short} fen of goods that are given back did not go back with them, {by_hand} went back by hand"
        yield Violation("I15", story.order_id, what)


_MONEY = (
    "order-placed.v1",
    "order-paid.v1",
    "payment-received.v1",
    "cancellation-accepted.v1",
    "cancellation-completed.v1",
    "refund-payment.v1",
    "refund-accepted.v1",
    "refund-settled.v1",
    "refund-found.v1",
)


def _wrong(reading: Reading, invariant: str) -> Iterator[Violation]:
    return (
        Violation(one.invariant, one.subject, one.found) for one in reading.books.wrong if one.invariant == invariant
    )
