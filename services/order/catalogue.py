"""Looks up what is needed to price an order: the shop's copy of the products, its coupons, its rules."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.mongo import Collection
from contracts.exchange import ExchangeGoods
from contracts.message import ProductId
from contracts.order import PlaceOrder
from services.order.offer import Coupon, LookUpProducts, PriceRules, Product, ReadyToPlace
from services.order.variants import LookUpVariants, ReadyToExchange


class Catalogue:
    """The products and coupons that orders are priced from."""

    def __init__(self, products: Collection, coupons: Collection, rules: PriceRules, unpaid_minutes: int) -> None:
        self._products = products
        self._coupons = coupons
        self._rules = rules
        self._unpaid_minutes = unpaid_minutes

    async def ready(self, asked: PlaceOrder, *, from_topic: bool = False) -> ReadyToPlace:
        """`asked` with everything that is needed to decide it."""
        wanted = list({line.product_id for line in asked.lines})
        products = await self._known(wanted)
        coupon = await self._coupons.find({"_id": asked.coupon}) if asked.coupon else []
        return ReadyToPlace(
            order_id=asked.order_id,
            asked=asked,
            products=products,
            coupon=Coupon.model_validate({"code": coupon[0]["_id"], **coupon[0]}) if coupon else None,
            rules=self._rules,
            unpaid_minutes=self._unpaid_minutes,
            from_topic=from_topic,
        )

    async def look_up(self, intent: LookUpProducts, attempt: int) -> ReadyToPlace:
        """Perform the intent of an order that came over a topic."""
        return await self.ready(intent.asked, from_topic=True)

    async def variants(
        self, asked: ExchangeGoods, product_ids: Sequence[ProductId], *, from_topic: bool = False
    ) -> ReadyToExchange:
        """`asked` with the goods it is about."""
        products = await self._known(product_ids)
        return ReadyToExchange(order_id=asked.order_id, asked=asked, products=products, from_topic=from_topic)

    async def look_up_variants(self, intent: LookUpVariants, attempt: int) -> ReadyToExchange:
        """Perform the intent of an exchange that was wished over a topic."""
        return await self.variants(intent.asked, intent.product_ids, from_topic=True)

    async def _known(self, product_ids: Sequence[ProductId]) -> tuple[Product, ...]:
        found = await self._products.find({"_id": {"$in": list(dict.fromkeys(product_ids))}})
        return tuple(Product.model_validate({"product_id": one["_id"], **one}) for one in found)
