"""Another system of the shop (its ERP, its till) that speaks our language: it writes commands to our topics itself,
without asking at the door, and now and then writes one twice (see `faults.KINDS`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from contracts.message import CATALOGUE, Envelope, message_id
from tests.simulation.house import House
from tests.simulation.loop import EPOCH
from tests.simulation.people import ALSO, Door
from tests.simulation.plan import PRODUCTS, VARIANTS, Fault

SOURCE = "erp"
BY = {"kind": "staff", "id": "erp", "role": "customer-service"}
CONTACT = {"name": "王五", "phone": "13900000000", "openid": "o-erp"}
OUT_OF_STOCK = {"family": "merchant", "code": "out-of-stock"}
FOR_EVER = 1_000
"""Pieces, of goods that never run out."""

Body = dict[str, Any]


def write_commands(house: House, door: Door, fault: Fault) -> None:
    """One command of each kind, about an order that somebody has placed, or about one of its own."""
    number = int(fault["number"])
    placed = [one for one in door.asked if one.what == "place" and one.status == 201]
    orders = [str(one.answer["order_id"]) for one in placed]
    now = datetime.fromtimestamp(EPOCH + house.loop.now, UTC)
    for wire in fault["wires"]:
        body = WISHES[wire](f"erp-{number:06}", orders[number % len(orders)] if orders else "")
        if body is None:
            continue
        message = CATALOGUE[wire].model_validate_json(json.dumps(body))
        assert message.topic is not None
        for copy in range(int(fault["times"])):
            id = message_id(f"{wire}/{number}", copy)
            headers = Envelope(id=id, type=wire, source=SOURCE, time=now).headers()
            raw = [(name, value.encode()) for name, value in headers.items()]
            key, content = message.key_value.encode(), message.model_dump_json().encode()
            house.broker.put(message.topic.name, key, content, raw)


def _place(mine: str, _: str) -> Body:
    lines = [{"product_id": "tea", "quantity": 2, "unit_price_minor": PRODUCTS["tea"]}]
    order_id = "erp-0" if mine.endswith("0") else mine  # now and then one that no payment can have
    body = {"order_id": order_id, "customer_id": "c-erp", "contact": CONTACT, "lines": lines}
    return {**body, "fingerprint": "erp"}


def _cancel(mine: str, order_id: str) -> Body | None:
    body = {"order_id": order_id, "request_id": mine, "fingerprint": "erp", "reason": OUT_OF_STOCK, "by": BY}
    return body if order_id else None


def _exchange(mine: str, order_id: str) -> Body | None:
    body = {"order_id": order_id, "request_id": mine, "fingerprint": "erp", "line_no": 1, "quantity": 1, "by": BY}
    return {**body, "product_id": "green-tea"} if order_id else None


def _receive(mine: str, _: str) -> Body:
    return {"receipt_id": mine, "product_id": "pot", "quantity": FOR_EVER}


def _list(_: str, __: str) -> Body:
    offers = [PRODUCTS["tea"], *ALSO.get("tea", ())]
    body = {"product_id": "tea", "name": "tea", "category": "goods", "offers_minor": offers}
    return {**body, "variant_of": min("tea", VARIANTS["tea"])}


WISHES: Mapping[str, Callable[[str, str], Body | None]] = {
    "place-order.v1": _place,
    "cancel-order.v1": _cancel,
    "exchange-goods.v1": _exchange,
    "receive-stock.v1": _receive,
    "list-product.v1": _list,
}
