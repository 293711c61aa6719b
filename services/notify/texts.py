"""The words customers read: what happened, why, what is done about it, and when the money arrives.

A refund that WeChat Pay has accepted ends within seven days, one way or the other
(pay.weixin.qq.com/doc/v3/merchant/4014959631).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contracts.notify import Outcome, TellCustomer
from services.notify.model import Words
from services.notify.money import Language, amount_text, arrival, confirmation, receiver


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
        note="Refund after goods",
    ),
}

_CANCELLED_PAID: dict[Language, Text] = {
    "zh": Text("订单已取消", "您的订单 {order} 已取消,{amount} 将退还给您,{when}。"),
    "en": Text("Order cancelled", "Your order {order} is cancelled. {amount} will be refunded {when}."),
}

_OF_A_PART: dict[str, dict[Language, Text]] = {
    "order-cancelled": {
        # Also of the last goods of an order whose money all went back before: "some" or "all" would be wrong of one.
        "zh": Text("商品已取消", "您的订单 {order} 中的商品已取消,此次取消无退款。", note="商品已取消,此次无退款"),
        "en": Text(
            "Goods cancelled",
            "Goods of your order {order} are cancelled. There is no refund for this cancellation.",
            note="No refund for this",
        ),
    },
    "refund-on-its-way": {
        "zh": Text("退款处理中", "您的订单 {order} 有一笔退款 {amount} 已受理,{when}。"),
        "en": Text("Refund on its way", "{amount} of your order {order} is being refunded {when}."),
    },
    "cancellation-begun": {
        "zh": Text(
            "部分商品取消中",
            "商家正在取消您的订单 {order} 中的部分商品,{amount} 将退还给您,{when}。",
            solution="如有疑问请联系客服。",
        ),
        "en": Text(
            "Partly cancelled",
            "The shop is cancelling some goods of your order {order}. {amount} will be refunded {when}.",
            solution="Contact customer service if you have questions.",
        ),
    },
    "after-parcel": {
        "zh": Text(
            "部分商品取消中",
            "商家正在取消您的订单 {order} 中的部分商品,包裹回到仓库后办理退款,届时再通知您。",
            solution="如有疑问请联系客服。",
            note="包裹退回后办理退款",
        ),
        "en": Text(
            "Partly cancelled",
            "The shop is cancelling some goods of your order {order}. The money follows once the parcel is back; "
            "we will tell you.",
            solution="Contact customer service if you have questions.",
            note="Refund after goods",
        ),
    },
}
"""Where the rest of the order goes on nobody is to read that it is cancelled. So do orders of which somebody has given
money back by hand, which may be all of it."""

_SHORTER = {"退款待您确认": "退款待确认", "退款仍在途中": "退款在途中", "部分商品取消中": "部分取消中"}
"""Titles for fields that take five characters."""

_REASON = {"zh": "原因:{}。", "en": "Reason: {}."}
_NO_REASON = {"zh": "详见订单页面", "en": "See your order"}


def words_for(asked: TellCustomer, at: datetime) -> Words:
    """Everything one notice says, in the customer's language. `at` (UTC) is when it became true."""
    language = asked.to.language
    text, title = _text(asked, language), _text(asked, "zh").title
    amount = amount_text(asked.amount_minor, asked.currency)
    when, hint = arrival(asked.route, asked.expected_by, language)
    until, until_hint = confirmation(asked.expected_by, language)
    values = {
        "order": asked.order_id,
        "amount": amount,
        "to": receiver(asked.route, language),
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
        phrase=_SHORTER.get(title, title),
    )


def _text(asked: TellCustomer, language: Language) -> Text:
    if asked.outcome == "order-cancelled" and asked.amount_minor:
        return _CANCELLED_PAID[language]
    parcel_first = asked.outcome == "cancellation-begun" and not asked.amount_minor
    of_a_part = _OF_A_PART.get("after-parcel" if parcel_first else asked.outcome) if asked.part else None
    if of_a_part is not None:
        return of_a_part[language]
    if parcel_first:
        return _AFTER_PARCEL[language]
    return TEXTS[asked.outcome][language]
