"""What becomes of a refund that does not simply succeed, told on a time of its own and judged by the sandbox's ledger.
No callback ever comes: everything is learned by asking."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from contracts.message import OrderId
from contracts.order import Reason
from contracts.task import ResolveTask
from services.order.model import Case, Task
from services.payment.bills import day_of
from services.payment.model import Refund
from services.payment.outside import CardGiven
from services.payment.reconciliation import RECONCILIATIONS
from services.payment.reconciliation_record import HOUSE, Reconciliation, StartReconciliation
from services.payment.shown import SealedCard
from tests.scenarios.power import House
from tests.unit.order.told import CHANGED_MIND, CUSTOMER, STAFF, cancel

PAID = 1900
OUT_OF_STOCK = Reason(family="merchant", code="out-of-stock")
SHUT = {"kind": "error-before", "http": 403, "code": "USER_ACCOUNT_ABNORMAL"}


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────
async def trouble(house: House, order_id: str, fault: dict[str, Any], **which: int) -> None:
    rule = {"call": "refund", "match": {"out_trade_no": order_id}, "fault": fault, **which}
    answer = await house.sandbox.post("/_control/faults/rules", json=[rule])
    assert answer.status_code < 300, answer.text


async def asks_to_cancel(house: House, order_id: str, *lines: tuple[int, int], reason: Reason | None = None) -> None:
    by = CUSTOMER if reason is None else STAFF
    wish = cancel(*lines, order_id=order_id, request=f"{order_id}-{lines}", by=by, reason=reason or CHANGED_MIND)
    await house.tell("order", wish, f"cancel {order_id} {lines}")


async def until(house: House, order_id: str, done: Callable[[], bool]) -> None:
    await house.settles(done, order_id)


def last_case(house: House, order_id: str) -> Case:
    order = house.order(order_id)
    assert order is not None
    return order.cases[-1]


def refund_of(house: House, order_id: str) -> Refund:
    return house.payment(order_id).refunds[-1]


def open_task(house: House, order_id: str) -> Task | None:
    order = house.order(order_id)
    assert order is not None
    return next((task for task in order.tasks if task.done_at is None), None)


def happened(house: House, order_id: str) -> list[str]:
    order = house.order(order_id)
    assert order is not None
    return [moment.what for moment in order.timeline]


async def choose(house: House, order_id: str, choice: str, note: str = "") -> None:
    task = open_task(house, order_id)
    assert task is not None
    asked = ResolveTask(order_id=OrderId(order_id), task_id=task.task_id, choice=choice, note=note, by=STAFF)
    await house.tell("order", asked, f"{task.task_id} {choice}")


async def confirm(house: House, order_id: str) -> None:
    """The customer taps "receive" on the phone."""
    payout = refund_of(house, order_id).live_payout
    assert payout is not None
    answer = await house.sandbox.post("/_customer/transfer/confirm", json={"package_info": payout.package_info})
    assert answer.status_code == 200, answer.text


async def refund_by_hand(house: House, order_id: str) -> None:
    """Somebody gives all of it back on the merchant platform."""
    body = {"out_trade_no": order_id, "amount_minor": PAID}
    made = await house.sandbox.post("/_control/platform/refunds", json=body)
    assert made.status_code == 201, made.text


async def on_shelf(house: House, product: str) -> int:
    balance = await house.books.stock_of(product)
    assert balance is not None
    return int(balance["available"])


async def expect_whole_books(house: House) -> None:
    check = (await house.sandbox.get("/_ledger/check")).json()
    assert check["violations"] == []
    assert await house.stock_differences() == 0
    assert list(house.dead_letters()) == []


# ── by transfer ──────────────────────────────────────────────────────────────────────────────────────────────────────
async def sent_by_transfer(house: House, order_id: str) -> None:
    """The shop cancels, the original road is shut, the customer is asked to confirm a transfer."""
    await trouble(house, order_id, SHUT)
    await asks_to_cancel(house, order_id, reason=OUT_OF_STOCK)
    await until(house, order_id, lambda: (facts := last_case(house, order_id).refund) is not None and bool(facts))


async def test_for_its_own_fault_the_shop_pays_by_transfer_and_the_customer_confirms(house: House) -> None:
    order_id = await house.paid_order("by-transfer")
    await sent_by_transfer(house, order_id)
    facts = last_case(house, order_id).refund
    assert facts is not None
    assert facts.confirm_by is not None
    await confirm(house, order_id)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    money = await house.money(order_id)
    assert "refund-accepted" not in money
    summary = (await house.sandbox.get("/_ledger/summary")).json()
    assert summary["transferred"] == {"count": 1, "amount_minor": PAID}
    assert await on_shelf(house, "tea") == 10
    assert "refund-rerouted" in happened(house, order_id)
    await expect_whole_books(house)


async def test_a_transfer_not_confirmed_within_a_day_is_made_anew(house: House) -> None:
    order_id = await house.paid_order("late-confirm")
    await sent_by_transfer(house, order_id)
    first = refund_of(house, order_id).live_number
    await until(house, order_id, lambda: refund_of(house, order_id).live_number != first)
    await until(house, order_id, lambda: (last_case(house, order_id).refund or object()).number != first)  # type: ignore[attr-defined]
    await confirm(house, order_id)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    summary = (await house.sandbox.get("/_ledger/summary")).json()
    assert (summary["transfers_accepted"]["count"], summary["transferred"]["count"]) == (2, 1)
    await expect_whole_books(house)


async def test_after_three_days_without_a_tap_a_person_settles_it_outside(house: House) -> None:
    order_id = await house.paid_order("no-tap")
    await sent_by_transfer(house, order_id)
    await until(house, order_id, lambda: open_task(house, order_id) is not None)
    task = open_task(house, order_id)
    assert task is not None
    assert "settled-outside" in task.choices
    assert last_case(house, order_id).waits_for_a_person
    await choose(house, order_id, "settled-outside", "bank slip 4711")
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    summary = (await house.sandbox.get("/_ledger/summary")).json()
    assert (summary["transfers_accepted"]["count"], summary["transferred"]["count"]) == (3, 0)
    assert refund_of(house, order_id).proof == "bank slip 4711"
    await expect_whole_books(house)


async def test_a_transfer_is_taken_back_when_the_shop_has_refunded_by_hand_meanwhile(house: House) -> None:
    order_id = await house.paid_order("both-roads")
    await refund_by_hand(house, order_id)
    day = day_of(house.now)
    await house.passes(timedelta(days=1, hours=12))
    await sent_by_transfer(house, order_id)  # nobody here knows of the other refund yet
    ticket = refund_of(house, order_id).live_payout
    assert ticket is not None
    await compared(house, day)
    await until(house, order_id, lambda: open_task(house, order_id) is not None)
    answer = await house.sandbox.post("/_customer/transfer/confirm", json={"package_info": ticket.package_info})
    assert (answer.status_code, answer.json()["detail"]["reason"]) == (409, "CANCELLED")
    summary = (await house.sandbox.get("/_ledger/summary")).json()
    assert (summary["transfers_accepted"]["count"], summary["transfers_returned"]["count"]) == (1, 1)
    assert summary["transferred"]["count"] == 0
    assert (await house.money(order_id))["refund-success"] == PAID
    await expect_whole_books(house)


# ── accepted, closed after seven days ────────────────────────────────────────────────────────────────────────────────
CLOSES_LATE = {"kind": "status", "refund_status": "CLOSED", "after_days": 7}


async def test_a_refund_that_closes_after_seven_days_goes_again_under_the_next_number(house: House) -> None:
    order_id = await house.paid_order("closes")
    await trouble(house, order_id, CLOSES_LATE, nth=1)
    await asks_to_cancel(house, order_id)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    assert [moment for moment in happened(house, order_id) if moment == "refund-delayed"] == ["refund-delayed"] * 3
    assert refund_of(house, order_id).n == 2
    assert (await house.money(order_id))["refund-success"] == PAID
    assert await on_shelf(house, "tea") == 10
    await expect_whole_books(house)


async def closed_and_then_refused(house: House, order_id: str, reason: Reason | None = None) -> None:
    await trouble(house, order_id, CLOSES_LATE, nth=1)
    await trouble(house, order_id, SHUT, nth=2)
    await asks_to_cancel(house, order_id, reason=reason)


async def test_after_a_change_of_mind_the_customer_gets_the_order_back(house: House) -> None:
    order_id = await house.paid_order("given-back")
    await closed_and_then_refused(house, order_id)
    await until(house, order_id, lambda: last_case(house, order_id).status == "undone")
    assert house.stands(order_id) == "paid"
    assert await on_shelf(house, "tea") == 7, "set aside again"
    assert "refund-success" not in await house.money(order_id)
    task = open_task(house, order_id)
    assert task is not None
    assert task.kind == "refund-refused"
    await expect_whole_books(house)


async def test_when_the_goods_are_sold_meanwhile_a_person_chooses_and_the_choice_is_done(house: House) -> None:
    order_id = await house.paid_order("goods-sold")
    await closed_and_then_refused(house, order_id)
    await until(house, order_id, lambda: last_case(house, order_id).run.step == "see the refund arrive")
    for number in range(3):
        await house.paid_order(f"buyer-{number}")
    assert await on_shelf(house, "tea") == 1
    await until(
        house, order_id, lambda: (task := open_task(house, order_id)) is not None and "give-back" in task.choices
    )
    task = open_task(house, order_id)
    assert task is not None
    assert task.kind == "cannot-give-back"
    await choose(house, order_id, "transfer")
    await until(
        house, order_id, lambda: refund_of(house, order_id).accepted_at is not None and has_payout(house, order_id)
    )
    await confirm(house, order_id)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    summary = (await house.sandbox.get("/_ledger/summary")).json()
    assert summary["transferred"] == {"count": 1, "amount_minor": PAID}
    assert "refund-success" not in await house.money(order_id)
    await expect_whole_books(house)


def has_payout(house: House, order_id: str) -> bool:
    payout = refund_of(house, order_id).live_payout
    return payout is not None and payout.status == "waiting"


# ── abnormal, short, spaced ──────────────────────────────────────────────────────────────────────────────────────────
async def test_an_abnormal_refund_reaches_another_card_and_stays_one_refund(house: House) -> None:
    order_id = await house.paid_order("abnormal", bank="招商银行信用卡0403")
    await trouble(house, order_id, {"kind": "status", "refund_status": "ABNORMAL"})
    await asks_to_cancel(house, order_id)
    await until(
        house, order_id, lambda: (task := open_task(house, order_id)) is not None and task.kind == "refund-abnormal"
    )
    refund = refund_of(house, order_id)
    sealed = [house.merchants.of("").encrypt(text) for text in ("6225880000000000", "张三")]
    card = SealedCard(
        serial=sealed[0].serial,
        bank_type="CMB_DEBIT",
        bank_account=sealed[0].ciphertext,
        real_name=sealed[1].ciphertext,
    )
    given = CardGiven(order_id=OrderId(order_id), case_id=refund.case_id, card=card)
    await house.tell("payment", given, f"card {order_id}")
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    money = await house.money(order_id)
    assert money["refund-accepted"] == money["refund-success"] == PAID
    await expect_whole_books(house)


async def test_while_the_balance_is_short_one_probe_is_sent_and_all_resume_by_themselves(house: House) -> None:
    orders = [await house.paid_order(f"short-{number}") for number in range(3)]
    balance = (await house.sandbox.get("/_ledger/summary")).json()["balance_minor"]
    await house.sandbox.put("/_control/balance", json={"balance_minor": 100})
    for order_id in orders:
        await asks_to_cancel(house, order_id)
    await until(house, orders[0], lambda: all(refunds_parked(house, order_id) for order_id in orders))
    refused = (await house.sandbox.get("/_ledger/summary")).json()["refused_numbers"]
    await house.passes(timedelta(minutes=20))
    await until(house, orders[0], lambda: True)
    assert len(refused) <= len(orders)
    assert all(open_task(house, order_id) is None for order_id in orders), "nobody has to press a button"
    await house.sandbox.put("/_control/balance", json={"balance_minor": balance})
    for order_id in orders:
        await until(house, order_id, lambda order_id=order_id: house.stands(order_id) == "cancelled")  # type: ignore[misc]
        assert (await house.money(order_id))["refund-success"] == PAID
    await expect_whole_books(house)


def refunds_parked(house: House, order_id: str) -> bool:
    refunds = house.payment(order_id).refunds
    return bool(refunds) and refunds[-1].status == "parked"


async def test_two_parts_of_an_order_are_refunded_a_minute_apart_and_the_provider_never_has_to_say_no(
    house: House,
) -> None:
    order_id = await house.paid_order("in-parts")
    await asks_to_cancel(house, order_id, (1, 1))
    await until(house, order_id, lambda: last_case(house, order_id).status == "completed")
    await asks_to_cancel(house, order_id, (1, 2))
    await until(
        house,
        order_id,
        lambda: len(house.payment(order_id).refunds) == 2 and last_case(house, order_id).status == "completed",
    )
    first, second = house.payment(order_id).refunds
    assert first.sent_at is not None
    assert second.sent_at is not None
    assert second.sent_at - first.sent_at >= timedelta(seconds=60)
    assert second.attempts == 0, "held back by ourselves, not refused by the provider"
    assert (await house.money(order_id))["refund-success"] == 900
    await expect_whole_books(house)


async def test_with_a_coupon_of_the_provider_the_customer_hears_of_what_really_comes_back(house: House) -> None:
    order_id = await house.paid_order("coupon", coupon_minor=400, coupon_type="DISCOUNT")
    await asks_to_cancel(house, order_id)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    facts = last_case(house, order_id).refund
    assert facts is not None
    assert (facts.amount.amount_minor, facts.payer_minor, facts.received_minor) == (PAID, 1500, 1500)
    await expect_whole_books(house)


# ── the night after ──────────────────────────────────────────────────────────────────────────────────────────────────
async def reconciled(house: House) -> Reconciliation:
    """Yesterday's bills against the books."""
    day = day_of(house.now)
    await house.passes(timedelta(days=1, hours=12))
    return await compared(house, day)


