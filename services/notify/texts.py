"""The words customers read: what happened, why, what is done about it, and when the money arrives.

WeChat Pay's own promise is about five minutes for the wallet and one to three working days for a bank card
(pay.weixin.qq.com/doc/v3/merchant/4013071031). A refund it has accepted ends within seven days, one way or the other
(pay.weixin.qq.com/doc/v3/merchant/4014959631). Dates are shown in China's time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.notify import Outcome, TellCustomer
from contracts.zone import CHINA
from services.notify.model import Words

Language = Literal["zh", "en"]

_SIGNS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_WITHOUT_CENTS = {"JPY", "KRW", "VND"}
_WALLET = re.compile(r"零钱|wallet|balance", re.IGNORECASE)
_CARD = re.compile(r"银行|信用卡|储蓄卡|借记卡|card|bank", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    """A title, what is said, what is said about the way out where the asker gave none, and the hint that goes into
    small fields (20 characters). `{order}`, `{amount}`, `{to}` and `{when}` are filled in; `{hint}` is the short
    form of `{when}`; `{until}` and `{until_hint}` say until when something can be confirmed."""

    title: str
    said: str
    solution: str = ""
    note: str = "{hint}"


TEXTS: dict[Outcome, dict[Language, Text]] = {
    "order-cancelled": {
        "zh": Text("订单已取消", "您的订单 {order} 已取消,未产生付款,无需退款。", note="订单未付款,无需退款"),
        "en": Text(
            "Order cancelled",
            "Your order {order} is cancelled. Nothing was paid, so there is nothing to refund.",
            note="Nothing was charged",
        ),
    },
    "refund-on-its-way": {
        "zh": Text("退款处理中", "您的订单 {order} 已取消,退款 {amount} 已受理,{when}。"),
        "en": Text("Refund on its way", "Your order {order} is cancelled. {amount} is being refunded {when}."),
    },
    "refund-arrived": {
        "zh": Text("退款已到账", "您的订单 {order} 的退款 {amount} 已退至{to},请查收。", note="退款已到账,请查收"),
        "en": Text(
            "Refund arrived",
            "The refund of {amount} for your order {order} has arrived: {to}.",
            note="It has arrived",
        ),
    },
    "refund-failed": {
        "zh": Text(
            "退款未成功",
            "您的订单 {order} 的退款 {amount} 没有成功。",
            solution="我们正在处理,如有疑问请联系客服。",
            note="正在处理,可联系客服",
        ),
        "en": Text(
            "Refund failed",
            "The refund of {amount} for your order {order} did not go through.",
            solution="We are looking into it. Contact customer service if you have questions.",
            note="We are working on it",
        ),
    },
    "cancellation-refused": {
        "zh": Text(
            "取消未成功",
            "您的订单 {order} 没有取消,将继续处理。",
            solution="如有疑问请联系客服。",
            note="订单继续处理,可联系客服",
        ),
        "en": Text(
            "Not cancelled",
            "Your order {order} was not cancelled and goes on as before.",
            solution="Contact customer service if you have questions.",
            note="The order goes on",
        ),
    },
    "late-payment-refunded": {
        "zh": Text("付款已退回", "订单 {order} 取消后收到了您的付款 {amount},已自动为您退款,{when}。"),
        "en": Text(
            "Payment returned",
            "Your payment of {amount} came after order {order} was cancelled. It is being refunded {when}.",
        ),
    },
    "refund-to-confirm": {
        "zh": Text(
            "退款待您确认",
            "您的订单 {order} 的退款 {amount} 无法原路退回,改由微信转账退给您,请在{until}打开小程序订单页确认收款,"
            "确认后即时到账微信零钱;逾期未确认,款项会退回商家,届时我们会再与您联系。",
            note="{until_hint}",
        ),
        "en": Text(
            "Confirm your refund",
            "The refund of {amount} for your order {order} cannot go back the way you paid, so it comes as a WeChat "
            "transfer. Open the order in the mini-program and confirm it {until}; it reaches your wallet at once. "
            "Otherwise the money goes back to us, and we will contact you again.",
            note="{until_hint}",
        ),
    },
    "cancellation-begun": {
        "zh": Text(
            "订单取消中",
            "商家正在取消您的订单 {order},{amount} 将退还给您,{when}。",
            solution="如有疑问请联系客服。",
            note="{hint}",
        ),
        "en": Text(
            "Being cancelled",
            "The shop is cancelling your order {order}. {amount} will be refunded {when}.",
            solution="Contact customer service if you have questions.",
            note="{hint}",
        ),
    },
    "refund-delayed": {
        "zh": Text(
            "退款仍在途中",
            "您的订单 {order} 的退款 {amount} 已被受理,超过 3 天仍未到账,正在退往{to},最晚自受理起 7 天内有结果。"
            "我们会持续查询进度,有结果后立即通知您,您无需重复申请。",
            note="退款途中,最晚7天内有结果",
        ),
        "en": Text(
            "Refund still on its way",
            "The refund of {amount} for your order {order} was accepted more than 3 days ago and has not arrived yet. "
            "It is on its way to {to}; this ends within 7 days of the acceptance at the latest. "
            "We keep asking for it and tell you as soon as it ends; there is no need to ask for it again.",
            note="7 days at the latest",
        ),
    },
}

_AFTER_PARCEL: dict[Language, Text] = {
    "zh": Text(
        "订单取消中",
        "商家正在取消您的订单 {order},包裹回到仓库后办理退款,届时再通知您。",
        solution="如有疑问请联系客服。",
        note="包裹退回后办理退款",
    ),
    "en": Text(
        "Being cancelled",
        "The shop is cancelling your order {order}. The money follows once the parcel is back; we will tell you.",
        solution="Contact customer service if you have questions.",
        note="Refund after the goods",
    ),
}

_CANCELLED_PAID: dict[Language, Text] = {
    "zh": Text("订单已取消", "您的订单 {order} 已取消,{amount} 将退还给您,{when}。"),
    "en": Text("Order cancelled", "Your order {order} is cancelled. {amount} will be refunded {when}."),
}

_REASON = {"zh": "原因:{}。", "en": "Reason: {}."}
_NO_REASON = {"zh": "详见订单页面", "en": "See your order"}


def words_for(asked: TellCustomer, at: datetime) -> Words:
    """Everything one notice says, in the customer's language. `at` (UTC) is when it became true."""
    language = asked.to.language
    text = _text(asked)
    amount = amount_text(asked.amount_minor, asked.currency)
    when, hint = arrival(asked.route, asked.expected_by, language)
    until, until_hint = confirmation(asked.expected_by, language)
    values = {
        "order": asked.order_id,
        "amount": amount,
        "to": _to(asked.route, language),
        "when": when,
        "hint": hint,
        "until": until,
        "until_hint": until_hint,
    }
    reason = asked.reason.strip().rstrip("。.")
    solution = asked.solution.strip() or text.solution
    sentences = [text.said.format(**values), _REASON[language].format(reason) if reason else "", solution]
    return Words(
        title=text.title,
        text=("" if language == "zh" else " ").join(sentence for sentence in sentences if sentence),
        order=asked.order_id,
        amount=amount,
        reason=reason or _NO_REASON[language],
        note=(asked.solution.strip() if text.solution else "") or text.note.format(**values),
        time=at,
        by=asked.expected_by,
    )


