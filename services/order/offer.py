"""What a shop offers: products, coupons, and the rules of its prices, as the order service keeps them, and a wish to
order with all that is needed of them. Pure."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from contracts.message import Intent, OrderId, ProductId, Report
from contracts.order import PlaceOrder


class Product(BaseModel):
    """What the order service knows of a product: its own copy, kept from `ProductListed`."""

    model_config = ConfigDict(frozen=True)
    product_id: ProductId
    name: str
    category: str
    offers_minor: tuple[int, ...]
    currency: str
    variant_of: str = ""


class Coupon(BaseModel):
    """A code that takes `amount_minor` off when the goods are worth at least `minimum_minor` (fen)."""

    model_config = ConfigDict(frozen=True)
    code: str
    amount_minor: int
    minimum_minor: int = 0


class PriceRules(BaseModel):
    """The shop's rules, in fen: freight per order, free from a value of goods on; a discount in percent of the goods
    from a value of goods on."""

    model_config = ConfigDict(frozen=True)
    freight_minor: int = 0
    freight_free_from_minor: int | None = None
    discount_percent: int = 0
    discount_from_minor: int = 0


class LookUpProducts(Intent):
    """Find what is needed to price an order that came over a topic."""

    wire: ClassVar[str] = "look-up-products"
    order_id: OrderId
    asked: PlaceOrder


class ReadyToPlace(Report):
    """A wish to place an order with everything needed to decide it: the shop's own copy of the products, the coupon
    (None when there is no such code), after how many minutes it ends unpaid (0: never)."""

    wire: ClassVar[str] = "ready-to-place"
    order_id: OrderId
    asked: PlaceOrder
    products: tuple[Product, ...]
    coupon: Coupon | None = None
    rules: PriceRules
    unpaid_minutes: int = 0
    from_topic: bool = False
