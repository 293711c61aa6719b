"""What the order service reads from its environment."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import KeySettings, ServiceSettings


class OrderSettings(ServiceSettings, KeySettings):
    """Besides the common ones: the shop's price rules, in fen and percent. The keys folder holds `personal-<n>.key` and
    `personal-search.key`."""

    freight_minor: int = Field(0, ge=0)
    freight_free_from_minor: int | None = Field(None, ge=0)
    discount_percent: int = Field(0, ge=0, le=100)
    discount_from_minor: int = Field(0, ge=0)
