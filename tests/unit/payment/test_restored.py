"""After a restore: what the provider refunded meanwhile is not refunded again, whatever number it would get now."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.memory_database import MemoryDatabase
from chassis.projection import Update
from contracts.payment import AdoptRefund, RefundAccepted, RefundAttempted, RefundRefused, RefundSettled
from services.payment.accounts import ACCOUNTS
from services.payment.forgotten import FORGETFUL
from services.payment.limits import RefundLimits
from services.payment.merchants import Merchants
from services.payment.model import payout_number
from services.payment.outside import RefundHeld, RefundShown, SendRefund, SendTransfer, TransferUnanswered
from services.payment.reconciliation import RECONCILIATIONS
from services.payment.reconciliation_record import Reconciliation, ready_at
from services.payment.refund_effects import RefundEffects
from services.payment.restored import NAME, Restored
from services.payment.turnstile import SPACING, Turnstile
from tests.unit.payment.given import (
    CASE,
    NOON,
    ORDER,
    OTHER_CASE,
    PAID_FEN,
    TRANSACTION,
    accepted,
    asked_to_refund,
    expect,
    fen,
    kinds,
    number,
    paid,
    refund_document,
    refund_payment,
    shown,
    watch_refund,
)
from tests.unit.payment.provider import Provider
from tests.unit.payment.shop import Clock

AGAIN = timedelta(minutes=5)
TAKEN, PUT_BACK = NOON - timedelta(days=1), NOON - timedelta(hours=1)
DAYS = (date(2026, 10, 31), date(2026, 11, 1))


class After:
    """A payment service after a restore, as far as refunds are sent."""

    def __init__(self, keys: Path, **note: Any) -> None:
        self.database = MemoryDatabase()
        self.clock = Clock(NOON)
        self.provider = Provider(keys)
        store = MemoryStore(RECONCILIATIONS)
        self.engine = Engine(
            "payment",
            {ACCOUNTS: MemoryStore(ACCOUNTS), RECONCILIATIONS: store},
            MemoryBroker(),
            self.clock,
        )
        self.reconciliations = store
        self.note = {"taken_at": TAKEN, "restored_at": PUT_BACK, "cleared": [], "over": False} | note
        self.restored = self.fresh()

    def fresh(self) -> Restored:
        notes, days = (self.database.collection(name) for name in (NAME, RECONCILIATIONS.name))
        return Restored(notes, days, self.clock, AGAIN)

    async def was_restored(self) -> After:
        await self.database.collection(NAME).update_all([Update({"_id": NAME}, {"$set": self.note}, upsert=True)])
        await self.restored.prepare()
        return self

    async def compared(self, day: date, *, shop: str = "house", at: datetime = NOON, **more: Any) -> None:
        """The reconciliation of a day is done."""
        state = {"status": "done", "started_at": at, "found": 0, "differences": [], **more}
        update = Update({"_id": f"{shop}/{day}"}, {"$set": {"state": state}}, upsert=True)
        await self.database.collection(RECONCILIATIONS.name).update_all([update])
        self.clock.now += timedelta(seconds=2)

    def effects(self) -> RefundEffects:
        turnstile = Turnstile(self.engine, RefundLimits(None, lambda: 0.0), SPACING, self.clock)
        return RefundEffects(Merchants({"": self.provider.client()}), turnstile, self.restored)

    def shows(self, state: str) -> Any:
        """The payment, as the provider shows it."""
        trade = {
            "out_trade_no": ORDER,
            "trade_state": state,
            "transaction_id": TRANSACTION,
            "success_time": NOON.isoformat(),
            "amount": {"total": PAID_FEN, "currency": "CNY"},
        }
        return self.provider.says(200, trade)

    def nothing(self) -> Any:
        return self.provider.refuses(404, "RESOURCE_NOT_EXISTS")

    def no_transfer(self) -> Any:
        return self.provider.refuses(404, "NOT_FOUND")


SEND, LOOK, PAYMENT = "POST refunds", f"GET {number()}", f"GET {ORDER}"
TRANSFER = f"GET {payout_number(CASE, 1)}"


def wish(amount: int = 4_000) -> SendRefund:
    return SendRefund(order_id=ORDER, case_id=CASE, number=number(), n=1, amount=fen(amount), total=fen(PAID_FEN))


def transfer() -> SendTransfer:
    return SendTransfer(order_id=ORDER, case_id=CASE, number=number(), openid="somebody", amount=fen(4_000))


async def test_without_a_restore_nothing_more_is_asked(keys: Path) -> None:
    after = After(keys)
    await after.restored.prepare()
    after.provider.script = [after.provider.says(200, refund_document())]
    assert isinstance(await after.effects().send_refund(wish(), 1), RefundShown)
    assert after.provider.calls == [SEND]


async def test_a_payment_that_was_never_refunded_is_refunded_at_once(keys: Path) -> None:
    after = await After(keys).was_restored()
    sent = after.provider.says(200, refund_document())
    after.provider.script = [after.nothing(), after.no_transfer(), after.shows("SUCCESS"), sent]
    assert isinstance(await after.effects().send_refund(wish(), 1), RefundShown)
    assert after.provider.calls == [LOOK, TRANSFER, PAYMENT, SEND]


async def test_a_payment_that_was_refunded_meanwhile_waits_and_costs_one_question(keys: Path) -> None:
    after = await After(keys).was_restored()
    looks = [after.nothing(), after.no_transfer()]
    after.provider.script = [*looks, after.shows("REFUND"), *looks]
    effects = after.effects()
    for _ in range(2):
        report = await effects.send_refund(wish(), 1)
        assert isinstance(report, RefundHeld)
        assert (report.code, report.until) == ("RESTORED", NOON + AGAIN)
    assert after.provider.calls == [LOOK, TRANSFER, PAYMENT, LOOK, TRANSFER]


async def test_the_same_number_is_the_same_refund(keys: Path) -> None:
    after = await After(keys).was_restored()
    after.provider.script = [after.provider.says(200, refund_document("SUCCESS"))]
    report = await after.effects().send_refund(wish(), 1)
    assert isinstance(report, RefundShown)
    assert report.forgotten
    assert after.provider.calls == [LOOK]


async def test_a_transfer_in_its_place_waits_too(keys: Path) -> None:
    after = await After(keys).was_restored()
    after.provider.script = [after.provider.refuses(404, "NOT_FOUND"), after.shows("REFUND")]
    report = await after.effects().send_transfer(transfer(), 1)
    assert isinstance(report, TransferUnanswered)
    assert report.code == "RESTORED"


async def test_it_is_over_when_every_day_since_was_compared(keys: Path) -> None:
    after = await After(keys).was_restored()
    assert after.restored.days() == list(DAYS)
    assert await after.restored.waits("")
    await after.compared(DAYS[0])
    assert await after.restored.waits("")
    await after.compared(DAYS[1])
    assert not await after.restored.waits("")
    assert await after.restored.waits("another"), "which has a merchant account and bills of its own"
    for day in DAYS:
        await after.compared(day, shop="another")
    await after.restored.finish(["", "another"])
    again = after.fresh()
    await again.prepare()
    await after.database.collection(RECONCILIATIONS.name).delete({})
    assert not await again.waits(""), "and stays over"
    assert not await again.waits("another")


async def test_it_is_not_over_for_a_shop_whose_keys_were_not_there_yet(keys: Path) -> None:
    """On a new machine, say: its bills of the days since the backup were never asked for."""
    after = await After(keys).was_restored()
    await after.compared(DAYS[0] - timedelta(days=1), shop="south", at=TAKEN)
    for day in DAYS:
        await after.compared(day)
    await after.restored.finish([""])
    again = after.fresh()
    await again.prepare()
    for restored in (after.restored, again):
        assert not await restored.waits("")
        assert await restored.waits("south")
        assert not await restored.waits("opened-since"), "it has nothing to forget"
    await again.start_due(after.engine, ["", "south"])
    assert list(after.reconciliations.documents) == [f"south/{DAYS[0]}"]
    for day in DAYS:
        await after.compared(day, shop="south")
    assert not await again.waits("south")


SILENT = {"kind": "refund-not-ours", "state": "open"}


@pytest.mark.parametrize(
    "not_enough",
    [
        {"at": PUT_BACK - timedelta(minutes=1)},
        {"status": "failed"},
        {"differences": [SILENT], "found": 1},
        {"found": 1_001, "differences": [{**SILENT, "kind": "order-unknown"}]},
        {"found": 1_001, "unasked": 1, "differences": [{**SILENT, "kind": "order-unknown"}]},
    ],
    ids=["before the restore", "no bill", "no answer", "more than are kept, of before", "more than are kept"],
)
async def test_a_day_that_tells_nothing_is_not_compared(keys: Path, not_enough: dict[str, Any]) -> None:
    after = await After(keys).was_restored()
    await after.compared(DAYS[0])
    await after.compared(DAYS[1], **not_enough)
    assert await after.restored.waits("")
    await after.compared(DAYS[1], differences=[{**SILENT, "state": "closed"}], found=1)
    assert not await after.restored.waits(""), "somebody has dealt with it"


async def test_a_day_of_more_lost_orders_than_are_kept_is_compared_all_the_same(keys: Path) -> None:
    """A shop of many orders loses more of them than that in a day, and they do not become fewer: it would wait on."""
    after = await After(keys).was_restored()
    lost = [{"kind": "order-unknown", "state": "open"}] * 1_000
    for day in DAYS:
        await after.compared(day, found=5_000, unasked=0, differences=lost)
    assert not await after.restored.waits("")


@pytest.mark.parametrize(("before", "days"), [(timedelta(minutes=1), DAYS), (timedelta(0), DAYS[1:])])
async def test_a_day_whose_bill_was_not_made_when_the_backup_was_taken_is_compared_too(
    keys: Path, before: timedelta, days: tuple[date, ...]
) -> None:
    """A refund made by hand on that day stands in no later bill, also when the word about it came after the backup."""
    after = await After(keys, taken_at=ready_at(DAYS[0]) - before).was_restored()
    assert after.restored.days() == list(days)


async def test_bills_that_are_not_kept_any_more_are_not_waited_for(keys: Path) -> None:
    after = await After(keys, taken_at=NOON - timedelta(days=400)).was_restored()
    assert len(after.restored.days()) == 91


async def test_a_day_whose_record_is_damaged_does_not_hold_up_other_shops(keys: Path) -> None:
    after = await After(keys).was_restored()
    await after.restored.start_due(after.engine, [""])
    after.reconciliations.documents["house/2026-10-31"]["state"]["status"] = "torn"
    stores: dict[Any, Any] = {ACCOUNTS: MemoryStore(ACCOUNTS), RECONCILIATIONS: after.reconciliations}
    restarted = Engine("payment", stores, MemoryBroker(), after.clock)
    await after.restored.start_due(restarted, ["", "south"])
    assert "south/2026-10-31" in after.reconciliations.documents


async def test_days_are_started_once_their_bills_are_there(keys: Path) -> None:
    after = await After(keys).was_restored()
    for _ in range(2):
        await after.restored.start_due(after.engine, [""])
    started = await after.reconciliations.load([f"house/{day}" for day in DAYS])
    assert list(started) == [f"house/{DAYS[0]}"], "today's bill is made tomorrow"
    (record,) = started.values()
    assert isinstance(record.state, Reconciliation)
    assert record.state.started_by == "restore"


# ── what a payment makes of it ───────────────────────────────────────────────────────────────────────────────────────
def held() -> RefundHeld:
    return RefundHeld.model_validate({"order_id": ORDER, "number": number(), "code": "RESTORED", "until": NOON + AGAIN})


def test_what_waited_is_not_sent_once_a_forgotten_refund_is_found() -> None:
    """The same goods may be meant: the first time they were the order's second case, now they are its first."""
    story = asked_to_refund()
    story.hear(held())
    told = story.hear(shown("SUCCESS", case=OTHER_CASE))
    assert kinds(told) == ["RefundFound", "RefundRefused"]
    assert expect(told[1:], RefundRefused).provider_code == FORGETFUL
    assert story.payment.promised_minor == 4_000, "only what was found"


