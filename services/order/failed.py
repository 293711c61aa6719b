"""What a case learns of its refund, and what is done when an accepted refund fails after all or a person has to decide.
Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.inventory import StockHoldRefused, StockNotTakenAgain
from contracts.message import Event, Message, RefundNumber
from contracts.order import Actor
from contracts.payment import (
    OUTSIDE_ROUTE,
    WITH_THE_SHOP,
    RefundAccepted,
    RefundDelayed,
    RefundNotResumed,
    RefundRefused,
    RefundResumed,
    RefundSettled,
)
from services.order.cancellation import ROADS, Cancellation, refund_delayed, refund_on_its_way
from services.order.cancellation import resume as pass_on
from services.order.model import Case, Order, RefundFacts
from services.order.otherroads import rule_for
from services.order.tasks import ABOUT_REFUND, LOOKED_FOR, Kind, close_tasks, has_open_task, raise_task
from services.order.timeline import moment_of

Decision = tuple[Order, list[Message]]

ARRIVING = "see the refund arrive"
RESUMING = "go on as was decided"
LATE_FOR_CUSTOMER_DAYS = 3
CALLED_AGAIN_AFTER = timedelta(days=1)


def learn(case: Case, message: Event) -> Case:
    """The case with what the message says about its refund or its refusal."""
    if isinstance(message, RefundAccepted):
        same = case.refund if case.refund is not None and case.refund.number == message.refund_number else None
        facts = RefundFacts(
            number=message.refund_number,
            former=_former(case, message.refund_number),
            amount=message.amount,
            route=message.route,
            accepted_at=message.accepted_at,
            payer_minor=message.payer_refund.amount_minor if message.payer_refund else None,
            confirm_by=message.confirm_by,
            settled_at=same.settled_at if same else None,
            received_minor=same.received_minor if same else None,
        )
        return case.model_copy(update={"refund": facts})
    if isinstance(message, RefundSettled):
        # On a resumed road it may arrive without anybody having heard that it was accepted.
        known = case.refund or RefundFacts(number=message.refund_number, amount=case.amount)
        settled = {
            "number": message.refund_number,
            "former": _former(case, message.refund_number),
            "settled_at": message.settled_at,
            "received_minor": message.amount.amount_minor,
            "route": message.route or known.route,
        }
        return case.model_copy(update={"refund": known.model_copy(update=settled)})
    if isinstance(message, RefundRefused | StockHoldRefused | StockNotTakenAgain):
        return case.model_copy(update={"refusal": message.reason})
    if isinstance(message, RefundNotResumed):
        return case.model_copy(update={"refusal": "not-resumed"})
    if isinstance(message, RefundResumed):
        return case.model_copy(update={"resumed": max(case.resumed, message.attempt)})
    return case


def _former(case: Case, number: RefundNumber) -> tuple[RefundNumber, ...]:
    """The numbers before this one."""
    known = case.refund
    if known is None or known.number == number:
        return known.former if known else ()
    return (*known.former, known.number)


def after_acceptance(order: Order, case: Case, message: Event, at: datetime) -> Decision:
    """News of a refund that the case's step did not wait for. Accepted anew, or only now that a person has decided, as
    a transfer perhaps: the customer hears of it. Refused after that: by the table of other roads."""
    if _moves_after_all(case, message):
        after = close_tasks(order.with_moment(moment_of(message, at)), case, at, "its refund moves after all")
        return take_road(after, learn(case, message), "resumed", at, wish="look-again")
    if isinstance(message, RefundAccepted) and _is_news(case, message):
        again = learn(case, message)
        after = order.with_case(again).with_moment(moment_of(message, at))
        return after, [refund_on_its_way(Cancellation.of(after, again))] if message.confirm_by else []
    if isinstance(message, RefundResumed) and message.attempt > case.resumed:
        return order.with_case(learn(case, message)), []
    if isinstance(message, RefundNotResumed) and message.attempt == case.decisions and not case.run.ended:
        after, task = raise_task(order.with_moment(moment_of(message, at)), case, "refund-stuck", at)
        return after, [task]
    if not (isinstance(message, RefundRefused) and case.run.step == ARRIVING and not case.run.ended):
        return order, []
    if message.attempt is not None and message.attempt < case.resumed:
        return order, []  # from before a person decided: said again by a topic that is heard anew
    after = order.with_moment(moment_of(message, at))
    code = message.provider_code
    refused = case.model_copy(update={"refusal": code if code == WITH_THE_SHOP else message.reason})
    amount = case.amount.amount_minor
    rule = rule_for(case.reason.family, case.road, case.state_before, message.reason, amount, code)
    after = after.noting(at, "rule-applied", case.case_id, rule=rule.name, way=rule.way)
    if rule.way == "give-back":
        return take_road(after, refused, "given-back", at)
    parked = refused.model_copy(update={"run": case.run.model_copy(update={"status": "undone", "wake_at": None})})
    return wait_for_a_person(after, parked, at)


def _moves_after_all(case: Case, message: Event) -> bool:
    """Whether the provider has taken, or paid, a refund that it had refused for good, while a person was to choose what
    becomes of that money: chosen now, it would go twice, or the goods beside it."""
    known = case.refund
    if known is None or not case.run.ended or not isinstance(message, RefundAccepted | RefundSettled):
        return False
    if message.refund_number not in (known.number, *known.former):
        return False
    if isinstance(message, RefundSettled):
        return known.settled_at is None
    return known.accepted_at is not None and message.accepted_at > known.accepted_at


def _is_news(case: Case, message: RefundAccepted) -> bool:
    """A number that was not known yet; or the first one, and a person's decision has led to it; or one whose money was
    paid outside since."""
    if case.refund is None:
        return case.road == "resumed"
    if message.route == OUTSIDE_ROUTE != case.refund.route:
        return True
    return message.refund_number not in (case.refund.number, *case.refund.former)


def delayed(order: Order, case: Case, message: RefundDelayed, at: datetime) -> Decision:
    """Days have passed. After three of them the customer hears of it and a person looks; not of a refund that has come
    to its end since: the word of it may have overtaken this one. Of a transfer the person alone hears: what customers
    are told, that a bank works on it and nothing is asked of them, is not true of one."""
    after = order.with_moment(moment_of(message, at))
    arrived = case.refund is not None and case.refund.settled_at is not None
    over = arrived or case.run.ended or case.road == "given-back"
    asked = has_open_task(order, case, "refund-stuck", "refund-abnormal")
    if message.days < LATE_FOR_CUSTOMER_DAYS or over or asked:
        return after, []
    after, task = raise_task(after, case, "refund-stuck", at)
    if case.refund is not None and case.refund.confirm_by is not None:
        return after, [task]
    return after, [refund_delayed(Cancellation.of(after, case)), task]


def take_road(
    order: Order,
    case: Case,
    road: str,
    at: datetime,
    *,
    wish: str | None = None,
    proof: str = "",
    by: Actor | None = None,
) -> Decision:
    """The case goes on, on another road. Each time counts as one decision, so that an old answer fits no new wish."""
    turned = _decided(case, wish, proof, by).model_copy(update={"road": road, "status": "open", "ended_at": None})
    run, says = ROADS[turned.road].start(Cancellation.of(order, turned), at)
    turned = turned.model_copy(update={"run": run})
    return order.with_case(turned).noting(at, "road-taken", case.case_id, road=road, wish=wish or ""), says


def resume(order: Order, case: Case, wish: str, proof: str, by: Actor, at: datetime) -> Decision:
    """A person decided how the refund goes on. A case that still walks stays on its road and only passes that on; one
    that waits for a person, or was undone, goes on from there."""
    if case.run.ended:
        return take_road(order, case, "resumed", at, wish=wish, proof=proof, by=by)
    decided = _decided(case, wish, proof, by)
    decided = decided.model_copy(update={"run": decided.run.soon(at)})
    after = order.with_case(decided)
    return after, [pass_on(Cancellation.of(after, decided))]


def pass_on_again(order: Order, case: Case) -> list[Message]:
    """The last decision of a person once more, while nobody has answered it: a case that walks waits for its step and
    not for that, and what was passed on may be lost. Answered with no, it has become a task again."""
    answered = case.decisions <= case.resumed or has_open_task(order, case, *ABOUT_REFUND)
    if case.wish is None or answered or case.run.step == RESUMING:
        return []
    return [pass_on(Cancellation.of(order, case))]


def is_left_alone(order: Order, case: Case, at: datetime) -> bool:
    """Whether who was called about its silence has closed that a day ago, and it is silent still."""
    done = [task.done_at for task in order.tasks if task.case_id == case.case_id]
    return bool(done) and all(one is not None and at - one >= CALLED_AGAIN_AFTER for one in done)


def call_somebody(order: Order, case: Case, at: datetime) -> Decision:
    """Its step has stayed without an answer for too long. Who has been called about the refund it waits for knows more
    than that and is not called away; this comes again when that is done and the silence is not."""
    if case.run.step in LOOKED_FOR and has_open_task(order, case, "refund-stuck", "refund-abnormal"):
        quiet = case.model_copy(update={"run": case.run.model_copy(update={"attention_at": None})})
        return order.with_case(quiet), []
    after, task = raise_task(order, case, "no-answer", at)
    return after, [task]


def _decided(case: Case, wish: str | None, proof: str, by: Actor | None) -> Case:
    who = by.id if by else ""
    update = {"decisions": case.decisions + 1, "wish": wish, "proof": proof, "decided_by": who}
    return case.model_copy(update=update)


def wait_for_a_person(order: Order, case: Case, at: datetime) -> Decision:
    """Neither the money nor the order can go anywhere by itself: say what is true now and what can be chosen."""
    kind: Kind = "cannot-give-back" if case.road == "given-back" else "refund-stuck"
    after, task = raise_task(order.with_case(case), case, kind, at)
    return after, [task]
