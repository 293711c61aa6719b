"""The order service's own copy of the products, kept from what inventory tells."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.projection import Projection, Update
from contracts.inventory import ProductListed

PRODUCTS = Projection("products")


@PRODUCTS.of(ProductListed)
def product_listed(event: ProductListed) -> Sequence[Update]:
    """A newer revision replaces an older one, whatever order they arrive in: the first update makes the document,
    the second changes it only when it is behind."""
    fields = event.model_dump(exclude={"product_id"})
    return [
        Update({"_id": event.product_id}, {"$setOnInsert": fields}, upsert=True),
        Update({"_id": event.product_id, "revision": {"$lt": event.revision}}, {"$set": fields}),
    ]
