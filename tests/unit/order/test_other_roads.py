"""When a refund fails: by transfer, by giving the order back, or by a person who chooses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import get_args

import pytest

from chassis.record import Refusal
from contracts import inventory, payment
from contracts.message import CaseId, Event, RefundNumber
from contracts.order import Reason, ReasonFamily
from contracts.payment import RefusalReason
from contracts.task import ResolveTask
from services.order import otherroads
from services.order.placing import masked
from tests.unit.order.roads import (
    BY_TRANSFER,
    OUT_OF_STOCK,
    arriving,
    choose,
    found,
    mismatch,
    not_resumed,
    resumed,
    sold,
    taken_again,
)
from tests.unit.order.told import (
    CASE,
    CLOSED,
    CUP,
    ID,
    OPENED,
    RESERVED,
    SHIP,
    STAFF,
    START,
    Told,
    accepted,
    cancel,
    held,
    kept,
    paid,
    paid_order,
    place,
    refused,
    released,
    settled,
    told,
)


# ── which road ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_case_finds_a_rule() -> None:
    for family in get_args(ReasonFamily):
        for refusal in get_args(RefusalReason):
            rule = otherroads.rule_for(family, "paid", "shipped", refusal, 10**9)
            assert rule.way in ("transfer", "give-back", "person")
    assert otherroads.rule_for("customer", "paid", "paid", "too-old", 1).way == "give-back"
    assert otherroads.rule_for("customer", "paid", "shipped", "too-old", 1).way == "person", (
        "a parcel is not given back"
    )


@pytest.mark.parametrize(
    ("reason", "amount", "ways"),
    [
        (OUT_OF_STOCK, 1900, ("account-abnormal", "too-old")),
        (OUT_OF_STOCK, 200_000, ()),
        (Reason(family="customer", code="changed-mind"), 1900, ()),
        (Reason(family="system", code="fault"), 1900, ("account-abnormal", "too-old")),
    ],
)
def test_the_shop_pays_by_transfer_for_its_own_faults(reason: Reason, amount: int, ways: tuple[str, ...]) -> None:
    assert otherroads.transfer_when(reason.family, "paid", "paid", amount) == ways


def test_the_wish_to_refund_says_after_which_refusals_it_goes_by_transfer() -> None:
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF))
    order.hears(held())
    assert order.last == ["refund-payment"]
    assert order.order.cases[0].transfer_when == ("account-abnormal", "too-old")


def test_a_transfer_is_told_as_one_that_the_customer_confirms() -> None:
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF), held(), BY_TRANSFER)
    assert order.last == ["release-stock", "tell-customer"]
    body = order.record.journal[-1].said[1].body
    assert '"outcome":"refund-to-confirm"' in body
    assert order.hears(released()).last == []
    assert order.hears(told("refund-to-confirm")).last == ["watch-refund"]


def test_a_transfer_that_is_made_anew_is_told_again() -> None:
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF), held(), BY_TRANSFER, released())
    order.hears(told("refund-to-confirm"))
    again = BY_TRANSFER.model_copy(update={"refund_number": RefundNumber("t2")})
    assert order.hears(again).last == ["tell-customer"]
    assert order.hears(again).last == []


def test_an_old_answer_about_a_number_of_before_is_no_news() -> None:
    """An answer that changed nothing when it came is not remembered; heard again days later it would be told anew."""
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF), held(), BY_TRANSFER, released())
    order.hears(told("refund-to-confirm"))
    order.hears(BY_TRANSFER.model_copy(update={"refund_number": RefundNumber("t2")}))
    assert order.hears(BY_TRANSFER).last == []
    order.hears(refused())
    assert order.hears(BY_TRANSFER).last == []
    known = order.order.cases[0].refund
    assert known is not None
    assert (known.number, known.former) == ("t2", ("t1",))


# ── accepted, then refused after all ─────────────────────────────────────────────────────────────────────────────────
def test_after_a_change_of_mind_the_order_is_given_back() -> None:
    order = arriving().hears(refused())
    assert order.last == ["take-stock-again"]
    assert order.hears(taken_again()).last == ["tell-customer"]
    assert order.hears(told("refund-failed")).last == ["cancellation-undone", "staff-task-raised"]
    assert order.order.state == "paid"
    assert [line.left for line in order.order.lines] == [3, 1]
    assert order.hears(SHIP).last == ["order-shipped", "dispatch-stock"]


def test_an_old_answer_does_not_give_the_order_back_twice() -> None:
    order = arriving().hears(refused(), sold(1))
    choose(order, "give-back")
    assert order.last == ["task-resolved", "take-stock-again"]
    assert order.hears(taken_again(1)).last == []
    assert order.hears(taken_again(2)).last == ["tell-customer"]


def test_when_the_goods_are_sold_a_person_is_told_the_truth_and_the_choices() -> None:
    order = arriving().hears(refused(), sold())
    assert order.last == ["staff-task-raised"]
    task = order.order.tasks[-1]
    assert task.kind == "cannot-give-back"
    assert "neither money nor goods" in task.en
    assert task.choices == ("give-back", "transfer", "send-again", "settled-outside")
    assert order.order.open_case is not None, "the case is not over while the customer has nothing"
    assert order.order.cases[0].waits_for_a_person
    with pytest.raises(Refusal):
        order.hears(SHIP)


def test_after_our_own_fault_a_person_decides() -> None:
    order = arriving(OUT_OF_STOCK).hears(refused())
    assert order.last == ["staff-task-raised"]
    assert order.order.tasks[-1].kind == "refund-stuck"
    assert "give-back" in order.order.tasks[-1].choices
    assert order.record.wake_at is None, "nobody is asked any more"


def test_a_refusal_before_the_goods_are_back_waits_for_its_step() -> None:
    order = paid_order().hears(cancel(), held(), accepted(), refused())
    assert order.last == []
    order.hears(released(), told("refund-on-its-way"))
    assert order.last == ["watch-refund"], "the payment service answers this with the refusal again"
    assert order.hears(refused()).last == ["take-stock-again"]


# ── what a person chose ──────────────────────────────────────────────────────────────────────────────────────────────
def test_the_chosen_way_is_followed_until_the_money_has_arrived() -> None:
    order = arriving().hears(refused(), sold())
    assert choose(order, "transfer").last == ["task-resolved", "resume-refund"]
    assert order.hears(resumed(2)).last == ["watch-refund"]
    assert order.hears(BY_TRANSFER).last == ["tell-customer"]
    assert order.hears(settled()).last == ["tell-customer"]
    assert order.hears(told("refund-arrived")).last == ["cancellation-completed"]
    assert order.order.state == "cancelled"


def test_a_refusal_from_before_a_person_decided_gives_no_order_back() -> None:
    """Payment says it to each who asks, and who heard it for nothing does not remember it: a topic that is heard anew
    would bring it back, with the money on its way."""
    order = arriving().hears(refused(), sold())
    choose(order, "send-again")
    order.hears(resumed(2))
    before = order.order
    assert order.hears(refused().model_copy(update={"attempt": 0})).last == []
    assert order.order == before
    assert order.hears(refused().model_copy(update={"attempt": 2})).last == ["take-stock-again"]


def test_a_refusal_counts_when_the_decision_before_it_was_not_followed() -> None:
    order = arriving().hears(mismatch())
    choose(order, "look-again")
    order.hears(not_resumed(1))
    assert order.hears(refused().model_copy(update={"attempt": 0})).last == ["take-stock-again"]


def test_on_a_case_that_walks_a_decision_that_was_followed_is_remembered() -> None:
    order = arriving().hears(mismatch())
    choose(order, "look-again")
    order.hears(resumed(1))
    assert order.order.cases[0].resumed == 1
    assert order.hears(refused().model_copy(update={"attempt": 0})).last == []


def test_a_choice_that_could_pay_twice_comes_back_as_a_task() -> None:
    order = arriving().hears(refused(), sold())
    choose(order, "settled-outside", "bank slip 4711")
    assert order.hears(not_resumed(2)).last == ["staff-task-raised"]
    assert order.order.cases[0].refusal == "not-resumed"
    assert order.order.tasks[-1].done_at is None
    assert order.order.cases[0].waits_for_a_person


def test_looking_again_does_not_take_the_case_from_its_road() -> None:
    order = paid_order().hears(cancel(), held())
    order.hears(mismatch())
    assert choose(order, "look-again").last == ["task-resolved", "resume-refund"]
    assert order.order.cases[0].run.step == "refund the payment"
    assert order.hears(not_resumed(1)).last == ["staff-task-raised"]
    assert order.hears(accepted()).last == ["release-stock", "tell-customer"]


def test_settling_outside_needs_a_proof() -> None:
    order = arriving(OUT_OF_STOCK).hears(refused())
    with pytest.raises(Refusal) as refusal:
        choose(order, "settled-outside")
    assert getattr(refusal.value.event, "reason", "") == "proof-required"
    assert order.order.tasks[-1].done_at is None


@pytest.mark.parametrize(
    ("task", "choice", "reason"), [("o1-c1-t9", "done", "unknown-task"), ("", "ship", "not-a-choice")]
)
def test_a_wrong_choice_changes_nothing(task: str, choice: str, reason: str) -> None:
    order = arriving(OUT_OF_STOCK).hears(refused())
    before = order.record
    asked = ResolveTask(order_id=ID, task_id=task or order.order.tasks[-1].task_id, choice=choice, by=STAFF)
    with pytest.raises(Refusal) as refusal:
        order.hears(asked)
    assert getattr(refusal.value.event, "reason", "") == reason
    assert order.record is before


def test_the_same_choice_twice_is_one_choice() -> None:
    order = arriving(OUT_OF_STOCK).hears(refused())
    task = order.order.tasks[-1].task_id
    asked = ResolveTask(order_id=ID, task_id=task, choice="transfer", by=STAFF)
    assert order.hears(asked).last == ["task-resolved", "resume-refund"]
    assert order.hears(asked).last == ["task-resolved"]
    with pytest.raises(Refusal):
        order.hears(asked.model_copy(update={"choice": "give-back"}))


def test_an_undone_case_can_be_cancelled_by_transfer() -> None:
    order = paid_order().hears(cancel(), held(), refused(), kept(), told("refund-failed"))
    assert choose(order, "cancel-by-transfer").last == ["task-resolved", "cancellation-accepted", "hold-stock"]
    assert order.order.cases[1].transfer_when == ("account-abnormal", "too-old", "refused-by-provider")
    assert order.order.state == "cancelling"


def accepted_again() -> payment.RefundAccepted:
    return accepted().model_copy(update={"accepted_at": START + timedelta(minutes=1)})


@pytest.mark.parametrize("news", [accepted_again, settled])
def test_a_refund_that_moves_after_all_is_followed_and_nothing_is_chosen_beside_it(news: Callable[[], Event]) -> None:
    order = arriving(OUT_OF_STOCK).hears(refused())
    assert order.order.tasks[-1].choices != ()
    assert order.hears(accepted()).last == [], "heard once more, of before"
    task = order.order.tasks[-1].task_id
    assert order.hears(news()).last == ["resume-refund"]
    with pytest.raises(Refusal):
        order.hears(ResolveTask(order_id=ID, task_id=task, choice="give-back", by=STAFF))
    assert order.hears(resumed(1)).last == ["watch-refund"]
    assert order.hears(settled(), told("refund-arrived")).order.cases[0].status == "completed"


@pytest.mark.parametrize(("cups", "possible"), [(199, True), (200, False)])
def test_a_transfer_that_wechat_would_not_make_is_not_offered(cups: int, possible: bool) -> None:
    def dear(reason: Reason | None = None) -> Told:
        wish = cancel() if reason is None else cancel(reason=reason, by=STAFF)
        return Told().hears(place(((CUP, cups),)), RESERVED, OPENED, paid(1000 * cups), wish, held())

    undone = dear().hears(refused(), kept(), told("refund-failed")).order.tasks[-1]
    assert (undone.kind, "cancel-by-transfer" in undone.choices) == ("refund-refused", possible)
    assert ("or cancel it by a transfer" in undone.en) == possible
    failed = dear(OUT_OF_STOCK).hears(accepted(), released(), told("refund-on-its-way"), refused()).order.tasks[-1]
    assert (failed.kind, "transfer" in failed.choices) == ("refund-stuck", possible)
    assert {"send-again", "settled-outside"} <= set(failed.choices)


def test_a_case_that_was_undone_is_not_taken_up_beside_an_open_one() -> None:
    late = "o1-c2"
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"), paid())
    order.hears(refused(late), told("refund-failed", late))
    task = order.order.tasks[-1].task_id
    order.hears(found(500))
    with pytest.raises(Refusal):
        order.hears(ResolveTask(order_id=ID, task_id=task, choice="send-again", by=STAFF))
    assert [case.status for case in order.order.cases].count("open") == 1


def test_what_was_not_refused_by_the_provider_is_not_cancelled_by_transfer() -> None:
    order = paid_order().hears(cancel())
    order.hears(inventory.StockHoldRefused(order_id=ID, case_id=CASE, reason="not-reserved"))
    order.hears(told("refund-failed"))
    assert order.order.tasks[-1].choices == ("done",)


def test_a_late_payment_that_cannot_go_back_stays_somebodys_task_until_it_does() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"))
    order.hears(paid())
    late = "o1-c2"
    order.hears(refused(late), told("refund-failed", late))
    assert order.order.tasks[-1].choices == ("transfer", "send-again", "settled-outside")
    assert choose(order, "send-again").last == ["task-resolved", "resume-refund"]
    order.hears(payment.RefundResumed(order_id=ID, case_id=order.order.cases[1].case_id, attempt=1))
    order.hears(accepted(late), settled(late), told("refund-arrived", late))
    assert order.last == ["cancellation-completed"]
    assert order.order.state == "cancelled"


def test_an_old_no_to_a_choice_is_no_news() -> None:
    order = arriving(OUT_OF_STOCK).hears(refused())
    choose(order, "send-again")
    assert order.hears(not_resumed(7)).last == []
    looked = paid_order().hears(cancel(), held(), mismatch())
    choose(looked, "look-again")
    assert looked.hears(not_resumed(9)).last == []
    assert looked.hears(not_resumed(1)).last == ["staff-task-raised"]


def test_a_refusal_that_was_not_accepted_before_is_no_refusal_after_all() -> None:
    late = "o1-c2"
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"), paid())
    assert order.hears(refused(late)).last == ["tell-customer"], "refused at the pivot: undone"


def test_a_late_payments_refund_has_no_goods_to_give_back() -> None:
    late = "o1-c2"
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"), paid())
    order.hears(accepted(late), told("late-payment-refunded", late), refused(late))
    assert order.last == ["staff-task-raised"]
    assert "give-back" not in order.order.tasks[-1].choices


def test_what_was_undone_cannot_be_cancelled_by_transfer_while_another_case_is_open_or_the_parcel_has_left() -> None:
    order = paid_order().hears(cancel(), held(), refused(), kept(), told("refund-failed"))
    order.hears(cancel((1, 1), request="r2"))
    with pytest.raises(Refusal):
        choose(order, "cancel-by-transfer")
    shipped = paid_order().hears(cancel(), held(), refused(), kept(), told("refund-failed"), SHIP)
    with pytest.raises(Refusal):
        choose(shipped, "cancel-by-transfer")


def test_when_the_money_arrives_by_itself_the_task_is_closed_by_itself() -> None:
    order = arriving()
    order.hears(payment.RefundDelayed(order_id=ID, case_id=CASE, refund_number=RefundNumber("o1-c1-1"), days=3))
    assert order.order.tasks[-1].done_at is None
    order.hears(settled(), told("refund-arrived"))
    assert order.order.tasks[-1].done_at is not None


def test_a_task_about_something_else_stays_open_when_a_new_one_is_raised() -> None:
    order = paid_order().hears(cancel(), held(), found(500))
    order.hears(accepted(), released(), told("refund-on-its-way"))
    order.hears(payment.RefundDelayed(order_id=ID, case_id=CASE, refund_number=RefundNumber("o1-c1-1"), days=3))
    assert [task.kind for task in order.order.tasks if task.done_at is None] == ["refund-made-outside", "refund-stuck"]
    by_hand, own = order.order.tasks
    assert ("5.00 CNY" in by_hand.en, "19.00 CNY" in own.en) == (True, True), "each names its own amount"


def test_a_new_task_about_the_same_refund_takes_the_place_of_the_old_one() -> None:
    order = arriving()
    order.hears(payment.RefundDelayed(order_id=ID, case_id=CASE, refund_number=RefundNumber("o1-c1-1"), days=3))
    order.hears(refused(), sold())
    assert [task.kind for task in order.order.tasks] == ["refund-stuck", "cannot-give-back"]
    assert [task.done_at is None for task in order.order.tasks] == [False, True]


def test_a_refund_found_again_while_its_task_is_open_is_one_task() -> None:
    order = paid_order().hears(cancel(), held(), found(500))
    assert order.hears(found(500)).last == []


def test_while_a_case_still_walks_only_looking_can_be_chosen() -> None:
    order = arriving()
    order.hears(payment.RefundDelayed(order_id=ID, case_id=CASE, refund_number=RefundNumber("o1-c1-1"), days=3))
    assert order.order.tasks[-1].choices == ("look-again",)
    stopped = paid_order().hears(cancel(), held(), mismatch())
    assert stopped.order.tasks[-1].choices == ("look-again",)
    choose(stopped, "look-again")
    stopped.hears(mismatch())
    assert stopped.order.tasks[-1].choices == ("look-again", "settled-outside"), "still strange: somebody may settle it"


def test_a_full_refund_by_hand_of_a_shipped_order_moves_no_goods() -> None:
    order = paid_order().hears(SHIP, found(1900))
    assert order.last == ["cancellation-accepted", "adopt-refund", "staff-task-raised"]
    assert order.order.cases[-1].road == "made-outside-in-part"


# ── slow ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_refund_under_way_for_three_days_is_told_and_looked_at_once() -> None:
    order = arriving()
    late = payment.RefundDelayed(order_id=ID, case_id=CASE, refund_number=RefundNumber("o1-c1-1"), days=1)
    assert order.hears(late).last == []
    assert order.hears(late.model_copy(update={"days": 3})).last == ["tell-customer", "staff-task-raised"]
    assert order.hears(late.model_copy(update={"days": 5})).last == []
    assert order.hears(settled()).last == ["tell-customer"]


def test_a_transfer_under_way_for_three_days_is_looked_at_and_its_customer_not_told_that_a_bank_works_on_it() -> None:
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF), held(), BY_TRANSFER, released())
    order.hears(told("refund-to-confirm"))
    late = payment.RefundDelayed(order_id=ID, case_id=CASE, refund_number=RefundNumber("t1"), days=3)
    assert order.hears(late).last == ["staff-task-raised"]


# ── the parcel ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("phone", "shown"), [("13800001111", "138****1111"), ("+8613800001111", "+86138****1111"), ("12345", ""), ("", "")]
)
def test_a_phone_is_masked_before_it_leaves(phone: str, shown: str) -> None:
    assert masked(phone) == shown


def test_wechat_hears_of_the_parcel_when_the_goods_are_off_the_books() -> None:
    order = paid_order().hears(SHIP)
    assert order.hears(inventory.StockDispatched(order_id=ID)).last == ["record-shipping"]
    assert '"receiver":"138****1111"' in order.record.journal[-1].said[0].body
    order.hears(payment.ShippingRecorded(order_id=ID, outcome="recorded"))
    assert order.record.wake_at is None


def test_a_cancelled_order_that_wechat_calls_shipped_is_one_task() -> None:
    order = arriving().hears(settled(), told("refund-arrived"))
    strange = payment.ShippingRecordStrange(order_id=ID, state=2)
    assert order.hears(strange).last == ["staff-task-raised"]
    assert order.hears(strange).last == []


# ── a refund that was refused at once, and goes on because a person decided ──────────────────────────────────────────
def refused_late_payment(choice: str) -> Told:
    """Money came for a cancelled order, cannot go back the way it came, and a person has decided how it goes on."""
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"), paid())
    order.hears(refused(LATE), told("refund-failed", LATE))
    choose(order, choice)
    return order.hears(resumed(1).model_copy(update={"case_id": LATE}))


LATE = CaseId("o1-c2")


def test_a_transfer_that_a_person_chose_is_told_to_the_customer_who_must_confirm_it() -> None:
    order = refused_late_payment("transfer")
    order.hears(BY_TRANSFER.model_copy(update={"case_id": LATE}))
    assert order.last == ["tell-customer"]
    order.hears(settled(LATE), told("refund-arrived", LATE))
    assert order.order.cases[1].status == "completed"
    assert order.order.refunded_minor == 1900


def test_what_arrives_counts_though_nobody_heard_that_it_was_accepted() -> None:
    order = refused_late_payment("send-again")
    order.hears(settled(LATE), told("refund-arrived", LATE))
    case = order.order.cases[1]
    assert case.status == "completed"
    assert case.refund is not None
    assert (case.refund.amount.amount_minor, case.refund.received_minor) == (1900, 1900)


def test_what_is_refused_again_comes_back_to_a_person_at_once() -> None:
    order = refused_late_payment("send-again")
    order.hears(refused(LATE))
    assert order.last == ["staff-task-raised"]
    assert order.order.cases[1].waits_for_a_person


def test_money_that_was_sent_to_the_shops_bank_is_for_a_person() -> None:
    order = arriving()
    order.hears(refused().model_copy(update={"provider_code": payment.WITH_THE_SHOP}))
    assert (order.order.cases[-1].status, order.order.state) == ("open", "cancelling")
    task = order.order.tasks[-1]
    assert task.kind == "refund-stuck"
    assert "the shop's own bank account" in task.en
    assert {"transfer", "settled-outside", "give-back"} <= set(task.choices)
