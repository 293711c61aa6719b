"""After a restore: what waits for the bills while a forgotten refund comes to light is not sent beside it."""

from __future__ import annotations

from pathlib import Path

from contracts.payment import RefundRefused
from services.payment.model import payout_number
from services.payment.outside import RefundHeld, RefundShown, TransferUnanswered
from tests.unit.payment.given import CASE, ORDER, OTHER_CASE, asked_to_refund, kinds, refund_document, rejected, shown
from tests.unit.payment.test_byhand import resume
from tests.unit.payment.test_payouts import rerouted
from tests.unit.payment.test_restored import After, wish


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


async def test_a_question_without_an_answer_is_no_unknown_refund(keys: Path) -> None:
    after = await After(keys).was_restored()
    after.provider.script = [after.nothing(), after.provider.says(500, {"code": "SYSTEM_ERROR"})]
    report = await after.effects().send_refund(wish(), 1)
    assert isinstance(report, RefundHeld)


async def test_what_waited_without_an_answer_is_not_sent_once_a_forgotten_refund_is_found(keys: Path) -> None:
    after = await After(keys).was_restored()
    after.provider.script = [after.nothing(), after.provider.says(500, {"code": "SYSTEM_ERROR"})]
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