def test_a_refund_that_does_not_wait_for_that_is_not_touched() -> None:
    story = asked_to_refund()
    assert kinds(story.hear(shown("SUCCESS", case=OTHER_CASE))) == ["RefundFound"]


def test_nor_is_one_that_was_asked_for_before_and_begins_to_wait_now() -> None:
    story = asked_to_refund()
    story.hear(shown("SUCCESS", case=OTHER_CASE), after=timedelta(seconds=1))
    assert kinds(story.hear(held())) == ["RefundRefused"]


def test_one_that_was_asked_for_with_that_known_goes_its_way() -> None:
    story = paid()
    story.hear(shown("SUCCESS", case=OTHER_CASE))
    story.hear(refund_payment(matched=(number(1, OTHER_CASE),)), after=timedelta(seconds=1))
    assert story.hear(held()) == []


def test_one_that_was_asked_for_while_nobody_knew_what_that_was_for_is_not_sent() -> None:
    """World 600008205: WeChat's callback about the forgotten refund came before the case asked again."""
    story = paid()
    story.hear(shown("SUCCESS", case=OTHER_CASE))
    story.hear(refund_payment(), after=timedelta(seconds=1))
    assert expect(story.hear(held()), RefundRefused).provider_code == FORGETFUL


def test_what_waited_is_taken_up_when_it_is_the_same_number() -> None:
    story = asked_to_refund()
    story.hear(held())
    assert "RefundAccepted" in kinds(story.hear(shown("SUCCESS")))


