"""The synchronous `wechatpayv3` against a real server whose connections are cut."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from wechatpayv3 import WeChatPay, WeChatPayType

from tests.unit.sandbox.server import served
from tests.unit.sandbox.shop import text

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def address(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(keys) as address:
        yield address


def get(address: str, path: str) -> Any:
    return httpx.get(f"http://{address}{path}").raise_for_status().json()


@pytest.mark.parametrize(("kind", "known_after"), [("drop-before", 404), ("drop-after", 200)])
def test_the_synchronous_wechatpayv3_and_a_cut_connection(
    address: str, keys: Path, kind: str, known_after: int
) -> None:
    pay = WeChatPay(
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
    pay._core._gate_way = f"http://{address}"
    order = {"out_trade_no": "order-0001", "amount": {"total": 100, "currency": "CNY"}}
    assert pay.pay(description="茶叶", payer={"openid": "o1"}, **order)[0] == 200
    httpx.post(f"http://{address}/_customer/pay", json={"out_trade_no": "order-0001"}).raise_for_status()
    rule = {"call": "refund", "nth": 1, "fault": {"kind": kind}}
    httpx.post(f"http://{address}/_control/faults/rules", json=[rule]).raise_for_status()

    refund = {
        "out_refund_no": "refund-1",
        "out_trade_no": "order-0001",
        "amount": {"refund": 100, "total": 100, "currency": "CNY"},
    }
    with pytest.raises(OSError, match="without response"):
        pay.refund(**refund)
    assert pay.query_refund("refund-1")[0] == known_after
    assert pay.refund(**refund)[0] == 200
    code, body = pay.query_refund("refund-1")
    assert (code, json.loads(body)["status"]) == (200, "SUCCESS")
    assert get(address, "/_ledger/summary")["refunded"] == {"count": 1, "amount_minor": 100}
