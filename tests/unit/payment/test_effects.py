"""What each answer of the provider is reported as, call by call; and down which road the report sends the refund."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from contracts.message import RefundNumber
from contracts.payment import RefundAccepted, RefundAttempted, RefundRefused
from services.payment.accounts import ACCOUNTS
from services.payment.effects import Effects
from services.payment.keyfolder import KeyFolder
from services.payment.limits import ERRORS, RefundLimits
from services.payment.merchants import Merchants
from services.payment.outside import (
    CallAttention,
    CancelTransfer,
    CloseOrder,
    PayoutRemembered,
    QueryPayment,
    QueryRefund,
    QueryTransfer,
    RefundHeld,
    RefundRejected,
    RefundShown,
    RefundUnanswered,
    RescueRefund,
    RescueRejected,
    SendRefund,
    SendTransfer,
    TransferRejected,
    TransferShown,
    TransferUnanswered,
)
from services.payment.refund_effects import RefundEffects
from services.payment.roads import ROADS, Row
from services.payment.shown import SealedCard
from services.payment.turnstile import SPACING, Turnstile
from tests.unit.payment.given import (
    CASE,
    NOON,
    ORDER,
    PAID_FEN,
    asked_to_refund,
    fen,
    kinds,
    number,
    refund_document,
    trade,
)
from tests.unit.payment.key_files import copied
from tests.unit.payment.provider import Answer, Provider, text

POST, LOOK = "POST refunds", f"GET {number()}"
NOT_THERE = (404, "RESOURCE_NOT_EXISTS")


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


def effects_of(provider: Provider) -> Effects:
    return Effects(Merchants({"": provider.client()}))


async def _no_time_passes(seconds: float) -> None:
    """Time stands still: whoever would wait too long is held."""


def refund_effects(provider: Provider) -> RefundEffects:
    """With a turnstile that knows nothing of this customer and this merchant yet."""
    engine = Engine("payment", {ACCOUNTS: MemoryStore(ACCOUNTS)}, MemoryBroker(), lambda: NOON)
    turnstile = Turnstile(engine, RefundLimits(None, lambda: 0.0), SPACING, lambda: NOON, pause=_no_time_passes)
    return RefundEffects(Merchants({"": provider.client()}), turnstile)


def wish(*, resend: bool = False) -> SendRefund:
    return SendRefund(
        order_id=ORDER, case_id=CASE, number=number(), n=1, amount=fen(4_000), total=fen(PAID_FEN), resend=resend
    )


async def send(
    provider: Provider, *script: Answer, resend: bool = False, attempt: int = 1
) -> RefundShown | RefundRejected | RefundUnanswered:
    provider.script = list(script)
    report = await refund_effects(provider).send_refund(wish(resend=resend), attempt)
    assert not isinstance(report, RefundHeld | PayoutRemembered)
    assert provider.script == [], "not every answer was asked for"
    return report


async def test_what_one_shop_is_refused_counts_for_all_shops_of_its_service_provider(
    provider: Provider, tmp_path: Path
) -> None:
    """Six wrong requests a second are all that it may make, for whichever sub-merchant
    (pay.weixin.qq.com/doc/v3/partner/4013163605)."""
    clients = {}
    for shop, sub_mchid in (("rice", "1900000777"), ("tea", "1900000888")):
        folder = copied(provider.keys, tmp_path / shop)
        (folder / "sub-mchid.txt").write_text(sub_mchid)
        clients[shop] = provider.client(KeyFolder(folder), shop)
    engine = Engine("payment", {ACCOUNTS: MemoryStore(ACCOUNTS)}, MemoryBroker(), lambda: NOON)
    limits = RefundLimits(None, lambda: 0.0)
    turnstile = Turnstile(engine, limits, SPACING, lambda: NOON, pause=_no_time_passes)
    effects = RefundEffects(Merchants(clients), turnstile)

    provider.script = [provider.refuses(400, "PARAM_ERROR"), provider.refuses(*NOT_THERE)]
    await effects.send_refund(wish().model_copy(update={"shop": "rice"}), 1)
    for _ in range(int(ERRORS.per_second)):
        await limits.spend_error(text(provider.keys, "mchid.txt"))
    held = await effects.send_refund(wish().model_copy(update={"shop": "tea"}), 1)
    assert isinstance(held, RefundHeld)
    assert (held.code, provider.calls) == ("RATE", [POST, LOOK])


# ── the table, row by row ────────────────────────────────────────────────────────────────────────────────────────────
ROAD_SAYS = {
    "accepted": ["RefundAccepted"],
    "settled": ["RefundAccepted"],
    "abnormal": ["RefundAccepted", "RefundAttempted"],
    "closed": ["RefundAttempted", "SendRefund"],
    "refused": ["RefundRefused"],
    "doubted": ["RefundAttempted"],
    "parked": ["RefundAttempted"],
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
    effects = refund_effects(provider)
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


# ── kept back, another card, transfers ───────────────────────────────────────────────────────────────────────────────
async def test_within_a_minute_of_another_refund_of_the_order_nothing_is_sent(provider: Provider) -> None:
    early = wish().model_copy(update={"previous_at": NOON - timedelta(seconds=30)})
    report = await refund_effects(provider).send_refund(early, 1)
    assert isinstance(report, RefundHeld)
    assert (report.code, report.until) == ("ORDER_SPACING", NOON + timedelta(seconds=31))
    assert provider.calls == []


async def test_too_many_requests_count_as_errors_though_nobody_knows_what_became_of_them(provider: Provider) -> None:
    effects = refund_effects(provider)
    answers = []
    for n in range(1, 12):
        provider.script = [provider.refuses(429, "FREQUENCY_LIMITED")]
        asked = wish().model_copy(update={"number": number(n), "openid": ""})
        answers.append(await effects.send_refund(asked, 1))
        if isinstance(answers[-1], RefundHeld):
            break
    assert isinstance(answers[-1], RefundHeld)
    assert answers[-1].code == "RATE"
    assert isinstance(answers[0], RefundUnanswered)


CARD = SealedCard(serial="S", bank_type="CMB_DEBIT", bank_account="sealed", real_name="sealed")
RESCUE = RescueRefund(order_id=ORDER, case_id=CASE, number=number(), refund_id="503", card=CARD)


async def test_another_card_is_named_once(provider: Provider) -> None:
    provider.script = [provider.says(200, refund_document("PROCESSING"))]
    report = await refund_effects(provider).rescue_refund(RESCUE, 1)
    assert isinstance(report, RefundShown)
    assert provider.calls == ["POST apply-abnormal-refund"]
    assert provider.body()["bank_account"] == "sealed"


async def test_after_a_crash_a_card_is_named_only_when_the_refund_is_still_abnormal(provider: Provider) -> None:
    provider.script = [provider.says(200, refund_document("PROCESSING"))]
    assert isinstance(await refund_effects(provider).rescue_refund(RESCUE, 2), RefundShown)
    assert provider.calls == [LOOK]


async def test_a_card_that_is_refused_and_one_that_nobody_answered_for(provider: Provider) -> None:
    still = provider.says(200, refund_document("ABNORMAL"))
    provider.script = [provider.refuses(400, "PARAM_ERROR"), still, httpx.ReadTimeout("slow")]
    no = await refund_effects(provider).rescue_refund(RESCUE, 1)
    assert isinstance(no, RescueRejected)
    assert no.code == "PARAM_ERROR"
    assert isinstance(await refund_effects(provider).rescue_refund(RESCUE, 1), RefundUnanswered)


async def test_a_card_is_not_refused_where_the_money_is_on_its_way_to_the_one_before(provider: Provider) -> None:
    """Named twice, or again after an answer that was lost: what is not abnormal any more takes no card."""
    provider.script = [
        provider.refuses(400, "INVALID_REQUEST"),
        provider.says(200, refund_document("PROCESSING")),
        provider.refuses(400, "INVALID_REQUEST"),
        httpx.ReadTimeout("slow"),
    ]
    seen = await refund_effects(provider).rescue_refund(RESCUE, 1)
    assert isinstance(seen, RefundShown)
    assert seen.refund.status == "PROCESSING"
    assert isinstance(await refund_effects(provider).rescue_refund(RESCUE, 1), RefundUnanswered)


TRANSFER = SendTransfer(order_id=ORDER, case_id=CASE, number=RefundNumber("T1"), openid="o1", amount=fen(4_000))
BILL = {"out_bill_no": "T1", "transfer_bill_no": "133", "state": "WAIT_USER_CONFIRM", "package_info": "ticket"}


async def test_a_transfer_is_looked_for_before_a_second_try_and_after_a_refusal(provider: Provider) -> None:
    effects = refund_effects(provider)
    moving = {**BILL, "state": "TRANSFERING", "package_info": ""}
    provider.script = [provider.says(200, moving)]
    assert isinstance(await effects.send_transfer(TRANSFER, 2), TransferShown)
    provider.script = [provider.refuses(404, "NOT_FOUND"), provider.says(200, BILL)]
    assert isinstance(await effects.send_transfer(TRANSFER.model_copy(update={"resend": True}), 1), TransferShown)
    provider.script = [provider.refuses(403, "NO_AUTH"), provider.says(200, BILL)]
    assert isinstance(await effects.send_transfer(TRANSFER, 1), TransferShown)
    provider.script = [provider.refuses(403, "NO_AUTH"), provider.refuses(404, "NOT_FOUND")]
    refused = await effects.send_transfer(TRANSFER, 1)
    assert isinstance(refused, TransferRejected)
    assert refused.code == "NO_AUTH"
    provider.script = [provider.refuses(400, "PARAM_ERROR"), provider.refuses(403, "NO_AUTH")]
    unknown = await effects.send_transfer(TRANSFER, 1)
    assert isinstance(unknown, TransferUnanswered), "who may not look knows nothing"


async def test_a_shop_that_may_not_make_transfers_may_not_look_for_them_and_is_refused(provider: Provider) -> None:
    """Else its refund would be asked about for ever, and its case would never end."""
    no = provider.refuses(403, "NO_AUTH")
    provider.script = [no, no]
    assert isinstance(await refund_effects(provider).send_transfer(TRANSFER, 1), TransferRejected)
    provider.script = [provider.refuses(404, "NOT_FOUND"), no, no]
    late = await refund_effects(provider).send_transfer(TRANSFER, 2)
    assert isinstance(late, TransferUnanswered), "an earlier call may have made one, when it was allowed to"


async def test_the_ticket_of_a_transfer_whose_answer_was_lost_is_asked_for_again(provider: Provider) -> None:
    without = {**BILL, "package_info": ""}
    provider.script = [provider.says(200, without), provider.says(200, BILL)]
    report = await refund_effects(provider).send_transfer(TRANSFER, 2)
    assert isinstance(report, TransferShown)
    assert report.transfer.package_info == "ticket"
    assert provider.calls == ["GET T1", "POST transfer-bills"]
    assert provider.body()["out_bill_no"] == "T1"


@pytest.mark.parametrize("state", ["ACCEPTED", "PROCESSING"])
async def test_a_transfer_that_is_only_taken_is_asked_for_again_under_its_number(
    provider: Provider, state: str
) -> None:
    """Where the merchant's balance was short it goes on in no other way."""
    taken = {**BILL, "state": state, "package_info": ""}
    provider.script = [provider.says(200, taken), provider.says(200, BILL)]
    report = await refund_effects(provider).send_transfer(TRANSFER.model_copy(update={"resend": True}), 1)
    assert isinstance(report, TransferShown)
    assert report.transfer.package_info == "ticket"
    assert provider.calls == ["GET T1", "POST transfer-bills"]
    provider.script = [provider.says(200, taken), provider.refuses(403, "NOT_ENOUGH"), provider.says(200, taken)]
    short = await refund_effects(provider).send_transfer(TRANSFER.model_copy(update={"resend": True}), 1)
    assert isinstance(short, TransferShown)
    assert short.transfer.state == state


