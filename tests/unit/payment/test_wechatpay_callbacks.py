"""The provider's door: what is not genuine, not fresh or not ours is refused, counted, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis import problem
from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.mongo import Database
from chassis.record import Heard
from services.payment.callbacks import CALLBACK_BYTES_MAX, TRANSFER_FIELD, TRANSFERS_ONLY, callback_routes
from services.payment.effects import Effects
from services.payment.handlers import PAYMENTS
from services.payment.keyfolder import KeyFolder
from services.payment.merchants import Merchants
from services.payment.model import Payment, Payout, Receipt, Refund, payout_number
from services.payment.outside import QueryRefund, RefundUnanswered
from services.payment.wechatpay import BadCallback, BadSignature, WechatPay
from tests.unit.payment.given import CASE, NOON, ORDER, PAID_FEN, fen, number, open_payment, refund_document, trade
from tests.unit.payment.key_files import Ticks, copied
from tests.unit.payment.provider import Provider, text


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


# ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_callback_is_opened(provider: Provider) -> None:
    raw = provider.callback("REFUND.SUCCESS", {"out_refund_no": number()})
    opened = await provider.client().open_callback(provider.headers(raw), raw)
    assert (opened.id, opened.event_type, opened.resource) == ("EV-1", "REFUND.SUCCESS", {"out_refund_no": number()})


async def test_header_names_in_any_case_are_found(provider: Provider) -> None:
    raw = provider.callback("REFUND.SUCCESS", {})
    headers = {name.upper(): value for name, value in provider.headers(raw).items()}
    assert (await provider.client().open_callback(headers, raw)).id == "EV-1"


def spoiled(provider: Provider, raw: bytes, what: str) -> tuple[list[tuple[str, str]], bytes]:
    """A callback that was genuine once."""
    headers = provider.headers(raw)
    if what == "forged":
        raw = raw.replace(b"EV-1", b"EV-2")
    elif what == "re-serialised":
        raw = json.dumps(json.loads(raw), separators=(",", ":")).encode()
    elif what == "truncated":
        raw = raw[:-20]
    elif what == "replayed":
        provider.now += timedelta(minutes=5)
    elif what == "wrong serial":
        headers["Wechatpay-Serial"] = "ABCDEF"
    elif what == "unsigned":
        headers.pop("Wechatpay-Signature")
    elif what == "no time":
        headers["Wechatpay-Timestamp"] = "9" * 30
    elif what == "probe":
        headers["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + headers["Wechatpay-Signature"][19:]
    given = list(headers.items())
    if what == "doubled header":
        given.append(("wechatpay-signature", headers["Wechatpay-Signature"]))
    return given, raw


FAULTS = {
    "forged": "forged",
    "re-serialised": "forged",
    "truncated": "forged",
    "replayed": "expired",
    "wrong serial": "unknown-key",
    "unsigned": "unsigned",
    "no time": "forged",
    "probe": "probe",
    "doubled header": "forged",
}


@pytest.mark.parametrize("what", [what for what in FAULTS if what != "doubled header"])
async def test_what_the_provider_has_not_signed_now_is_not_opened(provider: Provider, what: str) -> None:
    headers, raw = spoiled(provider, provider.callback("TRANSACTION.SUCCESS", {}), what)
    with pytest.raises(BadSignature) as caught:
        await provider.client().open_callback(dict(headers), raw)
    assert (caught.value.fault, caught.value.is_probe) == (FAULTS[what], what == "probe")


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b'{"id":"1","event_type":"X","resource":{"nonce":"n","ciphertext":"AAAA"}}'],
)
async def test_a_signed_callback_that_cannot_be_opened_says_so(provider: Provider, raw: bytes) -> None:
    with pytest.raises(BadCallback):
        await provider.client().open_callback(provider.headers(raw), raw)


async def test_a_callback_sealed_with_other_data_says_so(provider: Provider) -> None:
    document = json.loads(provider.callback("REFUND.SUCCESS", {}))
    document["resource"]["associated_data"] = "something else"
    raw = json.dumps(document).encode()
    with pytest.raises(BadCallback):
        await provider.client().open_callback(provider.headers(raw), raw)


async def test_a_changed_apiv3_key_is_used_at_once(provider: Provider, keys: Path, tmp_path: Path) -> None:
    folder = copied(keys, tmp_path)
    (folder / "apiv3-key.txt").write_text("0" * 32)
    client = provider.client(KeyFolder(folder, Ticks()))
    raw = provider.callback("REFUND.SUCCESS", {"a": 1})
    with pytest.raises(BadCallback):
        await client.open_callback(provider.headers(raw), raw)
    later = provider.client(KeyFolder(folder, Ticks()))
    (folder / "apiv3-key.txt").write_text(text(keys, "apiv3-key.txt"))
    assert (await later.open_callback(provider.headers(raw), raw)).resource == {"a": 1}


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Records:
    """The one question that is asked of the database, answered from memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def aggregate(self, pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        (wanted,) = pipeline[0]["$match"].values()
        return [
            {"_id": id}
            for id, document in self._store.documents.items()
            if any((one["payout"] or {}).get("number") == wanted for one in document["state"]["refunds"])
        ]


class House:
    """A payment service that hears callbacks: the house's own shop and "tea", with an open payment of each. `more`
    shops there may be."""

    def __init__(self, provider: Provider, tea: Provider, more: Mapping[str, WechatPay] = MappingProxyType({})) -> None:
        self.store = MemoryStore(PAYMENTS)
        self.engine = Engine("payment", {PAYMENTS: self.store}, MemoryBroker(), lambda: provider.now)
        house = {"": provider.client(), "tea": tea.client(KeyFolder(tea.keys, Ticks()), "tea")}
        merchants = Merchants({**house, **more})
        Effects(merchants).join(self.engine)
        self.engine.perform(QueryRefund, self._query_refund)
        self.asked_about: list[str] = []
        app = FastAPI()
        problem.install(app)
        app.include_router(callback_routes(self.engine, merchants, Records(self.store)))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://payment.test")

    async def open(self, **more: Any) -> None:
        opened = open_payment().model_copy(update=more)
        await self.engine.hear(Heard(opened, f"open-{opened.order_id}", NOON))
        await self.engine.relay.drain(30.0)

    async def payment(self, order_id: str = ORDER) -> Payment:
        record = await self.engine.read(PAYMENTS, order_id)
        assert record is not None
        assert isinstance(record.state, Payment)
        return record.state

    async def _query_refund(self, wish: QueryRefund, _: int) -> RefundUnanswered:
        self.asked_about.append(wish.number)
        return RefundUnanswered(order_id=wish.order_id, number=wish.number, code="TIMEOUT")

    async def pays_out(self) -> None:
        """The payment has a refund that goes as a transfer."""
        payout = Payout(number=payout_number(CASE, 1), status="waiting")
        refund = Refund(case_id=CASE, number=number(), amount=fen(4_000), status="paying-out", payout=payout)
        document = self.store.documents[ORDER]
        document["state"] = {**document["state"], "refunds": [refund.model_dump(mode="json")]}


@pytest.fixture
def tea(keys: Path, tmp_path: Path) -> Provider:
    folder = copied(keys, tmp_path / "tea")
    (folder / "mchid.txt").write_text("1900000888")
    (folder / "apiv3-key.txt").write_text("t" * 32)
    return Provider(folder)


@pytest.fixture
async def house(provider: Provider, tea: Provider) -> AsyncIterator[House]:
    opened = House(provider, tea)
    await opened.open()
    await opened.open(order_id="ORDEROFTEA0000000001", shop="tea")
    async with opened.http:
        yield opened


def counted(family: str, outcome: str) -> float:
    labels = {"family": family, "outcome": outcome}
    return REGISTRY.get_sample_value("tuidan_payment_callbacks_total", labels) or 0.0


def pay_resource(provider: Provider, **more: Any) -> dict[str, Any]:
    ours = {"mchid": text(provider.keys, "mchid.txt"), "appid": text(provider.keys, "appid.txt")}
    return {**trade().model_dump(mode="json", exclude_defaults=True), **ours, **more}


def transfer_resource(provider: Provider, **more: Any) -> dict[str, Any]:
    return {
        "out_bill_no": payout_number(CASE, 1),
        "transfer_bill_no": "1330000071100999991182020050700019480001",
        "state": "SUCCESS",
        "mch_id": text(provider.keys, "mchid.txt"),
        "transfer_amount": 4_000,
        "openid": "openid-of-somebody",
        "create_time": "2026-11-01T20:00:00+08:00",
        "update_time": "2026-11-01T20:10:00+08:00",
        **more,
    }


async def test_a_genuine_callback_is_stored_and_counted(house: House, provider: Provider) -> None:
    before = counted("pay", "stored")
    raw = provider.callback("TRANSACTION.SUCCESS", pay_resource(provider))
    for _ in range(2):
        answer = await house.http.post("/callbacks/pay", content=raw, headers=provider.headers(raw))
        assert (answer.status_code, answer.content) == (204, b"")
    payment = await house.payment()
    assert payment.receipt is not None
    assert (payment.status, payment.receipt.amount.amount_minor) == ("paid", PAID_FEN)
    assert counted("pay", "stored") == before + 2


@pytest.mark.parametrize("family", ["pay", "refund", "transfer"])
@pytest.mark.parametrize("what", FAULTS)
async def test_what_is_not_genuine_is_refused_counted_and_changes_nothing(
    house: House, provider: Provider, what: str, family: str
) -> None:
    events = {"pay": "TRANSACTION.SUCCESS", "refund": "REFUND.SUCCESS", "transfer": "MCHTRANSFER.BILL.FINISHED"}
    before, state = counted(family, FAULTS[what]), await house.payment()
    headers, raw = spoiled(provider, provider.callback(events[family], pay_resource(provider)), what)
    with capture_logs() as logs:
        answer = await house.http.post(f"/callbacks/{family}", content=raw, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"code": "FAIL", "message": "signature"})
    assert counted(family, FAULTS[what]) == before + 1
    assert await house.payment() == state
    # A probe is no attack.
    levels = [line["log_level"] for line in logs if line["log_level"] != "info"]
    assert levels == ([] if what == "probe" else ["warning"])


