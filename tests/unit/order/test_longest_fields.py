"""Whatever the door takes, as long and as odd as it takes it: on every road everything that is said of the order can be
said, and shown, and the order comes to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from contracts import payment
from contracts.decision import DecideCancellation
from contracts.inventory import StockDispatched, StockShort, StockTakenBack
from contracts.message import CATALOGUE, CustomerId, ProductId
from contracts.notify import WORDS_MAX, TellCustomer
from contracts.order import Actor, Contact, Reason, ReasonFamily, Reference, ShipOrder
from contracts.rating import RateCancellation
from contracts.task import GoodsBack, ResolveTask
from services.notify.limits import SMS_VALUE_MAX, sms_values, subscribe_data
from services.notify.texts import words_for
from services.order import words
from services.order.model import NOBODY_PAID
from services.order.offer import ReadyToPlace
from services.order.policies import Policy, ReadyToCancel, Rule
from services.order.reason import SOLUTION_MAX, ReasonWords
from services.order.story import customers_order
from services.order.views import order_view
from tests.unit.order.roads import BY_TRANSFER, mismatch, resumed
from tests.unit.order.told import (
    ANYTHING_GOES,
    CASE,
    CLOSED,
    CUP,
    ID,
    OPENED,
    RESERVED,
    START,
    TEA,
    Told,
    accepted,
    cancel,
    held,
    kept,
    paid,
    place,
    refused,
    released,
    settled,
    told,
)

ODD = "{0} 很\n\t“𠮷”<&>%s\\"
LANGUAGES = ("zh", "en")


def odd(length: int) -> str:
    """So many characters: braces, quotes, line breaks, two and four bytes."""
    return (ODD * length)[:length]


BOSS = Actor(kind="staff", id=odd(64), role="supervisor")
OTHER = Actor(kind="staff", id="o" * 64, role="supervisor")
OWNER = Actor(kind="customer", id=odd(64))
LONG_TEA = TEA.model_copy(update={"name": odd(200), "category": odd(64)})
WAITS = Rule(name="a" * 64, way="approve", states=("paid",), approve_by=("supervisor",))
ASKS = Policy(version=1, rules=(WAITS, Rule(name="rest", way="allow")))


def wish(language: str) -> ReadyToPlace:
    ready = place(((LONG_TEA, 3), (CUP, 1)))
    contact = {"name": odd(64), "phone": f"+{'1' * 17}", "openid": "o" * 64, "language": language}
    update = {
        "customer_id": CustomerId(OWNER.id),
        "customer_group": odd(64),
        "contact": Contact.model_validate(contact),
        "reference": Reference(number=odd(64), occurred_at=START),
        "shop": "s" * 32,
    }
    return ready.model_copy(update={"asked": ready.asked.model_copy(update=update), "products": (LONG_TEA, CUP)})


def asks(family: ReasonFamily = "merchant", by: Actor = BOSS, policy: Policy = ANYTHING_GOES) -> ReadyToCancel:
    reason = Reason(family=family, code="other", remark=odd(200))
    ready = cancel(reason=reason, by=by, request="r" * 128, policy=policy)
    return ready.model_copy(update={"asked": ready.asked.model_copy(update={"solution": "解" * SOLUTION_MAX})})


def bought(language: str) -> Told:
    return Told().hears(wish(language), RESERVED, OPENED, paid())


def cancelled(order: Told) -> None:
    order.hears(asks("system"), held(), accepted().model_copy(update={"route": odd(500)}), released())
    order.hears(told("refund-on-its-way"), payment.RefundDelayed.model_validate({**_refund(), "days": 3}))
    order.hears(settled(), told("refund-arrived"))
    rating = {"order_id": ID, "case_id": CASE, "questionnaire": 1, "stars": 1, "remark": odd(200), "by": OWNER}
    order.hears(RateCancellation.model_validate(rating))


def refused_and_paid_by_transfer(order: Told) -> None:
    word = refused().model_copy(update={"provider_code": "X" * 300})
    order.hears(asks("customer", OWNER), held(), word, kept(), told("refund-failed"))
    order.hears(_choice(order, "cancel-by-transfer"), held("o1-c2"))
    transfer = BY_TRANSFER.model_copy(update={"case_id": "o1-c2"})
    order.hears(transfer, released("o1-c2"), told("refund-to-confirm", "o1-c2"), settled("o1-c2"))
    order.hears(told("refund-arrived", "o1-c2"))


def paid_outside(order: Told) -> None:
    order.hears(asks(), held(), accepted(), released(), told("refund-on-its-way"), refused())
    order.hears(_choice(order, "settled-outside"), resumed(1), settled(), told("refund-arrived"))


def stuck_at_a_strange_answer(order: Told) -> None:
    order.hears(asks(), held(), mismatch())
    order.hears(_choice(order, "look-again"), resumed(1), accepted(), released(), told("refund-on-its-way"))
    order.hears(settled(), told("refund-arrived"))


def not_agreed_to(order: Told) -> None:
    order.hears(asks("customer", OWNER, ASKS))
    no = {"order_id": ID, "case_id": CASE, "approve": False, "note": odd(200), "by": OTHER}
    order.hears(DecideCancellation.model_validate(no), told("cancellation-refused"))


def had_back(order: Told) -> None:
    order.hears(ShipOrder(order_id=ID, carrier=odd(64), tracking_number=odd(64), by=BOSS), StockDispatched(order_id=ID))
    order.hears(payment.ShippingRecorded(order_id=ID, outcome="refused", code="X" * 300), asks())
    goods = (GoodsBack(line_no=1, good=3), GoodsBack(line_no=2, damaged=1))
    report = ResolveTask(order_id=ID, task_id="o1-c1-t1", choice="returned", note=odd(500), by=BOSS, goods=goods)
    order.hears(report, StockTakenBack(order_id=ID, case_id=CASE), accepted(), told("refund-on-its-way"))
    order.hears(settled(), told("refund-arrived"))


def _choice(order: Told, choice: str) -> ResolveTask:
    task = [task for task in order.order.tasks if task.done_at is None][-1]
    assert choice in task.choices
    return ResolveTask(order_id=ID, task_id=task.task_id, choice=choice, note=odd(500), by=BOSS)


def _refund() -> dict[str, str]:
    return {"order_id": ID, "case_id": CASE, "refund_number": f"{CASE}-1"}


ROADS = (cancelled, refused_and_paid_by_transfer, paid_outside, stuck_at_a_strange_answer, not_agreed_to, had_back)


def looked_at(order: Told) -> None:
    """Everything that was said is what its contract takes, every notice fits into what providers take, and both who
    may see the order can be shown it."""
    for said in (one for entry in order.record.journal for one in entry.said):
        message = CATALOGUE[said.wire].model_validate_json(said.body) if said.topic else None
        if isinstance(message, TellCustomer):
            known = words_for(message, START)
            params = ("order", "amount", "reason", "title", "note")
            assert all(0 < len(value) <= SMS_VALUE_MAX for value in sms_values(params, known).values())
            assert all(
                0 < len(one) <= 20 for one in subscribe_data({"thing1": "原因", "thing2": "备注"}, known).values()
            )
    for shown in (order_view(order.order), customers_order(order.order)):
        assert odd(200) in str(shown["lines"][0]["name"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("road", ROADS)
def test_the_longest_and_oddest_words_stop_no_order(road: Callable[[Told], None], language: str) -> None:
    order = bought(language)
    road(order)
    looked_at(order)
    assert order.order.open_case is None, "it has come to its end"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nor_one_that_is_not_paid(language: str) -> None:
    order = Told().hears(wish(language).model_copy(update={"unpaid_minutes": 5}), RESERVED, OPENED)
    while not order.order.cases:
        order.rings()
    assert order.order.cases[0].by == NOBODY_PAID
    order.hears(CLOSED, released(), told("order-cancelled"))
    looked_at(order)
    assert order.order.state == "cancelled"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nor_one_that_is_not_there(language: str) -> None:
    order = Told().hears(wish(language), StockShort(order_id=ID, short=(ProductId("tea"),)))
    looked_at(order)
    assert "tell-customer" in order.last


# ── words of our own ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("family", get_args(ReasonFamily))
def test_what_is_done_about_it_fits_into_a_notice(family: ReasonFamily, language: words.Language) -> None:
    longest = "解" * SOLUTION_MAX
    listed = ReasonWords(zh="因" * 30, en="r" * 30, solution_zh=longest, solution_en=longest)
    reason = Reason(family=family, code="other", remark=odd(200))
    for own in ("", longest):
        for way in ("", "by-transfer", "outside"):
            assert len(words.solution_of(reason, listed, own, language, way)) <= WORDS_MAX
        assert len(words.solution_unpaid(reason, own, language)) <= WORDS_MAX


@pytest.mark.parametrize("table", [words._SOLUTIONS, words._REFUSALS])
def test_so_do_our_own_sentences(table: dict[str, tuple[str, str]]) -> None:
    assert [name for name, said in table.items() if max(map(len, said)) > WORDS_MAX] == []
