"""Our client against the stand-in for WeChat Pay, which was written apart from it: every mode, every call."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from chassis import clock
from contracts.message import CaseId
from contracts.zone import CHINA
from sandbox.app import advance, close, create_app, settle
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings
from services.payment.bills import read_fund_bill, read_trade_bill
from services.payment.keyfolder import KeyFolder
from services.payment.model import payout_number, refund_number
from services.payment.shown import SealedCard
from services.payment.wechatpay import BadSignature, Callback, NoAnswer, Refused, WechatPay, http_client
from tests.unit.payment.given import fen
from tests.unit.payment.key_files import copied

SANDBOX = "http://sandbox.test"
SUB_MCHID = "1900000777"
REFUND = refund_number(CaseId("CASE-OF-SANDBOX"), 1)
BILL = payout_number("CASE-OF-SANDBOX", 1)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of three merchants: one of its own, one more shop, one service provider."""
    folder = tmp_path_factory.mktemp("many")
    make_keys(folder, ("tea", "partner"), (SUB_MCHID,))
    (folder / "merchants" / "partner" / "sub-mchid.txt").write_text(SUB_MCHID)
    return folder


@dataclass
class Outside:
    """The stand-in, a way to reach it as each shop, and what it called back with."""

    app: FastAPI
    http: httpx.AsyncClient
    keys: Path
    delivered: list[tuple[str, httpx.Headers, bytes]] = field(default_factory=list)

    def shop(self, name: str = "", folder: Path | None = None) -> WechatPay:
        own = folder or (self.keys / "merchants" / name if name else self.keys)
        return WechatPay(self.http, KeyFolder(own), "http://front.test", clock.now, shop=name)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def paid(self, shop: WechatPay) -> str:
        """A paid order of 100 yuan; its number."""
        number = f"ORDER{secrets.token_hex(10)}"
        await shop.prepay(number, "openid-1", fen(10_000), "茶叶")
        mchid = shop.merchant.mchid
        await self.control("POST", "/_customer/pay", {"out_trade_no": number, "mchid": mchid})
        await settle(self.app)
        return number

    async def opened(self, shop: WechatPay) -> tuple[str, Callback]:
        """The path and the content of the last callback."""
        path, headers, raw = self.delivered[-1]
        return path, await shop.open_callback(headers, raw)


@pytest.fixture
async def outside(many: Path) -> AsyncIterator[Outside]:
    front = FastAPI()
    deliveries = httpx.AsyncClient(transport=httpx.ASGITransport(front))
    app = create_app(SandboxSettings(keys_dir=many), callback_client=deliveries)
    async with http_client(SANDBOX, httpx.ASGITransport(app)) as http, deliveries:
        found = Outside(app, http, many)

        @front.post("/{path:path}")
        async def called_back(path: str, request: Request) -> Response:
            found.delivered.append((f"/{path}", httpx.Headers(request.headers.raw), await request.body()))
            return Response(status_code=204)

        yield found
    await close(app)


@pytest.mark.parametrize("name", ["", "tea", "partner"])
async def test_every_merchant_is_paid_and_pays_back(outside: Outside, name: str) -> None:
    shop = outside.shop(name)
    number = await outside.paid(shop)
    behind = f"/{name}" if name else ""
    path, callback = await outside.opened(shop)
    assert (path, callback.event_type) == (f"/callbacks/wechat/pay{behind}", "TRANSACTION.SUCCESS")
    assert shop.owns(callback.resource)
    assert (await shop.query_payment(number)).is_paid
    refunded = await shop.refund(REFUND, number, fen(4_000), fen(10_000), "商品缺货")
    assert refunded.out_refund_no == REFUND
    await settle(outside.app)
    path, callback = await outside.opened(shop)
    assert (path, callback.event_type) == (f"/callbacks/wechat/refund{behind}", "REFUND.SUCCESS")
    assert shop.owns(callback.resource)
    assert (await shop.query_refund(REFUND)).status == "SUCCESS"
    with pytest.raises(Refused):
        await shop.close(number)


