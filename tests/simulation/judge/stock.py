"""Stock: no piece is lost, made up, sold twice or given back twice. The lines of inventory's own ledger decide what
happened (decision 0002); the balances, the reservations, the events and the orders must all say the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Reading
from tests.simulation.judge.shelf import Claim
from tests.simulation.judge.stories import Story

PLACES = ("available", "reserved", "sold", "received")


def balances(reading: Reading) -> Iterable[Violation]:
    """Of every product available + reserved + sold = received, nothing is negative, and the balance less its markers is
    the sum of the ledger lines that were swept from it. At every moment: the ledger line tells which balance contains
    it (`services/inventory/recount.py`).
    """
    lines: dict[str, list[Row]] = defaultdict(list)
    for line in reading.stored("inventory", "ledger").values():
        lines[line["product_id"]].append(line)
    found = reading.stored("inventory", "balances")
    for product_id, balance in found.items():
        have = [balance[place] for place in PLACES]
        if have[0] + have[1] + have[2] != have[3] or min(have) < 0:
            yield Violation("I04", product_id, f"pieces are not all somewhere: {dict(zip(PLACES, have, strict=True))}")
        markers = {marker["id"] for marker in balance["pending"]}
        settled = [have[i] - sum(one.get(PLACES[i], 0) for one in balance["pending"]) for i in range(4)]
        swept = [
            line
            for line in lines[product_id]
            if not line["refused"] and line["swept"] < balance["swept"] and line["_id"] not in markers
        ]
        counted = [sum(line[place] for line in swept) for place in PLACES]
        if settled != counted:
            yield Violation(
                "I04", product_id, f"the balance less its markers is {settled}, its ledger adds up to {counted}"
            )
    for product_id in lines.keys() - found.keys():
        if any(not line["refused"] for line in lines[product_id]):
            yield Violation("I04", product_id, "has lines in the ledger and no balance")


def movements(reading: Reading) -> Iterable[Violation]:
    """Each movement happens once; of every line of an order pieces are set aside once, and then each piece is still set
    aside, given back or sold, never two of these; a case gives back what it has once, and again nothing that was not
    taken again first.
    """
    seen: set[tuple[str, int, str]] = set()
    for line in reading.stored("inventory", "ledger").values():
        cause = (line["owner"], line["line_no"], line["cause"])
        if cause in seen:
            yield Violation("I04", line["owner"], f"line {line['line_no']}: {line['cause']} is in the ledger twice")
        seen.add(cause)
    for owner, claims in reading.claims.items():
        for no, claim in claims.items():
            back = sum(claim.given_back.values()) - sum(claim.taken_again.values()) + sum(claim.came_back.values())
            if claim.reserved < 0 or claim.sold < 0 or claim.reserved + claim.sold + back != claim.asked:
                yield Violation("I04", f"{owner}/{no}", f"of {claim.asked} pieces: {claim}")
            for case_id, again in claim.taken_again.items():
                if not 0 <= again <= claim.given_back.get(case_id, 0):
                    yield Violation("I04", f"{owner}/{no}", f"{case_id} took {again} again: {claim}")


def words(reading: Reading) -> Iterable[Violation]:
    """What inventory says has happened has happened in its ledger: set aside, short, given back, taken again, sold. A
    case of an order that never had any stock gives nothing back.
    """
    claims = reading.claims
    short = {body["order_id"] for body in reading.bodies("stock-short.v1")}
    reserved = {body["order_id"] for body in reading.bodies("stock-reserved.v1")}
    for order_id in short & reserved:
        yield Violation("I04", order_id, "said to be set aside and to be short")
    for order_id in short:
        if any(claim.reserved or claim.sold for claim in claims.get(order_id, {}).values()):
            yield Violation("I04", order_id, "said to be short, but pieces are set aside or sold")
    for body in reading.bodies("reserve-stock.v1"):
        if body["order_id"] in reserved:
            yield from _all_reserved(body, claims.get(body["order_id"], {}))
    for body in reading.bodies("stock-released.v1"):
        yield from _all_back(body, claims.get(body["order_id"], {}))
    for body in reading.bodies("stock-taken-back.v1"):
        for line in body["lines"]:
            claim = claims.get(body["order_id"], {}).get(line["line_no"], Claim())
            if claim.came_back.get(body["case_id"], 0) != line["quantity"]:
                yield Violation("I04", body["case_id"], f"said to have come back: {line}, the ledger has {claim}")
    for body in reading.bodies("stock-dispatched.v1"):
        if not any(claim.sold or claim.came_back for claim in claims.get(body["order_id"], {}).values()):
            yield Violation("I04", body["order_id"], "said to be dispatched, but nothing was sold")


def _all_reserved(body: Row, claims: Mapping[int, Claim]) -> Iterator[Violation]:
    for line in body["lines"]:
        claim = claims.get(line["line_no"])
        if claim is None or (claim.asked, claim.product_id) != (line["quantity"], line["product_id"]):
            yield Violation(
                "I04", f"{body['order_id']}/{line['line_no']}", f"said to be set aside, the ledger has {claim}"
            )


def _all_back(body: Row, claims: Mapping[int, Claim]) -> Iterator[Violation]:
    for line in body["lines"]:
        claim = claims.get(line["line_no"])
        back = claim.given_back.get(body["case_id"], 0) if claim else 0
        if back != line["quantity"]:
            what = f"{line['quantity']} of line {line['line_no']} said to be back, the ledger has {back}"
            yield Violation("I04", body["case_id"], what)


def orders(reading: Reading) -> Iterable[Violation]:
    """In the end the stock is where the orders say: what is left of an order that got its stock is set aside for it, or
    sold once its parcel has left; nothing is kept for cancelled ones. What came in is what receipts say. Orders with an
    open case are left out: their pieces are where the case has come to.
    """
    claims = reading.claims
    reserved = {body["order_id"] for body in reading.bodies("stock-reserved.v1")}
    for story in reading.stories.values():
        if story.open_case is None:
            yield from _of_order(story, claims.get(story.order_id, {}), story.order_id in reserved)
    yield from _came_in(reading)


def _of_order(story: Story, claims: Mapping[int, Claim], had: bool) -> Iterator[Violation]:
    left_the_house = story.state in ("shipped", "delivered", "completed")
    lost = _never_on_the_shelf(story, claims)
    for no in story.lines:
        claim = claims.get(no, Claim())
        left = story.left(no) if had else 0
        wanted = (0, left + lost.get(no, 0)) if left_the_house else (left, lost.get(no, 0))
        if (claim.reserved, claim.sold) != wanted:
            what = f"{story.state}, {left} pieces left, but {claim.reserved} set aside and {claim.sold} sold"
            yield Violation("I04", f"{story.order_id}/{no}", what)


def _never_on_the_shelf(story: Story, claims: Mapping[int, Claim]) -> dict[int, int]:
    """Pieces by line that came back damaged with their parcel: they stay counted as sold."""
    found: dict[int, int] = defaultdict(int)
    for case in story.cases.values():
        if case.parcel_left and case.status == "completed":
            for no, pieces in case.pieces.items():
                found[no] += pieces - claims.get(no, Claim()).came_back.get(case.case_id, 0)
    return found


def _came_in(reading: Reading) -> Iterator[Violation]:
    receipts: dict[str, int] = defaultdict(int)
    for receipt in reading.of("inventory", "receipts").values():
        receipts[receipt.state["product_id"]] += receipt.state["quantity"]
    for product_id, balance in reading.stored("inventory", "balances").items():
        wanted = receipts.get(product_id) or reading.evidence.initial_stock.get(product_id, 0)
        if balance["received"] != wanted:
            yield Violation("I04", product_id, f"{balance['received']} pieces in the balance, {wanted} came in")
    for product_id, pieces in reading.evidence.initial_stock.items():
        if pieces > reading.stored("inventory", "balances").get(product_id, {}).get("received", 0):
            yield Violation("I04", product_id, f"{pieces} pieces were there before anything happened")


def undone_cases(reading: Reading) -> Iterable[Violation]:
    """An undone case leaves nothing behind: inventory holds nothing for it any more and gave nothing of it away, and
    the order neither counts its pieces as cancelled nor stands as if a case were open.
    """
    claims = reading.claims
    for story in reading.stories.values():
        reservation = reading.of("inventory", "reservations").get(story.order_id)
        order = reading.of("order", "orders").get(story.order_id)
        for case in story.cases.values():
            if case.status != "undone":
                continue
            back = sum(
                claim.given_back.get(case.case_id, 0)
                - claim.taken_again.get(case.case_id, 0)
                + claim.came_back.get(case.case_id, 0)
                for claim in claims.get(story.order_id, {}).values()
            )
            if back:
                yield Violation("I12", case.case_id, f"undone, but {back} pieces were given away")
            held = reservation.state["cases"].get(case.case_id) if reservation is not None else None
            if held is not None and held["status"] in _BUSY:
                yield Violation("I12", case.case_id, f"undone, but inventory has it as {held['status']}")
        if order is not None and story.open_case is None and order.state.get("state") == "cancelling":
            yield Violation("I12", story.order_id, "stands as being cancelled, but no case is open")


_BUSY = ("held", "wanted", "releasing", "released", "taking-again", "coming-back", "came-back")
