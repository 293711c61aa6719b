"""Callbacks that come late, in the wrong order, early, twice, forged, replayed, or as probes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from wechatpayv3.async_ import AsyncWeChatPay

from sandbox.app import advance, settle, world_of
from sandbox.deliveries import REPLAYED_AFTER_SECONDS
from tests.unit.sandbox.shop import Shop

MakeShop = Callable[..., Awaitable[Shop]]


@dataclass
class Careful:
    """A receiver that answers 401 to what WeChat Pay did not sign, and 204 to the rest."""

    pay: AsyncWeChatPay
    seen: list[tuple[str, int, Any]] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    believes_everything: bool = False

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/callbacks/wechat")
        async def hear(request: Request) -> Response:
            opened = self.pay.callback(request.headers, await request.body())
            status = 204 if opened or self.believes_everything else 401
            signature = request.headers["wechatpay-signature"]
            what = "probe" if signature.startswith("WECHATPAY/SIGNTEST/") else "plain"
            self.seen.append((what, status, opened))
            self.stamps.append(int(request.headers["wechatpay-timestamp"]))
            return Response(status_code=status)

        return app


@pytest.fixture
async def careful(shop: Shop) -> Careful:
    receiver = Careful(shop.pay)
    world_of(shop.app).courier.deliveries.client = httpx.AsyncClient(transport=httpx.ASGITransport(receiver.app()))
    return receiver


async def rule(shop: Shop, call: str, kind: str, **more: Any) -> None:
    asked = {"call": call, "match": {"out_trade_no": "order-0001"}, "times": 1, "fault": {"kind": kind, **more}}
    await shop.control("POST", "/faults/rules", [asked])


async def test_a_late_callback_comes_when_its_seconds_are_over(shop: Shop) -> None:
    await rule(shop, "pay-callback", "callback-late", seconds=300)
    await shop.paid("order-0001")
    await advance(shop.app, 299)
    assert shop.receiver.events() == []
    await advance(shop.app, 2)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]


async def test_out_of_order_is_behind_the_next_one_of_the_same_order(shop: Shop) -> None:
    await rule(shop, "pay-callback", "callback-out-of-order")
    await shop.paid("order-0001")
    await shop.paid("order-0002")
    await settle(shop.app)
    assert [heard["resource"]["out_trade_no"] for heard in shop.receiver.heard] == ["order-0002"]
    await shop.refund("refund-1", "order-0001", 10)
    await settle(shop.app)
    assert shop.receiver.events()[1:] == ["REFUND.SUCCESS", "TRANSACTION.SUCCESS"]


async def test_out_of_order_does_not_wait_for_ever(shop: Shop) -> None:
    await rule(shop, "pay-callback", "callback-out-of-order", seconds=90)
    await shop.paid("order-0001")
    await advance(shop.app, 89)
    assert shop.receiver.events() == []
    await advance(shop.app, 2)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]


async def test_a_forged_callback_comes_first_and_proves_nothing(shop: Shop, careful: Careful) -> None:
    await rule(shop, "refund-callback", "callback-forged")
    await shop.paid("order-0001")
    await shop.refund("refund-1", "order-0001", 10)
    await settle(shop.app)
    (_, _, paid), (_, forged, nothing), (_, genuine, opened) = careful.seen
    assert paid["event_type"] == "TRANSACTION.SUCCESS"
    assert (forged, nothing, genuine) == (401, None, 204)
    assert opened["resource"]["amount"]["refund"] == 10
    lines = await shop.control("GET", "/callbacks")
    extras = [line["extras"] for line in lines if line["call"] == "refund-callback"]
    assert extras == [[{"what": "forged", "outcome": "HTTP 401"}]]


async def test_a_forged_callback_shows_another_amount(shop: Shop) -> None:
    # Whoever does not verify the signature reads this amount: it is encrypted with the right key.
    verify, shop.pay._core._verify_signature = shop.pay._core._verify_signature, lambda headers, body: True
    await rule(shop, "pay-callback", "callback-forged")
    await shop.paid("order-0001", 100)
    await settle(shop.app)
    shop.pay._core._verify_signature = verify
    assert [heard["resource"]["amount"]["total"] for heard in shop.receiver.heard] == [101, 100]


async def test_a_replayed_callback_is_the_same_with_an_old_time(shop: Shop, careful: Careful) -> None:
    await rule(shop, "pay-callback", "callback-replayed")
    await shop.paid("order-0001")
    await settle(shop.app)
    first, second = (opened for _, _, opened in careful.seen)
    # wechatpayv3 2.0.4 does not look at the age of a timestamp; the official clients refuse after five minutes.
    assert first == second
    assert careful.stamps[1] <= careful.stamps[0] - REPLAYED_AFTER_SECONDS + 1
    assert (await shop.control("GET", "/callbacks"))[0]["state"] == "delivered"


async def test_a_probe_is_refused_and_the_genuine_one_follows_at_once(shop: Shop, careful: Careful) -> None:
    await rule(shop, "pay-callback", "signtest")
    await shop.paid("order-0001")
    await settle(shop.app)
    assert [(what, status) for what, status, _ in careful.seen] == [("probe", 401), ("plain", 204)]
    assert await shop.control("GET", "/probes") == {"accepted": 0, "refused": 1}
    (line,) = await shop.control("GET", "/callbacks")
    assert (line["state"], line["attempts"]) == ("delivered", 1)


async def test_who_believes_a_probe_is_noted(shop: Shop, careful: Careful) -> None:
    careful.believes_everything = True
    await rule(shop, "pay-callback", "signtest")
    await shop.paid("order-0001")
    await settle(shop.app)
    assert await shop.control("GET", "/probes") == {"accepted": 1, "refused": 0}
    assert len(careful.seen) == 2


async def test_probes_by_share(shop: Shop, careful: Careful) -> None:
    # The client verifies answers as well, so the order is placed while there are no probes.
    await shop.prepay("order-0001")
    await shop.control("PUT", "/signing", {"probe_share": 1})
    await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001"})
    await settle(shop.app)
    assert [what for what, _, _ in careful.seen] == ["probe", "plain"]


async def test_one_seed_gives_the_same_probes(make_shop: MakeShop) -> None:
    async def drawn(seed: int) -> list[bool]:
        shop = await make_shop()
        await shop.control("PUT", "/signing", {"probe_share": 0.25, "seed": seed})
        signing = world_of(shop.app).signing
        return [signing.probes_next(f"refund/{place % 200}") for place in range(400)]

    seven = await drawn(7)
    assert sum(seven) / len(seven) == pytest.approx(0.25, abs=0.08)
    assert await drawn(7) == seven
    assert await drawn(8) != seven


async def test_a_refund_callback_before_the_answer(shop: Shop) -> None:
    await shop.paid("order-0001")
    await settle(shop.app)
    await rule(shop, "refund", "callback-before-answer")
    asked = [{"call": "refund-callback", "fault": {"kind": "callback-doubled"}}]
    heard_at_answer: list[int] = []

    async def note(response: httpx.Response) -> None:
        heard_at_answer.append(len(shop.receiver.heard))

    await shop.control("POST", "/faults/rules", asked)
    shop.http.event_hooks["response"] = [note]
    code, answer = await shop.refund("refund-1", "order-0001", 10)
    assert (code, answer["status"]) == (200, "PROCESSING")
    assert heard_at_answer == [3]
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS", "REFUND.SUCCESS", "REFUND.SUCCESS"]
    await settle(shop.app)
    assert len(shop.receiver.heard) == 3


async def test_a_payment_callback_before_the_phone_knows(make_shop: MakeShop) -> None:
    shop = await make_shop(callback_delay_seconds=3600)
    await rule(shop, "customer-pay", "callback-before-answer")
    await shop.paid("order-0001")
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]
    await shop.paid("order-0002")
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]


async def test_a_fault_of_a_callback_is_drawn_once(shop: Shop) -> None:
    await rule(shop, "pay-callback", "callback-late", seconds=60)
    await shop.control(
        "POST", "/faults/rules", [{"call": "pay-callback", "fault": {"kind": "callback-lost"}, "nth": 2}]
    )
    await shop.paid("order-0001")
    await advance(shop.app, 61)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]


async def test_a_fault_stays_with_its_callback_when_the_process_dies(make_shop: MakeShop, tmp_path: Path) -> None:
    before = await make_shop(data_dir=tmp_path)
    await rule(before, "pay-callback", "callback-doubled")
    await before.paid("order-0001")
    await settle(before.app)
    # It died before it could note the outcome.
    world_of(before.app).store.run("UPDATE callbacks SET state = 'sending', attempts = 0")
    after = await make_shop(data_dir=tmp_path)
    await settle(after.app)
    assert after.receiver.events() == ["TRANSACTION.SUCCESS"] * 2
