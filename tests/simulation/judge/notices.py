"""What customers were told: each outcome of a case once, nothing that is not true, never two ends of one case. The
providers' ledger is the truth about what left; it names the order and the outcome, not the case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.ledger import BY_HAND, OURS
from tests.simulation.judge.overdue import PAID_IN_TIME
from tests.simulation.judge.reading import Reading
from tests.simulation.judge.stories import CaseStory

FINAL = ("refund-arrived", "refund-failed", "order-cancelled", "cancellation-refused")
STAND_INS = ("late-payment-refunded", "refund-to-confirm", "refund-delayed")
"""Outcomes that may use the template of `refund-on-its-way` where an account has none for them."""

ON_ITS_WAY = ("refund-on-its-way", *STAND_INS)

ORDER_FIELDS = ("character_string1", "order")
SHOWN_MAX = 32
"""Of a longer order id a template's field shows only the end."""


@dataclass(slots=True)
class Carried:
    """What the channels have carried of one outcome of one order: how many messages, by channel."""

    channels: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(self.channels.values())


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def told_once(reading: Reading) -> Iterable[Violation]:
    """Of each outcome of a case one message leaves by a call that is known to have worked; a further one only for a
    call whose fate nobody knew, by the next channel (decision 0019); no channel carries one outcome of a case twice. A
    transfer that can be confirmed until later than the one before is told anew. The ledger names the order only, so
    cases of an order with the same outcome are counted together.
    """
    asked, allowed = _asked(reading), _allowed(reading)
    for (order_id, outcome), carried in _carried(reading, asked).items():
        tellings = asked.get((order_id, outcome), 0)
        for channel, count in carried.channels.items():
            if count > tellings:
                yield Violation(
                    "I07", order_id, f"{outcome} told {count} times by {channel}, asked for {tellings} times"
                )
        most = allowed.get((order_id, outcome), tellings)
        if carried.count > most:
            yield Violation("I07", order_id, f"{outcome} told {dict(carried.channels)}, {most} messages may have left")
    for id, notice in reading.of("notify", "notices").items():
        sent = _calls(notice.state, "sent")
        anew = 1 + (notice.state.get("first_call", 1) - 1) // 2
        if sent > anew:
            yield Violation("I07", id, f"told by {sent} calls that are known to have worked, asked for {anew} times")


def in_one_go(reading: Reading) -> Iterable[Violation]:
    """While nothing fails no call's fate is unknown, whatever the notices say: of each outcome of a case one message
    leaves, by one channel.
    """
    asked = _asked(reading)
    for (order_id, outcome), carried in _carried(reading, asked).items():
        if carried.count > asked.get((order_id, outcome), 0):
            yield Violation("I07", order_id, f"{outcome} told {carried.channels}, and nothing had failed")


def _asked(reading: Reading) -> dict[tuple[str, str], int]:
    """How often each outcome of an order was to be told: once per case, and per later time to confirm."""
    tellings: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for body in reading.bodies("tell-customer.v2"):
        until = str(body.get("expected_by")) if body["outcome"] == "refund-to-confirm" else ""
        tellings[body["order_id"], body["outcome"]].add((body["case_id"], until))
    return {about: len(ones) for about, ones in tellings.items()}


def _allowed(reading: Reading) -> dict[tuple[str, str], int]:
    """How many messages may have left, by what the notices know of their calls: those that worked, those whose fate is
    unknown, and the one under way."""
    most: dict[tuple[str, str], int] = defaultdict(int)
    for notice in reading.of("notify", "notices").values():
        state = notice.state
        if state:
            under_way = int(state["told_at"] is None)
            asked = state["asked"]
            found = _calls(state, "accepted", "delivered")
            most[asked["order_id"], asked["outcome"]] += (
                _calls(state, "sent") + max(_calls(state, "unknown"), found) + under_way
            )
    return most


def _calls(notice: Row, *results: str) -> int:
    return sum(one["result"] in results for one in notice.get("tried") or ())


def _carried(reading: Reading, asked: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], Carried]:
    """The ledger's lines by order and outcome. A line with the template of an outcome that nobody asked for stands for
    one that may use that template."""
    by_shown = {order_id[-SHOWN_MAX:]: order_id for order_id, _ in asked}
    found: dict[tuple[str, str], Carried] = defaultdict(Carried)
    for line in reading.evidence.messages:
        shown = shown_order(line)
        if shown is None:
            continue
        order_id, outcome = by_shown.get(shown[-SHOWN_MAX:], shown), line["template_name"]
        if (order_id, outcome) not in asked and outcome == "refund-on-its-way":
            outcome = next((one for one in STAND_INS if (order_id, one) in asked), outcome)
        channels = found[order_id, outcome].channels
        channels[line["channel"]] = channels.get(line["channel"], 0) + 1
    return found


def shown_order(line: Row) -> str | None:
    """The order that a line of the message book names, or the end of its id; None where it names none."""
    return next((str(line["values"][name]) for name in ORDER_FIELDS if name in line["values"]), None)


