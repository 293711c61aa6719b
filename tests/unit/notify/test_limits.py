"""Whatever the words, the providers' fields take them: WeChat's limits as the stand-in judges them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.notify import Outcome
from sandbox.subscribe_fields import RULES, wrong_field
from sandbox.templates import SMS_TEMPLATES, SUBSCRIBE_TEMPLATES
from services.notify.limits import SMS_VALUE_MAX, e164, fitted, sms_values, subscribe_data
from services.notify.texts import words_for
from tests.unit.notify.story import NOW, addressee, tell, words

TEXT = st.text(max_size=300)


TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.timezones())  # noqa: DTZ001 - gets a zone


@given(kind=st.sampled_from(sorted(RULES)), value=TEXT, time=TIMES)
def test_every_kind_takes_what_was_fitted(kind: str, value: str, time: datetime) -> None:
    fit = fitted(kind, value, time)
    assert fit.strip()
    assert RULES[kind](fit), (kind, fit)


@given(
    reason=st.text(max_size=200),
    solution=st.text(max_size=200),
    route=TEXT,
    order=st.text(min_size=1, max_size=64),
    amount=st.integers(0, 10**12),
    currency=st.sampled_from(["CNY", "GBP", "CHF", "JPY"]),
    language=st.sampled_from(["zh", "en"]),
    outcome=st.sampled_from(sorted(SUBSCRIBE_TEMPLATES)),
)
def test_every_template_takes_every_notice(
    reason: str,
    solution: str,
    route: str,
    order: str,
    amount: int,
    currency: str,
    language: str,
    outcome: Outcome,
) -> None:
    asked = tell(
        outcome=outcome,
        order_id=order,
        reason=reason,
        solution=solution,
        route=route,
        amount_minor=amount,
        currency=currency,
        to=addressee(language=language),
    )
    said = words_for(asked, NOW)
    fields = SUBSCRIBE_TEMPLATES[outcome][1]
    assert wrong_field(fields, subscribe_data(fields, said)) is None
    for value in sms_values(SMS_TEMPLATES.get(outcome, ()), said).values():
        assert 1 <= len(value) <= SMS_VALUE_MAX


def test_what_fits_is_left_as_it_is() -> None:
    assert subscribe_data(SUBSCRIBE_TEMPLATES["refund-arrived"][1], words()) == {
        "character_string1": "order-1",
        "amount2": "¥12.30",
        "thing3": "不想要了",
        "thing4": "几分钟内退回微信零钱",
        "time5": "2025年3月1日 12:05",
    }


@pytest.mark.parametrize(
    ("kind", "value", "fit"),
    [
        ("thing", "一二三四五六七八九十一二三四五六七八九十一", "一二三四五六七八九十一二三四五六七八九…"),
        ("thing", " \n", "无"),
        ("character_string", "TD-" + "0" * 30 + "12345", "0" * 27 + "12345"),
        ("character_string", "订单", "-"),
        ("amount", "¥1234567890123.00", "¥9999999999"),
        ("amount", "12.30 CHF", "12.30"),
        ("phrase", "ok 退款已经到账了", "退款已经到"),
        ("number", "共 -12.50 元", "-12.50"),
        ("number", "TD-2025", "2025"),
        ("number", "9" * 40, "9" * 32),
        ("car_number", "车牌:粤A8Z888挂,请挪车", "粤A8Z888挂"),
        ("car_number", "…", "无"),
        ("name", "王小明 Tom", "王小明"),
        ("name", "Elizabeth Alexandra Mary", "Elizabeth Alexandra…"),
        ("letter", "ab-1C", "abC"),
        ("symbol", "a!?", "!?"),
        ("phone_number", "+86 138-0013-8000", "+86138-0013-8000"),
    ],
)
def test_shortened_not_refused(kind: str, value: str, fit: str) -> None:
    assert fitted(kind, value, NOW) == fit


@pytest.mark.parametrize("phone", ["13800138000", "8613800138000", "+8613800138000", "008613800138000"])
def test_mainland_numbers_are_written_one_way(phone: str) -> None:
    assert e164(phone) == "+8613800138000"


def test_foreign_numbers_stay_as_given() -> None:
    assert e164("+447700900123") == "+447700900123"


def test_a_label_says_which_time_is_meant() -> None:
    fields = {"time1": "申请时间", "time2": "预计到账时间", "thing3": "最晚时间", "date4": "截止日期"}
    by = NOW + timedelta(days=3)
    days = {"time1": "2025年3月1日 12:05", **dict.fromkeys(["time2", "thing3", "date4"], "2025年3月4日 12:05")}
    assert subscribe_data(fields, words(by=by)) == days
    unknown = subscribe_data(fields, words(by=None))
    assert set(unknown.values()) == {"2025年3月1日 12:05"}, "without such a time, when it became true"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    ("outcome", "more", "state"),
    [
        ("order-cancelled", {}, "订单已取消"),
        ("order-cancelled", {"part": True, "amount_minor": 0}, "商品已取消"),
        ("refund-on-its-way", {}, "退款处理中"),
        ("refund-arrived", {}, "退款已到账"),
        ("refund-failed", {}, "退款未成功"),
        ("cancellation-refused", {}, "取消未成功"),
        ("late-payment-refunded", {}, "付款已退回"),
        ("refund-to-confirm", {}, "退款待确认"),
        ("cancellation-begun", {}, "订单取消中"),
        ("cancellation-begun", {"part": True}, "部分取消中"),
        ("refund-delayed", {}, "退款在途中"),
    ],
)
def test_a_field_of_a_few_characters_says_what_happened(
    outcome: Outcome, more: dict[str, Any], state: str, language: str
) -> None:
    said = words_for(tell(outcome=outcome, to=addressee(language=language), **more), NOW)
    fields = {"phrase1": "退款状态", "phrase2": "取消结果", "phrase3": "温馨提示", "thing4": "订单状态"}
    shown = subscribe_data(fields, said)
    assert (shown["phrase1"], shown["phrase2"], shown["phrase3"]) == (state, state, state)
    assert shown["thing4"] == fitted("thing", said.title, NOW)


def test_every_outcome_has_a_state_of_a_few_characters() -> None:
    for outcome in get_args(Outcome):
        for part in (True, False):
            said = words_for(tell(outcome=outcome, to=addressee(language="en"), part=part), NOW)
            assert RULES["phrase"](said.phrase), "none is cut"


def test_what_was_made_before_there_were_such_words_says_no_untruth() -> None:
    assert subscribe_data({"phrase1": "退款状态"}, words(title="退款未成功")) == {"phrase1": "退款未成功"}
    assert subscribe_data({"phrase1": "退款状态"}, words(title="Refund failed")) == {"phrase1": "请查看订单"}


@pytest.mark.parametrize(
    ("remark", "shown"),
    [
        ("见 https://shop.example/a?b=1 谢谢", "见 谢谢"),
        ("去www.shop.cn看", "去 看"),
        ("写 shop.com/x", "写"),
        ("3.5 折", "3.5 折"),
    ],
)
def test_an_address_of_a_page_does_not_get_into_a_short_message(remark: str, shown: str) -> None:
    words = words_for(tell(reason=remark), NOW)
    assert sms_values(["reason"], words) == {"reason": shown}
