"""A transfer in place of a refund, and another bank card, where neither goes straight to its end. No callback ever
comes, and the sandbox's ledger judges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.message import OrderId
from services.payment.outside import CardGiven
from services.payment.shown import SealedCard
from tests.scenarios.power import House
from tests.scenarios.test_refunds_that_fail import (
    OUT_OF_STOCK,
    PAID,
    SHUT,
    asks_to_cancel,
    confirm,
    expect_whole_books,
    last_case,
    open_task,
    refund_of,
    sent_by_transfer,
    trouble,
    until,
)


async def struck(house: House, call: str, fault: dict[str, Any], **which: int) -> None:
    answer = await house.sandbox.post("/_control/faults/rules", json=[{"call": call, "fault": fault, **which}])
    assert answer.status_code < 300, answer.text


async def gives_card(house: House, order_id: str, number: str) -> None:
    sealed = [house.merchants.of("").encrypt(text) for text in (number, "张三")]
    account, name = (one.ciphertext for one in sealed)
    card = SealedCard(serial=sealed[0].serial, bank_type="CMB_DEBIT", bank_account=account, real_name=name)
    given = CardGiven(order_id=OrderId(order_id), case_id=refund_of(house, order_id).case_id, card=card)
    await house.tell("payment", given, f"card {number}")


def transfer_is(house: House, order_id: str, status: str) -> bool:
    payout = refund_of(house, order_id).payout if house.payment(order_id).refunds else None
    return payout is not None and payout.status == status


async def test_nobody_is_asked_to_confirm_a_transfer_before_it_is_offered(house: House) -> None:
    order_id = await house.paid_order("processing")
    await struck(house, "transfer", {"kind": "states", "first_state": "PROCESSING"}, times=1)
    await trouble(house, order_id, SHUT)
    await asks_to_cancel(house, order_id, reason=OUT_OF_STOCK)
    await until(house, order_id, lambda: transfer_is(house, order_id, "taken"))
    assert last_case(house, order_id).refund is None, "not promised: its goods are not released either"
    await until(house, order_id, lambda: last_case(house, order_id).refund is not None)
    await confirm(house, order_id)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    summary = (await house.sandbox.get("/_ledger/summary")).json()
    assert (summary["transfers_accepted"]["count"], summary["transferred"]["amount_minor"]) == (1, PAID)
    await expect_whole_books(house)


async def test_a_confirmed_transfer_that_fails_is_made_anew(house: House) -> None:
    order_id = await house.paid_order("failing-one")
    fault = {"kind": "states", "sending_seconds": 600, "fail_reason": "REAL_NAME_CHECK_FAIL"}
    await struck(house, "transfer", fault, times=1)
    await sent_by_transfer(house, order_id)
    first = refund_of(house, order_id).live_number
    await confirm(house, order_id)
    await until(house, order_id, lambda: refund_of(house, order_id).live_number != first)
    await until(house, order_id, lambda: transfer_is(house, order_id, "waiting"))
    await confirm(house, order_id)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    summary = (await house.sandbox.get("/_ledger/summary")).json()
    assert (summary["transfers_accepted"]["count"], summary["transferred"]["count"]) == (2, 1)
    await expect_whole_books(house)


async def test_a_transfer_waits_for_the_next_day_where_the_quota_is_used_up_or_it_cannot_be_found(house: House) -> None:
    order_id = await house.paid_order("quota-used-up")
    await struck(house, "transfer", {"kind": "error-before", "http": 429, "code": "QUOTA_EXCEED"}, times=20)
    await struck(house, "transfer-query", {"kind": "error-before", "http": 404, "code": "NOT_FOUND"}, times=25)
    await trouble(house, order_id, SHUT)
    await asks_to_cancel(house, order_id, reason=OUT_OF_STOCK)
    await until(house, order_id, lambda: last_case(house, order_id).refund is not None)
    await house.passes(timedelta(hours=1))
    await confirm(house, order_id)
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    summary = (await house.sandbox.get("/_ledger/summary")).json()
    assert (summary["transfers_accepted"]["count"], summary["transferred"]["count"]) == (1, 1)
    await expect_whole_books(house)


async def test_a_second_card_that_takes_no_money_either_is_followed_by_a_third(house: House) -> None:
    order_id = await house.paid_order("two-cards", bank="招商银行信用卡0403")
    await trouble(house, order_id, {"kind": "status", "refund_status": "ABNORMAL"})
    await struck(house, "abnormal-refund", {"kind": "status", "refund_status": "ABNORMAL"}, times=1)
    await asks_to_cancel(house, order_id)
    for number in ("6225880000000000", "6225880000000018"):
        await until(house, order_id, lambda: refund_of(house, order_id).status == "abnormal")
        task = open_task(house, order_id)
        assert task is not None
        assert task.kind == "refund-abnormal"
        await gives_card(house, order_id, number)
        assert refund_of(house, order_id).status == "accepted"
    await until(house, order_id, lambda: house.stands(order_id) == "cancelled")
    money = await house.money(order_id)
    assert money["refund-accepted"] == money["refund-success"] == PAID
    await expect_whole_books(house)