async def test_a_callback_of_one_shop_at_the_door_of_another_is_refused(
    house: House, provider: Provider, tea: Provider
) -> None:
    own = pay_resource(tea, out_trade_no="ORDEROFTEA0000000001")
    raw = tea.callback("TRANSACTION.SUCCESS", own)
    before = counted("pay", "unreadable")
    answer = await house.http.post("/callbacks/pay", content=raw, headers=tea.headers(raw))
    assert (answer.status_code, counted("pay", "unreadable")) == (400, before + 1)
    # Sealed for us, and still about another merchant, or about an order of another shop.
    for resource in (own, pay_resource(provider, out_trade_no="ORDEROFTEA0000000001")):
        before = counted("pay", "not-ours")
        raw = provider.callback("TRANSACTION.SUCCESS", resource)
        answer = await house.http.post("/callbacks/pay", content=raw, headers=provider.headers(raw))
        assert (answer.status_code, counted("pay", "not-ours")) == (400, before + 1)
    assert (await house.payment("ORDEROFTEA0000000001")).status == "opened"
    raw = tea.callback("TRANSACTION.SUCCESS", own)
    answer = await house.http.post("/callbacks/pay/tea", content=raw, headers=tea.headers(raw))
    assert answer.status_code == 204
    assert (await house.payment("ORDEROFTEA0000000001")).status == "paid"