async def test_where_is_the_transfer(provider: Provider) -> None:
    effects = refund_effects(provider)
    question = QueryTransfer(order_id=ORDER, case_id=CASE, number=RefundNumber("T1"))
    provider.script = [provider.says(200, {**BILL, "state": "SUCCESS"}), provider.refuses(404, "NOT_FOUND")]
    found = await effects.query_transfer(question, 1)
    assert isinstance(found, TransferShown)
    assert found.transfer.state == "SUCCESS"
    lost = await effects.query_transfer(question, 1)
    assert isinstance(lost, TransferUnanswered)
    assert lost.code == "NOT_FOUND"


async def test_a_transfer_is_taken_back(provider: Provider) -> None:
    effects = refund_effects(provider)
    wish = CancelTransfer(order_id=ORDER, case_id=CASE, number=RefundNumber("T1"))
    provider.script = [provider.says(200, {**BILL, "state": "CANCELING"})]
    report = await effects.cancel_transfer(wish, 1)
    assert isinstance(report, TransferShown)
    assert report.transfer.state == "CANCELING"
    assert provider.calls == ["POST cancel"]


@pytest.mark.parametrize("state", ["SUCCESS", "FAIL", "CANCELLED"])
async def test_one_that_cannot_be_taken_back_any_more_is_shown_as_it_is(provider: Provider, state: str) -> None:
    wish = CancelTransfer(order_id=ORDER, case_id=CASE, number=RefundNumber("T1"))
    provider.script = [provider.refuses(400, "INVALID_REQUEST"), provider.says(200, {**BILL, "state": state})]
    report = await refund_effects(provider).cancel_transfer(wish, 1)
    assert isinstance(report, TransferShown)
    assert report.transfer.state == state


