"""What orders can be looked for by. Everything that is given must hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.model import NAME_PATTERN, Instant

State = Literal["pending-payment", "paid", "shipped", "delivered", "completed", "cancelling", "cancelled"]
Cancellable = Literal["pending-payment", "paid", "shipped"]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]


class OwnOrders(BaseModel):
    """Which of my orders. `number`: of the order, or the one it was imported under; `goods`: words of their names;
    `from` and `until` (not included): when it was placed (RFC 3339); `after`: the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,128}$")] | None = None
    limit: int = Field(50, ge=1, le=500)
    number: Name | None = None
    state: State | None = None
    goods: Text | None = None
    since: Instant | None = Field(None, alias="from")
    until: Instant | None = None

    def query(self) -> dict[str, str | int | None]:
        """What the order service is asked with."""
        found: dict[str, str | int | None] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return found


class WhichOrders(OwnOrders):
    """Which orders. `case`: those with a cancellation in this state; `reference`: only the number they were imported
    under; `name`: of who ordered, whole; `phone`: the last four digits of their number."""

    customer_id: Name | None = None
    reference: Name | None = None
    product_id: Name | None = None
    name: Text | None = None
    phone: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = None
    case: Literal["open", "completed", "undone", "waits-for-a-person"] | None = None