@pytest.mark.parametrize(
    ("path", "http"), [("/callbacks/pay?x=1", 400), ("/callbacks/pay/nobody", 404), ("/callbacks/other", 422)]
)
async def test_an_address_we_never_gave_is_refused(house: House, provider: Provider, path: str, http: int) -> None:
    raw = provider.callback("TRANSACTION.SUCCESS", pay_resource(provider))
    answer = await house.http.post(path, content=raw, headers=provider.headers(raw))
    assert answer.status_code == http
    assert (await house.payment()).status == "opened"


@pytest.mark.parametrize(
    ("family", "event", "more", "http"),
    [
        ("pay", "TRANSACTION.SUCCESS", {"mchid": "1900000000"}, 400),
        ("pay", "TRANSACTION.SUCCESS", {"appid": "wx0000000000000000"}, 400),
        ("pay", "TRANSACTION.SUCCESS", {"out_trade_no": "ORDER0000000000000404"}, 404),
        ("pay", "TRANSACTION.SUCCESS", {"out_trade_no": None}, 400),
        ("refund", "TRANSACTION.SUCCESS", {}, 400),
        ("pay", "REFUND.SUCCESS", {}, 400),
        ("refund", "REFUND.SUCCESS", {"amount": None}, 400),
        ("transfer", "MCHTRANSFER.BILL.FINISHED", {}, 400),
    ],
)
async def test_a_genuine_callback_about_something_else_is_not_taken(
    house: House, provider: Provider, family: str, event: str, more: dict[str, Any], http: int
) -> None:
    raw = provider.callback(event, pay_resource(provider, **more))
    answer = await house.http.post(f"/callbacks/{family}", content=raw, headers=provider.headers(raw))
    assert (answer.status_code, answer.json()["code"]) == (http, "FAIL")
    assert (await house.payment()).status == "opened"