def test_a_number_that_was_given_to_another_case_is_that_ones() -> None:
    story = asked_to_refund()
    before = shown("SUCCESS", amount=1_000).model_copy(update={"forgotten": True})
    told = story.hear(before)
    assert kinds(told) == ["RefundFound", "RefundRefused"]
    assert story.payment.promised_minor == 1_000
    assert story.payment.refund_numbered(number()) == story.payment.refund_of(f"found/{number()}")


def test_a_dead_number_of_another_case_is_passed_over() -> None:
    story = asked_to_refund()
    told = story.hear(shown("CLOSED", amount=1_000).model_copy(update={"forgotten": True}))
    assert expect(told, SendRefund).number == number(2)


def test_a_case_never_gets_a_number_that_a_found_refund_has() -> None:
    story = paid()
    story.hear(shown("SUCCESS"))
    story.hear(shown("SUCCESS", n=2))
    assert expect(story.hear(refund_payment(1_000)), SendRefund).number == number(3)


def test_a_found_one_that_was_closed_holds_nothing_back() -> None:
    story = paid()
    story.hear(shown("PROCESSING", case=OTHER_CASE))
    story.hear(shown("CLOSED", case=OTHER_CASE))
    story.hear(refund_payment())
    assert story.hear(held()) == []


def test_a_number_that_only_looks_like_one_of_the_case_is_not_its_refund() -> None:
    story = paid()
    look_alike = f"{CASE}-by-hand"
    strange = shown("SUCCESS", out_refund_no=look_alike).model_copy(update={"number": look_alike})
    story.hear(strange)
    assert expect(story.hear(refund_payment()), SendRefund).number == number(1)


