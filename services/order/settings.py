"""What the order service reads from its environment."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import KeySettings, ServiceSettings


class OrderSettings(ServiceSettings, KeySettings):
    """Besides the common ones: the shop's price rules, in fen and percent; after how many minutes an order ends that
    nobody has paid (0: never; a `prepay_id` lives two hours, pay.weixin.qq.com/doc/v3/partner/4012523593); how long
    orders are kept before their personal data may be erased (E-Commerce Law, article 31: three years at least). The
    keys folder holds `personal-<n>.key` and `personal-search.key`."""

    freight_minor: int = Field(0, ge=0)
    freight_free_from_minor: int | None = Field(None, ge=0)
    discount_percent: int = Field(0, ge=0, le=100)
    discount_from_minor: int = Field(0, ge=0)
    unpaid_minutes: int = Field(120, ge=0, le=10_080)
    retention_days: int = Field(1_096, ge=0, le=36_500)
