"""Pieces of a line exchanged for another variant at the same price: no money moves, nothing is sold twice, and while it
is under way nothing else happens to the order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chassis.record import Heard, Refusal, hear
from contracts import inventory
from contracts.alternative import AlternativeTaken, PostponeDelivery
from contracts.exchange import ExchangeGoods, ExchangeNotBegun, ExchangeRefused, GoodsExchanged
from contracts.message import CaseId, Event, Message, Money, ProductId, RefundNumber
from contracts.order import Actor, CancellationCompleted, CancellationNotAccepted, OrderNotMoved, OrderPlaced
from contracts.payment import RefundFound
from contracts.task import ResolveTask, TaskNotResolved
from services.order.deleting import RULES, Facts
from services.order.erasing import blank
from services.order.handlers import ORDERS
from services.order.instead import TAKEN_MAX
from services.order.model import Line, Order
from services.order.offer import PriceRules, Product
from services.order.placing import Placement
from services.order.pricing import moved_into
from services.order.problems import problem_of
from services.order.story import customers_order, told_to_customer
from services.order.variants import LookUpVariants, ReadyToExchange, variants
from tests.unit.order.told import (
    CUP,
    CUSTOMER,
    ID,
    OPENED,
    RESERVED,
    SHIP,
    STAFF,
    START,
    TEA,
    Told,
    accepted,
    cancel,
    held,
    kept,
    paid,
    paid_order,
    place,
    refused,
    released,
    settled,
    told,
)

X1 = CaseId("o1-x1")
LOOSE = TEA.model_copy(update={"variant_of": "tea"})
GREEN = Product(
    product_id=ProductId("green"),
    name="绿茶",
    category="goods",
    offers_minor=(350, 300),
    currency="CNY",
    variant_of="tea",
)
SWAPPED = inventory.StockSwapped(order_id=ID, case_id=X1)
SHORT = inventory.StockNotSwapped(order_id=ID, case_id=X1, reason="out-of-stock")
BACK = inventory.StockReleased(order_id=ID, case_id=X1, lines=(), exchanged=True)


def exchange(
    quantity: int = 2, line_no: int = 1, products: tuple[Product, ...] = (LOOSE, GREEN), **more: Any
) -> ReadyToExchange:
    asked = ExchangeGoods.model_validate(
        {
            "order_id": ID,
            "request_id": "e1",
            "fingerprint": "f",
            "line_no": line_no,
            "quantity": quantity,
            "product_id": "green",
            "by": CUSTOMER,
            **more,
        }
    )
    return ReadyToExchange(order_id=ID, asked=asked, products=products)


def refusal(order: Told, message: Message) -> Event:
    with pytest.raises(Refusal) as raised:
        hear(ORDERS, order.record, Heard(message, "refused", order.now))
    return raised.value.event


def why_not(order: Told, ready: ReadyToExchange) -> str:
    event = refusal(order, ready)
    assert isinstance(event, ExchangeNotBegun)
    return event.reason


def exchanged() -> Told:
    """Two of three teas for green ones."""
    return paid_order().hears(exchange(), SWAPPED, BACK)


def pieces(order: Order) -> list[tuple[int, str, int, int]]:
    return [(line.line_no, line.product_id, line.left, line.paid_minor - line.moved_minor) for line in order.lines]


# ── how it goes ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_new_goods_first_then_the_line_then_the_old_ones_back() -> None:
    order = paid_order().hears(exchange())
    assert order.last == ["exchange-begun", "swap-stock"]
    assert pieces(order.order) == [(1, "tea", 3, 900), (2, "cup", 1, 1000)]
    order.hears(SWAPPED)
    assert order.last == ["goods-exchanged", "alternative-taken", "release-stock"]
    assert pieces(order.order) == [(1, "tea", 1, 300), (2, "cup", 1, 1000), (3, "green", 2, 600)]
    assert order.order.open_exchange is not None
    order.hears(BACK)
    assert order.last == []
    assert order.order.open_exchange is None
    assert order.record.wake_at == paid_order().record.wake_at


def test_what_inventory_is_asked() -> None:
    order = paid_order()
    wish = order.decide(Heard(exchange(), "x", order.now)).says[1]
    assert inventory.SwapStock.model_validate_json(wish.body) == inventory.SwapStock(
        order_id=ID,
        case_id=X1,
        old=inventory.StockLine(line_no=1, product_id=ProductId("tea"), quantity=2),
        new=inventory.StockLine(line_no=3, product_id=ProductId("green"), quantity=2),
    )
    back = order.decide(Heard(SWAPPED, "y", order.now)).says[2]
    assert inventory.ReleaseStock.model_validate_json(back.body).lines == (
        inventory.StockLine(line_no=1, product_id=ProductId("tea"), quantity=2),
    )


def test_what_is_told() -> None:
    order = paid_order().hears(exchange())
    swapped, kept_order, _ = order.decide(Heard(SWAPPED, "y", order.now)).says
    event = GoodsExchanged.model_validate_json(swapped.body)
    assert (event.old.line_no, event.old.quantity, event.old.amount_minor) == (1, 2, 600)
    assert (event.new.line_no, event.new.product_id, event.new.paid_minor) == (3, "green", 600)
    taken = AlternativeTaken.model_validate_json(kept_order.body)
    assert (taken.kind, taken.number, taken.customer_group) == ("exchange", 1, "g")


def test_too_few_are_left_and_the_order_is_as_before() -> None:
    before = paid_order()
    order = paid_order().hears(exchange(), SHORT)
    assert order.last == ["exchange-refused"]
    lost = {"exchanges": (), "timeline": ()}
    assert order.order.model_copy(update=lost) == before.order.model_copy(update=lost)
    assert order.order.timeline[-1].what == "exchange-refused"
    shown = customers_order(order.order)["exchanges"]
    assert (shown[0]["status"], shown[0]["refusal"]["en"]) == ("refused", "too few of them are left")
    assert order.hears(SHIP).order.state == "shipped"


def test_what_the_warehouse_no_longer_has_is_told_as_that() -> None:
    order = paid_order().hears(exchange())
    gone = SHORT.model_copy(update={"reason": "already-dispatched"})
    (said,) = order.decide(Heard(gone, "y", order.now)).says
    assert ExchangeRefused.model_validate_json(said.body).because == "old-goods-gone"


def test_whoever_waits_asks_again_until_there_is_an_answer() -> None:
    order = paid_order().hears(exchange())
    for _ in range(40):
        assert order.record.wake_at is not None
        order.after(order.record.wake_at - order.now)
        assert order.last == ["swap-stock"]
    order.hears(SWAPPED)
    for _ in range(40):
        assert order.record.wake_at is not None
        order.after(order.record.wake_at - order.now)
        assert order.last == ["release-stock"]
    assert order.hears(BACK).order.exchanges[0].status == "done"


def test_repeated_and_late_answers_change_nothing() -> None:
    order = paid_order().hears(exchange(), SWAPPED)
    before = order.order
    for answer in (SWAPPED, SHORT):
        assert order.hears(answer).order is before
    order.hears(BACK)
    before = order.order
    answers: tuple[Event, ...] = (SWAPPED, SHORT, BACK, kept(X1), held(X1))
    for late in answers:
        assert order.hears(late).order is before
        assert order.last == []


# ── whether it may be ────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_repeat_meets_its_exchange_and_another_wish_needs_another_key() -> None:
    order = paid_order().hears(exchange())
    again = order.decide(Heard(exchange(), "later", order.now))
    assert not again.stored
    assert order.last == ["exchange-begun"]
    assert why_not(order, exchange(fingerprint="g")) == "idempotency-key-reused"
    order.hears(SWAPPED, BACK, SHIP, exchange())
    assert order.last == ["exchange-begun"]


def later(**more: Any) -> PostponeDelivery:
    day = (START + timedelta(days=9)).date()
    about = {"order_id": ID, "request_id": "e1", "fingerprint": "f", "day": day, "by": CUSTOMER}
    return PostponeDelivery.model_validate({**about, **more})


def test_one_key_is_for_one_alternative() -> None:
    assert refusal(paid_order().hears(exchange(), SHORT), later()).model_dump()["reason"] == "idempotency-key-reused"
    assert why_not(paid_order().hears(later()), exchange(fingerprint="g")) == "idempotency-key-reused"


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Told(), "unknown-order"),
        (Told().hears(place(), RESERVED, OPENED), "not-paid-yet"),
        (paid_order().hears(SHIP), "too-late-to-change"),
        (paid_order().hears(cancel()), "cancellation-open"),
        (paid_order().hears(exchange(request_id="e0")), "exchange-open"),
        (paid_order().hears(exchange(request_id="e0"), SWAPPED), "exchange-open"),
        (paid_order().hears(cancel(), held(), refused(), kept(), told("refund-failed")), "with-a-person"),
    ],
    ids=["none", "unpaid", "shipped", "being-cancelled", "exchanging", "releasing", "with-a-person"],
)
def test_when_nothing_can_be_exchanged(order: Told, reason: str) -> None:
    assert why_not(order, exchange()) == reason


@pytest.mark.parametrize(
    ("ready", "reason"),
    [
        (exchange(by=Actor(kind="customer", id="c2")), "unknown-order"),
        (exchange(line_no=9), "unknown-line"),
        (exchange(4), "not-so-many-left"),
        (exchange(products=(TEA, GREEN)), "not-a-variant"),
        (exchange(products=(LOOSE, GREEN.model_copy(update={"variant_of": ""}))), "not-a-variant"),
        (exchange(products=(TEA, GREEN.model_copy(update={"variant_of": ""}))), "not-a-variant"),
        (exchange(products=(LOOSE,)), "not-a-variant"),
        (exchange(products=(GREEN,)), "not-a-variant"),
        (exchange(product_id="tea"), "not-a-variant"),
        (exchange(products=(LOOSE, GREEN.model_copy(update={"offers_minor": (301,)}))), "not-at-this-price"),
        (exchange(products=(LOOSE, GREEN.model_copy(update={"currency": "USD"}))), "not-at-this-price"),
    ],
)
def test_what_cannot_be_exchanged(ready: ReadyToExchange, reason: str) -> None:
    event = refusal(paid_order(), ready)
    assert isinstance(event, ExchangeNotBegun)
    assert event.reason == reason
    assert problem_of(event).code == reason
    assert event.left == (3 if reason == "not-so-many-left" else None)


def test_not_for_ever() -> None:
    order = paid_order()
    for number in range(1, TAKEN_MAX + 1):
        case = CaseId(f"o1-x{number}")
        order.hears(exchange(1, request_id=f"e{number}"), SHORT.model_copy(update={"case_id": case}))
    assert why_not(order, exchange(request_id="one more")) == "too-many-alternatives"


def test_a_wish_over_a_topic_is_looked_up_and_its_refusal_travels() -> None:
    order = paid_order()
    (wish,) = order.decide(Heard(exchange().asked, "topic", order.now)).says
    assert wish.topic is None
    assert LookUpVariants.model_validate_json(wish.body).product_ids == ("green", "tea")
    order.hears(exchange(9).model_copy(update={"from_topic": True}))
    assert order.last == ["exchange-not-begun"]


def test_variants_are_shown_at_the_price_that_was_paid() -> None:
    order = paid_order().order
    dear = GREEN.model_copy(update={"product_id": "dear", "offers_minor": (350,)})
    other = GREEN.model_copy(update={"product_id": "other", "variant_of": "pots"})
    black = GREEN.model_copy(update={"product_id": "black"})
    found = variants(order, order.lines[0], [LOOSE, GREEN, dear, other, black, CUP])
    assert [one.product_id for one in found] == ["black", "green"]
    assert variants(order, order.lines[0], [TEA, GREEN]) == []


# ── while it is under way ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("under_way", [(), (SWAPPED,)], ids=["taking", "releasing"])
def test_nothing_is_shipped_or_cancelled_meanwhile(under_way: tuple[Event, ...]) -> None:
    order = paid_order().hears(exchange(), *under_way)
    shipping = refusal(order, SHIP)
    assert isinstance(shipping, OrderNotMoved)
    assert shipping.because == "exchange-open"
    cancelling = refusal(order, cancel())
    assert isinstance(cancelling, CancellationNotAccepted)
    assert (cancelling.because, problem_of(cancelling).code) == ("exchange-open", "exchange-open")
    assert problem_of(cancelling).more["retry_after"] == 1
    assert refusal(order, later(request_id="l")).model_dump()["reason"] == "exchange-open"


def by_hand(amount: int, number: str = "2000") -> RefundFound:
    return RefundFound.model_validate(
        {
            "order_id": ID,
            "refund_number": RefundNumber(number),
            "amount": Money(amount_minor=amount),
            "found_at": START,
        }
    )


@pytest.mark.parametrize("end", [(SWAPPED, BACK), (SHORT,)], ids=["done", "refused"])
def test_a_refund_made_by_hand_waits_for_the_end(end: tuple[Event, ...]) -> None:
    order = paid_order().hears(exchange(), by_hand(1900))
    assert (order.last, order.order.open_case) == ([], None)
    order.hears(by_hand(1900), *end)
    assert "adopt-refund" in order.last
    case = order.order.open_case
    assert case is not None
    expected = [(1, 3), (2, 1)] if end == (SHORT,) else [(1, 1), (2, 1), (3, 2)]
    assert [(line.line_no, line.quantity) for line in case.lines] == expected
    assert (case.whole, order.order.state) == (True, "cancelling")
    assert len(order.order.cases) == 1


def test_of_two_made_by_hand_the_second_is_a_persons() -> None:
    order = paid_order().hears(exchange(), by_hand(100, "2000"), by_hand(200, "2001"), SWAPPED, BACK)
    assert len(order.order.cases) == 1
    assert [task.facts["refund_number"] for task in order.order.tasks][-1] == "2001"


def test_a_person_opens_no_case_meanwhile() -> None:
    """No such task is open when an exchange begins; should one come all the same, it waits."""
    order = paid_order().hears(cancel(), by_hand(200), held(), refused(), kept(), told("refund-failed"))
    asking = next(task for task in order.order.tasks if "take-over" in task.choices)
    order.record = replace(order.record, state=order.order.model_copy(update={"tasks": ()}))
    order.hears(exchange())
    order.record = replace(order.record, state=order.order.model_copy(update={"tasks": (asking,)}))
    asked = {"order_id": ID, "task_id": asking.task_id, "choice": "take-over", "by": STAFF}
    event = refusal(order, ResolveTask.model_validate(asked))
    assert isinstance(event, TaskNotResolved)
    assert event.reason == "not-a-choice"
    order.hears(SWAPPED, BACK, ResolveTask.model_validate(asked))
    assert "adopt-refund" in order.last


def test_it_is_not_deleted_under_way() -> None:
    rule = next(rule for rule in RULES if rule.name == "nothing-under-way")
    busy = paid_order().hears(exchange())
    assert not rule.holds(Facts(busy.order, busy.now, timedelta(0)))
    assert busy.record.wake_at is not None


# ── afterwards ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_cancelled_whole_it_gives_back_what_was_paid_for_the_goods_as_they_are_now() -> None:
    order = exchanged().hears(cancel())
    case = order.order.open_case
    assert case is not None
    assert [(line.line_no, line.product_id, line.quantity, line.amount_minor) for line in case.lines] == [
        (1, "tea", 1, 300),
        (2, "cup", 1, 1000),
        (3, "green", 2, 600),
    ]
    assert (case.whole, case.amount.amount_minor) == (True, 1900)
    order.hears(held(), accepted(), released(), told("refund-on-its-way"), settled())
    (said,) = order.decide(Heard(told("refund-arrived"), "last", order.now)).says
    assert CancellationCompleted.model_validate_json(said.body).after_alternatives == 1
    assert order.order.state == "cancelled"


def test_new_goods_are_cancelled_in_part_and_exchanged_again() -> None:
    order = exchanged().hears(cancel((3, 1)))
    case = order.order.open_case
    assert case is not None
    assert case.lines[0].product_id == "green"
    order.hears(held(), accepted(amount=300), released(), told("refund-on-its-way"))
    order.hears(settled(amount=300), told("refund-arrived"))
    back = exchange(1, 3, request_id="e2", product_id="tea")
    x2 = {"case_id": CaseId("o1-x2")}
    order.hears(back, SWAPPED.model_copy(update=x2), BACK.model_copy(update=x2))
    assert pieces(order.order) == [(1, "tea", 1, 300), (2, "cup", 1, 1000), (3, "green", 0, 300), (4, "tea", 1, 300)]


def test_asked_again_to_place_it_what_was_placed_is_said_and_not_what_became_of_it() -> None:
    order = exchanged().hears(exchange(1, request_id="e2"), SWAPPED.model_copy(update={"case_id": CaseId("o1-x2")}))
    (said,) = order.decide(Heard(place(), "over a topic, under another id", order.now)).says
    event = OrderPlaced.model_validate_json(said.body)
    assert [(line.line_no, line.product_id, line.quantity) for line in event.lines] == [(1, "tea", 3), (2, "cup", 1)]
    assert sum(line.paid_minor for line in event.lines) == event.total.amount_minor


def test_the_parcel_is_described_by_what_is_in_it() -> None:
    order = paid_order().hears(exchange(3), SWAPPED, BACK)
    assert Placement.of(order.order).description == "杯 等2件"
    assert [line.product_id for line in Placement.of(order.order).lines] == ["cup", "green"]


def test_its_story_is_told_in_both_languages() -> None:
    words = [
        row["in_words"] for row in told_to_customer(exchanged().order) if row["what"].startswith(("exch", "goods"))
    ]
    assert [one["zh"] for one in words] == ["正在把 2 件茶换成绿茶。", "已把 2 件茶换成绿茶,价格不变。"]
    assert words[1]["en"] == "Exchanged 2 × 茶 for 绿茶, at the same price."


def test_an_erased_order_does_not_say_who_exchanged() -> None:
    assert "c1" not in blank(exchanged().order).model_dump_json(include={"exchanges"})


# ── to the fen ───────────────────────────────────────────────────────────────────────────────────────────────────────
AMOUNTS = some.integers(0, 40)


@given(
    some.integers(1, 9), some.integers(0, 50), AMOUNTS, AMOUNTS, AMOUNTS, some.lists(some.integers(1, 4), max_size=6)
)
def test_shares_add_up_whatever_leaves_a_line(
    quantity: int, price: int, discount: int, coupon: int, freight: int, parts: list[int]
) -> None:
    goods = quantity * price
    discount = min(discount, goods)
    coupon = min(coupon, goods - discount)
    line = Line(
        line_no=1,
        product_id=ProductId("tea"),
        name="tea",
        category="goods",
        quantity=quantity,
        unit_price_minor=price,
        discount_minor=discount,
        coupon_minor=coupon,
        freight_minor=freight,
        paid_minor=goods - discount - coupon + freight,
    )
    worth = line.paid_minor
    for turn, part in enumerate(parts):
        if part > line.left:
            break
        share = line.share(part)
        assert share >= 0
        worth -= share
        if turn % 2:
            line = line.model_copy(
                update={"cancelled": line.cancelled + part, "refunded_minor": line.refunded_minor + share}
            )
            continue
        new = moved_into(line, part, line_no=2, product=GREEN)
        assert new.paid_minor == share
        assert part * price - new.discount_minor - new.coupon_minor + new.freight_minor == share
        line = line.model_copy(update={"exchanged": line.exchanged + part, "moved_minor": line.moved_minor + share})
    assert line.share(line.left) == worth >= 0


def test_a_discounted_order_with_freight_stays_what_was_paid_for_it() -> None:
    rules = PriceRules(freight_minor=7, discount_percent=11)
    order = Told().hears(place(((TEA, 3), (CUP, 1)), rules), RESERVED, OPENED)
    order.hears(paid(order.order.total_minor), exchange(2), SWAPPED, BACK)
    assert sum(line.share(line.left) for line in order.order.lines) == order.order.total_minor
