"""Merchant transfers: reserved, confirmed by the customer or back after a day, and each number paid at most once."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from wechatpayv3.async_.type import RequestType

from sandbox.app import advance, settle, world_of
from sandbox.clock import Clock
from sandbox.errors import WechatPayError
from sandbox.limits import TRANSFERS_PER_SECOND
from tests.unit.sandbox.shop import NOTIFY, OPENID, Shop, VirtualTime

MakeShop = Callable[..., Awaitable[Shop]]
REASON = [{"info_type": "赔付原因", "info_content": "商品已售完, 原路退款不可用"}]


async def transfer(shop: Shop, number: str, amount: int = 500, **more: Any) -> tuple[int, dict[str, Any]]:
    asked = {
        "transfer_scene_id": "1011",
        "openid": OPENID,
        "transfer_remark": "订单取消退款",
        "user_recv_perception": "退款",
        "transfer_scene_report_infos": REASON,
        **more,
    }
    code, body = await shop.pay.mch_transfer_bills(out_bill_no=number, transfer_amount=amount, **asked)
    return code, json.loads(body)


async def state_of(shop: Shop, number: str) -> tuple[int, dict[str, Any]]:
    code, body = await shop.pay.mch_transfer_bills_query(out_bill_no=number)
    return code, json.loads(body)


async def confirm(shop: Shop, **named: str) -> Any:
    return await shop.http.post("/_customer/transfer/confirm", json=named)


async def test_a_transfer_from_acceptance_to_callback(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=1000)
    code, accepted = await transfer(shop, "case1")
    assert (code, accepted["state"], accepted["out_bill_no"]) == (200, "WAIT_USER_CONFIRM", "case1")
    assert set(accepted) == {"out_bill_no", "transfer_bill_no", "create_time", "state", "package_info"}
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == 500

    assert (await confirm(shop, package_info=accepted["package_info"])).status_code == 200
    await settle(shop.app)
    assert shop.receiver.events() == ["MCHTRANSFER.BILL.FINISHED"]
    heard = shop.receiver.heard[0]
    assert heard["resource_type"] == "encrypt-resource"
    assert set(heard["resource"]) == {
        *("out_bill_no", "transfer_bill_no", "state", "mch_id", "transfer_amount", "openid"),
        *("create_time", "update_time"),
    }
    assert (heard["resource"]["state"], heard["resource"]["transfer_amount"]) == ("SUCCESS", 500)
    assert (await state_of(shop, "case1"))[1]["state"] == "SUCCESS"
    code, body = await shop.pay.mch_transfer_bills_query(transfer_bill_no=accepted["transfer_bill_no"])
    assert (code, json.loads(body)["out_bill_no"]) == (200, "case1")

    again = await confirm(shop, out_bill_no="case1")
    assert (again.status_code, again.json()["detail"]["reason"]) == (409, "SUCCESS")
    sums = await shop.get(f"/_ledger/customers/{OPENID}")
    assert (sums["transferred_minor"], sums["transfers_on_their_way_minor"]) == (500, 0)
    assert await shop.get("/_ledger/check") == {"ok": True, "violations": []}


async def test_nobody_confirms_for_a_day_and_the_money_comes_back(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=500)
    await transfer(shop, "case1")
    await advance(shop.app, 24 * 3600 - 60)
    assert (await state_of(shop, "case1"))[1]["state"] == "WAIT_USER_CONFIRM"
    await advance(shop.app, 120)
    code, failed = await state_of(shop, "case1")
    assert (code, failed["state"], failed["fail_reason"]) == (200, "FAIL", "OVERDUE_CLOSE")
    assert shop.receiver.heard[0]["resource"]["fail_reason"] == "OVERDUE_CLOSE"
    summary = await shop.get("/_ledger/summary")
    assert (summary["balance_minor"], summary["transfers_returned"]["amount_minor"]) == (500, 500)
    late = await confirm(shop, out_bill_no="case1")
    assert (late.status_code, late.json()["detail"]["reason"]) == (409, "FAIL")
    assert (await shop.get("/_ledger/check"))["ok"]


async def test_the_same_number_is_the_same_transfer(shop: Shop) -> None:
    first = await transfer(shop, "case1", 200_000, user_name="张三")
    # The name is encrypted anew, so the bodies differ while the parameters do not.
    assert await transfer(shop, "case1", 200_000, user_name="张三") == first
    for change in ({"user_name": "李四"}, {"openid": "oOther"}, {"transfer_remark": "别的"}):
        code, refused = await transfer(shop, "case1", 200_000, **{"user_name": "张三", **change})
        assert (code, refused["code"]) == (400, "INVALID_REQUEST"), change
    code, refused = await transfer(shop, "case1", 200_001, user_name="张三")
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")
    assert (await shop.get("/_ledger/summary"))["transfers_accepted"] == {"count": 1, "amount_minor": 200_000}


async def test_a_short_balance_refuses_and_the_same_number_works_after_a_top_up(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=499)
    for _ in range(2):
        code, refused = await transfer(shop, "case1", 500)
        assert (code, refused["code"]) == (403, "NOT_ENOUGH")
    code, unknown = await state_of(shop, "case1")
    assert (code, unknown["code"]) == (404, "NOT_FOUND")
    kinds = [line["kind"] for line in (await shop.get("/_ledger/money"))["lines"]]
    assert kinds == ["opening", "transfer-refused"]
    await shop.control("PUT", "/balance", {"balance_minor": 500})
    assert (await transfer(shop, "case1", 500))[0] == 200
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == 0


async def test_a_cancelled_transfer_is_cancelled_a_little_later(shop: Shop) -> None:
    before = (await shop.get("/_ledger/summary"))["balance_minor"]
    await transfer(shop, "case1")
    # Not through the third-party client, see test_real_clients_money.py.
    transfers = world_of(shop.app).transfers
    mchid = world_of(shop.app).keys.mchid
    assert transfers.cancel("case1", mchid=mchid)["state"] == "CANCELING"
    await settle(shop.app)
    code, cancelled = await state_of(shop, "case1")
    assert (code, cancelled["state"], cancelled["fail_reason"]) == (200, "CANCELLED", "MCH_CANCEL")
    assert transfers.cancel("case1", mchid=mchid)["state"] == "CANCELLED"
    assert shop.receiver.heard[0]["resource"]["state"] == "CANCELLED"
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == before
    assert (await confirm(shop, out_bill_no="case1")).status_code == 409
    assert (await shop.get("/_ledger/check"))["ok"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"number": "case-1"}, "PARAM_ERROR"),
        ({"number": "c" * 33}, "PARAM_ERROR"),
        ({"transfer_remark": "长" * 33}, "PARAM_ERROR"),
        ({"notify_url": f"{NOTIFY}?a=1"}, "PARAM_ERROR"),
        ({"transfer_scene_id": "1000"}, "INVALID_REQUEST"),
        ({"user_recv_perception": "现金奖励"}, "INVALID_REQUEST"),
        ({"appid": "wx0000000000000000"}, "INVALID_REQUEST"),
        ({"transfer_scene_report_infos": [*REASON, *REASON]}, "PARAM_ERROR"),
        ({"transfer_scene_report_infos": [{"info_type": "活动名称", "info_content": "x"}]}, "PARAM_ERROR"),
        ({"transfer_scene_report_infos": [{"info_type": "赔付原因", "info_content": "长" * 33}]}, "PARAM_ERROR"),
        ({"transfer_scene_report_infos": []}, "PARAM_ERROR"),
    ],
)
async def test_a_malformed_transfer_is_refused(shop: Shop, change: dict[str, Any], code: str) -> None:
    asked = {"number": "case1", **change}
    http, refused = await transfer(shop, asked.pop("number"), **asked)
    assert (http, refused["code"]) == (400, code)
    assert (await shop.get("/_ledger/summary"))["transfers_accepted"]["count"] == 0


async def test_the_perception_may_be_left_to_its_default(shop: Shop) -> None:
    assert (await transfer(shop, "case1", user_recv_perception=None))[0] == 200
    assert (await transfer(shop, "case2", user_recv_perception="商家赔付"))[0] == 200


async def test_no_transfer_is_below_ten_fen(shop: Shop) -> None:
    code, refused = await transfer(shop, "case1", 9)
    assert (code, refused["code"]) == (400, "PARAM_ERROR")
    assert (await state_of(shop, "case1"))[0] == 404
    assert (await transfer(shop, "case1", 10))[0] == 200


async def test_the_name_is_required_for_large_and_forbidden_for_small_amounts(shop: Shop) -> None:
    world = world_of(shop.app)
    core = shop.pay._core
    body = {
        "appid": world.keys.appid,
        "out_bill_no": "case1",
        "transfer_scene_id": "1011",
        "openid": OPENID,
        "transfer_remark": "退款",
        "transfer_scene_report_infos": REASON,
    }

    async def ask(amount: int, name: str | None, *, named_key: bool = True) -> tuple[int, str]:
        more = {} if name is None else {"user_name": name}
        data = {**body, "transfer_amount": amount, **more}
        path = "/v3/fund-app/mch-transfer/transfer-bills"
        kept = core._public_key_id
        if not named_key:
            core._public_key_id = ""
        code, answer = await core.request(path, method=RequestType.POST, data=data, skip_verify=True)
        core._public_key_id = kept
        return code, json.loads(answer).get("code", "")

    assert await ask(200_000, None) == (400, "PARAM_ERROR")
    assert await ask(29, core.encrypt("张三")) == (400, "PARAM_ERROR")
    assert await ask(30, "plain text") == (400, "PARAM_ERROR")
    assert await ask(30, core.encrypt("张三"), named_key=False) == (400, "PARAM_ERROR")
    assert await ask(30, core.encrypt("张三")) == (200, "")


async def test_a_transfer_is_shown_for_thirty_days(shop: Shop) -> None:
    await transfer(shop, "case1")
    await confirm(shop, out_bill_no="case1")
    await advance(shop.app, 30 * 24 * 3600 - 60)
    assert (await state_of(shop, "case1"))[0] == 200
    await advance(shop.app, 120)
    assert (await state_of(shop, "case1"))[0] == 404


async def test_the_wrong_customer_cannot_confirm(shop: Shop) -> None:
    await transfer(shop, "case1")
    wrong = await confirm(shop, out_bill_no="case1", openid="oOther")
    assert (wrong.status_code, wrong.json()["detail"]["reason"]) == (409, "wrong-payee")
    assert (await confirm(shop, out_bill_no="case2")).status_code == 404
    assert (await shop.http.post("/_customer/transfer/confirm", json={})).status_code == 422
    assert (await confirm(shop, out_bill_no="case1", openid=OPENID)).status_code == 200


async def test_an_error_after_acceptance_leaves_a_transfer_to_be_found(shop: Shop) -> None:
    fault = {"kind": "error-after", "http": 500, "code": "SYSTEM_ERROR"}
    rule = {"call": "transfer", "match": {"out_bill_no": "case1"}, "nth": 1, "fault": fault}
    await shop.control("POST", "/faults/rules", [rule])
    assert (await transfer(shop, "case1"))[0] == 500
    assert (await state_of(shop, "case1"))[1]["state"] == "WAIT_USER_CONFIRM"
    assert (await transfer(shop, "case1"))[0] == 200
    assert (await shop.get("/_ledger/summary"))["transfers_accepted"]["count"] == 1


async def test_the_check_sees_wrong_transfers(shop: Shop) -> None:
    ledger = world_of(shop.app).ledger
    for kind, amount in (
        ("transfer-accepted", 1),
        ("transfer-accepted", 1),
        ("transfer-success", 1),
        ("transfer-success", 2),
        ("transfer-returned", 1),
    ):
        ledger.money(kind, amount, out_bill_no="case1", openid=OPENID)
    found = {(item["rule"], item["subject"]) for item in (await shop.get("/_ledger/check"))["violations"]}
    assert found == {
        ("a transfer number was accepted more than once", "case1"),
        ("a transfer number was paid more than once", "case1"),
        ("a transfer ended that was not accepted with the same amount", "case1"),
        ("a transfer both was paid and came back", "case1"),
        ("money came in that is nowhere", "all"),
    }


# ── more states ──────────────────────────────────────────────────────────────────────────────────────────────────────
async def states(shop: Shop, **named: Any) -> None:
    await shop.control("POST", "/faults/rules", [{"call": "transfer", "fault": {"kind": "states", **named}}])


async def test_one_that_is_accepted_is_offered_a_little_later(shop: Shop) -> None:
    await states(shop, first_state="ACCEPTED", settle_seconds=30)
    _, accepted = await transfer(shop, "case1")
    assert (accepted["state"], "package_info" in accepted) == ("ACCEPTED", False)
    assert (await confirm(shop, out_bill_no="case1")).status_code == 409
    await advance(shop.app, 31)
    assert (await transfer(shop, "case1"))[1]["state"] == "WAIT_USER_CONFIRM"
    await advance(shop.app, 24 * 3600)
    assert (await state_of(shop, "case1"))[1]["fail_reason"] == "OVERDUE_CLOSE"
    assert shop.receiver.events() == ["MCHTRANSFER.BILL.FINISHED"]
    assert (await shop.get("/_ledger/check"))["ok"]


async def test_one_that_is_processing_goes_on_when_it_is_asked_for_again(shop: Shop) -> None:
    await states(shop, first_state="PROCESSING")
    assert (await transfer(shop, "case1"))[1]["state"] == "PROCESSING"
    await advance(shop.app, 3600)
    assert (await state_of(shop, "case1"))[1]["state"] == "PROCESSING"
    code, again = await transfer(shop, "case1")
    assert (code, again["state"], "package_info" in again) == (200, "WAIT_USER_CONFIRM", True)
    assert (await shop.get("/_ledger/summary"))["transfers_accepted"]["count"] == 1
    await transfer(shop, "case2")
    await advance(shop.app, 24 * 3600)
    assert (await state_of(shop, "case2"))[1]["fail_reason"] == "OVERDUE_CLOSE"


async def test_a_confirmed_one_is_under_way_and_may_fail_and_is_not_cancelled_any_more(shop: Shop) -> None:
    before = (await shop.get("/_ledger/summary"))["balance_minor"]
    await states(shop, sending_seconds=60, fail_reason="PAYEE_ACCOUNT_ABNORMAL")
    await transfer(shop, "case1")
    assert (await confirm(shop, out_bill_no="case1")).json()["state"] == "TRANSFERING"
    world = world_of(shop.app)
    with pytest.raises(WechatPayError, match="INVALID_REQUEST"):
        world.transfers.cancel("case1", mchid=world.keys.mchid)
    await advance(shop.app, 61)
    _, failed = await state_of(shop, "case1")
    assert (failed["state"], failed["fail_reason"]) == ("FAIL", "PAYEE_ACCOUNT_ABNORMAL")
    assert shop.receiver.heard[0]["resource"]["state"] == "FAIL"
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == before
    assert await shop.get("/_ledger/check") == {"ok": True, "violations": []}


async def test_a_confirmed_one_may_take_its_time(shop: Shop) -> None:
    await states(shop, sending_seconds=60)
    await transfer(shop, "case1")
    await confirm(shop, out_bill_no="case1")
    await advance(shop.app, 61)
    assert (await state_of(shop, "case1"))[1]["state"] == "SUCCESS"


async def test_a_states_fault_names_what_happens_to_a_transfer(shop: Shop) -> None:
    empty = {"call": "transfer", "fault": {"kind": "states"}}
    elsewhere = {"call": "refund", "fault": {"kind": "states", "first_state": "ACCEPTED"}}
    beside = {"call": "transfer", "fault": {"kind": "error-before", "fail_reason": "X"}}
    for rule in (empty, elsewhere, beside):
        answer = await shop.http.post("/_control/faults/rules", json=[rule])
        assert answer.status_code == 422, rule


async def test_a_hundred_and_one_transfers_in_one_second_are_one_too_many(make_shop: MakeShop) -> None:
    shop = await make_shop(clock=Clock(VirtualTime(time.time())), enforce_rate_limits=True)
    world = world_of(shop.app)
    for _ in range(TRANSFERS_PER_SECOND):
        with world.limits.transfer(world.keys.mchid):
            pass
    code, refused = await transfer(shop, "case1")
    assert (code, refused["code"]) == (429, "FREQUENCY_LIMITED")
    assert (await state_of(shop, "case1"))[0] == 404