def _text(asked: TellCustomer) -> Text:
    if asked.outcome == "order-cancelled" and asked.amount_minor:
        return _CANCELLED_PAID[asked.to.language]
    if asked.outcome == "cancellation-begun" and not asked.amount_minor:
        return _AFTER_PARCEL[asked.to.language]
    return TEXTS[asked.outcome][asked.to.language]


def amount_text(amount_minor: int, currency: str) -> str:
    """`¥12.30`; a currency without a sign of its own is written behind: `12.30 CHF`."""
    whole, cents = divmod(amount_minor, 100)
    figure = str(amount_minor) if currency in _WITHOUT_CENTS else f"{whole}.{cents:02d}"
    sign = _SIGNS.get(currency)
    return f"{sign}{figure}" if sign else f"{figure} {currency}"


def day_text(at: datetime, language: Language) -> str:
    """A day in China's time: `2025年3月1日`, `2025-03-01`."""
    day = at.astimezone(CHINA)
    return f"{day.year}年{day.month}月{day.day}日" if language == "zh" else f"{day:%Y-%m-%d}"


def confirmation(by: datetime | None, language: Language) -> tuple[str, str]:
    """Until when something can be confirmed, as a part of a sentence and as a hint for a small field."""
    if by is None:
        return ("24 小时内", "请在24小时内确认收款") if language == "zh" else ("within 24 hours", "Confirm within 24h")
    at = by.astimezone(CHINA)
    if language == "zh":
        return f" {day_text(by, 'zh')} {at:%H:%M} 前", f"请于{at.month}月{at.day}日{at:%H:%M}前确认"
    return f"by {at:%Y-%m-%d %H:%M} (China time)", f"Confirm: {at:%m-%d %H:%M}"


def arrival(route: str, expected_by: datetime | None, language: Language) -> tuple[str, str]:
    """When the money arrives, as a part of a sentence and as a hint for a small field. `route` is where it goes in
    the provider's words (`user_received_account`: `支付用户零钱`, `招商银行信用卡0403`); empty when not known."""
    if _WALLET.search(route):
        words = {
            "zh": ("预计几分钟内退回微信零钱", "几分钟内退回微信零钱"),
            "en": ("to your WeChat wallet, usually within minutes", "Wallet: in minutes"),
        }
    elif _CARD.search(route):
        words = {
            "zh": (f"预计 1–3 个工作日退回{route}", "1-3个工作日退回银行卡"),
            "en": (f"to your bank card ({route}) within 1–3 working days", "Card: 1-3 work days"),
        }
    else:
        words = {
            "zh": ("将原路退回:微信零钱几分钟内到账,银行卡 1–3 个工作日内到账", "零钱几分钟,银行卡1-3个工作日"),
            "en": (
                "the way you paid: within minutes to a WeChat wallet, within 1–3 working days to a bank card",
                "In 1-3 working days",
            ),
        }
    when, hint = words[language]
    if expected_by is not None:
        day = day_text(expected_by, language)
        when += f",最晚 {day}到账" if language == "zh" else f", by {day} at the latest"
    return when, hint


def _to(route: str, language: Language) -> str:
    if language == "zh":
        return "微信零钱" if _WALLET.search(route) else route or "您的原支付账户"
    return "your WeChat wallet" if _WALLET.search(route) else route or "the account you paid from"
