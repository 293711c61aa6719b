"""When refunds settle and where to, refunds made by hand, and a balance for each merchant."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import advance, close, create_app, settle, world_of
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings
from tests.unit.sandbox.shop import BASE, NOTIFY, Receiver, Shop, strangers_client

MakeShop = Callable[..., Awaitable[Shop]]
DAY = 24 * 3600.0


async def rule(shop: Shop, **fault: Any) -> None:
    rules = [{"call": "refund", "times": 1, "fault": {"kind": "status", **fault}}]
    await shop.control("POST", "/faults/rules", rules)


@pytest.mark.parametrize(
    ("status", "returned"), [("CLOSED", 100), ("ABNORMAL", 0)], ids=["closed after a week", "abnormal after a week"]
)
async def test_a_refund_may_end_badly_after_days(make_shop: MakeShop, status: str, returned: int) -> None:
    shop = await make_shop(merchant_balance_minor=0)
    await shop.paid("order-0001")
    await rule(shop, refund_status=status, after_days=7)
    await shop.refund("refund-1", "order-0001", 100)
    await advance(shop.app, 7 * DAY - 60)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "PROCESSING"
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == 0
    await advance(shop.app, 120)
    assert (await shop.refund_state("refund-1"))[1]["status"] == status
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS", f"REFUND.{status}"]
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == returned
    assert (await shop.get("/_ledger/check"))["ok"]


async def test_one_refund_may_take_longer_than_the_others(make_shop: MakeShop) -> None:
    shop = await make_shop(enforce_refund_spacing=False)
    await shop.paid("order-0001")
    await rule(shop, settle_seconds=3 * DAY)
    await shop.refund("refund-1", "order-0001", 40)
    await shop.refund("refund-2", "order-0001", 40)
    await settle(shop.app)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "PROCESSING"
    assert (await shop.refund_state("refund-2"))[1]["status"] == "SUCCESS"
    await advance(shop.app, 3 * DAY)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "SUCCESS"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status"},
        {"kind": "status", "after_days": 7},
        {"kind": "error-after", "settle_seconds": 1},
        {"kind": "status", "refund_status": "CLOSED", "after_days": -1},
    ],
)
async def test_a_settling_fault_must_make_sense(shop: Shop, fault: dict[str, Any]) -> None:
    answer = await shop.http.post("/_control/faults/rules", json=[{"call": "refund", "fault": fault}])
    assert answer.status_code == 422


async def test_a_card_is_refunded_to_itself_and_later(make_shop: MakeShop) -> None:
    shop = await make_shop(card_settle_seconds=2 * DAY)
    await shop.prepay("order-0001")
    paid = await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001", "bank": "招商银行信用卡0403"})
    assert paid.json()["bank_type"] == "CMB_CREDIT"
    await shop.paid("order-0002")
    await shop.refund("refund-1", "order-0001", 100)
    await shop.refund("refund-2", "order-0002", 100)
    await settle(shop.app)
    _, to_card = await shop.refund_state("refund-1")
    _, to_wallet = await shop.refund_state("refund-2")
    assert (to_card["status"], to_card["user_received_account"]) == ("PROCESSING", "招商银行信用卡0403")
    assert (to_wallet["status"], to_wallet["user_received_account"]) == ("SUCCESS", "支付用户零钱")
    await advance(shop.app, 2 * DAY)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "SUCCESS"


async def test_two_partial_refunds_at_once_never_exceed_the_order(make_shop: MakeShop) -> None:
    shop = await make_shop(enforce_refund_spacing=False, enforce_rate_limits=False)
    await shop.paid("order-0001")
    answers = await asyncio.gather(*(shop.refund(f"refund-{place}", "order-0001", 60) for place in range(4)))
    assert sorted(code for code, _ in answers) == [200, 400, 400, 400]
    await settle(shop.app)
    assert (await shop.get("/_ledger/summary"))["refunded"] == {"count": 1, "amount_minor": 60}


async def test_a_refund_made_by_hand_has_a_number_of_its_own(make_shop: MakeShop) -> None:
    shop = await make_shop(enforce_refund_spacing=False, refund_url=NOTIFY)
    await shop.paid("order-0001")
    made = [
        await shop.control("POST", "/platform/refunds", {"out_trade_no": "order-0001", "amount_minor": 30, **more})
        for more in ({}, {"reason": "客户来电"})
    ]
    numbers = [refund["out_refund_no"] for refund in made]
    assert len(set(numbers)) == 2
    await settle(shop.app)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS", "REFUND.SUCCESS", "REFUND.SUCCESS"]
    assert {heard["resource"]["out_refund_no"] for heard in shop.receiver.heard[1:]} == set(numbers)
    assert (await shop.refund_state(numbers[0]))[1]["amount"]["refund"] == 30
    # It counts against the order like any other.
    code, refused = await shop.refund("refund-1", "order-0001", 41)
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")
    body = {"out_trade_no": "order-0001", "amount_minor": 41}
    refused_by_hand = await shop.http.post("/_control/platform/refunds", json=body)
    assert (refused_by_hand.status_code, refused_by_hand.json()["detail"]["code"]) == (409, "INVALID_REQUEST")
    unknown = await shop.http.post("/_control/platform/refunds", json={"out_trade_no": "order-2", "amount_minor": 1})
    assert unknown.status_code == 404


@pytest.fixture
async def two_shops(tmp_path: Path) -> AsyncIterator[tuple[Shop, Shop]]:
    """Two merchants of one stand-in."""
    make_keys(tmp_path, merchants=("second",))
    shops: list[Shop] = []
    pays = [strangers_client(folder) for folder in (tmp_path, tmp_path / "merchants" / "second")]
    receiver = Receiver(pays[0])
    deliveries = httpx.AsyncClient(transport=httpx.ASGITransport(receiver.app()))
    settings = SandboxSettings(keys_dir=tmp_path, merchant_balance_minor=50, callback_delay_seconds=3600)
    app = create_app(settings, callback_client=deliveries)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)
    for pay in pays:
        pay._core._gate_way = BASE
        pay._core._client = http
        shops.append(Shop(app, tmp_path, pay, http, receiver))
    yield shops[0], shops[1]
    await close(app)
    await deliveries.aclose()
    await http.aclose()


async def test_each_merchant_has_its_own_balance_and_its_own_numbers(two_shops: tuple[Shop, Shop]) -> None:
    first, second = two_shops
    keys = world_of(first.app).keys
    mchids = list(keys.merchants)
    for shop, mchid in zip(two_shops, mchids, strict=True):
        assert (await shop.prepay("order-0001"))[0] == 200
        body = {"out_trade_no": "order-0001", "mchid": mchid}
        assert (await shop.http.post("/_customer/pay", json=body)).status_code == 200
    assert (await first.get("/_ledger/summary"))["balances"] == dict.fromkeys(sorted(mchids), 150)

    await first.control("PUT", "/balance", {"balance_minor": 0, "mchid": mchids[1]})
    code, refused = await second.refund("refund-1", "order-0001", 100)
    assert (code, refused["code"]) == (403, "NOT_ENOUGH")
    assert (await first.refund("refund-1", "order-0001", 100))[0] == 200
    assert (await second.refund_state("refund-1"))[0] == 404
    await first.control("PUT", "/balance", {"balance_minor": 100, "mchid": mchids[1]})
    assert (await second.refund("refund-1", "order-0001", 100))[0] == 200
    summary = await first.get("/_ledger/summary")
    assert summary["balances"] == {mchids[0]: 50, mchids[1]: 0}
    assert summary["balance_minor"] == 50
    assert await first.get("/_ledger/check") == {"ok": True, "violations": []}
    lines = (await first.get("/_ledger/money"))["lines"]
    assert {line["mchid"] for line in lines if line["kind"] == "refund-success"} == set(mchids)
