"""Exchanges: of both goods every piece is somewhere, once. What the order says was swapped, the stock ledger has
swapped, and what an exchange that was refused left behind is nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Reading
from tests.simulation.judge.shelf import Claim
from tests.simulation.judge.stories import ExchangeStory, Story

PLACES = ("available", "reserved", "sold")


def pieces_add_up(reading: Reading) -> Iterable[Violation]:
    """At every moment: new goods come into an order only by the exchange it began, as many as it began with, and what
    went out is no more than that and never before the new came in; a swap that was refused moved nothing; and of both
    products shelf, reserved and shipped pieces of the whole ledger add up to what came in."""
    swapped = {body["case_id"] for body in reading.bodies("stock-swapped.v1")}
    refused = {body["case_id"] for body in reading.bodies("stock-not-swapped.v1")}
    for case_id in sorted(swapped & refused):
        yield Violation("I04", case_id, "said to be swapped and not to be")
    goods: set[str] = set()
    for story in reading.stories.values():
        for exchange in story.exchanges.values():
            goods |= {exchange.old["product_id"], exchange.new["product_id"]}
            yield from _of_exchange(reading, story, exchange, swapped, refused)
    yield from _wholes(reading, goods)


def _of_exchange(
    reading: Reading, story: Story, exchange: ExchangeStory, swapped: set[str], refused: set[str]
) -> Iterator[Violation]:
    pieces, id = exchange.old["quantity"], exchange.case_id
    taken, back = _taken(reading, story.order_id, id), _back(reading, story.order_id, exchange)
    if exchange.new["quantity"] != pieces or exchange.new["paid_minor"] != exchange.old["amount_minor"]:
        yield Violation("I04", id, "takes other than as many pieces for as much money")
    if taken not in ([], [(exchange.new["line_no"], exchange.new["product_id"], pieces)]):
        yield Violation("I04", id, f"the ledger took {taken} for it, it wanted {exchange.new}")
    if back not in (0, pieces) or (back and not taken):
        yield Violation("I04", id, f"{back} of {pieces} old pieces went back, {taken} were taken for them")
    if (id in swapped or exchange.status == "done") and not taken:
        yield Violation("I04", id, "said to be exchanged, and no new pieces were set aside")
    if (id in refused or exchange.status == "refused") and (taken or back):
        yield Violation("I04", id, f"refused, but {taken} were taken and {back} went back")
    if back and exchange.status != "done":
        yield Violation("I04", id, f"{back} old pieces went back before the order had swapped its line")


def _taken(reading: Reading, order_id: str, case_id: str) -> list[tuple[int, str, int]]:
    return [
        (line["line_no"], line["product_id"], line["reserved"])
        for line in reading.ledger_of.get(order_id, ())
        if line["cause"] == f"swap:{case_id}"
    ]


def _back(reading: Reading, order_id: str, exchange: ExchangeStory) -> int:
    claim = reading.claims.get(order_id, {}).get(exchange.old["line_no"], Claim())
    return claim.given_back.get(exchange.case_id, 0)


def _wholes(reading: Reading, goods: set[str]) -> Iterator[Violation]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys((*PLACES, "received"), 0))
    for lines in reading.ledger_of.values():
        for line in lines:
            for place in sums[line["product_id"]]:
                sums[line["product_id"]][place] += line[place]
    for product_id in sorted(goods):
        counted = sums[product_id]
        if sum(counted[place] for place in PLACES) != counted["received"] or min(counted.values()) < 0:
            yield Violation("I04", product_id, f"was exchanged, and its pieces do not add up: {counted}")


def ended_alike(reading: Reading) -> Iterable[Violation]:
    """In the end each exchange that began has ended: the old pieces of one that was done are back on the shelf, and its
    new ones are the order's; the order's own lines say the same."""
    for story in reading.stories.values():
        order = reading.of("order", "orders").get(story.order_id)
        for exchange in story.exchanges.values():
            if exchange.status == "open":
                yield Violation("I04", exchange.case_id, "never ended")
            elif exchange.status == "done" and _back(reading, story.order_id, exchange) != exchange.old["quantity"]:
                yield Violation("I04", exchange.case_id, "done, but its old pieces are not back on the shelf")
        if order is not None and story.exchanges and order.state:
            yield from _lines_alike(story, order.state["lines"])


def _lines_alike(story: Story, lines: list[Row]) -> Iterator[Violation]:
    have = {
        line["line_no"]: (line["product_id"], line["quantity"] - line["cancelled"] - line["exchanged"])
        for line in lines
    }
    wanted = {no: (line["product_id"], story.left(no)) for no, line in story.lines.items()}
    if have != wanted:
        yield Violation("I04", story.order_id, f"its lines are {have}, its events tell {wanted}")
    paid = sum(line["paid_minor"] - line["moved_minor"] for line in lines)
    if paid != story.total:
        yield Violation("I04", story.order_id, f"its lines are worth {paid} fen, {story.total} were paid for them")
