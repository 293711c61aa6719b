"""What the warehouse reported of a parcel that had left when its order was cancelled. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.inventory import StockLine
from contracts.order import Actor, CancelledLine
from contracts.task import GoodsBack


class Parcel(BaseModel):
    """The report, once per case. `goods`: what is in the house again."""

    model_config = ConfigDict(frozen=True)

    found: Literal["intercepted", "returned", "delivered", "not-intercepted"]
    goods: tuple[GoodsBack, ...] = ()
    at: AwareDatetime
    by: Actor

    def good_of(self, lines: Sequence[CancelledLine]) -> tuple[StockLine, ...]:
        """Which pieces of `lines` can be sold."""
        products = {line.line_no: line.product_id for line in lines}
        return tuple(
            StockLine(line_no=line.line_no, product_id=products[line.line_no], quantity=line.good)
            for line in self.goods
            if line.good
        )
