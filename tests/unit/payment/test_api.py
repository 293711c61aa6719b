"""The doors of the payment service: the customer starts to pay, the provider calls back, operators look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from chassis.memory import MemoryStore
from chassis.record import Record
from contracts.payment import PaymentReceived
from services.payment.api import SUMS
from services.payment.callbacks import CALLBACK_BYTES_MAX
from services.payment.keyfolder import KeyFolder
from tests.unit.payment.given import (
    NOON,
    ORDER,
    PAID_FEN,
    close_payment,
    fen,
    open_payment,
    refund_document,
    refund_payment,
    trade,
)
from tests.unit.payment.key_files import copied
from tests.unit.payment.provider import Provider, text
from tests.unit.payment.shop import Clock, Shop
from tests.unit.payment.test_payouts import waiting

PREPAY = f"/payments/{ORDER}/prepay"


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


@pytest.fixture
async def shop(provider: Provider) -> AsyncIterator[Shop]:
    shop = Shop(provider.client(), Clock(NOON))
    yield shop
    await shop.http.aclose()


def pay_resource(provider: Provider, **more: Any) -> dict[str, Any]:
    ours = {"mchid": text(provider.keys, "mchid.txt"), "appid": text(provider.keys, "appid.txt")}
    return {**trade().model_dump(mode="json"), **ours, **more}


def refund_resource(provider: Provider, status: str, **more: Any) -> dict[str, Any]:
    document = refund_document(status, **more)
    document["refund_status"] = document.pop("status")
    del document["amount"]["currency"]
    return {**document, "mchid": text(provider.keys, "mchid.txt")}


async def call_back(
    shop: Shop, provider: Provider, where: str, event: str, resource: dict[str, Any], id: str = "EV-1"
) -> httpx.Response:
    raw = provider.callback(event, resource, id)
    return await shop.http.post(f"/callbacks/{where}", content=raw, headers=provider.headers(raw))


async def paid(shop: Shop, provider: Provider) -> None:
    await shop.hear(open_payment())
    answer = await call_back(shop, provider, "pay", "TRANSACTION.SUCCESS", pay_resource(provider), "EV-0")
    assert answer.status_code == 204


# ── prepay ───────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_the_customer_gets_everything_the_phone_needs(shop: Shop, provider: Provider) -> None:
    await shop.hear(open_payment())
    provider.script = [provider.says(200, {"prepay_id": "wx1"})]
    answer = await shop.http.post(PREPAY)
    assert answer.status_code == 200
    assert set(answer.json()) == {
        "prepay_id", "out_trade_no", "timeStamp", "nonceStr", "package", "signType", "paySign",
    }  # fmt: skip
    assert (answer.json()["prepay_id"], answer.json()["out_trade_no"]) == ("wx1", ORDER)
    payment = await shop.payment()
    assert (payment.prepay_id, payment.prepay_requested_at) == ("wx1", NOON)


async def test_a_second_try_uses_the_same_prepay_id_without_a_call_until_it_is_old(
    shop: Shop, provider: Provider
) -> None:
    await shop.hear(open_payment())
    provider.script = [provider.says(200, {"prepay_id": "wx1"})]
    first = (await shop.http.post(PREPAY)).json()
    second = (await shop.http.post(PREPAY)).json()
    assert first["prepay_id"] == second["prepay_id"] == "wx1"
    assert first["nonceStr"] != second["nonceStr"]
    assert len(provider.asked) == 1
    shop.clock.now = provider.now = NOON + timedelta(minutes=111)
    provider.script = [provider.says(200, {"prepay_id": "wx2"})]
    assert (await shop.http.post(PREPAY)).json()["prepay_id"] == "wx2"


async def test_it_is_stored_that_there_may_be_a_payment_before_the_provider_is_called(
    shop: Shop, provider: Provider
) -> None:
    await shop.hear(open_payment())
    provider.script = [httpx.ReadTimeout("slow")]
    answer = await shop.http.post(PREPAY)
    assert (answer.status_code, answer.json()["code"]) == (503, "payment-provider-away")
    assert answer.headers["retry-after"] == "2"
    assert (await shop.payment()).prepay_requested_at == NOON


async def test_what_cannot_be_paid_says_why(shop: Shop, provider: Provider) -> None:
    async def refused() -> tuple[int, str]:
        answer = await shop.http.post(PREPAY)
        return answer.status_code, answer.json()["code"]

    assert await refused() == (409, "payment-not-ready")
    assert (await shop.http.post(PREPAY)).headers["retry-after"] == "1"
    await shop.hear(open_payment())
    for http, code, problem in (
        (400, "ORDER_CLOSED", (409, "payment-closed")),
        (400, "PARAM_ERROR", (503, "payment-refused")),
        (403, "NO_AUTH", (503, "payment-refused")),
        (500, "SYSTEM_ERROR", (503, "payment-provider-away")),
        (429, "FREQUENCY_LIMITED", (503, "payment-provider-away")),
    ):
        provider.script = [provider.refuses(http, code)]
        assert await refused() == problem
    await paid(shop, provider)
    assert await refused() == (409, "already-paid")


async def test_a_closed_payment_cannot_be_paid(shop: Shop) -> None:
    await shop.hear(open_payment())
    await shop.hear(close_payment())
    answer = await shop.http.post(PREPAY)
    assert (answer.status_code, answer.json()["code"]) == (409, "payment-closed")


async def test_paid_at_the_provider_but_not_here_is_found_out(shop: Shop, provider: Provider) -> None:
    await shop.hear(open_payment())
    found = provider.says(200, trade().model_dump(mode="json"))
    provider.script = [provider.refuses(400, "ORDERPAID"), found]
    answer = await shop.http.post(PREPAY)
    assert (answer.status_code, answer.json()["code"]) == (409, "already-paid")
    await shop.drain()
    assert "PaymentReceived" in shop.told()


async def test_closed_while_the_provider_was_asked_gives_the_customer_nothing(shop: Shop, provider: Provider) -> None:
    await shop.hear(open_payment())
    await shop.http.get("/payments/summary")

    def closed_meanwhile(_: httpx.Request) -> httpx.Response:
        assert isinstance(shop.store, MemoryStore)
        document = shop.store.documents[ORDER]
        document["state"]["status"] = "closed"
        document["version"] += 1
        return provider.says(200, {"prepay_id": "wx1"})

    provider.script = [closed_meanwhile, provider.says(204)]
    answer = await shop.http.post(PREPAY)
    assert (answer.status_code, answer.json()["code"]) == (409, "payment-closed")
    await shop.drain()
    assert provider.calls == ["POST jsapi", "POST close"]


# ── pay callback ─────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_pay_callback_is_stored_then_answered_and_said(shop: Shop, provider: Provider) -> None:
    await paid(shop, provider)
    (_, received) = shop.events()
    assert isinstance(received, PaymentReceived)
    assert received.amount.amount_minor == PAID_FEN
    assert (await shop.payment()).status == "paid"


async def test_the_same_callback_five_times_is_one_payment(shop: Shop, provider: Provider) -> None:
    await shop.hear(open_payment())
    for id in ("EV-1", "EV-1", "EV-2", "EV-1", "EV-3"):
        answer = await call_back(shop, provider, "pay", "TRANSACTION.SUCCESS", pay_resource(provider), id)
        assert (answer.status_code, answer.content) == (204, b"")
    assert {event.model_dump_json() for event in shop.events()[1:]} == {shop.events()[1].model_dump_json()}


async def test_a_forged_callback_is_refused_and_changes_nothing(shop: Shop, provider: Provider) -> None:
    await shop.hear(open_payment())
    raw = provider.callback("TRANSACTION.SUCCESS", pay_resource(provider))
    headers = provider.headers(raw)
    probe = {**headers, "Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + headers["Wechatpay-Signature"]}
    for body, given in ((raw + b" ", headers), (raw, probe), (raw, {})):
        answer = await shop.http.post("/callbacks/pay", content=body, headers=given)
        assert (answer.status_code, answer.json()["code"]) == (401, "FAIL")
    provider.now = NOON + timedelta(minutes=6)
    answer = await shop.http.post("/callbacks/pay", content=raw, headers=headers)
    assert answer.status_code == 401
    assert (await shop.payment()).status == "opened"


@pytest.mark.parametrize(
    ("more", "http"),
    [
        ({"mchid": "1900000000"}, 400),
        ({"appid": "wx0000000000000000"}, 400),
        ({"out_trade_no": "ORDER0000000000000404"}, 404),
        ({"out_trade_no": None}, 400),
    ],
)
async def test_a_genuine_callback_about_something_else_is_not_taken(
    shop: Shop, provider: Provider, more: dict[str, Any], http: int
) -> None:
    await shop.hear(open_payment())
    answer = await call_back(shop, provider, "pay", "TRANSACTION.SUCCESS", pay_resource(provider, **more))
    assert (answer.status_code, answer.json()["code"]) == (http, "FAIL")


async def test_a_callback_at_the_wrong_door_or_too_long_is_not_taken(shop: Shop, provider: Provider) -> None:
    await shop.hear(open_payment())
    answer = await call_back(shop, provider, "refund", "TRANSACTION.SUCCESS", pay_resource(provider))
    assert answer.status_code == 400
    raw = b"x" * (CALLBACK_BYTES_MAX + 1)
    answer = await shop.http.post("/callbacks/pay", content=raw, headers=provider.headers(raw))
    assert answer.status_code == 413
    raw = b"not json"
    answer = await shop.http.post("/callbacks/pay", content=raw, headers=provider.headers(raw))
    assert answer.status_code == 400


async def test_another_amount_is_answered_but_not_paid(shop: Shop, provider: Provider) -> None:
    await shop.hear(open_payment())
    resource = pay_resource(provider, amount={"total": 1, "currency": "CNY"})
    assert (await call_back(shop, provider, "pay", "TRANSACTION.SUCCESS", resource)).status_code == 204
    await shop.drain()
    assert (await shop.payment()).status == "opened"
    assert (await shop.payment()).strange is not None


async def test_who_pays_a_shop_without_a_merchant_account_is_told_to_come_again(shop: Shop) -> None:
    """Its keys are not there yet, or not any more."""
    await shop.hear(open_payment().model_copy(update={"shop": "tea"}))
    with capture_logs() as logs:
        answer = await shop.http.post(PREPAY)
    assert (answer.status_code, answer.json()["code"]) == (503, "payment-provider-away")
    assert answer.json()["provider_code"] == "NO_MERCHANT_ACCOUNT"
    assert "no merchant for shop 'tea'" in logs[0]["why"]


# ── refund callback ──────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_refund_callback_before_the_answer_is_accepted_and_settled(shop: Shop, provider: Provider) -> None:
    await paid(shop, provider)
    provider.script = [httpx.ReadTimeout("slow")]
    await shop.hear(refund_payment())
    resource = refund_resource(provider, "SUCCESS", payer_refund=3_000)
    assert (await call_back(shop, provider, "refund", "REFUND.SUCCESS", resource)).status_code == 204
    refund = (await shop.payment()).refunds[0]
    assert (refund.status, refund.wake_at) == ("settled", None)
    assert refund.payer_refund is not None
    assert refund.payer_refund.amount_minor == 3_000
    assert shop.told()[-1] == "RefundAccepted"


async def test_a_refund_of_another_merchant_or_with_missing_fields_is_not_taken(shop: Shop, provider: Provider) -> None:
    await paid(shop, provider)
    other = {**refund_resource(provider, "SUCCESS"), "mchid": "1900000000"}
    assert (await call_back(shop, provider, "refund", "REFUND.SUCCESS", other)).status_code == 400
    broken = refund_resource(provider, "SUCCESS")
    del broken["amount"]
    assert (await call_back(shop, provider, "refund", "REFUND.SUCCESS", broken)).status_code == 400


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_operators_see_the_state_without_secrets(shop: Shop, provider: Provider) -> None:
    await paid(shop, provider)
    answer = await shop.http.get(f"/payments/{ORDER}")
    assert answer.json()["status"] == "paid"
    assert "openid" not in answer.text
    missing = await shop.http.get("/payments/ORDER0000000000000404")
    assert (missing.status_code, missing.json()["code"]) == (404, "payment-unknown")


async def test_the_books_are_added_up_by_the_database(shop: Shop) -> None:
    answer = await shop.http.get("/payments/summary")
    assert answer.json() == [{"currency": "CNY", "payments": 1, "paid_minor": 10_000}]
    assert shop.sums.asked == [SUMS]


# ── a transfer to confirm ────────────────────────────────────────────────────────────────────────────────────────────
async def test_the_ticket_of_a_transfer_is_shown_while_its_money_is_owed(shop: Shop) -> None:
    story, case = waiting(), f"{ORDER}-c1"
    ours = story.refund.model_copy(update={"case_id": case})
    owed = story.payment.model_copy(update={"refunds": (ours,)})
    await shop.store.save([Record(ORDER, 0, owed, touched_at=NOON)])
    shown = await shop.http.get(f"/refunds/{case}/transfer")
    assert (shown.status_code, shown.json()["package"]) == (200, "ticket")

    without = ours.model_copy(update={"payout": ours.payout and ours.payout.model_copy(update={"package_info": ""})})
    await shop.store.save([Record(ORDER, 1, owed.model_copy(update={"refunds": (without,)}), touched_at=NOON)])
    soon = await shop.http.get(f"/refunds/{case}/transfer")
    assert (soon.status_code, soon.json()["code"], soon.json()["retry_after"]) == (409, "transfer-not-ready", 60)

    by_hand = ours.model_copy(
        update={"case_id": "found/1", "payout": None, "status": "settled", "amount": fen(PAID_FEN)}
    )
    paid_back = owed.model_copy(update={"refunds": (ours, by_hand)})
    await shop.store.save([Record(ORDER, 2, paid_back, touched_at=NOON)])
    gone = await shop.http.get(f"/refunds/{case}/transfer")
    assert (gone.status_code, gone.json()["code"]) == (404, "nothing-to-confirm")


# ── another bank card ────────────────────────────────────────────────────────────────────────────────────────────────
async def test_who_names_a_card_while_no_key_of_the_provider_is_known_is_told_to_wait(
    keys: Path, tmp_path: Path, provider: Provider
) -> None:
    """A merchant of the older kind has no key until its certificates were downloaded: nothing can be encrypted."""
    folder = copied(keys, tmp_path)
    for name in ("wechatpay-public.pem", "wechatpay-serial.txt"):
        (folder / name).unlink()
    shop, case = Shop(provider.client(KeyFolder(folder)), Clock(NOON)), f"{ORDER}-c1"
    story = waiting()
    abnormal = story.refund.model_copy(update={"case_id": case, "payout": None, "status": "abnormal"})
    stored = story.payment.model_copy(update={"refunds": (abnormal,)})
    await shop.store.save([Record(ORDER, 0, stored, touched_at=NOON)])
    card = {"bank_type": "CMB_DEBIT", "bank_account": "6225760000000403", "real_name": "李娜"}
    answer = await shop.http.post(f"/refunds/{case}/bank-card", json=card)
    assert (answer.status_code, answer.json()["code"]) == (503, "payment-provider-away")
    assert answer.json()["provider_code"] == "NO_KEY"
    await shop.http.aclose()
