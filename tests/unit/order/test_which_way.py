"""What a customer reads of money that does not go back the way it came: as a transfer, or outside this system."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import notify
from contracts.message import RefundNumber
from contracts.order import Reason
from contracts.payment import OUTSIDE_ROUTE, WITH_THE_SHOP
from services.order.story import told_to_customer
from tests.unit.order.roads import BY_TRANSFER, OUT_OF_STOCK, arriving, choose, mismatch, resumed
from tests.unit.order.told import STAFF, Told, accepted, cancel, held, paid_order, refused, released, settled, told

CARD = "招商银行信用卡0403"
OUTSIDE = accepted().model_copy(update={"route": OUTSIDE_ROUTE})
THE_WAY_IT_CAME = ("原路", "the way it came", "the way you paid", "原支付账户", "the account it was paid from")


def last_notice(order: Told) -> notify.TellCustomer:
    """The newest one that was to be told."""
    says = [said for entry in order.record.journal for said in entry.said if said.wire.startswith("tell-customer")]
    return notify.TellCustomer.model_validate_json(says[-1].body)


def words(order: Told) -> str:
    notice = last_notice(order)
    lines: list[dict[str, Any]] = [one for one in told_to_customer(order.order) if one["what"] == "refund-accepted"]
    return f"{notice.solution} {notice.route} {lines[-1]['in_words']}"


@pytest.mark.parametrize("reason", [OUT_OF_STOCK, Reason(family="customer", code="changed-mind")])
def test_a_transfer_that_has_arrived_did_not_come_the_way_it_went(reason: Reason) -> None:
    order = paid_order().hears(cancel(reason=reason, by=STAFF), held(), BY_TRANSFER, released())
    order.hears(told("refund-to-confirm"))
    order.hears(settled().model_copy(update={"refund_number": RefundNumber("t1")}))
    assert last_notice(order).outcome == "refund-arrived"
    assert not [said for said in THE_WAY_IT_CAME if said in words(order)]
    assert "微信转账" in last_notice(order).solution


def test_money_that_was_paid_outside_is_not_said_to_be_on_the_card_that_took_none() -> None:
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF), held())
    order.hears(accepted().model_copy(update={"route": CARD}), released(), told("refund-on-its-way"))
    order.hears(refused().model_copy(update={"provider_code": WITH_THE_SHOP, "reason": "refused-by-provider"}))
    choose(order, "settled-outside", "bank slip 4711")
    order.hears(resumed(order.order.cases[0].decisions), OUTSIDE, settled())
    assert last_notice(order).outcome == "refund-arrived"
    assert not [said for said in (CARD, *THE_WAY_IT_CAME) if said in words(order)]
    first, second = [one for one in told_to_customer(order.order) if one["what"] == "refund-accepted"]
    assert CARD in first["in_words"]["zh"], "what had been told stays as it was"
    assert "约定" in second["in_words"]["zh"]
    assert "agreed" in second["in_words"]["en"]
    assert second["expected_by"] is None, "no provider has a say in when it comes"


def test_money_that_arrived_on_another_card_is_not_said_to_be_on_the_one_that_took_none() -> None:
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF), held())
    order.hears(accepted().model_copy(update={"route": CARD}), released(), told("refund-on-its-way"))
    order.hears(settled().model_copy(update={"route": "招商银行借记卡0123"}))
    assert last_notice(order).route == "招商银行借记卡0123"
    assert CARD in words(order), "the line of before says what was true then"


def test_word_that_it_is_paid_outside_takes_nothing_from_what_has_arrived() -> None:
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF), held())
    order.hears(accepted().model_copy(update={"route": CARD}), released(), told("refund-on-its-way"))
    order.hears(refused().model_copy(update={"provider_code": WITH_THE_SHOP, "reason": "refused-by-provider"}))
    choose(order, "settled-outside", "bank slip 4711")
    order.hears(resumed(order.order.cases[0].decisions), settled(), OUTSIDE)
    (case,) = order.order.cases
    assert case.refund is not None
    assert (case.refund.route, case.refund.settled_at) == (OUTSIDE_ROUTE, settled().settled_at)


def test_money_that_is_settled_outside_while_the_case_waits_for_it_goes_on_as_that() -> None:
    order = paid_order().hears(cancel(reason=OUT_OF_STOCK, by=STAFF), held(), mismatch())
    choose(order, "look-again").hears(resumed(1), mismatch())
    choose(order, "settled-outside", "bank slip 4711").hears(resumed(2), OUTSIDE)
    assert last_notice(order).outcome == "refund-on-its-way"
    assert last_notice(order).expected_by is None
    assert not [said for said in THE_WAY_IT_CAME if said in words(order)]


def test_what_staff_said_about_it_is_told_whichever_way_it_goes() -> None:
    wish = cancel(reason=OUT_OF_STOCK, by=STAFF)
    wish = wish.model_copy(update={"asked": wish.asked.model_copy(update={"solution": "赠送一张优惠券。"})})
    order = paid_order().hears(wish, held(), BY_TRANSFER, released(), told("refund-to-confirm"))
    order.hears(settled().model_copy(update={"refund_number": RefundNumber("t1")}))
    assert last_notice(order).solution.endswith("赠送一张优惠券。")


def test_the_usual_way_is_told_as_before() -> None:
    order = arriving(OUT_OF_STOCK).hears(settled())
    assert "款项按原路退回" in last_notice(order).solution
