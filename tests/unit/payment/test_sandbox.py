"""The payment service against the stand-in for WeChat Pay: its ledger says what really happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from contracts.payment import RefundRefused, RefundSettled
from sandbox.app import close, create_app, settle
from sandbox.clock import Clock as SandboxClock
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings
from services.payment.wechatpay import WechatPay, http_client
from tests.unit.payment.given import (
    NOON,
    ORDER,
    OTHER_CASE,
    PAID_FEN,
    close_payment,
    fen,
    number,
    open_payment,
    refund_payment,
    watch_refund,
)
from tests.unit.payment.provider import SHOP, merchant_of
from tests.unit.payment.shop import Clock, Shop

SANDBOX = "http://sandbox.test"


@dataclass
class World:
    """One shop and one stand-in with one clock."""

    shop: Shop
    app: FastAPI
    http: httpx.AsyncClient

    async def control(self, method: str, path: str, body: Any = None) -> None:
        answer = await self.http.request(method, f"/_control{path}", json=body)
        assert answer.is_success, answer.text

    async def fault(self, call: str, kind: str, **more: Any) -> None:
        """Spoil the next such call."""
        rule = {"call": call, "nth": 1, "fault": {"kind": kind, **more}}
        await self.control("POST", "/faults/rules", [rule])

    async def pay(self, **more: Any) -> httpx.Response:
        answer = await self.http.post("/_customer/pay", json={"out_trade_no": ORDER, **more})
        await self.settle()
        return answer

    async def paid(self) -> None:
        await self.shop.hear(open_payment())
        assert (await self.shop.http.post(f"/payments/{ORDER}/prepay")).status_code == 200
        assert (await self.pay()).status_code == 200

    async def settle(self) -> None:
        await settle(self.app)
        await self.shop.drain()

    async def later(self, wait: timedelta) -> None:
        """Time passes, here and there."""
        await self.control("POST", "/clock", {"advance_seconds": wait.total_seconds()})
        await self.shop.later(wait)
        await self.settle()

    async def ledger(self) -> list[tuple[str, str | None, int]]:
        """What happened to money, in order: kind, refund number, fen."""
        lines = (await self.http.get("/_ledger/money")).json()["lines"]
        moved = [line for line in lines if line["kind"] not in ("opening", "balance-set")]
        assert (await self.http.get("/_ledger/check")).json()["ok"] is True
        return [(line["kind"], line["out_refund_no"], line["amount_minor"]) for line in moved]


def front(shop: Shop) -> FastAPI:
    """The gateway's part: passes callbacks on as they are."""
    app = FastAPI()

    @app.post("/callbacks/wechat/{what:path}")
    async def pass_on(what: str, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name.startswith("wechatpay-")}
        answer = await shop.http.post(f"/callbacks/{what}", content=await request.body(), headers=headers)
        return Response(answer.content, answer.status_code)

    return app