async def test_a_refund_callback_finds_its_order(house: House, provider: Provider) -> None:
    raw = provider.callback("TRANSACTION.SUCCESS", pay_resource(provider), "EV-0")
    await house.http.post("/callbacks/pay", content=raw, headers=provider.headers(raw))
    shown = refund_document("SUCCESS")
    shown["refund_status"] = shown.pop("status")
    for mchid, http in (("1900000000", 400), (text(provider.keys, "mchid.txt"), 204)):
        raw = provider.callback("REFUND.SUCCESS", {**shown, "mchid": mchid})
        answer = await house.http.post("/callbacks/refund", content=raw, headers=provider.headers(raw))
        assert answer.status_code == http
    await house.engine.relay.drain(30.0)
    assert house.asked_about == [number()]  # made by hand: the provider is asked what it is


async def test_what_a_service_provider_does_by_hand_is_told_to_one_address_for_all_its_shops(
    provider: Provider, tea: Provider, tmp_path: Path
) -> None:
    """Its account has one address on the merchant platform, and acts for many sub-merchants."""
    sub_mchids, clients = {"rice": "1900000777", "oil": "1900000999"}, {}
    for shop, sub_mchid in sub_mchids.items():
        folder = copied(tea.keys, tmp_path / shop)
        (folder / "sub-mchid.txt").write_text(sub_mchid)
        clients[shop] = tea.client(KeyFolder(folder), shop)
    house = House(provider, tea, clients)
    await house.open(shop="oil")
    paid = house.store.documents[ORDER]
    state = paid_for(await house.payment())
    paid["state"] = state.model_dump(mode="json")
    shown = refund_document("SUCCESS")
    shown["refund_status"] = shown.pop("status")

    async def told(shop: str, sub_mchid: str) -> int:
        parties = {"sp_mchid": text(tea.keys, "mchid.txt"), "sub_mchid": sub_mchid}
        raw = tea.callback("REFUND.SUCCESS", {**shown, **parties})
        answer = await house.http.post(f"/callbacks/refund/{shop}", content=raw, headers=tea.headers(raw))
        return answer.status_code

    assert await told("rice", "1900000000") == 400, "a sub-merchant that is none of our shops"
    assert await told("rice", sub_mchids["rice"]) == 400, "the order is another shop's"
    assert house.asked_about == []
    assert await told("rice", sub_mchids["oil"]) == 204
    await house.engine.relay.drain(30.0)
    assert house.asked_about == [number()]
    await house.http.aclose()


def paid_for(payment: Payment) -> Payment:
    receipt = Receipt(amount=fen(PAID_FEN), transaction_id="4200000000000000000000000001", paid_at=NOON)
    return payment.model_copy(update={"status": "paid", "receipt": receipt})


async def test_a_transfer_callback_finds_its_order(house: House, provider: Provider, tea: Provider) -> None:
    raw = provider.callback("TRANSACTION.SUCCESS", pay_resource(provider), "EV-0")
    await house.http.post("/callbacks/pay", content=raw, headers=provider.headers(raw))
    await house.pays_out()
    event = "MCHTRANSFER.BILL.FINISHED"
    for more, http in (({"mch_id": "1"}, 400), ({"out_bill_no": "unknown1"}, 404), ({"state": "LOST"}, 400), ({}, 204)):
        raw = provider.callback(event, transfer_resource(provider, **more))
        answer = await house.http.post("/callbacks/transfer", content=raw, headers=provider.headers(raw))
        assert answer.status_code == http
    refund = (await house.payment()).refunds[0]
    assert refund.payout is not None
    assert (refund.status, refund.payout.status) == ("settled", "paid")


async def test_a_callback_that_is_too_long_is_not_read(house: House, provider: Provider) -> None:
    before = counted("pay", "too-long")
    raw = b"x" * (CALLBACK_BYTES_MAX + 1)
    answer = await house.http.post("/callbacks/pay", content=raw, headers=provider.headers(raw))
    assert (answer.status_code, counted("pay", "too-long")) == (413, before + 1)


@pytest.mark.real
async def test_a_transfers_order_is_found_by_an_index(database: Database) -> None:
    records = database.collection(PAYMENTS.name)
    await records.ensure_index([(TRANSFER_FIELD, 1)], partial=TRANSFERS_ONLY)
    paying_out = {"state": {"refunds": [{"payout": None}, {"payout": {"number": "bill1"}}]}}
    await records.insert_new([{"_id": "A", **paying_out}, {"_id": "B", "state": {"refunds": [{"payout": None}]}}])
    asked = [{"$match": {TRANSFER_FIELD: "bill1"}}]
    assert [found["_id"] for found in await records.aggregate(asked)] == ["A"]
    used = await records.aggregate([{"$indexStats": {}}])
    accesses = {index["name"]: int(index["accesses"]["ops"]) for index in used}
    assert accesses[f"{TRANSFER_FIELD}_1"] == 1
