"""What the shop keeps of a payment, and what pieces are worth when they are given back. Refunds are held to their cases
elsewhere (`money`); here money is held to the goods, so that a case that was never opened is missed, too."""

from __future__ import annotations

from collections.abc import Iterable

from tests.simulation.evidence import Violation
from tests.simulation.judge.reading import Reading
from tests.simulation.judge.stories import Story


def nothing_kept(reading: Reading) -> Iterable[Violation]:
    """In the end the shop keeps of what a customer paid no more than the goods cost that were not given back, and money
    that no goods belong to (it came too late) only where its case lies with a person or could not be paid back.
    """
    for story in reading.stories.values():
        paid = reading.books.paid.get(story.order_id, 0)
        kept = paid - _went_back(reading, story)
        may_keep = _worth_left(story) + sum(
            case.amount for case in story.cases.values() if not case.accepted["lines"] and case.status != "completed"
        )
        if kept > may_keep:
            what = f"{story.state}: {kept} of {paid} fen were kept, what is left of its goods costs {may_keep}"
            yield Violation("I01", story.order_id, what)


def _went_back(reading: Reading, story: Story) -> int:
    """Fen that went back, by whatever road, and did not return."""
    live = dict(reading.books.by_hand.get(story.order_id, {}))
    outside = 0
    for case in story.cases.values():
        live |= reading.books.purse(case.case_id).live
        outside += case.amount if case.case_id in reading.settled_outside and case.status == "completed" else 0
    return sum(live.values()) + outside


def _worth_left(story: Story) -> int:
    if story.state == "cancelled":
        return 0
    back = story.given_back
    return sum(story.worth(no) - back.get(no, 0) for no in story.lines if story.left(no))


def fair_shares(reading: Reading) -> Iterable[Violation]:
    """What a case gives back of a line is its pieces' share of the line's price, to the fen; only where money went back
    for goods that nobody named it may be less or, afterwards, more (decision 0045).
    """
    for story in reading.stories.values():
        if any(not case.accepted["lines"] for case in story.cases.values()):
            continue
        for case in story.cases.values():
            for given in case.accepted["lines"]:
                line = story.lines[given["line_no"]]
                times, fen = line["paid_minor"] * given["quantity"], given["amount_minor"]
                if not times // line["quantity"] <= fen <= -(-times // line["quantity"]):
                    what = f"{fen} fen for {given['quantity']} of {line['quantity']} pieces at {line['paid_minor']}"
                    yield Violation("I15", f"{case.case_id}/{given['line_no']}", what)
