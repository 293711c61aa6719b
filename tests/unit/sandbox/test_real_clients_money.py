"""`wechatpayv3` 2.0.4, synchronous against a real server and asynchronous: abnormal refunds, transfers and bills.

Where the client does not keep the provider's rules, its defect is asserted: a new version that mends it is noticed.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from wechatpayv3 import WeChatPay, WeChatPayType

from sandbox.bill_lines import china_day, china_midnight
from tests.unit.sandbox.server import served
from tests.unit.sandbox.shop import OPENID, Shop, text

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
TRANSFER: dict[str, Any] = {
    "transfer_amount": 200_000,
    "transfer_scene_id": "1011",
    "openid": OPENID,
    "user_name": "张三",
    "transfer_remark": "订单取消退款",
    "user_recv_perception": "商家赔付",
    "transfer_scene_report_infos": [{"info_type": "赔付原因", "info_content": "商品已售完"}],
}


@pytest.fixture
def address(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(keys, enforce_refund_spacing=False) as address:
        yield address


@pytest.fixture
def pay(keys: Path, address: str) -> Any:
    """The synchronous client, configured as its own documentation says, in public-key mode."""
    client = WeChatPay(
        wechatpay_type=WeChatPayType.MINIPROG,
        mchid=text(keys, "mchid.txt"),
        private_key=text(keys, "merchant-private.pem"),
        cert_serial_no=text(keys, "merchant-serial.txt"),
        appid=text(keys, "appid.txt"),
        apiv3_key=text(keys, "apiv3-key.txt"),
        notify_url="http://127.0.0.1:9/nobody",
        public_key=text(keys, "wechatpay-public.pem"),
        public_key_id=text(keys, "wechatpay-serial.txt"),
        timeout=5,
    )
    client._core._gate_way = f"http://{address}"
    return client


def call(address: str, method: str, path: str, body: Any = None) -> Any:
    return httpx.request(method, f"http://{address}{path}", json=body).raise_for_status().json()


def paid(address: str, pay: Any, number: str) -> None:
    order = {"out_trade_no": number, "amount": {"total": 100, "currency": "CNY"}, "payer": {"openid": OPENID}}
    assert pay.pay(description="茶叶", **order)[0] == 200
    call(address, "POST", "/_customer/pay", {"out_trade_no": number})


def refund(pay: Any, number: str, order: str) -> tuple[int, Any]:
    amount = {"refund": 100, "total": 100, "currency": "CNY"}
    code, body = pay.refund(out_refund_no=number, out_trade_no=order, amount=amount)
    return code, json.loads(body)


def pass_to(address: str, moment: float) -> None:
    """Let business time pass until a moment."""
    now = now_of(address)
    call(address, "POST", "/_control/clock", {"advance_seconds": moment - now})


def now_of(address: str) -> float:
    return datetime.fromisoformat(call(address, "GET", "/_control/clock")["now"]).timestamp()


def test_the_synchronous_client_sends_an_abnormal_refund_to_a_card(address: str, pay: Any) -> None:
    paid(address, pay, "order-0001")
    rule = {"call": "refund", "fault": {"kind": "status", "refund_status": "ABNORMAL"}}
    call(address, "POST", "/_control/faults/rules", [rule])
    _, accepted = refund(pay, "refund-1", "order-0001")
    code, body = pay.abnormal_refund(
        refund_id=accepted["refund_id"],
        out_refund_no="refund-1",
        type="USER_BANK_CARD",
        bank_type="ICBC_DEBIT",
        bank_account="6222021234567890123",
        real_name="张三",
    )
    assert (code, json.loads(body)["user_received_account"]) == (200, "工商银行借记卡0123")
    call(address, "POST", "/_control/settle")
    assert json.loads(pay.query_refund("refund-1")[1])["status"] == "SUCCESS"
    assert call(address, "GET", "/_ledger/summary")["refunded"] == {"count": 1, "amount_minor": 100}


def test_the_synchronous_client_transfers_and_cancels(address: str, pay: Any) -> None:
    code, body = pay.mch_transfer_bills(out_bill_no="case1", **TRANSFER)
    accepted = json.loads(body)
    assert (code, accepted["state"]) == (200, "WAIT_USER_CONFIRM")
    call(address, "POST", "/_customer/transfer/confirm", {"package_info": accepted["package_info"]})
    code, body = pay.mch_transfer_bills_query(transfer_bill_no=accepted["transfer_bill_no"])
    assert (code, json.loads(body)["state"]) == (200, "SUCCESS")
    code, body = pay.mch_transfer_bills_cancel("case1")
    assert (code, json.loads(body)["code"]) == (400, "INVALID_REQUEST")

    assert pay.mch_transfer_bills(out_bill_no="case2", **TRANSFER)[0] == 200
    code, body = pay.mch_transfer_bills_cancel("case2")
    assert (code, json.loads(body)["state"]) == (200, "CANCELING")
    call(address, "POST", "/_control/settle")
    assert json.loads(pay.mch_transfer_bills_query(out_bill_no="case2")[1])["state"] == "CANCELLED"
    assert call(address, "GET", "/_ledger/summary")["transferred"] == {"count": 1, "amount_minor": 200_000}
    assert call(address, "GET", "/_ledger/check")["ok"]


def test_the_synchronous_client_downloads_bills(address: str, pay: Any) -> None:
    pass_to(address, china_midnight(china_day(now_of(address))) + 36 * 3600)
    day = china_day(now_of(address))
    paid(address, pay, "order-0001")
    assert refund(pay, "refund-1", "order-0001")[0] == 200
    pass_to(address, china_midnight(day) + 34 * 3600)
    for ask in (pay.trade_bill, pay.fundflow_bill):
        code, body = ask(bill_date=day)
        assert code == 200, body
        link = json.loads(body)
        code, content = pay.download_bill(link["download_url"])
        plain = gzip.decompress(content)
        assert hashlib.sha1(plain, usedforsecurity=False).hexdigest() == link["hash_value"]
        assert b"`refund-1" in plain


async def test_the_asynchronous_client_cannot_cancel_a_transfer(shop: Shop) -> None:
    assert (await shop.pay.mch_transfer_bills(out_bill_no="case1", **TRANSFER))[0] == 200
    # Its defect: it sends the body `null` and signs an empty one. The synchronous client sends none.
    code, body = await shop.pay.mch_transfer_bills_cancel("case1")
    assert (code, json.loads(body)["code"]) == (401, "SIGN_ERROR")


async def test_the_client_hides_a_name_below_thirty_fen(shop: Shop) -> None:
    # Its defect: the document forbids the name there, and instead of saying so the client leaves it out.
    code, body = await shop.pay.mch_transfer_bills(out_bill_no="case1", **{**TRANSFER, "transfer_amount": 29})
    assert (code, json.loads(body)["state"]) == (200, "WAIT_USER_CONFIRM")
    with pytest.raises(Exception, match="user_name is not assigned"):
        await shop.pay.mch_transfer_bills(out_bill_no="case2", **{**TRANSFER, "user_name": None})


async def test_the_client_lets_an_abnormal_refund_go_without_a_card(shop: Shop) -> None:
    # Its defect: what USER_BANK_CARD requires is not checked, so the refusal costs a call.
    code, body = await shop.pay.abnormal_refund(
        refund_id="50300000000000000000000000000", out_refund_no="refund-1", type="USER_BANK_CARD"
    )
    assert (code, json.loads(body)["code"]) == (400, "PARAM_ERROR")
