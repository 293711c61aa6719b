"""Which goods can stand for which in an exchange, and a wish for one with what is needed to decide it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from contracts.exchange import ExchangeGoods
from contracts.message import Intent, OrderId, ProductId, Report
from services.order.model import Line, Order
from services.order.offer import Product


class LookUpVariants(Intent):
    """Find the goods that an exchange, which was wished over a topic, is about."""

    wire: ClassVar[str] = "look-up-variants"
    order_id: OrderId
    asked: ExchangeGoods
    product_ids: tuple[ProductId, ...]


class ReadyToExchange(Report):
    """A wish to exchange with the shop's own copy of the old product and the new one, as far as they are on sale."""

    wire: ClassVar[str] = "ready-to-exchange"
    order_id: OrderId
    asked: ExchangeGoods
    products: tuple[Product, ...]
    from_topic: bool = False


def products_wanted(order: Order | None, asked: ExchangeGoods) -> tuple[ProductId, ...]:
    """The goods a decision about this wish needs to know."""
    lines = order.lines if order is not None else ()
    return (asked.product_id, *(line.product_id for line in lines if line.line_no == asked.line_no))


def is_variant(old: Product, new: Product) -> bool:
    """Whether one can stand for the other."""
    return bool(old.variant_of) and old.variant_of == new.variant_of and old.product_id != new.product_id


def variants(order: Order, line: Line, products: Iterable[Product]) -> list[Product]:
    """What of `products` (the line's own among them) a line's pieces can be exchanged for, by id."""
    known = {product.product_id: product for product in products}
    old = known.get(line.product_id)
    found = [new for new in known.values() if old is not None and is_variant(old, new)]
    fitting = [new for new in found if new.currency == order.currency and line.unit_price_minor in new.offers_minor]
    return sorted(fitting, key=lambda product: product.product_id)
