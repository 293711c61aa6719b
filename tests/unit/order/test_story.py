"""An order told in plain words: every code has a sentence, and customers see nothing of how the shop works."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts import payment
from contracts.message import RefundNumber
from contracts.order import Actor, Reason
from services.order.api import routes
from services.order.model import Moment
from services.order.sentences import SENTENCES
from services.order.story import customers_case, customers_order, in_words, told_to_customer, when
from services.order.timeline import _WHAT
from services.order.views import case_view, order_view
from tests.unit.order import told

FOLDER = Path(routes.__code__.co_filename).parent
NOTED = 2  # `noting(at, what, …)`: arguments until the code


def codes_in(source: str, name: str) -> Iterator[str]:
    """Every code that this source writes into a timeline by itself."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for call in ast.walk(function):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute | ast.Name):
                continue
            called = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
            if called == "noting" and len(call.args) >= NOTED:
                what: ast.expr | None = call.args[1]
            elif called == "Moment":
                what = next((word.value for word in call.keywords if word.arg == "what"), None)
            else:
                continue
            found = list(_texts(what, function))
            within = function.name in {"noting", "moment_of"}  # they pass on what they are given
            assert found or within, f"{name}:{call.lineno}: write the code as a text, so that it can be checked"
            yield from found


def _texts(value: ast.expr | None, function: ast.FunctionDef) -> Iterator[str]:
    """The texts an expression can be; a name is looked up in its function."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from (*_texts(value.body, function), *_texts(value.orelse, function))
    elif isinstance(value, ast.Name):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and any(
                isinstance(one, ast.Name) and one.id == value.id for one in node.targets
            ):
                yield from _texts(node.value, function)


def every_code() -> dict[str, str]:
    """Every code of a timeline, and where it is written."""
    found = dict.fromkeys(_WHAT.values(), "timeline.py")
    for file in sorted(FOLDER.glob("*.py")):
        for code in codes_in(file.read_text(encoding="utf-8"), file.name):
            found.setdefault(code, file.name)
    return found


def test_every_code_has_a_sentence_in_both_languages() -> None:
    codes = every_code()
    assert {"placed", "asked-again", "turned-back", "task-raised", "road-taken", "paid"} <= set(codes)
    missing = {code: where for code, where in codes.items() if code not in SENTENCES}
    assert not missing, (
        f"no sentence in services/order/sentences.py for these codes (code: where it is written): {missing}. "
        f"Add one row each: Sentence(Chinese, English, staff_only)."
    )
    assert not set(SENTENCES) - set(codes), "sentences for codes that nothing writes"
    for code, sentence in SENTENCES.items():
        assert sentence.zh.endswith("。"), code
        assert sentence.en.endswith("."), code
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in sentence.en), code


def test_a_code_without_a_sentence_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SENTENCES, "road-taken")
    with pytest.raises(AssertionError, match=r"'road-taken': 'failed.py'"):
        test_every_code_has_a_sentence_in_both_languages()
    with pytest.raises(AssertionError, match=r"new.py:2: write the code as a text"):
        list(codes_in("def f(order, at, code):\n  order.noting(at, code)", "new.py"))
    assert list(codes_in("def f(o, at, a):\n  w = 'x' if a else 'y'\n  o.noting(at, w)", "n.py")) == ["x", "y"]


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_a_sentence_stands_with_whatever_is_known(code: str) -> None:
    """Also where no fact is known: no brace, no empty bracket, no space before a full stop."""
    order = told.paid_order().hears(told.cancel()).order
    for case_id in (None, told.CASE):
        for text in in_words(order, Moment(at=told.START, what=code, case_id=case_id)).values():
            assert text.strip()
            assert not any(odd in text for odd in ("{", "}", "()", "  ", " .", " 。", "None")), text


def cancelled_by_staff() -> told.Told:
    """An order that customer service cancelled, on which a refund was tried twice."""
    by = Actor(kind="staff", id="li-si-007", role="customer-service")
    attempted = payment.RefundAttempted(
        order_id=told.ID,
        case_id=told.CASE,
        refund_number=RefundNumber("o1-c1-1"),
        outcome="parked",
        provider_code="NOT_ENOUGH",
        attempt=1,
        next_try_at=told.START + timedelta(minutes=5),
    )
    reason = Reason(family="merchant", code="out-of-stock")
    return told.paid_order().hears(
        told.cancel(by=by, reason=reason),
        told.held(),
        attempted,
        told.accepted(),
        told.released(),
        told.told("refund-on-its-way"),
        told.settled(),
        told.told("refund-arrived"),
    )


def test_a_customer_reads_the_whole_way() -> None:
    lines = [(line["in_words"]["zh"], line["in_words"]["en"]) for line in told_to_customer(cancelled_by_staff().order)]
    assert lines == [
        ("订单已提交。", "The order was placed."),
        ("商品已为您预留。", "The goods are set aside for you."),
        ("等待付款。", "Waiting for the payment."),
        ("已付款 ¥19.00。", "Paid: ¥19.00."),
        ("商家申请取消,已受理:商品缺货。", "Cancellation asked for by the shop and accepted: out of stock."),
        ("已通知仓库停止发货。", "The warehouse was told not to ship."),
        (
            "退款 ¥19.00 已受理,退回微信零钱,预计 1月5日 17:05 前到账。",
            "The refund of ¥19.00 goes to your WeChat balance and should arrive by 5 Jan 17:05.",
        ),
        ("商品已退回库存。", "The goods are back in stock."),
        ("已通过微信通知您。", "You were told by WeChat."),
        ("退款 ¥19.00 已到账。", "The refund of ¥19.00 has arrived."),
        ("已通过微信通知您。", "You were told by WeChat."),
        ("取消已完成。", "The cancellation is completed."),
    ]


def test_the_line_about_the_money_says_when_it_arrives() -> None:
    (line,) = [line for line in told_to_customer(cancelled_by_staff().order) if "expected_by" in line]
    assert line["what"] == "refund-accepted"
    assert line["expected_by"] == told.START + timedelta(minutes=5)


def test_the_mini_fund_is_not_called_the_balance() -> None:
    accepted = told.accepted().model_copy(update={"route": "支付用户零钱通"})
    order = told.paid_order().hears(told.cancel(), told.held(), accepted).order
    (words,) = [line["in_words"] for line in told_to_customer(order) if line["what"] == "refund-accepted"]
    assert "退回微信零钱通," in words["zh"]
    assert "your WeChat Mini Fund" in words["en"]


INTERNAL = ("li-si-007", "customer-service", "NOT_ENOUGH", "wx1", "provider", "attempts", "step", "tasks", "next_try")


def test_customers_see_nothing_of_how_the_shop_works_and_staff_do() -> None:
    order = cancelled_by_staff().order
    (case,) = order.cases
    shown = json.dumps([customers_order(order), customers_case(order, case)], default=str, ensure_ascii=False)
    assert [word for word in INTERNAL if word in shown] == []
    for_staff = json.dumps([order_view(order), case_view(order, case)], default=str, ensure_ascii=False)
    assert [word for word in INTERNAL if word not in for_staff] == []
    assert any("NOT_ENOUGH" in line["in_words"]["en"] for line in order_view(order)["timeline"])


def test_the_personal_data_of_the_customer_is_in_no_view() -> None:
    order = cancelled_by_staff().order
    views: list[Any] = [customers_order(order), order_view(order), customers_case(order, order.cases[0])]
    shown = json.dumps(views, default=str, ensure_ascii=False)
    assert [fact for fact in ("13800001111", "openid-1", "张三") if fact in shown] == []
    assert order_view(order)["contact"] == {"name": "张*", "phone": "138****1111"}


def test_times_are_those_of_the_shop() -> None:
    assert when(told.START + timedelta(hours=7, minutes=30), "zh") == "1月6日 00:30"
    assert when(told.START + timedelta(hours=7, minutes=30), "en") == "6 Jan 00:30"
