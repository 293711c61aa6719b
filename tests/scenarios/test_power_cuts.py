"""A paid order is cancelled while the power fails: once at every save and every send there is. No callback ever
comes, so payments and refunds are learned by asking. Whatever is torn apart, the money goes back once, the stock goes
back once, and the case ends."""

from __future__ import annotations

import pytest

from contracts.message import OrderId
from tests.scenarios.power import House
from tests.unit.order.told import cancel

pytestmark = pytest.mark.timeout(240)
PAID = 1900
ON_SHELF = {"tea": 10, "cup": 10}


async def cancel_with_a_cut_at(house: House, moment: int) -> list[str]:
    """One order's whole story; the power fails at this moment of the cancellation (0: never). Returns the moments."""
    order_id = await house.paid_order(f"o-crash-{moment}")
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