@pytest.fixture(scope="session")
def two_shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of the house and of one more shop."""
    folder = tmp_path_factory.mktemp("two-shops")
    make_keys(folder, ("tea-house",))
    return folder


@pytest.fixture
async def world(two_shops: Path) -> AsyncIterator[World]:
    keys = two_shops
    clock = Clock(NOON)
    front_door = FastAPI()
    deliveries = httpx.AsyncClient(transport=httpx.ASGITransport(front_door))
    app = create_app(
        SandboxSettings(keys_dir=keys, refund_url=f"{SHOP}/callbacks/wechat/refund"),
        callback_client=deliveries,
        clock=SandboxClock(clock.seconds),
    )
    to_sandbox = http_client(SANDBOX, httpx.ASGITransport(app))
    tea = WechatPay(to_sandbox, merchant_of(keys / "merchants" / "tea-house"), SHOP, clock, shop="tea-house")
    shop = Shop(WechatPay(to_sandbox, merchant_of(keys), SHOP, clock), clock, more={"tea-house": tea})
    front_door.include_router(front(shop).router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SANDBOX) as http:
        yield World(shop, app, http)
    await close(app)
    for client in (to_sandbox, deliveries, shop.http):
        await client.aclose()


async def test_paid_refunded_settled(world: World) -> None:
    await world.paid()
    await world.shop.hear(refund_payment())
    await world.settle()
    await world.shop.hear(watch_refund())
    assert world.shop.told() == ["PaymentOpened", "PaymentReceived", "RefundAccepted", "RefundSettled"]
    settled = world.shop.events()[-1]
    assert isinstance(settled, RefundSettled)
    assert settled.amount == fen(4_000)
    assert await world.ledger() == [
        ("payment", None, PAID_FEN),
        ("refund-accepted", number(), 4_000),
        ("refund-success", number(), 4_000),
    ]
    assert (await world.shop.payment()).wake_at is None


@pytest.mark.parametrize("kind", ["error-before", "error-after", "drop-before", "drop-after"])
async def test_unknown_at_first_is_one_refund_at_last(world: World, kind: str) -> None:
    await world.paid()
    await world.fault("refund", kind)
    await world.shop.hear(refund_payment())
    await world.shop.hear(watch_refund())
    await world.later(timedelta(seconds=2))
    await world.later(timedelta(seconds=1))
    accepted = [line for line in await world.ledger() if line[0] == "refund-accepted"]
    assert accepted == [("refund-accepted", number(), 4_000)]
    assert world.shop.told()[-1] == "RefundSettled"


async def test_a_short_balance_waits_for_a_top_up(world: World) -> None:
    await world.paid()
    await world.control("PUT", "/balance", {"balance_minor": 0})
    await world.shop.hear(refund_payment())
    await world.later(timedelta(seconds=30))
    assert "RefundAccepted" not in world.shop.told()
    await world.control("PUT", "/balance", {"balance_minor": PAID_FEN})
    await world.later(timedelta(minutes=1))
    assert world.shop.told()[-1] == "RefundAccepted"


async def test_a_refund_by_hand_that_is_told_before_its_payment_is_not_lost(world: World) -> None:
    await world.shop.hear(open_payment())
    assert (await world.shop.http.post(f"/payments/{ORDER}/prepay")).status_code == 200
    await world.fault("pay-callback", "callback-lost")
    await world.pay()
    await world.control("POST", "/platform/refunds", {"out_trade_no": ORDER, "amount_minor": 4_000})
    await world.settle()
    assert world.shop.told() == ["PaymentOpened"]
    for _ in range(5):
        await world.later(timedelta(minutes=1))
    assert sorted(set(world.shop.told())) == ["PaymentOpened", "PaymentReceived", "RefundFound"]
    assert [refund.status for refund in (await world.shop.payment()).refunds] == ["settled"]


async def test_a_refund_by_hand_is_told_to_the_address_that_its_account_has(world: World, two_shops: Path) -> None:
    mchid = (two_shops / "merchants" / "tea-house" / "mchid.txt").read_text().strip()
    await world.shop.hear(open_payment().model_copy(update={"shop": "tea-house"}))
    assert (await world.shop.http.post(f"/payments/{ORDER}/prepay")).status_code == 200
    await world.pay(mchid=mchid)
    await world.control("POST", "/platform/refunds", {"out_trade_no": ORDER, "amount_minor": 4_000, "mchid": mchid})
    await world.settle()
    assert world.shop.told() == ["PaymentOpened", "PaymentReceived", "RefundFound"]


async def test_another_shops_order_is_paid_to_and_paid_back_from_its_own_account(world: World, two_shops: Path) -> None:
    mchid = (two_shops / "merchants" / "tea-house" / "mchid.txt").read_text().strip()
    await world.shop.hear(open_payment().model_copy(update={"shop": "tea-house"}))
    assert (await world.shop.http.post(f"/payments/{ORDER}/prepay")).status_code == 200
    assert (await world.pay(mchid=mchid)).status_code == 200
    await world.shop.hear(refund_payment())
    await world.settle()
    await world.shop.hear(watch_refund())
    assert world.shop.told() == ["PaymentOpened", "PaymentReceived", "RefundAccepted", "RefundSettled"]
    lines = (await world.http.get("/_ledger/money")).json()["lines"]
    assert {line["mchid"] for line in lines if line["out_trade_no"] == ORDER} == {mchid}


async def test_a_blocked_account_is_refused_for_good(world: World) -> None:
    await world.paid()
    await world.fault("refund", "error-before", http=403, code="USER_ACCOUNT_ABNORMAL")
    await world.shop.hear(refund_payment())
    assert world.shop.told()[-1] == "RefundRefused"
    assert [line[0] for line in await world.ledger()] == ["payment", "refund-refused"]


async def test_a_refusal_that_leaves_a_closed_refund_is_that_refusal(world: World) -> None:
    await world.paid()
    await world.fault("refund", "error-before", http=403, code="USER_ACCOUNT_ABNORMAL", refund_status="CLOSED")
    await world.shop.hear(refund_payment())
    refused = world.shop.events()[-1]
    assert isinstance(refused, RefundRefused)
    assert (refused.reason, refused.provider_code) == ("account-abnormal", "USER_ACCOUNT_ABNORMAL")
    assert [line[0] for line in await world.ledger()] == ["payment", "refund-refused", "refund-left-closed"]


async def test_a_short_balance_that_leaves_a_closed_refund_waits_for_a_top_up(world: World) -> None:
    await world.paid()
    await world.fault("refund", "error-before", http=403, code="NOT_ENOUGH", refund_status="CLOSED")
    await world.shop.hear(refund_payment())
    refund = (await world.shop.payment()).refunds[0]
    assert (refund.status, refund.number, refund.provider_code) == ("parked", number(), "NOT_ENOUGH")
    for _ in range(3):
        await world.later(timedelta(minutes=1))
    accepted = [line for line in await world.ledger() if line[0] == "refund-accepted"]
    assert accepted == [("refund-accepted", number(2), 4_000)], "the closed number takes nothing any more"


async def test_closed_gets_one_new_number_and_the_money_moves_once(world: World) -> None:
    await world.paid()
    await world.fault("refund", "status", refund_status="CLOSED")
    await world.shop.hear(refund_payment())
    await world.shop.hear(watch_refund())
    await world.settle()
    await world.later(timedelta(seconds=62))
    await world.settle()
    assert [(kind, no) for kind, no, _ in await world.ledger() if kind != "payment"] == [
        ("refund-accepted", number(1)),
        ("refund-closed", number(1)),
        ("refund-accepted", number(2)),
        ("refund-success", number(2)),
    ]
    assert world.shop.told()[-1] == "RefundSettled"


async def test_what_a_customer_wrote_stands_in_the_way_of_no_refund(world: World) -> None:
    await world.paid()
    await world.shop.hear(refund_payment(reason="其他原因:不想要了😊\n谢谢🍵"))
    assert world.shop.told()[-1] == "RefundAccepted"


async def test_what_is_not_closed_yet_is_closed_later(world: World) -> None:
    await world.shop.hear(open_payment())
    assert (await world.shop.http.post(f"/payments/{ORDER}/prepay")).is_success
    await world.fault("close", "error-before", http=202, code="USER_PAYING")
    await world.shop.hear(close_payment())
    assert "PaymentClosed" not in world.shop.told()
    assert (await world.pay()).is_success
    await world.later(timedelta(seconds=3))
    assert world.shop.told()[-2:] == ["PaymentReceived", "PaymentCloseRefused"]


async def test_a_payment_that_is_not_found_when_it_is_to_be_closed_is_closed_later(world: World) -> None:
    await world.shop.hear(open_payment())
    assert (await world.shop.http.post(f"/payments/{ORDER}/prepay")).is_success
    await world.fault("close", "error-before", http=404, code="ORDER_NOT_EXIST")
    await world.shop.hear(close_payment())
    assert world.shop.told() == ["PaymentOpened"], "the customer has a ticket, and could pay with it"
    await world.later(timedelta(seconds=3))
    assert world.shop.told() == ["PaymentOpened", "PaymentClosed"]
    assert (await world.pay()).json()["detail"]["reason"] == "closed"


async def test_a_payment_that_is_not_found_at_first_is_refunded_all_the_same(world: World) -> None:
    await world.paid()
    await world.fault("refund", "error-before", http=404, code="RESOURCE_NOT_EXISTS")
    await world.shop.hear(refund_payment())
    assert world.shop.told()[-1] == "RefundAttempted"
    await world.later(timedelta(seconds=3))
    await world.settle()
    assert ("refund-success", number(), 4_000) in await world.ledger()
    assert "RefundRefused" not in world.shop.told()


async def test_abnormal_is_waited_for(world: World) -> None:
    await world.paid()
    await world.fault("refund", "status", refund_status="ABNORMAL")
    await world.shop.hear(refund_payment())
    await world.shop.hear(watch_refund())
    await world.settle()
    assert world.shop.told()[-1] == "RefundAttempted"
    await world.control("PUT", f"/refunds/{number()}/status", {"status": "SUCCESS"})
    await world.settle()
    assert world.shop.told()[-1] == "RefundSettled"
    assert len([line for line in await world.ledger() if line[0] == "refund-accepted"]) == 1


async def test_what_somebody_sent_to_the_merchants_bank_has_not_arrived(world: World) -> None:
    await world.paid()
    await world.fault("refund", "status", refund_status="ABNORMAL")
    await world.shop.hear(refund_payment())
    await world.shop.hear(watch_refund())
    await world.settle()
    await world.control("POST", f"/platform/refunds/{number()}/to-merchant")
    await world.settle()
    assert ("refund-returned", number(), 4_000) in await world.ledger()
    assert world.shop.told()[-1] == "RefundRefused"
    assert "RefundSettled" not in world.shop.told()


async def test_lost_callbacks_are_made_up_for(world: World) -> None:
    await world.fault("pay-callback", "callback-lost")
    await world.fault("refund-callback", "callback-lost")
    await world.paid()
    assert "PaymentReceived" not in world.shop.told()
    await world.later(timedelta(minutes=1))
    assert world.shop.told()[-1] == "PaymentReceived"
    await world.shop.hear(refund_payment())
    await world.settle()
    await world.shop.hear(watch_refund())
    assert world.shop.told()[-1] == "RefundAccepted"
    await world.later(timedelta(minutes=1))
    assert world.shop.told()[-1] == "RefundSettled"


async def test_doubled_callbacks_change_nothing(world: World) -> None:
    await world.fault("pay-callback", "callback-doubled")
    await world.fault("refund-callback", "callback-doubled")
    await world.paid()
    await world.shop.hear(refund_payment())
    await world.settle()
    await world.shop.hear(watch_refund())
    assert len({event.model_dump_json() for event in world.shop.events()}) == 4


async def test_two_partial_refunds_of_one_order(world: World) -> None:
    await world.paid()
    await world.shop.hear(refund_payment(4_000))
    await world.shop.hear(refund_payment(6_000, OTHER_CASE))
    await world.settle()
    assert [line[2] for line in await world.ledger() if line[0] == "refund-success"] == [4_000]
    await world.later(timedelta(seconds=62))
    assert [line[2] for line in await world.ledger() if line[0] == "refund-success"] == [4_000, 6_000]


async def test_an_unpaid_order_is_closed_at_the_provider_first(world: World) -> None:
    await world.shop.hear(open_payment())
    await world.shop.http.post(f"/payments/{ORDER}/prepay")
    await world.shop.hear(close_payment())
    assert world.shop.told() == ["PaymentOpened", "PaymentClosed"]
    assert (await world.pay()).status_code == 409


@pytest.mark.parametrize("kind", ["error-before", "error-after", "drop-before", "drop-after"])
async def test_closing_with_an_unknown_outcome_is_asked_again(world: World, kind: str) -> None:
    await world.shop.hear(open_payment())
    await world.shop.http.post(f"/payments/{ORDER}/prepay")
    await world.fault("close", kind)
    await world.shop.hear(close_payment())
    assert world.shop.told() == ["PaymentOpened"]
    await world.later(timedelta(seconds=2))
    assert world.shop.told() == ["PaymentOpened", "PaymentClosed"]


async def test_paid_with_a_lost_callback_then_closed_is_paid(world: World) -> None:
    await world.fault("pay-callback", "callback-lost")
    await world.paid()
    await world.shop.hear(close_payment())
    assert world.shop.told() == ["PaymentOpened", "PaymentReceived", "PaymentCloseRefused"]


async def test_a_payment_after_closing_is_received_and_can_go_back(world: World) -> None:
    await world.shop.hear(open_payment())
    await world.shop.http.post(f"/payments/{ORDER}/prepay")
    await world.shop.hear(close_payment())
    assert (await world.pay(force_late=True)).status_code == 200
    assert world.shop.told()[-1] == "PaymentReceived"
    await world.shop.hear(refund_payment(PAID_FEN))
    await world.settle()
    assert (await world.ledger())[-1] == ("refund-success", number(), PAID_FEN)
