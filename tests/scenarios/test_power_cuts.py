"""A paid order is cancelled while the power fails: once at every save and every send there is. No callback ever
comes, so payments and refunds are learned by asking. Whatever is torn apart, the money goes back once, the stock goes
back once, and the case ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.mongo import Database
from contracts.inventory import ListProduct, ReceiveStock
from contracts.message import OrderId, ProductId
from tests.scenarios.power import House, build
from tests.support.mongod import running_mongod
from tests.unit.order.told import cancel, place

pytestmark = pytest.mark.timeout(240)
PAID = 1900
ON_SHELF = {"tea": 10, "cup": 10}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house with goods on the shelf."""
    with running_mongod() as url:
        database = Database(url, "house")
        opened = await build(tmp_path, database)
        for name, pieces in ON_SHELF.items():
            product = ProductId(name)
            await opened.tell("inventory", ListProduct(product_id=product, name=name, offers_minor=(1,)), name)
            receipt = ReceiveStock(receipt_id=f"r-{name}", product_id=product, quantity=pieces)
            await opened.tell("inventory", receipt, receipt.receipt_id)
        yield opened
        await opened.close()
        await database.close()


async def paid_order(house: House, number: int) -> OrderId:
    """An order whose payment is made."""
    order_id = OrderId(f"o-crash-{number}")
    wish = place()
    asked = wish.asked.model_copy(update={"order_id": order_id})
    await house.tell("order", wish.model_copy(update={"order_id": order_id, "asked": asked}), f"place {number}")
    await house.settles(lambda: house.stands(order_id) == "payable", order_id)
    prepay_id = await house.prepay(order_id)
    answer = await house.sandbox.post("/_customer/pay", json={"prepay_id": prepay_id})
    assert answer.status_code == 200, answer.text
    await house.settles(lambda: house.stands(order_id) == "paid", order_id)
    return order_id


async def cancel_with_a_cut_at(house: House, moment: int) -> list[str]:
    """One order's whole story; the power fails at this moment of the cancellation (0: never). Returns the moments."""
    order_id = await paid_order(house, moment)
    house.power.moments.clear()
    house.power.fails_at = moment
    await house.tell("order", cancel().model_copy(update={"order_id": order_id}), f"cancel {moment}")
    await house.settles(lambda: house.stands(order_id) == "cancelled", order_id)
    house.power.fails_at = 0
    await check_books(house, order_id)
    return list(house.power.moments)


async def check_books(house: House, order_id: OrderId) -> None:
    assert await house.money(order_id) == {"payment": PAID, "refund-accepted": PAID, "refund-success": PAID}
    assert await house.stock_differences() == 0
    for product, pieces in ON_SHELF.items():
        balance = await house.books.stock_of(product)
        assert balance is not None
        assert (balance["available"], balance["reserved"]) == (pieces, 0)
    assert list(house.dead_letters()) == []
    order = house.order(order_id)
    assert order is not None
    assert [case.status for case in order.cases] == ["completed"]


async def test_the_power_fails_at_every_save_and_every_send(house: House) -> None:
    moments = await cancel_with_a_cut_at(house, 0)
    assert len(moments) > 40, moments
    for number, what in enumerate(moments, start=1):
        print(f"cut at moment {number} of {len(moments)}: {what}")
        seen = await cancel_with_a_cut_at(house, number)
        assert len(seen) >= number, "the moment never came"