async def compared(house: House, day: date) -> Reconciliation:
    """The bills of a day, which are there, against the books."""
    id = f"{HOUSE}/{day.isoformat()}"
    wish = StartReconciliation(reconciliation_id=id, shop="", day=day.isoformat(), by="test")
    await house.tell("payment", wish, f"reconcile {id}")

    def known() -> Reconciliation:
        return Reconciliation.model_validate(house.stores[RECONCILIATIONS].documents[id]["state"])

    await until(house, id, lambda: not known().is_under_way)
    return known()


async def test_a_normal_day_agrees_with_the_bills(house: House) -> None:
    kept, back = await house.paid_order("is-kept"), await house.paid_order("goes-back")
    await asks_to_cancel(house, back)
    await until(house, back, lambda: house.stands(back) == "cancelled")
    day = await reconciled(house)
    assert (day.status, day.found) == ("done", 0)
    assert house.stands(kept) == "paid"


async def test_a_refund_made_by_hand_is_found_at_night_and_becomes_a_case_of_its_own(house: House) -> None:
    order_id = await house.paid_order("by-hand")
    await refund_by_hand(house, order_id)
    day = await reconciled(house)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    assert last_case(house, order_id).road == "made-outside"
    assert day.open_count == 0, day.differences
    assert await on_shelf(house, "tea") == 10
    assert (await house.money(order_id))["refund-success"] == PAID
    await expect_whole_books(house)


async def test_a_damaged_bill_changes_nothing(house: House) -> None:
    order_id = await house.paid_order("unreadable")
    await house.sandbox.put("/_control/bills", json={"wrong_hash": True})
    day = await reconciled(house)
    assert day.status == "failed", "damaged on its way: it was tried again and again"
    assert day.problem
    assert house.stands(order_id) == "paid"


async def test_more_columns_in_another_order_make_no_difference(house: House) -> None:
    await house.paid_order("columns")
    await house.sandbox.put("/_control/bills", json={"extra_column": True, "shuffle_columns": True})
    day = await reconciled(house)
    assert (day.status, day.found) == ("done", 0)