async def test_one_that_still_waits_after_a_refusal_is_taken_back_later(provider: Provider) -> None:
    wish = CancelTransfer(order_id=ORDER, case_id=CASE, number=RefundNumber("T1"))
    provider.script = [provider.refuses(403, "NO_AUTH"), provider.says(200, BILL)]
    report = await refund_effects(provider).cancel_transfer(wish, 1)
    assert isinstance(report, TransferUnanswered)
    assert report.code == "NO_AUTH"


async def test_taking_back_what_is_not_there_is_refused(provider: Provider) -> None:
    wish = CancelTransfer(order_id=ORDER, case_id=CASE, number=RefundNumber("T1"))
    provider.script = [provider.refuses(404, "NOT_FOUND"), provider.refuses(404, "NOT_FOUND")]
    report = await refund_effects(provider).cancel_transfer(wish, 1)
    assert isinstance(report, TransferRejected)


# ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _trade(state: str) -> dict[str, object]:
    return trade(state).model_dump(mode="json", exclude_none=True)


async def close(provider: Provider, *script: Answer) -> tuple[str, str]:
    provider.script = list(script)
    report = await effects_of(provider).close_order(CloseOrder(order_id=ORDER), 1)
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
    assert await close(provider, provider.refuses(202, "USER_PAYING")) == ("unknown", "USER_PAYING")
    assert await close(provider, provider.says(202)) == ("unknown", "HTTP_202")
    paid = provider.refuses(400, "ORDERPAID")
    assert await close(provider, paid, httpx.ReadTimeout("slow")) == ("unknown", "TIMEOUT")
    assert await close(provider, paid, provider.says(200, _trade("NOTPAY"))) == ("unknown", "NOTPAY")


async def test_asking_for_a_payment(provider: Provider) -> None:
    effects = effects_of(provider)
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
    assert (await effects_of(provider).call_attention(wish, 1)).order_id == ORDER
    assert counted() == before + 1
