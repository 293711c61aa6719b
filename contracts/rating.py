"""What customers say about a cancellation that has ended. Said and heard by the order service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from contracts.message import CaseId, Command, Event, OrderId, answered_by
from contracts.order import COMMANDS, EVENTS, Actor, Reason

Stars = Annotated[int, Field(ge=1, le=5, description="1: bad, 5: good")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


@EVENTS.carries("cancellation-rated.v1")
class CancellationRated(Event):
    """A customer has rated how a cancellation went. `answers`: question → chosen answer of that `questionnaire`, the
    words as the questionnaire has them. `reason` comes without its remark; what the customer wrote stays with the
    order. `outcome`: how the case had ended. `occurred_at`: when it was asked for, as figures count it."""

    order_id: OrderId
    case_id: CaseId
    customer_group: str = ""
    questionnaire: int = Field(ge=1)
    stars: Stars
    answers: dict[str, str] = Field(default_factory=dict)
    reason: Reason
    outcome: Literal["completed", "undone"]
    rated_at: AwareDatetime
    occurred_at: AwareDatetime


@EVENTS.carries("cancellation-not-rated.v1")
class CancellationNotRated(Event):
    """Nothing was noted. `detail`: which question or answer is not known. `reason` is an open list: unknown-order,
    unknown-case, case-open, already-rated, unknown-questionnaire, unknown-answer."""

    order_id: OrderId
    case_id: CaseId
    reason: str = Field(max_length=32)
    detail: str = ""


@answered_by(yes=CancellationRated, no=CancellationNotRated)
@COMMANDS.carries("rate-cancellation.v1")
class RateCancellation(Command):
    """Rate a case that has ended, once. The same again changes nothing; another rating of the same case is refused.
    `questionnaire`: the version that was answered."""

    order_id: OrderId
    case_id: CaseId
    questionnaire: int = Field(ge=1)
    stars: Stars
    answers: dict[Word, Word] = Field(default_factory=dict, max_length=20)
    remark: str = Field("", max_length=200)
    by: Actor
