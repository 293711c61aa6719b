"""The reconciliation of one merchant's day: fetch the bills, compare, heal what asking the provider can heal, compare
again, leave the rest to a person. Pure: a record that hears what `reconciling` did outside.

    fetching ─► healing ─► (compared ─► healing …, at most three times) ─► done
       ├─► failed: the bills are not there yet; tried again every 30 minutes, then left to a person
       └─► unreadable: a bill is not what its document says; nothing was changed; left to a person
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from chassis.record import Aggregate
from contracts.message import Message, Woke
from services.payment.differences import DIFFERENCES_MAX, Difference
from services.payment.reconciliation_record import (
    AskProvider,
    BillNotReadable,
    BillsNotThere,
    CloseDifference,
    CompareDay,
    DayCompared,
    ProviderAsked,
    Question,
    Reconciliation,
    StartReconciliation,
    ready_at,
)

ASKED_TOGETHER = 50
"""Differences asked about by one intent: some seconds of work, so that a crash costs little."""
ROUNDS_MAX = 3
ROUND_WAIT = timedelta(minutes=2)
# What the provider advises when a bill is not made yet (pay.weixin.qq.com/doc/v3/merchant/4013071254).
RETRY_AFTER = timedelta(minutes=30)
TRIES_MAX = 24

Says = list[Message]
Decision = tuple[Reconciliation | None, Says]

RECONCILIATIONS = Aggregate("reconciliations", Reconciliation)


@RECONCILIATIONS.handles(StartReconciliation)
def start(known: Reconciliation | None, wish: StartReconciliation, at: datetime) -> Decision:
    """Begin, or begin again. One under way goes on; what people closed stays closed."""
    if known is None:
        known = Reconciliation(
            reconciliation_id=wish.reconciliation_id, shop=wish.shop, day=wish.day, started_by=wish.by, started_at=at
        )
        return known, [_compare(known)]
    if not wish.again or known.is_under_way:
        return known, []
    update = {
        "run": known.run + 1,
        "started_by": wish.by,
        "started_at": at,
        "finished_at": None,
        "tries": 0,
        "rounds": 0,
        "queue": (),
    }
    again = _fetching(known.model_copy(update=update))
    return again, [_compare(again)]


@RECONCILIATIONS.handles(BillsNotThere)
def bills_not_there(known: Reconciliation | None, heard: BillsNotThere, at: datetime) -> Decision:
    """Later again; after half a day of trying it is left to a person."""
    if known is None:
        return None, []
    tries = known.tries + 1
    gives_up = tries >= TRIES_MAX
    update = {
        "status": "failed",
        "tries": tries,
        "problem": heard.code,
        "wake_at": None if gives_up else max(at + RETRY_AFTER, ready_at(date.fromisoformat(known.day))),
        "finished_at": at if gives_up else None,
    }
    return known.model_copy(update=update), []


@RECONCILIATIONS.handles(BillNotReadable)
def bill_not_readable(known: Reconciliation | None, heard: BillNotReadable, at: datetime) -> Decision:
    """Nothing is concluded from a bill that does not add up."""
    if known is None:
        return None, []
    update = {"status": "unreadable", "problem": heard.why, "finished_at": at, "wake_at": None}
    return known.model_copy(update=update), []


@RECONCILIATIONS.handles(DayCompared)
def day_compared(known: Reconciliation | None, heard: DayCompared, at: datetime) -> Decision:
    """Ask about what can be healed: at once, then after a pause, then no more."""
    if known is None:
        return None, []
    after = _merge(known, heard, at).model_copy(update={"sums": heard.sums, "found": heard.found, "tries": 0})
    if not any(one.is_to_heal for one in after.differences) or after.rounds >= ROUNDS_MAX:
        return after.model_copy(update={"status": "done", "finished_at": at, "wake_at": None}), []
    if after.rounds > 0:
        return after.model_copy(update={"status": "compared", "wake_at": at + ROUND_WAIT}), []
    return _ask_all(after)


@RECONCILIATIONS.handles(ProviderAsked)
def provider_asked(known: Reconciliation | None, heard: ProviderAsked, at: datetime) -> Decision:
    """Note the answers, ask on; when all are asked, compare again: only that tells what is healed."""
    if known is None:
        return None, []
    replies = {one.n: one for one in heard.replies}
    subjects = {one.n: one.subject for one in known.differences}
    agreed = [subjects[one.n] for one in heard.replies if one.outcome == "confirmed" and one.n in subjects]
    noted = tuple(
        one.model_copy(update={"remark": replies[one.n].remark}) if one.n in replies and one.state == "open" else one
        for one in known.differences
    )
    confirmed = tuple(dict.fromkeys((*known.confirmed, *agreed)))
    after = known.model_copy(update={"differences": noted, "confirmed": confirmed})
    if after.queue:
        return _ask_next(after)
    after = after.model_copy(update={"rounds": after.rounds + 1})
    return after, [_compare(after)]


@RECONCILIATIONS.handles(CloseDifference)
def close_difference(known: Reconciliation | None, wish: CloseDifference, at: datetime) -> Decision:
    """Closed once; the first remark stays."""
    chosen = next((one for one in known.differences if one.n == wish.n), None) if known else None
    if known is None or chosen is None or chosen.state != "open":
        return known, []
    closed = chosen.model_copy(update={"state": "closed", "by": wish.by, "remark": wish.remark, "changed_at": at})
    differences = tuple(closed if one is chosen else one for one in known.differences)
    return known.model_copy(update={"differences": differences}), []


@RECONCILIATIONS.wakes
def woke(known: Reconciliation | None, ring: Woke, at: datetime) -> Decision:
    """Fetch again, or ask again."""
    if known is None or known.wake_at is None or known.wake_at > at:
        return known, []
    if known.status == "compared":
        return _ask_all(known)
    again = _fetching(known)
    return again, [_compare(again)]


def _fetching(known: Reconciliation) -> Reconciliation:
    return known.model_copy(update={"status": "fetching", "wake_at": None, "problem": ""})


def _compare(known: Reconciliation) -> CompareDay:
    return CompareDay(
        reconciliation_id=known.reconciliation_id, shop=known.shop, day=known.day, confirmed=known.confirmed
    )


def _ask_all(known: Reconciliation) -> Decision:
    queue = tuple(one.n for one in known.differences if one.is_to_heal)
    return _ask_next(known.model_copy(update={"status": "healing", "queue": queue, "wake_at": None}))


def _ask_next(known: Reconciliation) -> Decision:
    now, later = set(known.queue[:ASKED_TOGETHER]), known.queue[ASKED_TOGETHER:]
    wish = AskProvider(
        reconciliation_id=known.reconciliation_id,
        shop=known.shop,
        attempt=f"{known.run}/{known.rounds}",
        questions=tuple(
            Question(n=one.n, kind=one.kind, subject=one.subject, order_id=one.order_id, our_minor=one.our_minor)
            for one in known.differences
            if one.n in now
        ),
    )
    return known.model_copy(update={"queue": later}), [wish]


def _merge(known: Reconciliation, heard: DayCompared, at: datetime) -> Reconciliation:
    """What was found, put to what is known of it. Gone is healed, but only when all that was found is in the list: all
    there is to ask about, or all of everything."""
    found = {one.identity: one for one in heard.differences}
    is_whole = {"task": heard.found == len(heard.differences), "heal": heard.unasked == 0}
    kept = [_again(one, found.pop(one.identity, None), is_whole[one.row.does], at) for one in known.differences]
    last = known.last_n
    for one in found.values():
        last += 1
        kept.append(one.model_copy(update={"n": last, "state": "open", "changed_at": at}))
    by_weight = sorted(kept, key=lambda one: (one.state == "healed", not one.row.loud, not one.is_to_heal, one.n))
    unasked = heard.unasked + sum(one.is_to_heal for one in by_weight[DIFFERENCES_MAX:])
    kept = sorted(by_weight[:DIFFERENCES_MAX], key=lambda one: one.n)
    return known.model_copy(update={"differences": tuple(kept), "last_n": last, "unasked": unasked})


def _again(one: Difference, found: Difference | None, is_whole: bool, at: datetime) -> Difference:
    if found is not None and one.state == "healed":
        return one.model_copy(update={"state": "open", "by": "", "detail": found.detail, "changed_at": at})
    if found is not None:
        return one.model_copy(update={"detail": found.detail})
    if one.state == "open" and is_whole:
        return one.model_copy(update={"state": "healed", "by": "tuidan", "changed_at": at})
    return one
