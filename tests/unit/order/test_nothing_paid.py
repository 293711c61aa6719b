"""What customers read of a cancellation for which nothing was paid: nothing of money that goes back."""

from __future__ import annotations

import pytest

from chassis.record import Heard
from contracts.inventory import StockHoldRefused, StockShort
from contracts.message import Message, ProductId
from contracts.notify import TellCustomer
from contracts.order import Reason
from services.notify.texts import words_for
from services.order.reason import BUILT_IN
from tests.unit.order.told import (
    CASE,
    CLOSE_REFUSED,
    CLOSED,
    CUP,
    ID,
    OPENED,
    RESERVED,
    STAFF,
    TEA,
    Told,
    accepted,
    cancel,
    held,
    paid,
    place,
    released,
    settled,
    told,
)

NO_STOCK = StockShort(order_id=ID, short=(ProductId("tea"),))
HOLD_REFUSED = StockHoldRefused(order_id=ID, case_id=CASE, reason="not-reserved")
REASONS = [(entry.family, entry.code) for entry in BUILT_IN.reasons]


def speaking(language: str) -> Told:
    """A placed order of somebody who reads this language."""
    wish = place()
    contact = wish.asked.contact.model_copy(update={"language": language})
    return Told().hears(wish.model_copy(update={"asked": wish.asked.model_copy(update={"contact": contact})}))


def notice(order: Told, heard: Message) -> TellCustomer:
    """What the customer is told because of it."""
    says = order.decide(Heard(heard, "heard", order.now)).says
    return TellCustomer.model_validate_json(next(said.body for said in says if said.wire == TellCustomer.wire))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("family", "code"), REASONS)
def test_of_an_order_for_which_nothing_was_paid_no_money_is_said_to_go_back(
    family: str, code: str, language: str
) -> None:
    wished = cancel(reason=Reason.model_validate({"family": family, "code": code, "remark": "so"}), by=STAFF)
    said = notice(speaking(language).hears(RESERVED, OPENED, wished), CLOSED).solution
    assert said.endswith(("如有疑问请联系客服。", "Questions? Write to us."))
    assert not [word for word in ("款", "money", "refund") if word in said]
    assert (family == "customer") == said.startswith(("如有", "Questions")), "whose wish it was not is told so"


def test_of_an_unpaid_order_what_the_staff_promised_is_said_all_the_same() -> None:
    wish = cancel(reason=Reason(family="merchant", code="out-of-stock"), by=STAFF)
    asked = wish.asked.model_copy(update={"solution": "到货后通知您。"})
    order = Told().hears(place(), RESERVED, OPENED, wish.model_copy(update={"asked": asked}))
    assert notice(order, CLOSED).solution == "非常抱歉给您带来不便,到货后通知您。"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_who_ordered_what_is_out_of_stock_paid_nothing_and_gets_nothing_back(language: str) -> None:
    said = notice(speaking(language), NO_STOCK).solution
    assert said in ("非常抱歉给您带来不便,如有疑问请联系客服。", "We are sorry. Questions? Write to us.")


def test_where_goods_that_cost_nothing_stay_nobody_is_to_call_about_a_refund() -> None:
    gift = TEA.model_copy(update={"offers_minor": (0,)})
    order = Told().hears(place(((gift, 3), (CUP, 1))).model_copy(update={"products": (gift, CUP)}))
    order.hears(RESERVED, OPENED, paid(1000), cancel((1, 3)))
    assert "退款" not in notice(order, HOLD_REFUSED).solution


def test_whose_last_goods_cost_nothing_is_not_told_that_nothing_was_paid() -> None:
    gift = TEA.model_copy(update={"offers_minor": (0,)})
    order = Told().hears(place(((gift, 3), (CUP, 1))).model_copy(update={"products": (gift, CUP)}))
    order.hears(RESERVED, OPENED, paid(1000), cancel((2, 1)), held(), accepted(amount=1000), released())
    order.hears(told("refund-on-its-way"), settled(amount=1000), told("refund-arrived"), cancel(request="r2"))
    assert order.order.cases[1].whole
    said = notice(order, held("o1-c2"))
    assert (said.outcome, said.amount_minor, said.part) == ("order-cancelled", 0, True)
    assert "未产生付款" not in words_for(said, order.now).text


def test_who_takes_back_what_was_never_paid_pays_no_short_message_to_the_number_they_typed() -> None:
    """A phone is whatever somebody types: an order costs nothing, and would send as many messages to anybody."""
    unpaid = Told().hears(place(), RESERVED, OPENED, cancel())
    assert notice(unpaid, CLOSED).to.phone == ""
    assert notice(Told().hears(place()), NO_STOCK).to.phone == "", "more than there is can be ordered as often"


def test_whose_order_the_shop_takes_back_or_who_has_paid_is_told_by_short_message_as_well() -> None:
    unpaid = Told().hears(place(), RESERVED, OPENED, cancel(by=STAFF))
    assert notice(unpaid, CLOSED).to.phone
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSE_REFUSED, held())
    assert notice(order, accepted()).to.phone, "it turns out to be paid: money is on its way"
