"""Many orders of many customers, in every state, as the order service stores them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from chassis.record import Record
from services.order.handlers import ORDERS
from services.order.model import Order
from tests.unit.order import told

CUSTOMERS = 40
NAMES = ("张三", "欧阳 娜娜", "Ann Lee", "李四")
GOODS = ("Green Tea 绿茶", "red lantern", "铁观音 乌龙茶", "Cup, hand-made", "a tin of BISCUITS", "rare porcelain")


@cache
def lives() -> tuple[Order, ...]:
    """One order of each kind: unpaid, paid, shipped, and with a case that is open, completed, undone or waits."""
    undone = [told.cancel(), told.held(), told.refused(), told.kept(), told.told("refund-failed")]
    done = [told.cancel(), told.held(), told.accepted(), told.released(), told.told("refund-on-its-way")]
    stories = [
        told.Told().hears(told.place(), told.RESERVED, told.OPENED),
        told.paid_order(),
        told.paid_order().hears(told.SHIP),
        told.paid_order().hears(told.cancel((1, 1))),
        told.paid_order().hears(*done, told.settled(), told.told("refund-arrived")),
        told.paid_order().hears(*undone),
    ]
    orders = [story.order for story in stories]
    waiting = orders[3].cases[0].run.model_copy(update={"status": "done"})
    orders.append(orders[3].with_case(orders[3].cases[0].model_copy(update={"run": waiting})))
    assert [order.cases[0].waits_for_a_person for order in orders if order.cases] == [False, False, False, True]
    return tuple(orders)


def order(number: int) -> Order:
    """Order `number` of the crowd: everything about it follows from the number; one in 500 is of porcelain."""
    life = lives()[number % 7 if number % 3 else 1]
    goods = GOODS[5] if number % 500 == 7 else GOODS[number % 5]
    lines = tuple(
        line.model_copy(update={"name": goods, "product_id": f"p{(number + line.line_no) % 20}"}) for line in life.lines
    )
    return life.model_copy(
        update={
            "order_id": f"o{number:05}",
            "customer_id": f"c{number % CUSTOMERS}",
            "reference": f"r{number // 2}" if number % 5 == 0 else "",
            "lines": lines,
            "contact": life.contact.model_copy(update={"name": NAMES[number % 4], "phone": f"1380000{number % 50:04}"}),
            # Three orders in the same moment: what is equal must keep one order, too.
            "placed_at": told.START + timedelta(seconds=number // 3),
        }
    )


def records(count: int) -> Iterator[Record[Order]]:
    """The first `count` orders of the crowd, to be saved."""
    for number in range(count):
        state = order(number)
        yield replace(Record(str(state.order_id), state=state))


async def fill(database: Any, count: int) -> None:
    """Save the first `count` orders."""
    store = database.store(ORDERS)
    await store.prepare()
    every = list(records(count))
    for start in range(0, count, 500):
        assert await store.save(every[start : start + 500]) == set()
