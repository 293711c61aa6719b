"""What another system may write to `order.commands` itself."""

from __future__ import annotations

import pytest

from chassis.record import Heard, Record, hear
from contracts.message import OrderId
from contracts.order import PlaceOrder
from services.order.handlers import ORDERS
from tests.unit.order.told import START, place


def _said(order_id: str) -> list[str]:
    """What an order says that is placed under this id by a command on the topic."""
    asked: PlaceOrder = place().asked.model_copy(update={"order_id": OrderId(order_id)})
    return [said.wire for said in hear(ORDERS, Record(order_id), Heard(asked, "heard", START)).says]


@pytest.mark.parametrize("order_id", ["erp001", "A-b_c*9", "o" * 32])
def test_an_order_may_have_any_id_that_its_payment_can_have(order_id: str) -> None:
    assert _said(order_id) == ["look-up-products"]


def test_an_order_that_is_there_already_is_said_again_and_keeps_nothing_of_being_asked() -> None:
    ready, id = place(), OrderId("erp001")
    asked = ready.asked.model_copy(update={"order_id": id})
    placed = hear(ORDERS, Record(id), Heard(ready.model_copy(update={"order_id": id, "asked": asked}), "m1", START))
    again = hear(ORDERS, placed.record, Heard(asked, "m2", START))
    assert ([said.wire for said in again.says], again.stored) == (["order-placed.v1"], False)
    other = hear(ORDERS, placed.record, Heard(asked.model_copy(update={"fingerprint": "another"}), "m3", START))
    assert ([said.wire for said in other.says], other.stored) == (["order-not-placed.v1"], False)


@pytest.mark.parametrize("order_id", ["", "erp-7", "o" * 33, "erp 0001", "erp/0001", "订单000001", "erp-0001\n"])
def test_an_order_that_could_never_be_paid_is_not_taken(order_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be a payment's number: 6 to 32 of"):
        _said(order_id)
