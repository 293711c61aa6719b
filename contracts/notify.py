"""What the notify service understands and what it tells. A notice is one outcome of one case told to one customer."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.message import CaseId, Command, CustomerId, Event, Fen, OrderId, Private, Topic, answered_by

COMMANDS = Topic("notify.commands")
EVENTS = Topic("notify.events")

Outcome = Literal[
    "order-cancelled",
    "refund-on-its-way",
    "refund-arrived",
    "refund-failed",
    "cancellation-refused",
    "late-payment-refunded",
    "refund-to-confirm",  # the customer must confirm a merchant transfer until `expected_by`, or it goes back
    "cancellation-begun",  # by the shop or the system; with an amount of 0 the parcel has to come back first
    "refund-delayed",  # accepted by the provider, still on its way after three days
]
Channel = Literal["wechat", "sms-tencent", "sms-alibaba", "inbox"]

WORDS_MAX = 200
"""Characters of a reason, and of a solution, that a customer is told."""


class Addressee(BaseModel):
    """Where a customer can be reached. Personal data: travels in commands only, is masked in every log."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    customer_id: CustomerId
    openid: Private[str]
    phone: Private[str] = ""
    name: Private[str] = ""
    language: Literal["zh", "en"] = "zh"


@EVENTS.carries("customer-told.v2")
class CustomerTold(Event):
    """The notice has left by this channel; `inbox` means that no outside channel took it and that it waits in the
    mini-program's own inbox. `outcome` is an open list, today that of `Outcome`: a reader must take a word it does not
    know."""

    order_id: OrderId
    case_id: CaseId
    outcome: str = Field(max_length=32)
    channel: Channel
    told_at: AwareDatetime


@answered_by(yes=CustomerTold, same=("order_id", "case_id", "outcome"))
@COMMANDS.carries("tell-customer.v2")
class TellCustomer(Command):
    """Tell a customer one outcome of one case, once. `reason` and `solution` are shown to the customer. `expected_by`:
    when the money should be there; with `refund-to-confirm`, until when the customer can confirm that they want it (a
    later time is another transfer, and is told anew). An earlier outcome of the case that has not left yet may be
    dropped, so ask when you no longer wait for it. `part`: only some of what is left of the order is concerned."""

    order_id: OrderId
    case_id: CaseId
    outcome: Outcome
    to: Addressee
    amount_minor: Fen = 0
    currency: str = "CNY"
    reason: str = Field("", max_length=WORDS_MAX)
    solution: str = Field("", max_length=WORDS_MAX)
    route: str = ""
    expected_by: AwareDatetime | None = None
    part: bool = False

    @property
    def notice_id(self) -> str:
        """One notice per outcome of a case, however often it is asked for."""
        return f"{self.case_id}/{self.outcome}"
