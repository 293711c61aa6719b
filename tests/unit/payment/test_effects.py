"""What each answer of the provider is reported as, call by call; and down which road the report sends the refund."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from contracts.payment import RefundAccepted, RefundAttempted, RefundRefused
from services.payment.effects import Effects
from services.payment.outside import (
    CallAttention,
    CloseOrder,
    QueryPayment,
    QueryRefund,
    RefundRejected,
    RefundShown,
    RefundUnanswered,
    SendRefund,
)
from services.payment.roads import ROADS, Row
from tests.unit.payment.given import (
    CASE,
    ORDER,
    PAID_FEN,
    asked_to_refund,
    fen,
    kinds,
    number,
    refund_document,
    trade,
)
from tests.unit.payment.provider import Answer, Provider

POST, LOOK = "POST refunds", f"GET {number()}"
NOT_THERE = (404, "RESOURCE_NOT_EXISTS")


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


def wish(*, resend: bool = False) -> SendRefund:
    return SendRefund(
        order_id=ORDER, case_id=CASE, number=number(), n=1, amount=fen(4_000), total=fen(PAID_FEN), resend=resend
    )


async def send(
    provider: Provider, *script: Answer, resend: bool = False, attempt: int = 1
) -> RefundShown | RefundRejected | RefundUnanswered:
    provider.script = list(script)
    report = await Effects(provider.client()).send_refund(wish(resend=resend), attempt)
    assert provider.script == [], "not every answer was asked for"
    return report


# ── the table, row by row ────────────────────────────────────────────────────────────────────────────────────────────
ROAD_SAYS = {
    "accepted": ["RefundAccepted"],
    "settled": ["RefundAccepted"],
    "abnormal": ["RefundAccepted", "RefundAttempted"],
    "closed": ["RefundAttempted", "SendRefund"],
    "refused": ["RefundRefused"],
    "parked": ["RefundAttempted", "CallAttention"],
    "busy": ["RefundAttempted"],
    "unknown": ["RefundAttempted"],
}


@pytest.mark.parametrize("row", ROADS, ids=lambda row: row.word)
async def test_every_row_of_the_table(provider: Provider, row: Row) -> None:
    if row.http == "200":
        report = await send(provider, provider.says(200, refund_document(row.word)))
        assert provider.calls == [POST]
    elif row.http in ("429", "500"):
        report = await send(provider, provider.refuses(int(row.http), row.word))
        assert provider.calls == [POST]
    else:
        report = await send(provider, provider.refuses(int(row.http), row.word), provider.refuses(*NOT_THERE))
        assert provider.calls == [POST, LOOK]
    assert kinds(asked_to_refund().hear(report)) == ROAD_SAYS[row.road]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("hung up"),
        httpx.Response(502, content=b"<html>"),
        httpx.Response(200, json=refund_document("SUCCESS")),
        httpx.Response(403, content=b"forbidden"),
    ],
    ids=["timeout", "reset", "hung up", "bad gateway", "unsigned success", "a wall in between"],
)
async def test_no_answer_is_reported_as_unknown_without_another_call(provider: Provider, trouble: Answer) -> None:
    report = await send(provider, trouble)
    assert isinstance(report, RefundUnanswered)
    assert provider.calls == [POST]
    (told,) = asked_to_refund().hear(report)
    assert isinstance(told, RefundAttempted)
    assert told.outcome == "unknown"


async def test_another_amount_in_the_answer_stops_the_refund(provider: Provider) -> None:
    story = asked_to_refund()
    story.hear(await send(provider, provider.says(200, refund_document(amount=3_999))))
    assert story.refund.status == "mismatch"


# ── the provider's rule: look after a refusal, look before a second try ──────────────────────────────────────────────
async def test_a_refusal_is_looked_up_and_what_is_found_counts(provider: Provider) -> None:
    found = provider.says(200, refund_document("PROCESSING"))
    report = await send(provider, provider.refuses(400, "INVALID_REQUEST"), found)
    assert kinds(asked_to_refund().hear(report)) == ["RefundAccepted"]


@pytest.mark.parametrize(
    "look", [httpx.ReadTimeout("slow"), (401, "SIGN_ERROR"), (404, "MCH_NOT_EXISTS"), (500, "SYSTEM_ERROR")]
)
async def test_a_refusal_that_cannot_be_looked_up_is_unknown(
    provider: Provider, look: Exception | tuple[int, str]
) -> None:
    second: Answer = look if isinstance(look, Exception) else provider.refuses(*look)
    report = await send(provider, provider.refuses(403, "USER_ACCOUNT_ABNORMAL"), second)
    assert isinstance(report, RefundUnanswered)
    assert kinds(asked_to_refund().hear(report)) == ["RefundAttempted"]


@pytest.mark.parametrize(("resend", "attempt"), [(True, 1), (False, 2)])
async def test_a_second_try_looks_first_and_sends_nothing_when_it_is_there(
    provider: Provider, resend: bool, attempt: int
) -> None:
    report = await send(provider, provider.says(200, refund_document()), resend=resend, attempt=attempt)
    assert provider.calls == [LOOK]
    (told,) = asked_to_refund().hear(report)
    assert isinstance(told, RefundAccepted)


async def test_a_second_try_that_finds_nothing_sends_the_same_number(provider: Provider) -> None:
    there = provider.says(200, refund_document())
    report = await send(provider, provider.refuses(*NOT_THERE), there, resend=True)
    assert provider.calls == [LOOK, POST]
    assert provider.body()["out_refund_no"] == number()
    assert isinstance(report, RefundShown)


async def test_a_second_try_that_cannot_look_sends_nothing(provider: Provider) -> None:
    report = await send(provider, httpx.ReadTimeout("slow"), resend=True)
    assert provider.calls == [LOOK]
    assert isinstance(report, RefundUnanswered)


async def test_a_second_try_refused_for_good_is_refused(provider: Provider) -> None:
    no = provider.refuses(403, "USER_ACCOUNT_ABNORMAL")
    report = await send(provider, provider.refuses(*NOT_THERE), no, provider.refuses(*NOT_THERE), resend=True)
    (told,) = asked_to_refund().hear(report)
    assert isinstance(told, RefundRefused)
    assert told.reason == "account-abnormal"


async def test_where_is_it(provider: Provider) -> None:
    effects = Effects(provider.client())
    question = QueryRefund(order_id=ORDER, case_id=CASE, number=number())
    provider.script = [
        provider.says(200, refund_document("SUCCESS")),
        provider.refuses(*NOT_THERE),
        httpx.ReadError("reset"),
    ]
    found = await effects.query_refund(question, 1)
    assert isinstance(found, RefundShown)
    assert found.refund.status == "SUCCESS"
    for code in ("RESOURCE_NOT_EXISTS", "CONNECTION"):
        lost = await effects.query_refund(question, 1)
        assert isinstance(lost, RefundUnanswered)
        assert lost.code == code


# ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _trade(state: str) -> dict[str, object]:
    return trade(state).model_dump(mode="json", exclude_none=True)


async def close(provider: Provider, *script: Answer) -> tuple[str, str]:
    provider.script = list(script)
    report = await Effects(provider.client()).close_order(CloseOrder(order_id=ORDER), 1)
    assert (report.trade is not None) == (report.outcome == "paid")
    return report.outcome, report.code


@pytest.mark.parametrize("code", ["ORDERPAID", "ORDER_PAID"])
async def test_closing_what_is_paid_brings_the_payment_along(provider: Provider, code: str) -> None:
    paid = provider.says(200, _trade("SUCCESS"))
    assert await close(provider, provider.refuses(400, code), paid) == ("paid", "")


async def test_closing(provider: Provider) -> None:
    assert await close(provider, provider.says(204)) == ("closed", "")
    assert await close(provider, provider.refuses(400, "ORDER_CLOSED")) == ("closed", "ORDER_CLOSED")
    assert await close(provider, provider.refuses(404, "ORDER_NOT_EXIST")) == ("closed", "ORDER_NOT_EXIST")
    assert await close(provider, httpx.ReadTimeout("slow")) == ("unknown", "TIMEOUT")
    assert await close(provider, provider.refuses(500, "SYSTEM_ERROR")) == ("unknown", "SYSTEM_ERROR")
    assert await close(provider, provider.refuses(401, "SIGN_ERROR")) == ("unknown", "SIGN_ERROR")
    paid = provider.refuses(400, "ORDERPAID")
    assert await close(provider, paid, httpx.ReadTimeout("slow")) == ("unknown", "TIMEOUT")
    assert await close(provider, paid, provider.says(200, _trade("NOTPAY"))) == ("unknown", "NOTPAY")


async def test_asking_for_a_payment(provider: Provider) -> None:
    effects = Effects(provider.client())
    provider.script = [provider.says(200, _trade("SUCCESS")), provider.refuses(404, "ORDER_NOT_EXIST")]
    found = await effects.query_payment(QueryPayment(order_id=ORDER), 1)
    assert found.trade == trade()
    missing = await effects.query_payment(QueryPayment(order_id=ORDER), 1)
    assert (missing.trade, missing.code) == (None, "ORDER_NOT_EXIST")


async def test_attention_is_counted_for_an_alert(provider: Provider) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("tuidan_payment_attention_total", {"what": "strange-payment"}) or 0.0

    before = counted()
    wish = CallAttention(order_id=ORDER, what="strange-payment", detail="5 fen instead of 6")
    assert (await Effects(provider.client()).call_attention(wish, 1)).order_id == ORDER
    assert counted() == before + 1
