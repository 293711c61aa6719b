"""The replay against a small shop: it agrees, it can be repeated, and whatever is falsified is found."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from tests.unit.tools.replay.fake_shop import FakeShop
from tests.unit.tools.replay.shop_year import write_year
from tools.replay import run
from tools.replay.driver import ReplayStoppedError
from tools.replay.knock import Pace, UnexpectedAnswerError
from tools.replay.settle import HangingError

ORDER = "0rder-invoice-100001"


class Clock:
    """Time passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Replay:
    """One shop, one year, as many runs as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.shop = FakeShop()
        self.path = write_year(folder)
        self.page = folder / "out" / "report.html"
        self.said = ""

    async def run(self, invoices: int | None = None, memory: Callable[[], dict[str, int]] | None = None) -> bool:
        clock, text = Clock(), io.StringIO()
        try:
            return await run(
                "http://gateway",
                "http://sandbox",
                report=self.page,
                invoices=invoices,
                in_flight=4,
                memory=memory,
                console=Console(file=text, width=200),
                path=self.path,
                pace=Pace(sleep=clock.sleep, clock=clock),
                transport=self.shop.transport(),
            )
        finally:
            self.said = text.getvalue()


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    return Replay(tmp_path)


async def test_all_books_agree(replay: Replay) -> None:
    assert await replay.run()
    assert len(replay.shop.orders) == 5
    assert {case["status"] for case in replay.shop.cases.values()} == {"completed"}
    assert "all books agree" in replay.said


async def test_refused_refunds_are_known_from_the_ledger(replay: Replay) -> None:
    replay.shop.refuse_all = True
    assert await replay.run()
    assert {case["status"] for case in replay.shop.cases.values()} == {"undone"}


async def test_a_second_run_changes_nothing_and_agrees(replay: Replay) -> None:
    await replay.run()
    before = (len(replay.shop.orders), len(replay.shop.cases), list(replay.shop.money), dict(replay.shop.receipts))
    assert await replay.run()
    after = (len(replay.shop.orders), len(replay.shop.cases), list(replay.shop.money), dict(replay.shop.receipts))
    assert before == after


async def test_a_longer_and_then_a_shorter_run_on_the_same_stack_agree(replay: Replay) -> None:
    assert await replay.run(invoices=1)
    assert await replay.run(invoices=None)
    assert len(replay.shop.orders) == 5
    assert await replay.run(invoices=2)
    assert len(replay.shop.orders) == 5


async def test_what_others_do_on_the_same_stack_is_no_difference(replay: Replay) -> None:
    await replay.run()
    shop = replay.shop
    line = {"line_no": 1, "product_id": "20001", "quantity": 2, "unit_price_minor": 255}
    mine = {**line, "paid_minor": 510, "cancelled": 0}
    by_hand = {"order_id": "byhand", "reference": "", "month": "2026-11", "group": "", "state": "paid"}
    money = {"total_minor": 510, "paid_minor": 510, "refunded_minor": 0}
    shop.orders["byhand"] = {**by_hand, **money, "lines": [mine]}
    shop.money.append({"kind": "payment", "out_trade_no": "byhand", "amount_minor": 510})
    cancelled = {"line_no": 1, "product_id": "20001", "quantity": 1, "amount_minor": 255}
    case = {"case_id": "c-hand", "reference": "", "month": "2026-11", "reason": "other", "status": "open"}
    for order_id in ("byhand", ORDER):
        case_id = f"{order_id}-c9"
        shop.cases[case_id] = {
            **case,
            "case_id": case_id,
            "order_id": order_id,
            "lines": [cancelled],
            "amount_minor": 255,
        }
        shop._end(shop.cases[case_id])
    assert await replay.run()
    assert "others" in replay.said
    shop.money.pop()
    assert not await replay.run()


async def test_a_busy_shop_is_asked_again(replay: Replay) -> None:
    replay.shop.busy = 5
    assert await replay.run()


async def test_cases_of_one_order_wait_for_each_other(replay: Replay) -> None:
    assert await replay.run()
    assert replay.shop.refused == 0
    assert len({case["order_id"] for case in replay.shop.cases.values()}) < len(replay.shop.cases)


async def test_a_notice_in_the_inbox_is_a_notice(replay: Replay) -> None:
    await replay.run()
    lost = _last_message(replay.shop)
    replay.shop.messages.remove(lost)
    replay.shop.inbox.append(
        {"order_id": ORDER, "channel": "inbox", "outcome": lost["template_name"], "told_at": "2026-01-01T00:00:00Z"}
    )
    assert await replay.run()
    assert "told by inbox" in replay.said


async def test_memory_is_sampled_three_times_and_shown(replay: Replay) -> None:
    assert await replay.run(memory=lambda: {"order": 100 * 2**20})
    assert "memory at 10 %" in replay.said
    assert "memory at 100 %" in replay.said


async def test_the_page_needs_nothing_from_outside(replay: Replay) -> None:
    await replay.run()
    page = replay.page.read_text()
    assert page.count("<svg") == 4
    assert "http" not in page
    assert "<script" not in page
    assert "Replay report" in page
    assert "C10003" in page


async def test_orders_that_hang_are_named(replay: Replay) -> None:
    replay.shop.stuck = True
    replay.path.write_text("\n".join(replay.path.read_text().splitlines()[:2]) + "\n")
    with pytest.raises(HangingError, match="0rder-invoice-100001 is not paid"):
        await replay.run()


async def test_a_shop_that_never_answers_ends_the_replay(replay: Replay) -> None:
    replay.shop.busy = 10**9
    with pytest.raises(UnexpectedAnswerError, match=r"faults.*no answer within 120 s; last came 503"):
        await replay.run()


async def test_too_many_failures_stop_the_replay(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.replay.driver.TOO_MANY", 2)
    monkeypatch.setattr(FakeShop, "_place", lambda *_: httpx.Response(422, json={"code": "no"}))
    with pytest.raises(ReplayStoppedError, match="expected 201, got 422"):
        await replay.run()


def _order(shop: FakeShop) -> dict[str, object]:
    return shop.orders[ORDER]


def _falsify_order(shop: FakeShop) -> None:
    _order(shop)["paid_minor"] = 1


def _falsify_state(shop: FakeShop) -> None:
    _order(shop)["state"] = "cancelled"


def _lose_order(shop: FakeShop) -> None:
    del shop.orders["0rder-invoice-100010"]


def _double_order(shop: FakeShop) -> None:
    shop.orders["again"] = {**_order(shop), "order_id": "again"}


def _falsify_case(shop: FakeShop) -> None:
    next(iter(shop.cases.values()))["amount_minor"] += 1


def _undo_case(shop: FakeShop) -> None:
    next(iter(shop.cases.values()))["status"] = "undone"


def _pay_twice(shop: FakeShop) -> None:
    shop.money.append(dict(shop.money[0]))


def _refund_twice(shop: FakeShop) -> None:
    shop.money.append(next(dict(line) for line in shop.money if line["kind"] == "refund-success"))


def _refund_nobody(shop: FakeShop) -> None:
    shop.money.append(
        {"kind": "refund-success", "out_refund_no": "x", "out_trade_no": "0rderinvoice100001", "amount_minor": 5}
    )


def _break_ledger(shop: FakeShop) -> None:
    shop.violations.append({"rule": "paid more than once", "subject": "x", "found": 2})


def _lose_stock(shop: FakeShop) -> None:
    shop.extra_stock["20001"] = -1


def _fail_recount(shop: FakeShop) -> None:
    shop.recount.append("20001: balance 3, ledger 4")


def _falsify_figure(shop: FakeShop) -> None:
    shop.extra_figures["cancellations", "reason"] = {"quality": [0, 0, 1]}


def _falsify_month(shop: FakeShop) -> None:
    shop.extra_figures["orders", "month"] = {"2011-01": [-1, 0, 0], "2011-02": [1, 0, 0]}


def _last_message(shop: FakeShop) -> dict[str, object]:
    return [line for line in shop.messages if "100001" in str(line["values"])][-1]


def _tell_twice(shop: FakeShop) -> None:
    shop.messages.append(dict(_last_message(shop)))


def _tell_nobody(shop: FakeShop) -> None:
    shop.messages.append({"channel": "wechat", "template_name": "refund-arrived", "values": {"order": "nobody"}})


def _forget_to_tell(shop: FakeShop) -> None:
    shop.messages.remove(_last_message(shop))


@pytest.mark.parametrize(
    ("falsify", "line"),
    [
        (_falsify_order, "order 100001, paid: file 2444, orders 1"),
        (_falsify_state, "order 100001, state: 3 pieces are left, the book says cancelled"),
        (_lose_order, "order 100010: 0 orders in the book"),
        (_double_order, "order 100001: 2 orders in the book"),
        (_falsify_case, ", amount: file "),
        (_undo_case, ", ends: file completed, orders undone"),
        (_pay_twice, "paid: orders 2444, money 4888"),
        (_refund_twice, "completed, refunds arrived: orders ["),
        (_refund_nobody, "refund x of 5 belongs to no case"),
        (_break_ledger, "the money book breaks its own rule: paid more than once: x (2)"),
        (_lose_stock, "stock of 20001, gone: file "),
        (_fail_recount, "recount: 20001: balance 3, ledger 4"),
        (_falsify_figure, "cancellations by reason, quality: file "),
        (_falsify_month, "orders by month, 2011-01: file "),
        (_tell_twice, "order 100001, refund-arrived: cases 1, told 2"),
        (_tell_nobody, "names the order 'nobody', which nobody knows"),
        (_forget_to_tell, "order 100001, refund-arrived: cases 1, told 0"),
    ],
)
async def test_a_difference_in_any_book_is_found_and_shown(
    replay: Replay, falsify: Callable[[FakeShop], None], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = FakeShop._summary

    def falsified(shop: FakeShop) -> dict[str, object]:
        """The first summary after all has ended is the moment to falsify: from then on only books are read."""
        said = summary(shop)
        if said["cases"]["open"] == 0 and not getattr(shop, "falsified", False):
            shop.__dict__["falsified"] = True
            falsify(shop)
        return said

    monkeypatch.setattr(FakeShop, "_summary", falsified)
    assert not await replay.run()
    assert line in replay.said
    assert "the books differ" in replay.said
    assert "✗" in replay.page.read_text()
