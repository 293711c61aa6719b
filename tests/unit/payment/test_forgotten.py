"""After a restore: what waits for the bills while a forgotten refund comes to light is not sent beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.payment import RefundAccepted, RefundRefused, RefundRerouted, RefundSettled
from services.payment.model import payout_number
from services.payment.outside import (
    PayoutRemembered,
    RefundHeld,
    RefundShown,
    RefundUnanswered,
    SendTransfer,
    TransferRejected,
    TransferUnanswered,
)
from services.payment.payouts import TRIES_BEFORE_NEVER_MADE
from services.payment.shown import ProviderTransfer
from tests.unit.payment.given import (
    CASE,
    NOON,
    ORDER,
    OTHER_CASE,
    asked_to_refund,
    expect,
    kinds,
    number,
    refund_document,
    refund_payment,
    rejected,
    shown,
    watch_refund,
)
from tests.unit.payment.test_byhand import resume
from tests.unit.payment.test_payouts import OPENID, rerouted, transfer_shown
from tests.unit.payment.test_restored import LOOK, PAYMENT, SEND, TRANSFER, After, transfer, wish


def restored_transfer(n: int = 1) -> TransferUnanswered:
    return TransferUnanswered(order_id=ORDER, number=payout_number(CASE, n), code="RESTORED")


def test_a_transfer_that_waited_is_not_sent_once_a_forgotten_refund_is_found() -> None:
    story = rerouted()
    story.hear(restored_transfer())
    assert kinds(story.hear(shown("SUCCESS", case=OTHER_CASE))) == ["RefundFound", "RefundRefused"]
    assert story.payment.promised_minor == 4_000


def test_nor_is_a_transfer_that_begins_to_wait_when_it_was_found() -> None:
    story = rerouted()
    story.hear(shown("SUCCESS", case=OTHER_CASE))
    assert "RefundRefused" in kinds(story.hear(restored_transfer()))


def test_a_transfer_whose_call_is_under_way_is_not_dropped_for_a_refund_that_is_found() -> None:
    """It may be made already: what the provider says of it comes first."""
    story = rerouted()
    story.hear(restored_transfer())
    expect(story.wake(), SendTransfer)
    assert kinds(story.hear(shown("SUCCESS", case=OTHER_CASE))) == ["RefundFound"]
    assert story.refund.status == "paying-out"


@pytest.mark.parametrize("found_first", [False, True])
def test_a_transfer_that_was_taken_is_made_though_it_is_not_found_for_a_moment(found_first: bool) -> None:
    """It may be offered to its customer at any time: given up, the money could go twice."""
    story = rerouted()
    for _ in range(TRIES_BEFORE_NEVER_MADE):
        story.hear(transfer_shown("PROCESSING", package_info=""))
        expect(story.wake(), SendTransfer)
    heard = [restored_transfer(), shown("SUCCESS", case=OTHER_CASE)]
    says = [say for one in (reversed(heard) if found_first else heard) for say in story.hear(one)]
    assert sorted(kinds(says)) == ["RefundAttempted", "RefundFound"]
    assert story.refund.status == "paying-out"
    assert kinds(story.hear(transfer_shown("WAIT_USER_CONFIRM"))) == ["RefundAccepted"]


async def test_a_question_without_an_answer_is_no_unknown_refund(keys: Path) -> None:
    after = await After(keys).was_restored()
    silence = after.provider.says(500, {"code": "SYSTEM_ERROR"})
    after.provider.script = [after.nothing(), after.no_transfer(), silence]
    report = await after.effects().send_refund(wish(), 1)
    assert isinstance(report, RefundHeld)


async def test_what_waited_without_an_answer_is_not_sent_once_a_forgotten_refund_is_found(keys: Path) -> None:
    after = await After(keys).was_restored()
    silence = after.provider.says(500, {"code": "SYSTEM_ERROR"})
    after.provider.script = [after.nothing(), after.no_transfer(), silence]
    story = asked_to_refund()
    story.hear(await after.effects().send_refund(wish(), 1))
    assert kinds(story.hear(shown("SUCCESS", case=OTHER_CASE))) == ["RefundFound", "RefundRefused"]


async def test_a_refund_of_another_case_is_one_also_when_it_is_looked_for_again(keys: Path) -> None:
    after = await After(keys).was_restored()
    after.provider.script = [after.provider.says(200, refund_document("SUCCESS", amount=1_000))]
    report = await after.effects().send_refund(wish(), 2)
    assert isinstance(report, RefundShown)
    assert report.forgotten
    story = asked_to_refund()
    assert "RefundFound" in kinds(story.hear(report))


def test_what_is_taken_up_goes_on_from_the_last_decision() -> None:
    """The order leaves a refusal alone that is from before a person decided."""
    story = asked_to_refund()
    story.hear(rejected("NO_AUTH"))
    story.hear(resume("send-again", 1))
    story.hear(shown("PROCESSING"))
    story.hear(shown("PROCESSING", n=2))
    story.hear(shown("CLOSED"))
    story.hear(shown("CLOSED", n=2))
    (again,) = [one for one in story.hear(rejected("NO_AUTH", n=3)) if isinstance(one, RefundRefused)]
    assert again.attempt == 1


# ── a transfer that was made in the refund's place and is forgotten ──────────────────────────────────────────────────
def transfer_document(state: str, n: int = 1, amount: int = 4_000) -> dict[str, Any]:
    """A transfer as a query shows it: without the ticket."""
    return {
        "out_bill_no": payout_number(CASE, n),
        "transfer_bill_no": "133000071100",
        "state": state,
        "transfer_amount": amount,
        "openid": OPENID,
        "create_time": NOON.isoformat(),
        "update_time": NOON.isoformat(),
    }


def remembered(state: str, n: int = 1, amount: int = 4_000) -> PayoutRemembered:
    transfer = ProviderTransfer.model_validate(transfer_document(state, n, amount))
    return PayoutRemembered(order_id=ORDER, number=number(), n=n, transfer=transfer)


@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_refund_whose_money_went_as_a_forgotten_transfer_is_not_sent(keys: Path, attempt: int) -> None:
    """The payment was never refunded at the provider, and what it refused then it may take now."""
    after = await After(keys).was_restored()
    after.provider.script = [after.nothing(), after.provider.says(200, transfer_document("SUCCESS"))]
    report = await after.effects().send_refund(wish(), attempt)
    assert after.provider.calls == [LOOK, TRANSFER], "and no refund"
    story = asked_to_refund()
    story.hear(watch_refund())
    assert isinstance(report, PayoutRemembered)
    rerouted_to, accepted, settled = story.hear(report)
    assert isinstance(rerouted_to, RefundRerouted)
    assert isinstance(accepted, RefundAccepted)
    assert isinstance(settled, RefundSettled)
    assert rerouted_to.transfer_number == accepted.refund_number == settled.refund_number == payout_number(CASE, 1)
    assert story.payment.promised_minor == 4_000
    assert story.payment.wake_at is None


def test_a_forgotten_transfer_that_was_paid_is_not_to_be_confirmed_any_more() -> None:
    """The customer would be asked to confirm what has arrived, until a time that may be over."""
    story = asked_to_refund()
    _, accepted = story.hear(remembered("SUCCESS"))
    assert isinstance(accepted, RefundAccepted)
    assert accepted.confirm_by is None
    assert expect(story.hear(refund_payment()), RefundAccepted).confirm_by is None


async def test_a_forgotten_transfer_that_failed_is_followed_by_the_next_one_or_by_the_refund(keys: Path) -> None:
    after = await After(keys).was_restored()
    failed = after.provider.says(200, transfer_document("FAIL"))
    next_one = after.provider.says(200, transfer_document("WAIT_USER_CONFIRM", n=2))
    after.provider.script = [after.nothing(), failed, next_one]
    report = await after.effects().send_refund(wish(), 1)
    assert isinstance(report, PayoutRemembered)
    assert report.n == 2
    sent = after.provider.says(200, refund_document())
    after.provider.script = [after.nothing(), failed, after.no_transfer(), after.shows("SUCCESS"), sent]
    assert isinstance(await after.effects().send_refund(wish(), 1), RefundShown)


async def test_a_shop_that_may_not_make_transfers_has_forgotten_none(keys: Path) -> None:
    after = await After(keys).was_restored()
    refusal = after.provider.refuses(403, "NO_AUTH")
    sent = after.provider.says(200, refund_document())
    after.provider.script = [after.nothing(), refusal, after.shows("SUCCESS"), sent]
    assert isinstance(await after.effects().send_refund(wish(), 1), RefundShown)
    assert after.provider.calls == [LOOK, TRANSFER, PAYMENT, SEND]


async def test_nor_does_such_a_shop_ask_for_ever_about_a_transfer(keys: Path) -> None:
    after = await After(keys).was_restored()
    no = after.provider.refuses(403, "NO_AUTH")
    after.provider.script = [no, after.shows("SUCCESS"), no, no]
    assert isinstance(await after.effects().send_transfer(transfer(), 1), TransferRejected)


@pytest.mark.parametrize(("attempt", "report"), [(1, RefundHeld), (2, RefundUnanswered)])
async def test_without_an_answer_about_transfers_nothing_is_sent(keys: Path, attempt: int, report: type) -> None:
    after = await After(keys).was_restored()
    after.provider.script = [after.nothing(), after.provider.refuses(500, "SYSTEM_ERROR")]
    assert isinstance(await after.effects().send_refund(wish(), attempt), report)


def test_a_forgotten_transfer_that_waits_for_its_customer_gets_its_ticket_again() -> None:
    story = asked_to_refund()
    assert kinds(story.hear(remembered("WAIT_USER_CONFIRM"))) == ["RefundRerouted", "RefundAccepted"]
    again = expect(story.wake(), SendTransfer)
    assert (again.number, again.resend) == (payout_number(CASE, 1), True)
    assert kinds(story.hear(remembered("WAIT_USER_CONFIRM"))) == [], "heard twice"


def test_a_forgotten_transfer_waits_on_when_a_refund_by_hand_for_something_else_is_found() -> None:
    story = asked_to_refund()
    story.hear(RefundHeld.model_validate({"order_id": ORDER, "number": number(), "code": "RESTORED", "until": NOON}))
    story.hear(remembered("WAIT_USER_CONFIRM"))
    assert kinds(story.hear(shown("SUCCESS", case=OTHER_CASE))) == ["RefundFound"]
    assert story.refund.status == "paying-out"


def test_a_forgotten_transfer_of_another_amount_is_for_a_person() -> None:
    story = asked_to_refund()
    assert kinds(story.hear(remembered("SUCCESS", amount=1_000))) == ["RefundAttempted", "CallAttention"]
    assert (story.refund.status, story.refund.payout) == ("mismatch", None)
    assert kinds(story.hear(resume("look-again", 1))) == ["RefundResumed", "SendRefund"]
    story.hear(remembered("SUCCESS", amount=1_000))
    assert "RefundSettled" in kinds(story.hear(resume("settled-outside", 2, proof="paid then")))


# ── a refund that was sent again in place of a transfer and is forgotten ─────────────────────────────────────────────
@pytest.mark.parametrize(("status", "ends"), [("SUCCESS", "settled"), ("PROCESSING", "accepted")])
def test_a_transfer_that_waited_is_not_made_when_its_own_refund_turns_out_to_have_been_sent(
    status: str, ends: str
) -> None:
    story = rerouted()
    story.hear(restored_transfer())
    expect(story.hear(shown(status)), RefundAccepted)
    assert (story.refund.status, story.refund.live_payout) == (ends, None)


def test_a_dead_refund_changes_nothing_about_the_transfer_that_waits() -> None:
    story = rerouted()
    story.hear(restored_transfer())
    assert story.hear(shown("CLOSED")) == []
    assert story.refund.status == "paying-out"