# ── true ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def told_the_truth(reading: Reading) -> Iterable[Violation]:
    """A customer hears that money is on its way only when the provider has taken it, that it arrived only when the
    ledger has it (or a person settled it outside), that nothing had to be paid back only when nothing was paid; hears
    nothing that no case asked for; and what is said to have left by a channel has left by it.
    """
    asked = _asked(reading)
    carried = _carried(reading, asked)
    for order_id, outcome in carried.keys() - asked.keys():
        yield Violation("I07", order_id, f"{outcome} was told, nobody asked for it")
    for body in reading.bodies("customer-told.v2"):
        case_id, outcome = body["case_id"], body["outcome"]
        if outcome == "refund-arrived" and not _arrived(reading, case_id):
            yield Violation("I07", case_id, "told that the refund arrived, the ledger does not have it")
        if outcome in ON_ITS_WAY and not _taken(reading, case_id, outcome):
            yield Violation("I07", case_id, f"told {outcome}, the provider has not taken it")
        if outcome == "order-cancelled" and not _without_money(reading, body["order_id"], case_id):
            yield Violation("I07", case_id, "told that nothing was paid, but the order was paid")
        about = carried.get((body["order_id"], outcome))
        if body["channel"] != "inbox" and (about is None or body["channel"] not in about.channels):
            yield Violation("I07", case_id, f"{outcome} is said to have left by {body['channel']}, but it did not")


def _taken(reading: Reading, case_id: str, outcome: str) -> bool:
    """Whether a refund was accepted under any number of the case; for a transfer, whether it was."""
    if outcome == "refund-to-confirm":
        return bool(_transfers(reading, case_id))
    return bool(reading.books.purse(case_id).sent) or case_id in reading.settled_outside


def _transfers(reading: Reading, case_id: str) -> list[str]:
    """The numbers of a case's transfers that were accepted: those of no refund."""
    numbers = reading.books.purse(case_id).sent
    return [number for number in numbers if not (OURS.fullmatch(number) or BY_HAND.fullmatch(number))]


def _arrived(reading: Reading, case_id: str) -> bool:
    return case_id in reading.settled_outside or bool(reading.books.purse(case_id).arrived)


def _without_money(reading: Reading, order_id: str, case_id: str) -> bool:
    if case_id.endswith("-placing") or case_id in reading.closed_unpaid:
        return True
    story = reading.stories.get(order_id)
    case = story.cases.get(case_id) if story is not None else None
    return case is not None and case.amount == 0


def one_end(reading: Reading) -> Iterable[Violation]:
    """No case tells two ends. Both "failed" and "arrived", in this order, only where a person decided in between that
    an undone case goes on (decision 0015).
    """
    ends: dict[str, list[str]] = defaultdict(list)
    for notice in reading.of("notify", "notices").values():
        state = notice.state
        if state and state["told_at"] is not None and state["asked"]["outcome"] in FINAL:
            ends[state["asked"]["case_id"]].append(state["asked"]["outcome"])
    for body in reading.bodies("customer-told.v2"):
        if body["outcome"] in FINAL and body["outcome"] not in ends[body["case_id"]]:
            ends[body["case_id"]].append(body["outcome"])
    for case_id, outcomes in ends.items():
        story = reading.stories.get(case_id.rpartition("-c")[0])
        case = story.cases.get(case_id) if story is not None else None
        went_on = case is not None and case.resumed > 0 and set(outcomes) == {"refund-failed", "refund-arrived"}
        if len(outcomes) > 1 and not went_on:
            yield Violation("I07", case_id, f"told {sorted(outcomes)}")


# ── in the end ───────────────────────────────────────────────────────────────────────────────────────────────────────
def everybody_told(reading: Reading) -> Iterable[Violation]:
    """In the end the customer of every ended case has been told how it ended, by a channel or in the inbox; and so has
    whoever ordered what was not there. Of each transfer its customer was to be told: nobody else can confirm it."""
    told = {(body["case_id"], body["outcome"]) for body in reading.bodies("customer-told.v2")}
    asked = {(body["case_id"], body["outcome"]) for body in reading.bodies("tell-customer.v2")}
    for case_id, purse in reading.books.purses.items():
        if _transfers(reading, case_id) and (case_id, "refund-to-confirm") not in asked:
            yield Violation(
                "I07", case_id, f"{sorted(purse.sent)} can be confirmed, and its customer was not to be told"
            )
    for story in reading.stories.values():
        if story.short and (f"{story.order_id}-placing", "order-cancelled") not in told:
            yield Violation("I07", story.order_id, "was not there, and its customer was never told")
        for case in story.cases.values():
            wanted = tuple(_ends_of(case, free=case.amount == 0 or case.case_id in reading.closed_unpaid))
            if wanted and not any((case.case_id, outcome) in told for outcome in wanted):
                yield Violation("I07", case.case_id, f"{case.status}, and the customer was never told: {wanted}")


def _ends_of(case: CaseStory, *, free: bool) -> Iterator[str]:
    if case.status == "completed":
        yield "order-cancelled" if free else "refund-arrived"
    elif case.status == "undone" and case.because not in ("withdrawn", PAID_IN_TIME):
        yield "refund-failed"
        yield "cancellation-refused"
