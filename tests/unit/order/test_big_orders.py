"""An order of as many goods as the door takes, with as long names: it is told, kept and found, and comes to its end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from chassis.keeping import Keeping
from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.record import Record, Refusal
from chassis.room import text_of
from contracts.decision import WithdrawCancellation
from contracts.message import CaseId, OrderId
from contracts.order import OrderNotPlaced, OrderPlaced
from services.gateway.bodies import WHOLE_ORDERS_MAX
from services.gateway.deletion import RestorationWanted
from services.order.deletion_api import Restoration
from services.order.exporting import exported
from services.order.exports import EXPORTED, EXPORTS, TEXT_MAX, Exports
from services.order.finding import TERMS_MAX, found_by, product_term, word_term
from services.order.handlers import ORDERS
from services.order.lists import OrderLists
from services.order.policies import BUILT_IN
from services.order.problems import problem_of
from services.order.taking import PLACED_BYTES_MAX
from services.order.wishes import CASE_LINES_MAX
from tests.unit.order import big
from tests.unit.order.told import (
    CUSTOMER,
    ID,
    OPENED,
    RESERVED,
    STAFF,
    Told,
    accepted,
    cancel,
    held,
    paid,
    released,
    settled,
    told,
)

TOPIC_BYTES_MAX = 1_048_576 - 10_000
"""What aiokafka hands to a broker, less headers and whatever it counts itself."""
BYTES_KEPT_MAX = 16 * 1024 * 1024
"""MongoDB: of a document."""
TOTAL = big.LINES_MAX * 300


def sizes(order: Told) -> dict[str, int]:
    """The longest of each kind of message that the order has said, in bytes."""
    said = [one for entry in order.record.journal for one in entry.said]
    return {one.wire: max(len(other.body.encode()) for other in said if other.wire == one.wire) for one in said}


def everything_is_said(order: Told) -> None:
    order.record = replace(order.record, unsaid=())


def cancelled(order: Told) -> Told:
    order.hears(RESERVED, OPENED, paid(TOTAL), cancel(by=STAFF), held(), accepted(amount=TOTAL), released())
    return order.hears(told("refund-on-its-way"), settled(amount=TOTAL), told("refund-arrived"))


def test_whatever_is_said_of_the_longest_order_fits_into_a_message() -> None:
    order = cancelled(Told().hears(big.longest()))
    assert order.order.state == "cancelled"
    found = sizes(order)
    assert found[OrderPlaced.wire] > PLACED_BYTES_MAX * 0.95, "the longest there is"
    assert {wire: size for wire, size in found.items() if size > TOPIC_BYTES_MAX} == {}


@pytest.mark.parametrize("longer", [{"name_length": 90}, {"id_length": 64, "name_length": 60}])
def test_what_is_longer_than_that_is_refused_in_words(longer: dict[str, int]) -> None:
    with pytest.raises(Refusal) as raised:
        Told().hears(big.wish(**longer))
    event = raised.value.event
    assert isinstance(event, OrderNotPlaced)
    assert (event.reason, event.because) == ("amount-too-large", "order-too-long")
    assert (problem_of(event).status, problem_of(event).code) == (422, "order-too-long")


def test_over_a_topic_it_is_refused_by_an_event() -> None:
    order = Told().hears(big.wish(name_length=90).model_copy(update={"from_topic": True}))
    assert (order.last, order.record.state) == (["order-not-placed"], None)


def test_an_order_of_usual_goods_may_have_as_many_lines_as_ever() -> None:
    assert len(Told().hears(big.wish(name_length=60)).order.lines) == big.LINES_MAX


def test_it_is_found_by_all_its_products_and_by_the_words_of_as_many_as_there_is_room_for() -> None:
    order = Told().hears(big.longest()).order
    terms = found_by(order).terms
    assert len(terms) == TERMS_MAX
    assert {product_term(line.product_id) for line in order.lines} <= set(terms)
    assert word_term(order.lines[0].name[:2]) in terms
    assert word_term(order.lines[-1].name[:2]) not in terms


def test_it_stays_as_large_as_it_is_however_often_it_asks_again() -> None:
    order = Told().hears(big.longest(), RESERVED, OPENED, paid(TOTAL), cancel(by=STAFF), held(), accepted(amount=TOTAL))
    lengths = []
    for _ in range(100):  # for weeks: inventory is away
        everything_is_said(order)
        lengths.append(text_of(order.rings().record))
    assert max(lengths[50:]) <= max(lengths[:50]) < BYTES_KEPT_MAX / 3, "a character has at most three bytes"
    everything_is_said(order.hears(released()))
    order.hears(told("refund-on-its-way"), settled(amount=TOTAL), told("refund-arrived"))
    assert order.order.state == "cancelled"


def test_it_can_be_put_back_from_its_export() -> None:
    order = Told().hears(big.longest(), RESERVED, OPENED, paid(TOTAL))
    for n in range(1, CASE_LINES_MAX // big.LINES_MAX + 1):
        order.hears(cancel(request=f"r{n}", policy=BUILT_IN))
        order.hears(WithdrawCancellation(order_id=ID, case_id=CaseId(f"{ID}-c{n}"), by=CUSTOMER))
    line = exported([order.order])[0].text
    assert Restoration(lines=[line], by=STAFF).lines == [line]
    assert RestorationWanted(lines=(line,)).lines == (line,)
    assert len(json.dumps({"lines": [line]}).encode()) < WHOLE_ORDERS_MAX


async def test_a_page_of_exports_has_so_many_orders_as_there_is_room_for() -> None:
    order, database = cancelled(Told().hears(big.longest())), MemoryDatabase()
    ids = [f"o{n:02}" for n in range(25)]
    for id in ids:
        state = order.order.model_copy(update={"order_id": OrderId(id)})
        await database.store(ORDERS).save([Record(id, state=state, fresh=order.record.journal[:1])])
    orders, known, lines = (cast(Any, database.collection(name)) for name in (ORDERS.name, EXPORTS, EXPORTED))
    exports, after, pages = Exports(orders, known, lines, Keeping(ORDERS)), "", 0
    found: list[str] = []
    while after is not None:
        page = await exports.page(before=order.now, after=after, limit=200)
        assert sum(len(one["state"]) for one in page["orders"]) < TEXT_MAX * 1.5
        found, after, pages = [*found, *(one["order_id"] for one in page["orders"])], page["next"], pages + 1
    assert (found, pages > 1) == (ids, True)


async def test_a_database_keeps_it(database: Database) -> None:
    store = database.store(ORDERS)
    await OrderLists(database.collection(ORDERS.name), database.keeping(ORDERS)).prepare()
    order = Told().hears(big.longest())
    assert await store.save([order.record]) == set()
    assert (await store.load(["o1"]))["o1"].state == order.order
