"""A day on the real engine: fetched, compared, healed, compared again, and left to people where it must be."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from chassis.record import Heard
from contracts.message import CaseId, OrderId
from contracts.payment import RefundPayment
from services.payment.calling import NoAnswer, Refused
from services.payment.outside import RefundRejected
from services.payment.reconciliation import ASKED_TOGETHER, RETRY_AFTER, ROUND_WAIT, ROUNDS_MAX, TRIES_MAX
from services.payment.reconciliation_record import CloseDifference, Reconciliation, days_due, id_of, ready_at
from services.payment.reconciling import QUESTIONS_AT_ONCE, Nightly
from tests.unit.payment.bill_files import RECHARGE_COLUMNS, Cells, fund_bill, moved, paid, refunded, trade_bill
from tests.unit.payment.counting_house import DAY, MORNING, CountingHouse, FakeProvider, refund, trade
from tests.unit.payment.given import fen

ORDER, CASE = "ORDER0000000000000001", "CASE0000000000000001"
NUMBER = f"{CASE}-1"
IN, OUT = moved(f"T-{ORDER}", "100.00"), moved(f"R-{NUMBER}", "40.00", "退款", comes_in=False)


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def house(provider: FakeProvider) -> CountingHouse:
    return CountingHouse(provider)


def open_kinds(day: Reconciliation) -> list[str]:
    return [one.kind for one in day.differences if one.state == "open"]


def states(day: Reconciliation) -> list[tuple[str, str]]:
    return [(one.kind, one.state) for one in day.differences]


# ── agreement ────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_day_that_agrees(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    await house.refunded(ORDER, CASE)
    provider.trades = trade_bill(paid(ORDER), refunded(ORDER, NUMBER))
    provider.funds = fund_bill(IN, OUT, moved("W", "1.00", "提现", comes_in=False))
    day = await house.start()
    assert (day.status, day.found, day.differences) == ("done", 0, ())
    assert day.sums is not None
    assert day.sums.bill_payments == day.sums.our_payments
    assert (day.sums.our_payments.count, day.sums.our_payments.amount_minor) == (1, 10_000)
    assert day.sums.bill_refunds == day.sums.our_refunds
    assert (day.sums.our_refunds.count, day.sums.our_refunds.amount_minor) == (1, 4_000)
    assert [(one.word, one.amount_minor) for one in day.sums.others] == [("-提现", 100)]
    assert day.sums.has_account
    assert provider.asked == ["trade 2026-11-01 ALL", "trade 2026-11-01 RECHARGE_REFUND", "fund 2026-11-01 BASIC"]


async def test_a_refund_stands_once_in_whichever_bill(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    await house.refunded(ORDER, CASE)
    line = refunded(ORDER, NUMBER, 返还手续费="0.24000")
    provider.topped_up = trade_bill(line, columns=RECHARGE_COLUMNS, 应结订单总金额="100.00", 退款总金额="0.0")
    for ordinary in ([paid(ORDER)], [paid(ORDER), refunded(ORDER, NUMBER)]):
        provider.trades, provider.funds = trade_bill(*ordinary), fund_bill(IN, OUT)
        day = await house.start()
        assert (day.status, day.found) == ("done", 0)
        assert day.sums is not None
        assert (day.sums.bill_refunds.count, day.sums.our_refunds.count) == (1, 1)


@pytest.mark.parametrize("code", ["PARAM_ERROR", "INVALID_REQUEST", "NO_AUTH"])
async def test_a_bill_of_refunds_from_what_was_topped_up_that_is_not_offered(
    house: CountingHouse, provider: FakeProvider, code: str
) -> None:
    await house.paid(ORDER)
    provider.trades, provider.funds, provider.topped_up = trade_bill(paid(ORDER)), fund_bill(IN), Refused(400, code, "")
    day = await house.start()
    assert (day.status, day.differences) == ("done", ())


async def test_a_bill_of_refunds_from_what_was_topped_up_that_is_not_made_yet_is_waited_for(
    house: CountingHouse, provider: FakeProvider
) -> None:
    await house.paid(ORDER)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    provider.topped_up = Refused(400, "STATEMENT_CREATING", "")
    day = await house.start()
    assert (day.status, day.problem) == ("failed", "STATEMENT_CREATING")
    provider.topped_up = trade_bill(refunded(ORDER, "BYHAND"), columns=RECHARGE_COLUMNS, 总交易单数="2")
    day = await house.start()
    assert (day.status, day.problem.split(",")[0]) == ("unreadable", "RECHARGE_REFUND bill")


async def test_a_sub_merchant_whose_account_is_not_shown(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), Refused(403, "NO_AUTH", "")
    day = await house.start()
    assert (day.status, day.differences) == ("done", ())
    assert day.sums is not None
    assert not day.sums.has_account


async def test_a_day_without_a_statement_is_empty(house: CountingHouse) -> None:
    assert (await house.start()).status == "done"


async def test_a_day_without_a_statement_on_which_somebody_paid(house: CountingHouse) -> None:
    await house.paid(ORDER)
    day = await house.start()
    assert (day.status, open_kinds(day)) == ("done", ["payment-not-in-bill"])


# ── healing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_payment_we_never_heard_of_is_heard_now(house: CountingHouse, provider: FakeProvider) -> None:
    await house.ordered(ORDER)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    provider.payments[ORDER] = trade(ORDER)
    day = await house.start()
    assert (day.status, states(day)) == ("done", [("payment-not-known-here", "healed")])
    assert (await house.payment(ORDER)).status == "paid"
    assert provider.asked.count("trade 2026-11-01 ALL") == 2, "called healed only after comparing again"


async def test_a_refund_that_arrived_unheard(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    await house.refunded(ORDER, CASE, "PROCESSING")
    provider.trades, provider.funds = trade_bill(paid(ORDER), refunded(ORDER, NUMBER)), fund_bill(IN, OUT)
    provider.refunds[NUMBER] = refund(ORDER, NUMBER)
    day = await house.start()
    assert (day.status, states(day)) == ("done", [("refund-not-settled-here", "healed")])
    assert (await house.payment(ORDER)).refunds[0].status == "settled"


async def test_a_refund_made_by_hand_becomes_one_of_ours(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    provider.trades = trade_bill(paid(ORDER), refunded(ORDER, "BYHAND"))
    provider.funds = fund_bill(IN, moved("R-BYHAND", "40.00", "退款", comes_in=False))
    provider.refunds["BYHAND"] = refund(ORDER, "BYHAND")
    day = await house.start()
    assert (day.status, states(day)) == ("done", [("refund-not-ours", "healed")])
    found = (await house.payment(ORDER)).refunds[0]
    assert (found.number, found.found, found.status) == ("BYHAND", True, "settled")


@pytest.mark.parametrize("number", ["BYHAND", NUMBER], ids=["made by hand", "refused here"])
async def test_a_refund_that_only_the_bill_has_and_that_was_closed_since_moved_nothing(
    house: CountingHouse, provider: FakeProvider, number: str
) -> None:
    """A bill is never written anew: whoever waits for this day to show nothing unknown would wait for ever."""
    await house.paid(ORDER)
    if number == NUMBER:
        order = OrderId(ORDER)
        await house.hear(RefundPayment(order_id=order, case_id=CaseId(CASE), amount=fen(4_000), reason="不想要了"))
        await house.hear(RefundRejected(order_id=order, number=NUMBER, code="INVALID_REQUEST"))
    provider.trades = trade_bill(paid(ORDER), refunded(ORDER, number, state="PROCESSING"))
    provider.funds = fund_bill(IN, moved(f"R-{number}", "40.00", "退款", comes_in=False))
    provider.refunds[number] = refund(ORDER, number, "CLOSED")
    day = await house.start()
    for _ in range(ROUNDS_MAX - 1):
        day = await house.later(ROUND_WAIT)
    assert (day.status, {one.state for one in day.differences}) == ("done", {"healed"})
    assert {one.status for one in (await house.payment(ORDER)).refunds} <= {"refused"}


async def test_a_refund_that_arrived_by_its_bill_and_is_called_closed_is_for_a_person(
    house: CountingHouse, provider: FakeProvider
) -> None:
    await house.paid(ORDER)
    provider.trades = trade_bill(paid(ORDER), refunded(ORDER, "BYHAND"))
    provider.funds = fund_bill(IN, moved("R-BYHAND", "40.00", "退款", comes_in=False))
    provider.refunds["BYHAND"] = refund(ORDER, "BYHAND", "CLOSED")
    day = await house.start()
    for _ in range(ROUNDS_MAX - 1):
        day = await house.later(ROUND_WAIT)
    assert (day.status, open_kinds(day)) == ("done", ["refund-not-ours"])


async def test_a_refund_missing_in_the_bill_that_the_provider_has(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    await house.refunded(ORDER, CASE)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    provider.refunds[NUMBER] = refund(ORDER, NUMBER)
    day = await house.start()
    assert (day.status, states(day)) == ("done", [("refund-not-in-bill", "healed")])
    assert day.confirmed == (NUMBER,)
    assert day.sums is not None
    assert day.sums.our_refunds == day.sums.bill_refunds, "it belongs to another day's bill"


async def test_another_shops_payment_is_not_counted_as_ours(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    state = house.payments.documents[ORDER]["state"]
    state["shop"] = "tea"
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    day = await house.start()
    assert open_kinds(day) == ["order-unknown"]
    assert day.sums is not None
    assert (day.sums.bill_payments.count, day.sums.our_payments.count) == (1, 0)


@pytest.mark.parametrize(
    ("answer", "remark"),
    [
        (Refused(404, "RESOURCE_NOT_EXISTS", ""), "RESOURCE_NOT_EXISTS"),
        (refund(ORDER, NUMBER, amount=3_999), "SUCCESS, 3999 fen"),
        (refund("OTHER0000000000000001", NUMBER), "SUCCESS, 4000 fen"),
        (refund(ORDER, NUMBER, "CLOSED"), "CLOSED, 4000 fen"),
        (NoAnswer("TIMEOUT"), "TIMEOUT"),
    ],
    ids=["none", "another amount", "another order", "closed", "no answer"],
)
async def test_a_refund_missing_in_the_bill_that_the_provider_does_not_confirm(
    house: CountingHouse, provider: FakeProvider, answer: object, remark: str
) -> None:
    await house.paid(ORDER)
    await house.refunded(ORDER, CASE)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    provider.refunds[NUMBER] = answer  # type: ignore[assignment]
    day = await house.start()
    for _ in range(ROUNDS_MAX - 1):
        assert day.status == "compared"
        day = await house.later(ROUND_WAIT)
    assert (day.status, open_kinds(day)) == ("done", ["refund-not-in-bill"])
    assert day.differences[0].remark.endswith(remark)
    assert provider.questions == [NUMBER] * ROUNDS_MAX
    assert day.wake_at is None


async def test_what_one_round_does_not_heal_the_next_one_may(house: CountingHouse, provider: FakeProvider) -> None:
    await house.ordered(ORDER)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    provider.payments[ORDER] = NoAnswer("TIMEOUT")
    assert (await house.start()).status == "compared"
    provider.payments[ORDER] = trade(ORDER)
    day = await house.later(ROUND_WAIT)
    assert (day.status, states(day)) == ("done", [("payment-not-known-here", "healed")])


async def test_many_are_asked_about_a_few_at_a_time(house: CountingHouse, provider: FakeProvider) -> None:
    orders = [f"ORDER{n:016}" for n in range(ASKED_TOGETHER + 7)]
    for order in orders:
        await house.ordered(order)
        provider.payments[order] = trade(order)
    provider.trades = trade_bill(*(paid(order) for order in orders))
    provider.funds = fund_bill(*(moved(f"T-{order}", "100.00") for order in orders))
    day = await house.start()
    assert {one.state for one in day.differences} == {"healed"}
    assert sorted(provider.questions) == orders
    assert provider.most_at_once == QUESTIONS_AT_ONCE


# ── the same again ───────────────────────────────────────────────────────────────────────────────────────────────────
async def test_the_same_day_twice_changes_nothing(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    await house.refunded(ORDER, CASE)
    provider.trades, provider.funds = trade_bill(paid(ORDER, "99.00")), fund_bill(moved(f"T-{ORDER}", "99.00"))
    provider.refunds[NUMBER] = refund(ORDER, NUMBER)
    first = await house.start()
    assert states(first) == [("payment-amount", "open"), ("refund-not-in-bill", "healed")]
    payments = {id: document["state"] for id, document in house.payments.documents.items()}
    again = await house.start()
    assert again.differences == first.differences
    assert again.model_copy(update={"run": first.run, "rounds": first.rounds}) == first
    assert {id: document["state"] for id, document in house.payments.documents.items()} == payments


async def test_a_day_that_is_done_is_begun_again_only_when_somebody_says_so(
    house: CountingHouse, provider: FakeProvider
) -> None:
    await house.start()
    day = await house.start(again=False)
    assert (day.run, len(provider.asked)) == (1, 3)
    assert (await house.start()).run == 2


@pytest.mark.parametrize(
    ("trades", "funds", "kinds"),
    [
        ([], [moved("X", "1.00"), moved("X", "1.00")], ["fund-line-extra"]),
        (
            [paid("TILL"), refunded("TILL", "", "100.00", 交易状态="REVOKED")],
            [],
            ["order-unknown", "fund-line-missing"],
        ),
    ],
    ids=["two equal movements", "a stranger's payment that was revoked"],
)
async def test_what_stands_twice_in_a_bill_is_one_difference_that_can_be_closed(
    house: CountingHouse, provider: FakeProvider, trades: list[Cells], funds: list[Cells], kinds: list[str]
) -> None:
    provider.trades, provider.funds = trade_bill(*trades), fund_bill(*funds)
    day = await house.start()
    assert (open_kinds(day), day.found) == (kinds, len(kinds))
    assert day.differences[0].detail.endswith("(2×)")
    for one in day.differences:
        closed = {"reconciliation_id": day.reconciliation_id, "n": one.n, "by": "李", "remark": "退给了他"}
        await house.hear(CloseDifference.model_validate(closed))
    day = await house.day()
    assert (day.open_count, day.found) == (0, len(day.differences)), "nothing is left, nor said to be left out"


async def test_what_a_person_closed_stays_closed_and_other_amounts_are_another_matter(
    house: CountingHouse, provider: FakeProvider
) -> None:
    await house.paid(ORDER)
    provider.trades, provider.funds = trade_bill(paid(ORDER, "99.00")), fund_bill(moved(f"T-{ORDER}", "99.00"))
    n = (await house.start()).differences[0].n
    await house.hear(CloseDifference(reconciliation_id=id_of("", DAY), n=n, by="李", remark="现金补差"))
    await house.hear(CloseDifference(reconciliation_id=id_of("", DAY), n=n, by="王", remark="later"))
    day = await house.start()
    assert [(one.state, one.by, one.remark) for one in day.differences] == [("closed", "李", "现金补差")]
    provider.trades, provider.funds = trade_bill(paid(ORDER, "98.00")), fund_bill(moved(f"T-{ORDER}", "98.00"))
    day = await house.start()
    assert [(one.n, one.state) for one in day.differences] == [(n, "closed"), (n + 1, "open")]


async def test_what_is_gone_is_healed_and_what_comes_back_is_open(house: CountingHouse, provider: FakeProvider) -> None:
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    assert open_kinds(await house.start()) == ["order-unknown"]
    await house.paid(ORDER)
    assert states(await house.start()) == [("order-unknown", "healed")]
    house.payments.documents.clear()
    assert states(await house.start()) == [("order-unknown", "open")]


async def test_too_many_differences_are_cut_and_nothing_is_called_healed(
    house: CountingHouse, provider: FakeProvider
) -> None:
    provider.trades, provider.funds = trade_bill(paid("FIRST")), fund_bill(moved("T-FIRST", "100.00"))
    assert states(await house.start()) == [("order-unknown", "open")]
    orders = [f"X{n}" for n in range(1_001)]
    provider.trades = trade_bill(*(paid(order) for order in orders))
    provider.funds = fund_bill(*(moved(f"T-{order}", "100.00") for order in orders))
    day = await house.start()
    assert (day.found, len(day.differences)) == (1_001, 1_000)
    assert day.differences[0].subject == "FIRST"
    assert day.differences[0].state == "open", "it may be among those that were cut"


async def test_among_too_many_what_can_be_asked_about_is_asked_and_healed(
    house: CountingHouse, provider: FakeProvider
) -> None:
    await house.paid(ORDER)
    lost = [f"A{n}" for n in range(1_001)]
    provider.trades = trade_bill(*(paid(order) for order in lost), paid(ORDER), refunded(ORDER, "BYHAND"))
    provider.funds = fund_bill(
        *(moved(f"T-{order}", "100.00") for order in lost), IN, moved("R-BYHAND", "40.00", "退款", comes_in=False)
    )
    provider.refunds["BYHAND"] = refund(ORDER, "BYHAND")
    day = await house.start()
    assert set(open_kinds(day)) == {"order-unknown"}
    assert (day.status, day.found, day.unasked) == ("done", 1_001, 0)
    assert (await house.payment(ORDER)).refunds[0].found


# ── bills that are not there, or cannot be read ──────────────────────────────────────────────────────────────────────
async def test_bills_that_are_not_ready_are_fetched_again_until_they_are(
    house: CountingHouse, provider: FakeProvider
) -> None:
    house.clock.now = MORNING
    provider.trades = Refused(400, "STATEMENT_CREATING", "账单生成中")
    day = await house.start()
    assert (day.status, day.problem, day.wake_at) == ("failed", "STATEMENT_CREATING", MORNING + RETRY_AFTER)
    assert (await house.later(RETRY_AFTER - timedelta(seconds=1))).tries == 1
    provider.trades = NoAnswer("TIMEOUT")
    assert (await house.later(timedelta(seconds=1))).tries == 2
    provider.trades = trade_bill(paid(ORDER))
    provider.funds = fund_bill(IN)
    await house.paid(ORDER)
    assert (await house.later(RETRY_AFTER)).status == "done"


async def test_nobody_tries_before_the_bills_can_be_there(house: CountingHouse, provider: FakeProvider) -> None:
    house.clock.now = MORNING - timedelta(hours=5)
    provider.trades = Refused(400, "STATEMENT_CREATING", "账单生成中")
    assert (await house.start()).wake_at == MORNING


async def test_after_half_a_day_of_trying_it_is_left_to_a_person(house: CountingHouse, provider: FakeProvider) -> None:
    house.clock.now = MORNING
    provider.trades = Refused(403, "NO_AUTH", "")
    day = await house.start()
    for _ in range(TRIES_MAX - 1):
        assert day.wake_at is not None
        day = await house.later(RETRY_AFTER)
    assert (day.status, day.tries, day.wake_at, day.problem) == ("failed", TRIES_MAX, None, "NO_AUTH")
    assert day.finished_at == house.clock.now


async def test_a_bill_that_does_not_add_up_changes_nothing(house: CountingHouse, provider: FakeProvider) -> None:
    await house.ordered(ORDER)
    provider.payments[ORDER] = trade(ORDER)
    provider.trades = trade_bill(paid(ORDER), 订单总金额="1.00")
    provider.funds = fund_bill(IN)
    day = await house.start()
    assert (day.status, day.differences, provider.questions) == ("unreadable", (), [])
    assert day.problem.startswith("trade bill, line 4, column 订单总金额: says 100 fen")
    assert (await house.payment(ORDER)).status == "opened"

    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN, 收入笔数="2")
    assert (await house.start()).problem.startswith("fund-flow bill, line 4, column 收入笔数")
    provider.funds = fund_bill(IN)
    assert (await house.start()).status == "done"


async def test_a_shop_without_an_account_waits_and_one_called_house_holds_up_nobody(house: CountingHouse) -> None:
    house.clock.now = MORNING
    other = CountingHouse(house.provider, house)
    other.nightly = Nightly(other.engine, lambda: ["house", "gone"])
    await other.nightly.start_due()
    await other.drain()
    document = house.days.documents["gone/2026-11-01"]
    assert (document["state"]["status"], document["state"]["problem"]) == ("failed", "NO_MERCHANT_ACCOUNT")
    assert {id.partition("/")[0] for id in house.days.documents} == {"gone"}


# ── crashes and neighbours ───────────────────────────────────────────────────────────────────────────────────────────
async def test_a_crash_while_comparing_is_taken_up_by_the_neighbour(
    house: CountingHouse, provider: FakeProvider
) -> None:
    await house.paid(ORDER)
    dying = CountingHouse(FakeProvider(trades=ConnectionAbortedError()), house)
    assert (await dying.start()).status == "fetching"
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    assert (await house.later(timedelta(seconds=16))).status == "done"


async def test_two_replicas_at_once_start_one_reconciliation(house: CountingHouse, provider: FakeProvider) -> None:
    await house.paid(ORDER)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    house.clock.now = MORNING
    neighbour = CountingHouse(FakeProvider(provider.trades, provider.funds), house)
    await asyncio.gather(house.nightly.start_due(), neighbour.nightly.start_due())
    await house.drain()
    await neighbour.drain()
    fetched = [one for one in (*provider.asked, *neighbour.provider.asked) if one == "trade 2026-11-01 ALL"]
    assert len(fetched) == 1
    day = await house.day()
    assert (day.status, day.run, day.started_by) == ("done", 1, "nightly")


async def test_started_while_under_way_it_goes_on(house: CountingHouse, provider: FakeProvider) -> None:
    await house.ordered(ORDER)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    provider.payments[ORDER] = NoAnswer("TIMEOUT")
    assert (await house.start()).status == "compared"
    day = await house.start()
    assert (day.status, day.run, len(provider.questions)) == ("compared", 1, 1)


# ── nights ───────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_every_morning_yesterday_and_what_was_missed(house: CountingHouse) -> None:
    house.clock.now = MORNING - timedelta(seconds=1)
    await house.nightly.start_due()
    await house.drain()
    assert id_of("", DAY) not in house.days.documents
    assert len(house.days.documents) == 7
    house.clock.now = MORNING
    await house.nightly.start_due()
    await house.drain()
    assert id_of("", DAY) in house.days.documents
    asked = len(house.provider.asked)
    restarted = CountingHouse(house.provider, house)
    await restarted.nightly.start_due()
    await restarted.drain()
    assert len(house.provider.asked) == asked, "a day that was reconciled is left alone"


async def test_a_day_whose_record_is_damaged_holds_up_neither_the_days_behind_it_nor_other_shops(
    house: CountingHouse,
) -> None:
    house.clock.now = MORNING - timedelta(days=1)
    await house.nightly.start_due()
    await house.drain()
    house.days.documents[id_of("", DAY - timedelta(days=2))]["state"]["status"] = "torn"
    restarted = CountingHouse(house.provider, house)
    restarted.nightly = Nightly(restarted.engine, lambda: ["", "tea"])
    restarted.clock.now = MORNING
    await restarted.nightly.start_due()
    await restarted.drain()
    assert {id_of("", DAY), id_of("tea", DAY)} <= house.days.documents.keys()


@pytest.mark.parametrize(
    ("at", "last"),
    [
        (datetime(2026, 11, 2, 2, 29, 59, tzinfo=UTC), date(2026, 10, 31)),
        (datetime(2026, 11, 2, 2, 30, tzinfo=UTC), date(2026, 11, 1)),
        (datetime(2026, 11, 2, 15, 59, 59, tzinfo=UTC), date(2026, 11, 1)),
        (datetime(2026, 11, 2, 16, 0, tzinfo=UTC), date(2026, 11, 1)),
    ],
)
def test_the_days_that_are_due(at: datetime, last: date) -> None:
    days = days_due(at)
    assert days == [last - timedelta(days=back) for back in range(6, -1, -1)]
    assert all(ready_at(day) <= at for day in days)


async def test_a_question_repeated_after_a_crash_is_heard_once(house: CountingHouse, provider: FakeProvider) -> None:
    await house.ordered(ORDER)
    provider.trades, provider.funds = trade_bill(paid(ORDER)), fund_bill(IN)
    provider.payments[ORDER] = trade(ORDER)

    async def unheard(_: Heard) -> None:
        raise ConnectionAbortedError

    await house.paid("ORDER0000000000000002")
    performer = house.engine.relay.performers["ask-provider"]
    listening = house.engine.relay._hear
    seen: list[object] = []

    async def die_after(wish: object, attempt: int) -> object:
        report = await performer[1](wish, attempt)
        seen.append(report)
        house.engine.relay._hear = unheard
        return report

    house.engine.relay.performers["ask-provider"] = (performer[0], die_after)  # type: ignore[assignment]
    assert (await house.start()).status == "healing"
    version = house.payments.documents[ORDER]["version"]
    house.engine.relay._hear = listening
    house.engine.relay.performers["ask-provider"] = performer
    assert (await house.later(timedelta(seconds=16))).status == "done"
    assert provider.questions == [ORDER, ORDER]
    assert house.payments.documents[ORDER]["version"] == version
