"""A parcel that had left when its order was cancelled: the goods come back, then the money; or nothing changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chassis.record import Heard, Refusal
from contracts import inventory, payment
from contracts.decision import DecideCancellation, WithdrawCancellation
from contracts.message import CaseId, ProductId
from contracts.order import Actor, DeliverOrder
from contracts.task import GoodsBack, ResolveTask, TaskNotResolved
from services.order.cancellation import Cancellation
from services.order.model import TaskDone
from services.order.placing import Placement
from services.order.policies import BUILT_IN, Policy, Rule
from services.order.preview import cancel_preview
from services.order.problems import problem_of
from services.order.story import customers_order
from services.order.views import case_view
from services.order.work import work_of
from tests.unit.order.told import (
    ANYTHING_GOES,
    CASE,
    CUP,
    CUSTOMER,
    ID,
    OPENED,
    RESERVED,
    SHIP,
    STAFF,
    TEA,
    Told,
    accepted,
    cancel,
    held,
    paid,
    paid_order,
    place,
    refused,
    released,
    settled,
    told,
)

PACKER = Actor(kind="staff", id="s9", role="warehouse")
ALL_GOOD = (GoodsBack(line_no=1, good=3), GoodsBack(line_no=2, good=1))
ONE_BROKEN = (GoodsBack(line_no=1, good=2, damaged=1), GoodsBack(line_no=2, damaged=1))
ASKS = Policy(
    version=2,
    rules=(
        Rule(name="asks", way="approve", states=("shipped",), approve_by=("supervisor",)),
        Rule(name="rest", way="allow"),
    ),
)


def shipped() -> Told:
    return paid_order().hears(SHIP)


def called_back(policy: Policy = ANYTHING_GOES, **wish: Any) -> Told:
    return shipped().hears(cancel(policy=policy, **wish))


def report(found: str, goods: tuple[GoodsBack, ...] = (), *, by: Actor = PACKER, task: str = "o1-c1-t1") -> ResolveTask:
    return ResolveTask(order_id=ID, task_id=task, choice=found, goods=goods, by=by)


def taken_back(*pieces: tuple[int, str, int]) -> inventory.StockTakenBack:
    lines = tuple(inventory.StockLine(line_no=no, product_id=ProductId(name), quantity=n) for no, name, n in pieces)
    return inventory.StockTakenBack(order_id=ID, case_id=CASE, lines=lines)


def refusal(order: Told, message: Any) -> TaskNotResolved:
    before = order.record
    with pytest.raises(Refusal) as found:
        order.hears(message)
    assert order.record is before
    event = found.value.event
    assert isinstance(event, TaskNotResolved)
    return event


# ── it waits ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_shipped_order_opens_a_case_and_asks_the_warehouse_and_moves_nothing() -> None:
    order = called_back()
    assert order.last == ["cancellation-accepted", "staff-task-raised"]
    case, task = order.order.cases[0], order.order.tasks[0]
    assert (order.order.state, case.state_before, case.waits, case.waits_for_a_person) == (
        "cancelling",
        "shipped",
        True,
        True,
    )
    assert (task.kind, task.choices) == (
        "intercept-parcel",
        ("intercepted", "returned", "delivered", "not-intercepted"),
    )
    assert "19.00" in task.zh
    assert case_view(order.order, case)["waits_for"] == "parcel"


def test_time_alone_moves_nothing() -> None:
    order = called_back()
    order.now += timedelta(days=30)
    assert not {"hold-stock", "refund-payment", "take-back-stock"} & set(order.said)
    with pytest.raises(Refusal):
        order.hears(DeliverOrder(order_id=ID, by=STAFF))


def test_a_second_request_meets_it() -> None:
    assert called_back().hears(cancel(request="r2")).last == ["cancellation-accepted"]


def test_a_delivered_order_is_refused_as_before() -> None:
    order = shipped().hears(DeliverOrder(order_id=ID, by=STAFF))
    with pytest.raises(Refusal):
        order.hears(cancel())


# ── it comes back ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("found", ["intercepted", "returned"])
def test_goods_first_money_after_them(found: str) -> None:
    order = called_back().hears(report(found, ALL_GOOD))
    assert order.last == ["task-resolved", "take-back-stock"]
    assert "refund-payment" not in order.said
    assert order.hears(taken_back((1, "tea", 3), (2, "cup", 1))).last == ["refund-payment"]
    assert order.hears(accepted(), told("refund-on-its-way"), settled()).last == ["tell-customer"]
    order.hears(told("refund-arrived"))
    assert (order.order.state, order.order.cases[0].status) == ("cancelled", "completed")
    assert order.order.refunded_minor == 1900


def test_only_good_pieces_go_back_on_the_shelf() -> None:
    order = called_back().hears(report("returned", ONE_BROKEN))
    case = order.order.cases[0]
    good = Cancellation.of(order.order, case).good
    assert [(line.line_no, line.product_id, line.quantity) for line in good] == [(1, "tea", 2)]
    assert case.amount.amount_minor == 1900, "what came back broken is not the customer's loss"


def test_some_pieces_only() -> None:
    order = shipped().hears(cancel((1, 2))).hears(report("returned", (GoodsBack(line_no=1, good=2),)))
    order.hears(taken_back((1, "tea", 2)), accepted(amount=600), told("refund-on-its-way"), settled(amount=600))
    order.hears(told("refund-arrived"))
    assert (order.order.state, order.order.lines[0].left) == ("shipped", 1)


@pytest.mark.parametrize(
    "goods",
    [
        (),
        (GoodsBack(line_no=1, good=3),),
        (GoodsBack(line_no=1, good=3), GoodsBack(line_no=2, good=2)),
        (*ALL_GOOD, GoodsBack(line_no=3, good=1)),
        (GoodsBack(line_no=1, good=3, damaged=1), GoodsBack(line_no=2, good=1)),
    ],
)
def test_every_piece_has_to_be_reported(goods: tuple[GoodsBack, ...]) -> None:
    event = refusal(called_back(), report("returned", goods))
    assert event.because == "goods-incomplete"
    assert problem_of(event).status == 422
    assert event.detail


def test_when_the_refund_is_refused_a_person_decides_and_nobody_gives_the_goods_back() -> None:
    order = called_back().hears(report("returned", ALL_GOOD), taken_back((1, "tea", 3), (2, "cup", 1)), refused())
    case, task = order.order.cases[0], order.order.tasks[-1]
    assert (case.status, case.waits_for_a_person, task.kind) == ("open", True, "refund-stuck")
    assert "transfer" in task.choices
    assert "give-back" not in task.choices
    assert "with the shop" in task.en
    assert "back in stock" not in task.en, "the damaged ones are not"


def test_asked_again_until_the_goods_are_in_the_books() -> None:
    order = called_back().hears(report("returned", ALL_GOOD)).after(timedelta(minutes=1))
    assert order.last == ["dispatch-stock", "take-back-stock"]


# ── it does not come back ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("found", ["delivered", "not-intercepted"])
def test_what_cannot_be_had_back_leaves_the_order_as_it_was_and_the_customer_hears_why(found: str) -> None:
    before = shipped().order
    order = called_back().hears(report(found))
    assert order.last == ["task-resolved", "tell-customer"]
    assert Cancellation.of(order.order, order.order.cases[0]).refusal in ("包裹已送达", "包裹未能拦截")
    order.hears(told("cancellation-refused"))
    after = order.order
    same = {"cases": (), "timeline": (), "tasks": ()}
    assert after.model_copy(update=same) == before.model_copy(update=same)
    assert (after.cases[0].status, after.cases[0].refusal) == ("undone", found)
    assert not [task for task in after.tasks if task.done_at is None]
    assert "refund-payment" not in order.said
    assert order.hears(DeliverOrder(order_id=ID, by=STAFF)).order.state == "delivered"


def test_who_was_called_because_nobody_told_the_customer_is_not_called_any_more_once_that_was_done() -> None:
    order = called_back().hears(report("not-intercepted"))
    while not any(task.kind == "no-answer" for task in order.order.tasks):
        assert order.record.wake_at is not None
        order.after(order.record.wake_at - order.now)
    assert [work.list for work in work_of(order.order)] == ["stuck"]
    order.hears(told("cancellation-refused"))
    assert order.order.cases[0].status == "undone"
    assert not [task for task in order.order.tasks if task.done_at is None]
    assert list(work_of(order.order)) == []


# ── who and when ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("role", ["finance", "customer-service", ""])
def test_only_who_sees_parcels_reports_them(role: str) -> None:
    by = Actor(kind="staff", id="s2", role=role)
    assert refusal(called_back(), report("delivered", by=by)).because == "not-your-task"


def test_the_task_is_not_done_by_looking_at_it() -> None:
    done = TaskDone(order_id=ID, task_id="o1-c1-t1", by=PACKER, note="seen")
    assert refusal(called_back(), done).choices == ("intercepted", "returned", "delivered", "not-intercepted")


def test_the_same_report_twice_is_one_and_another_one_is_refused() -> None:
    order = called_back().hears(report("returned", ALL_GOOD), report("returned", ALL_GOOD))
    assert order.last == ["task-resolved"]
    assert refusal(order, report("returned", ONE_BROKEN)).reason == "already-resolved"
    assert refusal(order, report("delivered")).reason == "already-resolved"


def test_it_is_taken_back_while_it_waits_and_nobody_has_to_look_any_more() -> None:
    order = called_back().hears(WithdrawCancellation(order_id=ID, case_id=CASE, by=CUSTOMER))
    assert order.last == ["cancellation-undone"]
    assert (order.order.state, order.order.open_case) == ("shipped", None)
    assert all(task.done_at for task in order.order.tasks)
    assert refusal(order, report("returned", ALL_GOOD)).reason == "already-resolved"
    assert order.hears(cancel(request="r2")).last == ["cancellation-accepted", "staff-task-raised"]


def test_what_has_come_back_cannot_be_taken_back() -> None:
    order = called_back().hears(report("returned", ALL_GOOD))
    with pytest.raises(Refusal):
        order.hears(WithdrawCancellation(order_id=ID, case_id=CASE, by=CUSTOMER))


def test_where_the_policy_asks_for_approval_that_comes_first() -> None:
    order = called_back(ASKS)
    assert order.last == ["cancellation-accepted"]
    assert order.order.tasks == ()
    yes = DecideCancellation(order_id=ID, case_id=CaseId(CASE), approve=True, note="我们看看", by=STAFF)
    assert order.hears(yes).last == ["cancellation-decided", "staff-task-raised"]
    assert order.order.cases[0].waits
    order.hears(report("not-intercepted"))
    known = Cancellation.of(order.order, order.order.cases[0])
    assert (known.note, known.refusal) == ("", "包裹未能拦截"), "why it was approved is not why it failed"


@pytest.mark.parametrize(("by", "waits_for"), [(CUSTOMER, "approval"), (STAFF, "parcel")])
def test_the_built_in_rules_ask_for_approval_of_customers_wishes(by: Actor, waits_for: str) -> None:
    ruling = called_back(BUILT_IN, by=by).order.cases[0].ruling
    assert ruling is not None
    assert ruling.waits_for == waits_for


# ── faster than the cancellation ─────────────────────────────────────────────────────────────────────────────────────
def test_a_parcel_that_was_faster_turns_the_case_into_a_task() -> None:
    order = paid_order().hears(cancel())
    order.hears(inventory.StockHoldRefused(order_id=ID, case_id=CASE, reason="already-dispatched"))
    assert order.last == ["staff-task-raised"]
    order.hears(report("intercepted", ALL_GOOD), taken_back((1, "tea", 3), (2, "cup", 1)))
    assert order.last == ["refund-payment"]


def test_an_answer_while_it_waits_changes_nothing() -> None:
    order = called_back()
    assert order.hears(taken_back((1, "tea", 3)), accepted()).last == []
    assert order.order.cases[0].waits


# ── what WeChat is told that is in it ────────────────────────────────────────────────────────────────────────────────
def told_to_wechat(order: Told) -> str:
    order.hears(SHIP)
    (said,) = order.decide(Heard(inventory.StockDispatched(order_id=ID), "out", order.now)).says
    return payment.RecordShipping.model_validate_json(said.body).item


def test_wechat_is_told_of_the_goods_in_the_parcel_and_not_of_those_that_were_cancelled() -> None:
    order = paid_order().hears(cancel((1, 3)), held(), accepted(amount=900), released(), told("refund-on-its-way"))
    order.hears(settled(amount=900), told("refund-arrived"))
    assert told_to_wechat(order) == "杯"
    assert told_to_wechat(paid_order()) == "茶 等2件"


def test_a_long_name_leaves_room_for_how_many_there_are() -> None:
    long = TEA.model_copy(update={"name": "茶" * 200})
    wish = place().model_copy(update={"products": (long, CUP)})
    item = told_to_wechat(Told().hears(wish, RESERVED, OPENED, paid()))
    assert (len(item), item[-5:]) == (120, "茶 等2件")


def test_of_a_parcel_that_is_back_already_it_says_what_was_in_it() -> None:
    order = called_back().hears(report("intercepted", ALL_GOOD), taken_back((1, "tea", 3), (2, "cup", 1)))
    order.hears(accepted(), told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert Placement.of(order.order).parcel == "茶 等2件"


# ── what people see ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_preview_says_that_money_follows_the_goods() -> None:
    order, wish = shipped().order, cancel()
    shown = cancel_preview(order, wish.asked, called_back().order.cases[0].reason, (), ANYTHING_GOES, order.placed_at)
    assert (shown["after_parcel"], shown["expected_by"], shown["undo_until"]) == (True, None, None)
    assert "商品回到仓库后退款" in shown["sentence"]["zh"]


def test_the_customer_reads_where_the_parcel_is() -> None:
    order = called_back().hears(report("delivered"), told("cancellation-refused"))
    said = [line["in_words"]["en"] for line in customers_order(order.order)["timeline"]]
    assert any("The money follows the goods" in sentence for sentence in said)
    assert "No way back: the parcel was delivered." in said
    assert "s9" not in str(customers_order(order.order))
