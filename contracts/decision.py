"""What people decide about a cancellation that has not begun yet: whoever asked takes it back, or somebody with the
right to approve it says yes or no. Said and heard by the order service."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from contracts.message import CaseId, Command, Event, OrderId, answered_by
from contracts.order import COMMANDS, EVENTS, Actor, CancellationUndone


@EVENTS.carries("cancellation-not-withdrawn.v1")
class CancellationNotWithdrawn(Event):
    """It goes on as it was."""

    order_id: OrderId
    case_id: CaseId
    reason: Literal["unknown-case", "not-yours", "too-late"]


@answered_by(yes=CancellationUndone, no=CancellationNotWithdrawn)
@COMMANDS.carries("withdraw-cancellation.v1")
class WithdrawCancellation(Command):
    """Take one's own cancellation back while it waits for approval or its undo window is open: no money has moved, and
    the order is what it was."""

    order_id: OrderId
    case_id: CaseId
    by: Actor


@EVENTS.carries("cancellation-decided.v1")
class CancellationDecided(Event):
    """Somebody who may has approved a cancellation, which begins now, or rejected it; the order is what it was then."""

    order_id: OrderId
    case_id: CaseId
    approved: bool
    by: Actor
    decided_at: AwareDatetime


@EVENTS.carries("cancellation-not-decided.v1")
class CancellationNotDecided(Event):
    """Nothing was changed. `roles`: who may decide it."""

    order_id: OrderId
    case_id: CaseId
    reason: Literal["unknown-case", "already-decided", "not-your-role", "second-person-needed", "note-required"]
    roles: tuple[str, ...] = ()


@answered_by(yes=CancellationDecided, no=CancellationNotDecided)
@COMMANDS.carries("decide-cancellation.v1")
class DecideCancellation(Command):
    """Approve or reject a cancellation that waits for it. `note`: why it is rejected, in words the customer reads."""

    order_id: OrderId
    case_id: CaseId
    approve: bool
    note: str = Field("", max_length=200)
    by: Actor