async def test_one_merchants_orders_are_not_anothers(outside: Outside) -> None:
    number = await outside.paid(outside.shop())
    _, callback = await outside.opened(outside.shop())
    for name in ("tea", "partner"):
        assert not outside.shop(name).owns(callback.resource)
        with pytest.raises(Refused) as caught:
            await outside.shop(name).query_payment(number)
        assert caught.value.http == 404


@pytest.mark.parametrize("mode", ["certificate", "both"])
async def test_platform_certificates_and_their_rotation(outside: Outside, tmp_path: Path, mode: str) -> None:
    await outside.control("PUT", "/_control/signing", {"mode": mode})
    folder = copied(outside.keys, tmp_path)
    if mode == "certificate":
        for name in ("wechatpay-public.pem", "wechatpay-serial.txt"):
            (folder / name).unlink()
    shop = outside.shop(folder=folder)
    number = await outside.paid(shop)
    await outside.opened(shop)
    await outside.control("POST", "/_control/certificates/rotate")
    assert (await shop.query_payment(number)).is_paid
    await shop.refund(REFUND, number, fen(4_000), fen(10_000), "")
    await settle(outside.app)
    assert (await outside.opened(shop))[1].event_type == "REFUND.SUCCESS"


async def test_a_certificate_that_was_replaced_unseen_stands_in_nobodys_way(outside: Outside, tmp_path: Path) -> None:
    await outside.control("PUT", "/_control/signing", {"mode": "certificate"})
    folder = copied(outside.keys, tmp_path)
    for name in ("wechatpay-public.pem", "wechatpay-serial.txt"):
        (folder / name).unlink()
    shop = outside.shop(folder=folder)
    number = await outside.paid(shop)
    await outside.opened(shop)
    await outside.control("POST", "/_control/certificates/rotate")
    await advance(outside.app, 25 * 3600)  # a day later the one that we know is not listed any more
    assert (await shop.refund(REFUND, number, fen(4_000), fen(10_000), "")).status == "PROCESSING"
    await settle(outside.app)
    assert (await outside.opened(shop))[1].event_type == "REFUND.SUCCESS"


async def test_an_account_of_the_public_key_lists_no_certificates(outside: Outside) -> None:
    assert not await outside.shop().refresh_certificates()


async def test_probes_are_refused(outside: Outside) -> None:
    shop = outside.shop()
    number = await outside.paid(shop)
    await outside.control("PUT", "/_control/signing", {"probe_share": 1.0})
    with pytest.raises(NoAnswer) as caught:
        await shop.query_payment(number)
    assert caught.value.code == "UNVERIFIED"
    await outside.control("PUT", "/_control/signing", {"probe_share": 0.0})
    assert (await shop.query_payment(number)).is_paid
    headers = {**outside.delivered[-1][1], "wechatpay-signature": "WECHATPAY/SIGNTEST/abc"}
    with pytest.raises(BadSignature) as probe:
        await shop.open_callback(headers, outside.delivered[-1][2])
    assert probe.value.is_probe


async def test_a_long_name_can_be_paid(outside: Outside) -> None:
    shop = outside.shop()
    number = f"ORDER{secrets.token_hex(10)}"
    assert await shop.prepay(number, "openid-1", fen(10_000), "明前特级西湖龙井茶叶" * 12)


async def test_an_abnormal_refund_goes_to_another_card(outside: Outside) -> None:
    shop = outside.shop()
    number = await outside.paid(shop)
    rule = {"call": "refund", "nth": 1, "fault": {"kind": "status", "refund_status": "ABNORMAL"}}
    await outside.control("POST", "/_control/faults/rules", [rule])
    await shop.refund(REFUND, number, fen(4_000), fen(10_000), "")
    await settle(outside.app)
    abnormal = await shop.query_refund(REFUND)
    assert abnormal.status == "ABNORMAL"
    account, name = shop.encrypt("6225760000000403"), shop.encrypt("张三")
    card = SealedCard(
        serial=account.serial, bank_type="CMB_DEBIT", bank_account=account.ciphertext, real_name=name.ciphertext
    )
    assert (await shop.abnormal_refund(abnormal.refund_id, REFUND, card)).status == "PROCESSING"
    await settle(outside.app)
    arrived = await shop.query_refund(REFUND)
    assert (arrived.status, arrived.user_received_account[-4:]) == ("SUCCESS", "0403")


