"""What an order costs, and which part of it belongs to which line. Everything is split once, when the order is placed,
to the fen; a cancellation later gives back what a line holds and never prices anything again."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.order import OrderNotPlaced, PricedLine, WantedLine
from services.order.model import Line
from services.order.offer import Coupon, PriceRules, Product

TOTAL_MAX_MINOR = 100_000_000_00  # one hundred million yuan: beyond it somebody mistyped


class NotPriced(Exception):
    """The order cannot be priced; `reason`, `detail` and `because` are those of `OrderNotPlaced`."""

    def __init__(self, reason: str, detail: str = "", *, because: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.because = because

    def event(self, order_id: str) -> OrderNotPlaced:
        """The refusal to say."""
        about = {"reason": self.reason, "detail": self.detail, "because": self.because}
        return OrderNotPlaced.model_validate({"order_id": order_id, **about})


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` (≥ 0) in proportion to `weights` (≥ 0) by largest remainder: the parts add up to `total` exactly,
    and no part exceeds its weight unless `total` exceeds their sum. Equal shares when all weights are 0."""
    if not weights:
        raise ValueError("nothing to split over")
    if sum(weights) == 0:
        weights = [1] * len(weights)
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    for index in sorted(range(len(weights)), key=lambda i: -remainders[i])[: total - sum(parts)]:
        parts[index] += 1
    return parts


def price(
    wanted: Sequence[WantedLine],
    currency: str,
    products: dict[str, Product],
    coupon: Coupon | None,
    rules: PriceRules,
) -> list[Line]:
    """Price every line. Raises NotPriced when a product is unknown, a price is not on offer, the currency is another,
    a coupon needs more goods, or the sum cannot be paid."""
    for line in wanted:
        _check_line(line, currency, products)
    goods = [line.quantity * line.unit_price_minor for line in wanted]
    value = sum(goods)
    if value > TOTAL_MAX_MINOR:
        raise NotPriced("amount-too-large", f"{value} > {TOTAL_MAX_MINOR}")
    discounted = value >= rules.discount_from_minor
    discount = allocate(value * rules.discount_percent // 100 if discounted else 0, goods)
    left = [worth - off for worth, off in zip(goods, discount, strict=True)]
    couponed = allocate(_coupon_value(coupon, sum(left)), left)
    free = rules.freight_free_from_minor is not None and value >= rules.freight_free_from_minor
    freight = allocate(0 if free else rules.freight_minor, goods)
    lines = [
        _line(number, line, products[line.product_id], discount[i], couponed[i], freight[i])
        for i, (number, line) in enumerate(enumerate(wanted, start=1))
    ]
    if sum(line.paid_minor for line in lines) == 0:
        raise NotPriced("nothing-to-pay")
    return lines


def _check_line(line: WantedLine, currency: str, products: dict[str, Product]) -> None:
    product = products.get(line.product_id)
    if product is None:
        raise NotPriced("unknown-product", line.product_id)
    if product.currency != currency:
        raise NotPriced("wrong-currency", f"{line.product_id} is sold in {product.currency}")
    if line.unit_price_minor not in product.offers_minor:
        raise NotPriced("price-changed", line.product_id)


def _coupon_value(coupon: Coupon | None, goods_minor: int) -> int:
    """What the coupon takes off; at least one fen is left to pay, because nothing cannot be paid or refunded."""
    if coupon is None:
        return 0
    if goods_minor < coupon.minimum_minor:
        raise NotPriced("coupon-below-minimum", f"{coupon.code} needs goods for {coupon.minimum_minor}")
    return max(0, min(coupon.amount_minor, goods_minor - 1))


def _line(number: int, wanted: WantedLine, product: Product, discount: int, coupon: int, freight: int) -> Line:
    priced = PricedLine(
        line_no=number,
        product_id=wanted.product_id,
        name=product.name,
        category=product.category,
        quantity=wanted.quantity,
        unit_price_minor=wanted.unit_price_minor,
        discount_minor=discount,
        coupon_minor=coupon,
        freight_minor=freight,
        paid_minor=wanted.quantity * wanted.unit_price_minor - discount - coupon + freight,
    )
    return Line.model_validate(priced.model_dump())


def moved_into(line: Line, pieces: int, *, line_no: int, product: Product) -> PricedLine:
    """The line that takes over `pieces` (at most those left) of `line` for another product at the same price: with
    exactly their share of what was paid, so that the order's total stays what it is to the fen. What the share is made
    of is split likewise; the odd fen goes to the discount, to the coupon where there is none, to freight where neither
    is."""
    paid, goods = line.share(pieces), line.unit_price_minor * pieces

    def part(whole: int) -> int:
        return whole * (line.gone + pieces) // line.quantity - whole * line.gone // line.quantity

    freight = part(line.freight_minor)
    off = goods + freight - paid
    freight, off = freight - min(off, 0), max(off, 0)
    coupon = min(part(line.coupon_minor), off) if line.discount_minor else off
    return PricedLine(
        line_no=line_no,
        product_id=product.product_id,
        name=product.name,
        category=product.category,
        quantity=pieces,
        unit_price_minor=line.unit_price_minor,
        discount_minor=off - coupon,
        coupon_minor=coupon,
        freight_minor=freight,
        paid_minor=paid,
    )
