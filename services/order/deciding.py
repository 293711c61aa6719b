"""A cancellation before it begins. The shop's policy decides about the wish; it may have to wait for approval, or until
nobody can take it back any more. Until it begins no money and no stock has moved, but nothing is shipped either.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.record import Refusal
from contracts.decision import (
    CancellationDecided,
    CancellationNotDecided,
    CancellationNotWithdrawn,
    DecideCancellation,
    WithdrawCancellation,
)
from contracts.message import Event, Message
from contracts.order import CancellationNotAccepted, CancellationUndone, CancelledLine, CancelOrder, Reason
from services.order import parcel
from services.order.announcing import announce
from services.order.cancellation import ROADS, Cancellation
from services.order.model import Case, Order
from services.order.policies import Ask, Policy, Rule, Ruling, Verdict

Decision = tuple[Order, list[Message]]


def ask_of(order: Order, asked: CancelOrder, reason: Reason, lines: Sequence[CancelledLine], at: datetime) -> Ask:
    """What the rules look at."""
    imported = asked.reference is not None
    before = order.cancelled_minor
    return Ask.about(asked.by, order.state, order.placed_at, at, lines, reason, before_minor=before, imported=imported)


def comes_back(order: Order, ask: Ask) -> int:
    """What would go back to the customer (fen), and what a code has to be for: nothing of what was not paid. Not by
    whether the payment is known here: closing it may have been refused because it was made, before the word of it came.
    """
    state = order.open_case.state_before if order.open_case is not None else order.state
    return 0 if state == "pending-payment" else ask.amount_minor


def ruling(
    order: Order, asked: CancelOrder, reason: Reason, lines: Sequence[CancelledLine], policy: Policy, at: datetime
) -> Ruling:
    """What the policy says about this wish. Raises Refusal where it denies it, or wants a code that was not given."""
    ask = ask_of(order, asked, reason, lines, at)
    rule, amount = policy.decide(ask), comes_back(order, ask)
    if rule.way == "deny":
        raise Refusal(_not_accepted(asked, "policy-denied", rule, policy, amount))
    if rule.code and not (asked.confirmed and asked.confirmed_minor == amount):
        raise Refusal(_not_accepted(asked, "code-required", rule, policy, amount))
    found = Ruling(rule=rule.name, policy_version=policy.version, state=order.state, way=rule.way)
    if rule.way == "approve":
        return found.model_copy(update={"waits_for": "approval", "approve_by": rule.approve_by})
    if order.state == "shipped":
        return found.model_copy(update={"waits_for": "parcel"})
    if rule.undo_seconds:
        until = at + timedelta(seconds=rule.undo_seconds)
        return found.model_copy(update={"waits_for": "undo-window", "until": until})
    return found


def begin(order: Order, case: Case, at: datetime) -> Decision:
    """The waiting is over: the case takes the first step of its road, or waits for the parcel that has left."""
    if case.road == "returned":
        return parcel.call_back(order, case, at)
    begun = case.model_copy(update={"ruling": _over(case)})
    run, says = ROADS[case.road].start(Cancellation.of(order, begun), at)
    begun = begun.model_copy(update={"run": run})
    after = order.with_case(begun).model_copy(update={"placing": None})
    return after.noting(at, "cancellation-begun", case.case_id, step=run.step), [*announce(order, begun, at), *says]


def wake(order: Order, case: Case, at: datetime) -> Decision:
    """The undo window may have closed."""
    assert case.ruling is not None
    if case.ruling.until is None or case.ruling.until > at:
        return order, []
    return begin(order, case, at)


# ── taken back ───────────────────────────────────────────────────────────────────────────────────────────────────────
def withdraw(order: Order | None, asked: WithdrawCancellation, at: datetime) -> Decision:
    """Whoever asked thinks better of it, the customer or the staff; the other's wish is not theirs to take back. Raises
    Refusal also once the case has begun: money may be on its way."""
    case = order.case(asked.case_id) if order is not None else None
    stranger = order is not None and asked.by.kind == "customer" and asked.by.id != order.customer_id
    if order is None or case is None or stranger:
        raise Refusal(_not_withdrawn(asked, "unknown-case"))
    if case.by.kind != asked.by.kind:
        raise Refusal(_not_withdrawn(asked, "not-yours"))
    if case.status == "undone" and case.refusal == "withdrawn":
        return order, [undone(order, case)]
    if not case.waits:
        raise Refusal(_not_withdrawn(asked, "too-late"))
    over = case.run.model_copy(update={"status": "undone"})
    update = {"status": "undone", "refusal": "withdrawn", "ended_at": at, "ruling": _over(case), "run": over}
    ended = case.model_copy(update=update)
    after = parcel.let_go(order, case, at)
    after = after.with_case(ended).model_copy(update={"state": case.state_before})
    after = after.noting(at, "cancellation-withdrawn", case.case_id, by=f"{asked.by.kind} {asked.by.id}".strip())
    return after, [undone(order, ended)]


def undone(order: Order, case: Case) -> CancellationUndone:
    """The event that tells of a case that ended with everything as it was."""
    assert case.ended_at is not None
    return CancellationUndone(
        order_id=order.order_id,
        case_id=case.case_id,
        customer_id=order.customer_id,
        because=case.refusal,
        undone_at=case.ended_at,
        occurred_at=case.occurred_at,
    )


# ── approved or rejected ─────────────────────────────────────────────────────────────────────────────────────────────
def decide(order: Order | None, asked: DecideCancellation, at: datetime) -> Decision:
    """Somebody who may says yes or no. Raises Refusal."""
    case = order.case(asked.case_id) if order is not None else None
    if order is None or case is None:
        raise _undecided(asked, "unknown-case")
    if case.verdict is not None:
        if (case.verdict.approved, case.verdict.by.id) == (asked.approve, asked.by.id):
            return order, [_decided(order, case, case.verdict)]
        raise _undecided(asked, "already-decided")
    if not case.waits or case.ruling is None or case.ruling.waits_for != "approval":
        raise _undecided(asked, "already-decided")
    if asked.by.role not in case.ruling.approve_by:
        raise _undecided(asked, "not-your-role", case.ruling.approve_by)
    if asked.by.id == case.by.id and case.by.kind == "staff":
        raise _undecided(asked, "second-person-needed", case.ruling.approve_by)
    if not asked.approve and not asked.note.strip():
        raise _undecided(asked, "note-required")
    verdict = Verdict(approved=asked.approve, by=asked.by, at=at, note=asked.note)
    case = case.model_copy(update={"verdict": verdict})
    what = "cancellation-approved" if asked.approve else "cancellation-rejected"
    order = order.noting(at, what, case.case_id, by=asked.by.id, role=asked.by.role)
    after, says = begin(order, case, at) if asked.approve else _reject(order, case, at)
    return after, [_decided(order, case, verdict), *says]


def _reject(order: Order, case: Case, at: datetime) -> Decision:
    """The customer hears why not; then the case ends and the order is what it was."""
    rejected = case.model_copy(update={"road": "rejected", "refusal": "rejected", "ruling": _over(case)})
    run, says = ROADS["rejected"].start(Cancellation.of(order, rejected), at)
    return order.with_case(rejected.model_copy(update={"run": run})), says


def _over(case: Case) -> Ruling | None:
    return case.ruling and case.ruling.model_copy(update={"over": True})


def _decided(order: Order, case: Case, verdict: Verdict) -> CancellationDecided:
    return CancellationDecided(
        order_id=order.order_id,
        case_id=case.case_id,
        approved=verdict.approved,
        by=verdict.by,
        decided_at=verdict.at,
    )


def _undecided(asked: DecideCancellation, reason: str, roles: Sequence[str] = ()) -> Refusal:
    about = {"order_id": asked.order_id, "case_id": asked.case_id, "reason": reason, "roles": tuple(roles)}
    return Refusal(CancellationNotDecided.model_validate(about))


def _not_withdrawn(asked: WithdrawCancellation, reason: str) -> Event:
    about = {"order_id": asked.order_id, "case_id": asked.case_id, "reason": reason}
    return CancellationNotWithdrawn.model_validate(about)


def _not_accepted(asked: CancelOrder, reason: str, rule: Rule, policy: Policy, amount_minor: int) -> Event:
    about = {
        "order_id": asked.order_id,
        "reason": reason,
        "rule": rule.name,
        "policy_version": policy.version,
        "amount_minor": amount_minor,
        "zh": rule.zh,
        "en": rule.en,
    }
    return CancellationNotAccepted.model_validate(about)