async def test_no_emoji_stands_in_the_way_of_money(outside: Outside) -> None:
    shop = outside.shop("tea")
    assert await shop.prepay(f"ORDER{secrets.token_hex(10)}", "openid-1", fen(10_000), "🍵明前🍵龙井")
    assert await shop.prepay(f"ORDER{secrets.token_hex(10)}", "openid-1", fen(10_000), "🍵")
    number = await outside.paid(shop)
    assert (await shop.refund(f"{REFUND}0", number, fen(4_000), fen(10_000), "🍵")).status == "PROCESSING"
    assert (await shop.transfer(f"{BILL[1:]}0", "openid-1", fen(4_000), "缺货😢")).state == "WAIT_USER_CONFIRM"


async def test_a_transfer_is_confirmed_by_the_customer(outside: Outside) -> None:
    shop = outside.shop("tea")
    await outside.paid(shop)
    asked = await shop.transfer(BILL, "openid-1", fen(4_000), "商品缺货")
    assert asked.state == "WAIT_USER_CONFIRM"
    assert (await shop.transfer(BILL, "openid-1", fen(4_000), "商品缺货")).transfer_bill_no == asked.transfer_bill_no
    await outside.control("POST", "/_customer/transfer/confirm", {"package_info": asked.package_info})
    await settle(outside.app)
    shown = await shop.query_transfer(BILL)
    assert (shown.state, shown.transfer_amount, shown.openid) == ("SUCCESS", 4_000, "openid-1")
    path, callback = await outside.opened(shop)
    assert (path, callback.event_type) == ("/callbacks/wechat/transfer/tea", "MCHTRANSFER.BILL.FINISHED")
    assert callback.resource["mch_id"] == shop.merchant.mchid
    with pytest.raises(Refused) as caught:
        await shop.query_transfer("unknown1")
    assert (caught.value.http, caught.value.code) == (404, "NOT_FOUND")


async def test_a_transfer_is_taken_back_before_the_customer_confirms(outside: Outside) -> None:
    shop = outside.shop("tea")
    await outside.paid(shop)
    asked = await shop.transfer(BILL, "openid-1", fen(4_000), "商品缺货")
    assert (await shop.cancel_transfer(BILL)).state == "CANCELING"
    await settle(outside.app)
    shown = await shop.query_transfer(BILL)
    assert (shown.state, shown.fail_reason) == ("CANCELLED", "MCH_CANCEL")
    assert (await shop.cancel_transfer(BILL)).state == "CANCELLED", "asked twice does no harm"
    confirmed = await outside.http.post("/_customer/transfer/confirm", json={"package_info": asked.package_info})
    assert confirmed.status_code == 409
    with pytest.raises(Refused) as caught:
        await shop.cancel_transfer("unknown1")
    assert (caught.value.http, caught.value.code) == (404, "NOT_FOUND")


async def test_bills_of_a_day(outside: Outside) -> None:
    shop = outside.shop()
    number = await outside.paid(shop)
    await shop.refund(REFUND, number, fen(4_000), fen(10_000), "")
    await settle(outside.app)
    paid_at = (await shop.query_payment(number)).success_time
    assert paid_at is not None
    day = paid_at.astimezone(CHINA).date()
    await advance(outside.app, 36 * 3600.0)
    trades = read_trade_bill(await shop.trade_bill(day, "ALL"))
    assert {line.order_id for line in trades} == {number}
    assert len(read_fund_bill(await shop.fund_flow_bill(day, "BASIC"))) >= 2
    await outside.control("PUT", "/_control/bills", {"wrong_hash": True})
    with pytest.raises(NoAnswer) as caught:
        await shop.trade_bill(day, "ALL")
    assert caught.value.code == "UNVERIFIED"
