"""The words customers and staff read about orders and cancellations, in Chinese and English."""

from __future__ import annotations

from typing import Literal

from contracts.order import Reason

Language = Literal["zh", "en"]

_STATES = {
    "pending-payment": ("待付款", "to be paid"),
    "paid": ("待发货", "to be shipped"),
    "shipped": ("已发货", "shipped"),
    "delivered": ("已送达", "delivered"),
    "completed": ("已完成", "completed"),
    "cancelling": ("取消中", "being cancelled"),
    "cancelled": ("已取消", "cancelled"),
}

_REASONS = {
    "changed-mind": ("不想要了", "changed my mind"),
    "wrong-item": ("拍错商品", "wrong item"),
    "found-better": ("找到更合适的商品", "found something better"),
    "out-of-stock": ("商品缺货", "out of stock"),
    "quality": ("商品质量问题", "quality problem"),
    "delivery": ("无法按时配送", "cannot be delivered in time"),
    "fault": ("系统故障", "system fault"),
    "duplicate": ("重复下单", "duplicate order"),
    "late-payment": ("订单取消后收到付款", "paid after the order was cancelled"),
    "other": ("其他原因", "other reason"),
}

_SOLUTIONS = {
    "customer": ("款项按原路退回,如有疑问请联系客服。", "The money goes back the way it came. Questions? Write to us."),
    "merchant": (
        "非常抱歉给您带来不便,款项已按原路退回。",
        "We are sorry. The money goes back the way it came.",
    ),
    "system": ("非常抱歉,系统已为您办理退款。", "We are sorry. The system refunds you by itself."),
    "undone": (
        "订单已恢复原状,客服会与您联系处理退款。",
        "Your order is as it was. Our service will contact you about the refund.",
    ),
}

_REFUSALS = {
    "": ("", ""),
    "account-abnormal": ("您的微信支付账户异常,无法原路退款", "your WeChat Pay account cannot receive the refund"),
    "too-old": ("支付已超过一年,无法原路退款", "the payment is too old to be refunded"),
    "not-paid": ("订单未付款", "the order was not paid"),
    "more-than-was-paid": ("退款金额超过实付金额", "more than was paid"),
    "refused-by-provider": ("支付平台拒绝退款", "the payment provider refused the refund"),
    "already-dispatched": ("包裹已发出", "the parcel has left"),
    "not-reserved": ("库存状态不允许取消", "the stock cannot be held"),
    "withdrawn": ("取消申请已撤回", "the cancellation was withdrawn"),
    "no-answer": ("处理超时", "no answer in time"),
}


def state_in_words(state: str) -> dict[str, str]:
    """An order's state for people."""
    zh, en = _STATES[state]
    return {"zh": zh, "en": en}


def reason_in_words(reason: Reason, language: Language) -> str:
    """A reason for people, with its remark."""
    words = _pick(_REASONS[reason.code], language)
    return f"{words}:{reason.remark}" if reason.remark else words


def solution_in_words(family: str, language: Language) -> str:
    """What is done about it."""
    return _pick(_SOLUTIONS[family], language)


def refusal_in_words(refusal: str, language: Language) -> str:
    """Why something could not be done. An unknown code is shown as it is: better a raw code than nothing."""
    return _pick(_REFUSALS.get(refusal, (refusal, refusal)), language)


def _pick(words: tuple[str, str], language: Language) -> str:
    return words[0] if language == "zh" else words[1]
