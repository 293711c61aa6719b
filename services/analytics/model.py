"""Where facts are kept and what figures can be broken down by."""

from __future__ import annotations

from typing import Literal

ORDER_LINES = "facts_order_lines"
CASES = "facts_cases"
REFUNDS = "facts_refunds"
REFUND_ATTEMPTS = "facts_refund_attempts"
NOTICES = "facts_notices"
STOCK_RETURNS = "facts_stock_returns"
RATINGS = "facts_ratings"
SAVED_ORDERS = "facts_saved_orders"

Figure = Literal["orders", "cancellations", "refunds", "refund-attempts", "stock-returns", "ratings", "saved-orders"]

BREAKDOWNS: dict[Figure, tuple[str, ...]] = {
    "orders": ("month", "product", "category", "group"),
    "cancellations": ("month", "product", "reason", "family", "group"),
    "refunds": ("month", "product", "reason", "group"),
    "refund-attempts": ("outcome", "provider_code"),
    "stock-returns": ("product",),
    "saved-orders": ("kind", "month", "group"),
    "ratings": ("stars", "reason", "month", "group", "answer"),
}

UNKNOWN = "unknown"
"""The key of a refund whose case was never heard of."""