@pytest.mark.parametrize("n", [1, 2])
def test_what_was_found_under_the_number_of_a_case_is_its_refund_when_it_asks(n: int) -> None:
    """World 600008205: it was sent for this case before the database was put back."""
    story = paid()
    story.hear(shown("SUCCESS", n=n))
    told = expect(story.hear(refund_payment()), RefundAccepted)
    assert (told.case_id, told.refund_number) == (CASE, number(n))
    assert [one.case_id for one in story.payment.refunds] == [CASE]
    assert expect(story.hear(refund_payment()), RefundAccepted) == told
    assert expect(story.hear(watch_refund()), RefundSettled).refund_number == number(n)


def test_nor_is_the_next_number_asked_for_when_it_was_found() -> None:
    story = accepted()
    story.hear(watch_refund())
    story.hear(shown("SUCCESS", n=2))
    assert kinds(story.hear(shown("CLOSED"))) == ["RefundAccepted", "RefundSettled"]
    assert (story.refund.number, story.refund.closed_numbers) == (number(2), (number(1),))
    assert len(story.payment.refunds) == 1


def test_what_was_taken_up_goes_on_as_the_cases_own() -> None:
    story = paid()
    story.hear(shown("PROCESSING", n=2))
    story.hear(refund_payment(reason="not wanted"))
    again = next(one for one in story.hear(shown("CLOSED", n=2)) if isinstance(one, RefundAttempted))
    assert (again.outcome, story.refund.number) == ("closed", number(3))
    assert expect(story.wake(), SendRefund).reason == "not wanted"


def test_what_another_case_has_taken_over_stays_with_that_one() -> None:
    story = paid()
    story.hear(shown("SUCCESS"))
    story.hear(AdoptRefund(order_id=ORDER, case_id=OTHER_CASE, refund_number=number()))
    assert expect(story.hear(refund_payment()), SendRefund).number == number(2)
    taken = story.payment.refund_of(OTHER_CASE)
    assert taken is not None
    assert taken.number == number()


def test_one_that_lies_in_between_is_told_as_such_when_it_is_taken_up() -> None:
    story = paid()
    story.hear(shown("ABNORMAL"))
    assert kinds(story.hear(refund_payment())) == ["RefundAccepted", "RefundAttempted"]


def test_a_dead_one_of_its_own_is_passed_over() -> None:
    story = paid()
    story.hear(shown("PROCESSING"))
    story.hear(shown("CLOSED"))
    assert expect(story.hear(refund_payment()), SendRefund).number == number(2)
