"""An order is cancelled while the power fails: once at every save and every send there is. No callback ever comes, so
payments, refunds and transfers are learned by asking. Whatever is torn apart, the money goes back once, the stock goes
back once, and the case ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from contracts.message import OrderId
from contracts.order import Reason
from tests.scenarios.power import House
from tests.unit.order.told import STAFF, cancel

pytestmark = pytest.mark.timeout(300)
PAID = 1900
ON_SHELF = {"tea": 10, "cup": 10}
OUT_OF_STOCK = Reason(family="merchant", code="out-of-stock")

Story = Callable[[House, OrderId], Awaitable[None]]


async def by_refund(house: House, order_id: OrderId) -> None:
    """The customer cancels, the money goes back the way it came."""
    await house.tell("order", cancel(order_id=order_id), f"cancel {order_id}")
    await house.settles(lambda: house.stands(order_id) == "cancelled", order_id)
    assert await house.money(order_id) == {"payment": PAID, "refund-accepted": PAID, "refund-success": PAID}


async def by_transfer(house: House, order_id: OrderId) -> None:
    """The shop cancels, the original road is shut, the customer confirms a transfer."""
    shut = {"kind": "error-before", "http": 403, "code": "USER_ACCOUNT_ABNORMAL"}
    rule = {"call": "refund", "match": {"out_trade_no": order_id}, "fault": shut}
    await house.sandbox.post("/_control/faults/rules", json=[rule])
    wish = cancel(order_id=order_id, reason=OUT_OF_STOCK, by=STAFF)
    await house.tell("order", wish, f"cancel {order_id}")
    await house.settles(lambda: bool(ticket(house, order_id)), order_id)
    confirmed = await house.sandbox.post("/_customer/transfer/confirm", json={"package_info": ticket(house, order_id)})
    assert confirmed.status_code == 200, confirmed.text
    await house.settles(lambda: house.stands(order_id) == "cancelled", order_id)
    assert (await house.money(order_id)).keys() == {"payment", "refund-refused"}
    (refund,) = house.payment(order_id).refunds
    assert refund.payout is not None
    assert refund.payout.n == 1
    assert (await house.transferred(refund.payout.number)) == PAID


def ticket(house: House, order_id: OrderId) -> str:
    """What the customer's phone needs to confirm the transfer, empty until there is one."""
    refunds = house.payment(order_id).refunds
    payout = refunds[-1].live_payout if refunds else None
    return payout.package_info if payout else ""


async def cut_at(house: House, story: Story, moment: int) -> list[str]:
    """One order's whole story; the power fails at this moment of the cancellation (0: never). Returns the moments."""
    order_id = await house.paid_order(f"o-{story.__name__.replace('_', '-')}-{moment}")
    house.power.moments.clear()
    house.power.fails_at = moment
    await story(house, order_id)
    house.power.fails_at = 0
    await check_books(house, order_id)
    return list(house.power.moments)


async def check_books(house: House, order_id: OrderId) -> None:
    assert await house.stock_differences() == 0
    for product, pieces in ON_SHELF.items():
        balance = await house.books.stock_of(product)
        assert balance is not None
        assert (balance["available"], balance["reserved"]) == (pieces, 0)
    assert list(house.dead_letters()) == []
    assert (await house.sandbox.get("/_ledger/check")).json()["violations"] == []
    order = house.order(order_id)
    assert order is not None
    assert [case.status for case in order.cases] == ["completed"]


@pytest.mark.parametrize("story", [by_refund, by_transfer])
async def test_the_power_fails_at_every_save_and_every_send(house: House, story: Story) -> None:
    moments = await cut_at(house, story, 0)
    assert len(moments) > 40, moments
    for number, what in enumerate(moments, start=1):
        print(f"cut at moment {number} of {len(moments)}: {what}")
        seen = await cut_at(house, story, number)
        assert len(seen) >= number, "the moment never came"
