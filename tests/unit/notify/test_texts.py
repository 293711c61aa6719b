"""The words customers read are complete in both languages."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, get_args

import pytest

from contracts.notify import Outcome
from contracts.payment import OUTSIDE_ROUTE
from services.notify.limits import subscribe_data
from services.notify.money import amount_text
from services.notify.texts import TEXTS, words_for
from tests.unit.notify.story import NOW, addressee, tell

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
LANGUAGES: tuple[Literal["zh", "en"], ...] = ("zh", "en")
MONEY = (
    "refund-on-its-way",
    "refund-arrived",
    "refund-failed",
    "late-payment-refunded",
    "refund-to-confirm",
    "refund-delayed",
    "cancellation-begun",
)
ON_ITS_WAY = ("refund-on-its-way", "late-payment-refunded")


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_outcome_says_what_and_why_and_what_next(outcome: Outcome, language: Literal["zh", "en"]) -> None:
    words = words_for(
        tell(outcome=outcome, to=addressee(language=language), reason="THE-REASON", solution="THE-WAY-OUT"), NOW
    )
    assert "order-1" in words.text
    assert "THE-REASON" in words.text
    assert "THE-WAY-OUT" in words.text
    assert words.reason == "THE-REASON"
    assert words.note
    assert "{" not in words.text + words.note + words.title
    if outcome in MONEY:
        assert "¥12.30" in words.text


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_needed_but_the_outcome(outcome: Outcome, language: Literal["zh", "en"]) -> None:
    asked = tell(outcome=outcome, to=addressee(language=language), reason="", route="", expected_by=None)
    words = words_for(asked, NOW)
    assert words.reason
    assert words.note
    assert "原因" not in words.text
    assert "Reason" not in words.text


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("route", ["", "支付用户零钱", "支付用户零钱通", "招商银行信用卡0403", OUTSIDE_ROUTE])
def test_the_hint_is_never_cut(outcome: Outcome, language: Literal["zh", "en"], route: str) -> None:
    words = words_for(tell(outcome=outcome, to=addressee(language=language), route=route), NOW)
    assert subscribe_data({"thing4": "温馨提示"}, words)["thing4"] == words.note


@pytest.mark.parametrize("outcome", ON_ITS_WAY)
@pytest.mark.parametrize(
    ("language", "route", "when"),
    [
        ("zh", "支付用户零钱", "几分钟内退回微信零钱"),
        ("zh", "支付用户零钱通", "几分钟内退回微信零钱通"),
        ("zh", "招商银行信用卡0403", "1–3 个工作日退回招商银行信用卡0403"),
        ("zh", "", "微信零钱几分钟内到账,银行卡 1–3 个工作日内到账"),
        ("en", "支付用户零钱", "WeChat wallet, usually within minutes"),
        ("en", "支付用户零钱通", "WeChat Mini Fund, usually within minutes"),
        ("en", "招商银行信用卡0403", "1–3 working days"),
        ("en", "", "1–3 working days to a bank card"),
    ],
)
def test_when_the_money_arrives(outcome: Outcome, language: Literal["zh", "en"], route: str, when: str) -> None:
    text = words_for(tell(outcome=outcome, to=addressee(language=language), route=route), NOW).text
    assert when in text
    assert ("2025年3月4日" if language == "zh" else "2025-03-04") in text


@pytest.mark.parametrize("outcome", ["refund-on-its-way", "refund-arrived"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_money_that_was_paid_outside_is_in_no_wallet_and_on_no_card(
    outcome: Outcome, language: Literal["zh", "en"]
) -> None:
    asked = tell(outcome=outcome, to=addressee(language=language), route=OUTSIDE_ROUTE, expected_by=None, solution="")
    words = words_for(asked, NOW)
    assert ("约定" if language == "zh" else "agreed") in words.text
    untrue = (OUTSIDE_ROUTE, "原路", "零钱", "银行卡", "the way you paid", "wallet", "card", "working days")
    assert not [said for said in untrue if said in words.text + words.note]


@pytest.mark.parametrize(("language", "where"), [("zh", "微信零钱通"), ("en", "your WeChat Mini Fund")])
def test_money_in_the_mini_fund_is_not_looked_for_in_the_wallet(language: Literal["zh", "en"], where: str) -> None:
    asked = tell(outcome="refund-arrived", to=addressee(language=language), route="支付用户零钱通")
    assert where in words_for(asked, NOW).text


def test_days_are_days_in_china() -> None:
    evening = NOW.replace(hour=17)
    text = words_for(tell(expected_by=evening + timedelta(days=1)), NOW).text
    assert "2025年3月3日" in text


def test_an_order_that_was_never_paid_has_nothing_to_refund() -> None:
    unpaid = words_for(tell(outcome="order-cancelled", amount_minor=0), NOW)
    paid = words_for(tell(outcome="order-cancelled"), NOW)
    assert "无需退款" in unpaid.text
    assert "无需退款" not in paid.text
    assert "¥12.30" in paid.text


OF_A_PART: tuple[tuple[Outcome, int], ...] = (
    ("order-cancelled", 0),
    ("refund-on-its-way", 12_30),
    ("cancellation-begun", 12_30),
    ("cancellation-begun", 0),
)
SAYS_ALL = ("订单 order-1 已取消", "订单 order-1,", "order order-1 is cancelled", "is cancelling your order")


@pytest.mark.parametrize(("outcome", "amount"), OF_A_PART)
@pytest.mark.parametrize("language", LANGUAGES)
def test_who_cancelled_some_of_the_goods_does_not_read_that_the_order_is_cancelled(
    outcome: Outcome, amount: int, language: Literal["zh", "en"]
) -> None:
    asked = tell(outcome=outcome, to=addressee(language=language), amount_minor=amount)
    assert [said for said in SAYS_ALL if said in words_for(asked, NOW).text]
    words = words_for(asked.model_copy(update={"part": True}), NOW)
    assert not [said for said in SAYS_ALL if said in words.text]
    assert "order-1" in words.text
    assert ("¥12.30" in words.text) == bool(amount)
    assert subscribe_data({"thing4": "温馨提示"}, words)["thing4"] == words.note


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_last_goods_of_an_order_whose_money_is_gone_are_not_called_some_of_them(
    language: Literal["zh", "en"],
) -> None:
    words = words_for(tell(outcome="order-cancelled", to=addressee(language=language), amount_minor=0, part=True), NOW)
    assert not [said for said in ("部分", "未产生付款", "ome goods", "artly", "Nothing was paid") if said in words.text]
    assert not [said for said in ("部分", "未付款", "artly", "charged") if said in words.title + words.note]


def test_the_table_knows_every_outcome() -> None:
    assert set(TEXTS) == set(OUTCOMES)
    assert all(set(texts) == set(LANGUAGES) for texts in TEXTS.values())


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "CNY", "¥0.00"),
        (5, "CNY", "¥0.05"),
        (123_456, "GBP", "£1234.56"),
        (700, "JPY", "¥700"),
        (1, "CHF", "0.01 CHF"),
    ],
)
def test_amounts(minor: int, currency: str, text: str) -> None:
    assert amount_text(minor, currency) == text


@pytest.mark.parametrize(
    ("language", "said", "note"),
    [
        ("zh", "请在 2025年3月2日 12:05 前打开", "请于3月2日12:05前确认"),
        ("en", "confirm it by 2025-03-02 12:05 (China time);", "Confirm: 03-02 12:05"),
    ],
)
def test_until_when_a_transfer_can_be_confirmed(language: Literal["zh", "en"], said: str, note: str) -> None:
    to = addressee(language=language)
    words = words_for(tell(outcome="refund-to-confirm", to=to, expected_by=NOW + timedelta(days=1)), NOW)
    assert said in words.text
    assert words.note == note
    assert words.by == NOW + timedelta(days=1)
    without = words_for(tell(outcome="refund-to-confirm", to=to, expected_by=None), NOW)
    assert ("24 小时内" if language == "zh" else "within 24 hours") in without.text
    assert "24" in without.note


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_delayed_refund_names_no_day_that_has_passed(language: Literal["zh", "en"]) -> None:
    asked = tell(outcome="refund-delayed", to=addressee(language=language), expected_by=NOW - timedelta(days=1))
    words = words_for(asked, NOW)
    assert "2025" not in words.text
    assert "7" in words.note
    assert "招商银行信用卡0403" in words.text
