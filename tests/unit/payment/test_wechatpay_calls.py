"""Abnormal refunds, transfers and service-provider mode: what is sent, and what an answer means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from wechatpayv3.utils import rsa_decrypt, rsa_verify

from services.payment.keyfolder import KeyFolder
from services.payment.shown import SealedCard
from services.payment.wechatpay import NoAnswer, Refused, WechatPay
from tests.unit.payment.given import ORDER, fen, number, refund_document
from tests.unit.payment.key_files import Ticks, copied
from tests.unit.payment.provider import SHOP, Provider, private_key, text

SUB_MCHID, SUB_APPID = "1900000222", "wxsub0000000000000"


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


# ── abnormal refunds ─────────────────────────────────────────────────────────────────────────────────────────────────
async def test_another_card_is_sent_so_that_only_the_provider_can_read_it(provider: Provider) -> None:
    client = provider.client()
    account, name = client.encrypt("6225760000000403"), client.encrypt("张三")
    card = SealedCard(
        serial=account.serial, bank_type="CMB_DEBIT", bank_account=account.ciphertext, real_name=name.ciphertext
    )
    provider.script = [provider.says(200, refund_document())]
    shown = await client.abnormal_refund("50300000000000000000000000001", number(), card)
    assert (shown.out_refund_no, shown.status) == (number(), "PROCESSING")
    (request,) = provider.asked
    path = "/v3/refund/domestic/refunds/50300000000000000000000000001/apply-abnormal-refund"
    assert (request.method, request.url.path) == ("POST", path)
    body = provider.body()
    assert rsa_decrypt(body.pop("bank_account"), private_key(provider.keys)) == "6225760000000403"
    assert rsa_decrypt(body.pop("real_name"), private_key(provider.keys)) == "张三"
    assert body == {"out_refund_no": number(), "type": "USER_BANK_CARD", "bank_type": "CMB_DEBIT"}


async def test_the_header_names_the_key_a_card_was_sealed_with(provider: Provider) -> None:
    card = SealedCard(serial="AN_EARLIER_KEY", bank_type="CMB_DEBIT", bank_account="a", real_name="b")
    provider.script = [provider.refuses(400, "PARAM_ERROR")]
    with pytest.raises(Refused) as caught:
        await provider.client().abnormal_refund("503", number(), card)
    assert caught.value.code == "PARAM_ERROR"
    assert provider.asked[0].headers["wechatpay-serial"] == "AN_EARLIER_KEY"


def test_the_same_text_is_sealed_differently_each_time(provider: Provider) -> None:
    client = provider.client()
    assert client.encrypt("张三").ciphertext != client.encrypt("张三").ciphertext
    with pytest.raises(ValueError, match="Encryption failed"):
        client.encrypt("三" * 100)


# ── transfers ────────────────────────────────────────────────────────────────────────────────────────────────────────
BILL = "abc123"


def transfer_document(**more: Any) -> dict[str, Any]:
    return {
        "out_bill_no": BILL,
        "transfer_bill_no": "1330000071100999991182020050700019480001",
        "create_time": "2026-11-01T20:00:00+08:00",
        "state": "WAIT_USER_CONFIRM",
        "package_info": "affffddafdfafddffda==",
        **more,
    }


async def test_a_transfer_is_of_the_scene_made_for_it(provider: Provider) -> None:
    provider.script = [provider.says(200, transfer_document())]
    shown = await provider.client().transfer(BILL, "openid-1", fen(4_000), "商品缺货")
    assert (shown.state, shown.package_info) == ("WAIT_USER_CONFIRM", "affffddafdfafddffda==")
    assert (provider.asked[0].method, provider.asked[0].url.path) == (
        "POST",
        "/v3/fund-app/mch-transfer/transfer-bills",
    )
    assert provider.body() == {
        "appid": text(provider.keys, "appid.txt"),
        "out_bill_no": BILL,
        "transfer_scene_id": "1011",
        "openid": "openid-1",
        "transfer_amount": 4_000,
        "transfer_remark": "商品缺货",
        "notify_url": f"{SHOP}/callbacks/wechat/transfer",
        "user_recv_perception": "退款",
        "transfer_scene_report_infos": [{"info_type": "赔付原因", "info_content": "商品缺货"}],
    }


@pytest.mark.parametrize(("reason", "told"), [("缺" * 40, "缺" * 32), ("  ", "订单退款")])
async def test_a_reason_fits_the_fields_it_goes_into(provider: Provider, reason: str, told: str) -> None:
    provider.script = [provider.says(200, transfer_document())]
    await provider.client().transfer(BILL, "openid-1", fen(4_000), reason)
    body = provider.body()
    assert (body["transfer_remark"], body["transfer_scene_report_infos"][0]["info_content"]) == (told, told)


async def test_a_transfer_is_asked_for_by_our_number(provider: Provider) -> None:
    found = transfer_document(state="FAIL", fail_reason="ACCOUNT_FROZEN", transfer_amount=4_000, openid="openid-1")
    provider.script = [provider.says(200, found), provider.refuses(404, "NOT_FOUND")]
    shown = await provider.client().query_transfer(BILL)
    assert (shown.state, shown.fail_reason, shown.transfer_amount) == ("FAIL", "ACCOUNT_FROZEN", 4_000)
    assert provider.asked[0].url.path == f"/v3/fund-app/mch-transfer/transfer-bills/out-bill-no/{BILL}"
    with pytest.raises(Refused) as caught:
        await provider.client().query_transfer(BILL)
    assert (caught.value.http, caught.value.code) == (404, "NOT_FOUND")


async def test_a_state_nobody_knows_is_no_answer(provider: Provider) -> None:
    provider.script = [provider.says(200, transfer_document(state="LOST"))]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().query_transfer(BILL)
    assert caught.value.code == "UNREADABLE"


# ── service-provider mode ────────────────────────────────────────────────────────────────────────────────────────────
def partner(provider: Provider, folder: Path, *, own_app: bool = False) -> WechatPay:
    """A client that acts for a sub-merchant."""
    copied(provider.keys, folder)
    (folder / "sub-mchid.txt").write_text(SUB_MCHID)
    if own_app:
        (folder / "sub-appid.txt").write_text(SUB_APPID)
    return provider.client(KeyFolder(folder, Ticks()))


@pytest.mark.parametrize("own_app", [False, True])
async def test_a_service_provider_orders_a_payment_for_its_sub_merchant(
    provider: Provider, tmp_path: Path, own_app: bool
) -> None:
    client = partner(provider, tmp_path, own_app=own_app)
    provider.script = [provider.says(200, {"prepay_id": "wx1"})]
    await client.prepay(ORDER, "openid-1", fen(1), "茶")
    assert provider.asked[0].url.path == "/v3/pay/partner/transactions/jsapi"
    appid, mchid = text(provider.keys, "appid.txt"), text(provider.keys, "mchid.txt")
    app = (
        {"sub_appid": SUB_APPID, "payer": {"sub_openid": "openid-1"}}
        if own_app
        else {"payer": {"sp_openid": "openid-1"}}
    )
    assert provider.body() == {
        "sp_appid": appid,
        "sp_mchid": mchid,
        "sub_mchid": SUB_MCHID,
        "description": "茶",
        "out_trade_no": ORDER,
        "notify_url": f"{SHOP}/callbacks/wechat/pay",
        "amount": {"total": 1, "currency": "CNY"},
        **app,
    }
    ticket = client.ticket("wx1")
    public = load_pem_public_key(text(provider.keys, "merchant-public.pem").encode())
    lines = f"{SUB_APPID if own_app else appid}\n{ticket['timeStamp']}"
    assert rsa_verify(lines, ticket["nonceStr"], ticket["package"], ticket["paySign"], public)


async def test_a_service_provider_asks_closes_and_refunds_for_its_sub_merchant(
    provider: Provider, tmp_path: Path
) -> None:
    client = partner(provider, tmp_path)
    mchid = text(provider.keys, "mchid.txt")
    trade = {"out_trade_no": ORDER, "trade_state": "SUCCESS", "sp_mchid": mchid, "sub_mchid": SUB_MCHID}
    refund = refund_document()
    provider.script = [provider.says(200, trade), provider.says(204), *(provider.says(200, refund) for _ in range(3))]

    def sent() -> str:
        return provider.asked[-1].url.raw_path.decode()

    found = await client.query_payment(ORDER)
    assert (found.sp_mchid, found.sub_mchid, found.is_paid) == (mchid, SUB_MCHID, True)
    trades = f"/v3/pay/partner/transactions/out-trade-no/{ORDER}"
    assert sent() == f"{trades}?sp_mchid={mchid}&sub_mchid={SUB_MCHID}"
    await client.close(ORDER)
    assert (sent(), provider.body()) == (f"{trades}/close", {"sp_mchid": mchid, "sub_mchid": SUB_MCHID})
    await client.refund(number(), ORDER, fen(4_000), fen(10_000), "")
    assert (sent(), provider.body()["sub_mchid"]) == ("/v3/refund/domestic/refunds", SUB_MCHID)
    await client.query_refund(number())
    assert sent() == f"/v3/refund/domestic/refunds/{number()}?sub_mchid={SUB_MCHID}"
    await client.abnormal_refund(
        "503", number(), SealedCard(serial="S", bank_type="B", bank_account="a", real_name="n")
    )
    assert provider.body()["sub_mchid"] == SUB_MCHID


async def test_a_service_provider_pays_no_transfer_out_of_its_own_pocket(provider: Provider, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        await partner(provider, tmp_path).transfer(BILL, "openid-1", fen(4_000), "")
    assert (caught.value.code, provider.asked) == ("NO_AUTH", [])


async def test_so_there_is_none_of_it_and_the_provider_need_not_let_it_look(provider: Provider, tmp_path: Path) -> None:
    """Asked, it may answer NO_AUTH, which says nothing about a transfer: the refund would be looked for for ever."""
    provider.script = [provider.refuses(403, "NO_AUTH")]
    with pytest.raises(Refused) as caught:
        await partner(provider, tmp_path).query_transfer(BILL)
    assert (caught.value.http, caught.value.code, provider.asked) == (404, "NOT_FOUND", [])


def test_what_the_provider_shows_is_ours_or_not(provider: Provider, tmp_path: Path) -> None:
    mchid = text(provider.keys, "mchid.txt")
    client, acting = provider.client(), partner(provider, tmp_path)
    own, sub = {"mchid": mchid}, {"sp_mchid": mchid, "sub_mchid": SUB_MCHID}
    assert [client.owns(own), client.owns(sub), client.owns({"mchid": "1"}), client.owns({})] == [True, *[False] * 3]
    assert not client.owns({**own, "appid": "wx-of-somebody"})
    other = {"sp_mchid": mchid, "sub_mchid": "1900000333"}
    assert [acting.owns(sub), acting.owns(own), acting.owns(other), acting.owns({})] == [True, *[False] * 3]
