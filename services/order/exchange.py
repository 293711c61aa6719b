"""What an order knows of an exchange: some pieces of one line for as many of another variant. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from chassis.saga import Run
from contracts.message import CaseId
from contracts.order import Actor, CancelledLine, PricedLine
from contracts.payment import RefundFound


class Exchange(BaseModel):
    """`old`: the pieces that go, with their exact share; `new`: the line that stands, or would stand, for them.
    `request` and `fingerprint` tell a repeat from a second wish. `found`: refunds made by hand that were heard of while
    it was under way; they are dealt with when it has ended."""

    model_config = ConfigDict(frozen=True)

    exchange_id: CaseId
    request: str
    fingerprint: str
    old: CancelledLine
    new: PricedLine
    by: Actor
    status: Literal["open", "done", "refused"] = "open"
    refusal: str = ""
    run: Run
    begun_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    found: tuple[RefundFound, ...] = ()

    @property
    def is_swapped(self) -> bool:
        """Whether the order's line has been swapped."""
        return self.status == "done" or (self.status == "open" and self.run.step != FIRST_STEP)


FIRST_STEP = "set the new goods aside"
