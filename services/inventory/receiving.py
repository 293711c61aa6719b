"""What a shop has at all: pieces that come in, and the products on sale. Pure, as the handlers are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chassis.record import Aggregate
from contracts.inventory import ListProduct, ProductListed, ReceiveStock, StockReceived
from contracts.message import Message
from services.inventory.model import Product, StockReceipt, TakeIn, TakenIn

RECEIPTS = Aggregate("receipts", StockReceipt)
PRODUCTS = Aggregate("products", Product)


@RECEIPTS.handles(ReceiveStock)
def receive(known: StockReceipt | None, asked: ReceiveStock, at: datetime) -> tuple[StockReceipt, Sequence[Message]]:
    """Pieces came in. The same receipt counts once, with what was said first. Raises ValueError where no product is
    named: the contract cannot refuse that any more, for those who have written it."""
    if known is not None:
        return known, [_received(known)] if known.status == "received" else []
    if not asked.product_id:
        raise ValueError(f"receipt {asked.receipt_id} names no product")
    receipt = StockReceipt(status="receiving", **asked.model_dump())
    return receipt, [TakeIn(**asked.model_dump())]


@RECEIPTS.handles(TakenIn)
def taken_in(known: StockReceipt | None, report: TakenIn, at: datetime) -> tuple[StockReceipt, Sequence[Message]]:
    """They are in the balance. Raises ValueError for a receipt nobody heard of."""
    if known is None:
        raise ValueError(f"receipt {report.receipt_id} was never heard of")
    return known.model_copy(update={"status": "received"}), [_received(known)]


@PRODUCTS.handles(ListProduct)
def list_product(known: Product | None, asked: ListProduct, at: datetime) -> tuple[Product, Sequence[Message]]:
    """Put a product on sale or change it; saying the same again changes nothing."""
    revision = known.revision if known else 0
    product = Product(revision=revision, **asked.model_dump())
    if known is not None and product == known:
        return known, [ProductListed(**known.model_dump())]
    product = product.model_copy(update={"revision": revision + 1})
    return product, [ProductListed(**product.model_dump())]


def _received(receipt: StockReceipt) -> StockReceived:
    return StockReceived(receipt_id=receipt.receipt_id, product_id=receipt.product_id, quantity=receipt.quantity)
