"""Refunds of the time that a restore has forgotten (docs/decisions/0039): what they mean for the refunds that are asked
for now. Pure."""

from __future__ import annotations

from services.payment import saying
from services.payment.model import Payment, Refund
from services.payment.saying import Decision

FORGETFUL = "RESTORED"
"""The code of a refund that waits because one of the time since the backup may be forgotten."""

_MONEY_WENT = ("accepted", "abnormal", "settled")


def sent_before(payment: Payment, wanted: Refund) -> Refund | None:
    """The refund that was found under a number made from the case of `wanted`, with its amount: it was sent for this
    case, and the case has forgotten it. None when there is none whose money went."""
    return next((one for one in payment.refunds if _is_of(one, wanted) and one.status in _MONEY_WENT), None)


def _is_of(found: Refund, wanted: Refund) -> bool:
    case_id, _, n = found.number.rpartition("-")
    is_nobodys = found.case_id == found_as(found.number)
    return is_nobodys and (case_id, n.isdecimal(), found.amount) == (wanted.case_id, True, wanted.amount)


def found_as(number: str) -> str:
    """What stands for the case of a refund that no case has asked for."""
    return f"found/{number}"


def take_up(payment: Payment, before: Refund, wanted: Refund) -> Decision:
    """It is the refund of this case from now on, as it was: nothing is sent."""
    own = before.model_copy(
        update={
            "case_id": wanted.case_id,
            "n": int(before.number.rpartition("-")[2]),
            "found": False,
            "tell_at": None,
            "reason": wanted.reason,
            "transfer_when": wanted.transfer_when,
            "closed_numbers": wanted.closed_numbers,
            "watched": wanted.watched,
            "resumed": wanted.resumed,
        }
    )
    others = tuple(own if one is before else one for one in payment.refunds if one.case_id != wanted.case_id)
    return payment.model_copy(update={"refunds": others}), saying.taken_up(payment, own)


def sent_after_all(refund: Refund, shown: str) -> Refund:
    """The refund as it is when the provider shows it as `shown`. Where a transfer in its place waits only because of
    the restore, and was looked for and is not there, it was sent again in the time that is forgotten: so it goes the
    first way, and the transfer is not made."""
    payout = refund.live_payout
    if payout is None or not waits_as_transfer(refund) or shown == "CLOSED":
        return refund
    return refund.model_copy(update={"status": "unknown", "payout": payout.model_copy(update={"status": "refused"})})


def waits_as_transfer(refund: Refund) -> bool:
    """Whether its transfer is not made because of the restore alone: it was looked for, and no call is under way. One
    that the provider has taken is made, also where it is not found for a moment."""
    is_made = refund.payout is not None and refund.payout.status == "taken"
    waits = refund.provider_code == FORGETFUL and refund.wake_at is not None
    return refund.status == "paying-out" and waits and not is_made


def may_be_the_same(payment: Payment, refund: Refund) -> bool:
    """Whether money went back of which nobody had said what for when this refund was asked for: after a restore it may
    have been for the same goods."""
    went = (one for one in payment.refunds if one.found and one.status != "refused")
    return any(one.number not in refund.matched for one in went)
