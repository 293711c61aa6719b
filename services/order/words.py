"""The words customers and staff read about orders and cancellations, in Chinese and English."""

from __future__ import annotations

from typing import Literal

from contracts.order import Reason
from contracts.payment import WITH_THE_SHOP
from services.order.reason import ReasonWords

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

_APOLOGIES = {
    "customer": ("", ""),
    "merchant": ("非常抱歉给您带来不便,", "We are sorry. "),
    "system": ("非常抱歉给您带来不便,", "We are sorry. "),
}
"""What comes before the solution where the customer did not wish for the cancellation."""

_SOLUTIONS = {
    "customer": ("款项按原路退回,如有疑问请联系客服。", "The money goes back the way it came. Questions? Write to us."),
    "merchant": (
        "非常抱歉给您带来不便,款项已按原路退回。",
        "We are sorry. The money goes back the way it came.",
    ),
    "system": ("非常抱歉,系统已为您办理退款。", "We are sorry. The system refunds you by itself."),
    "nothing-paid": ("如有疑问请联系客服。", "Questions? Write to us."),
    "confirm": (
        "原路退款已不可行,请在24小时内打开小程序确认收款。",
        "The money cannot go back the way it came. Please confirm the transfer in the mini-program within 24 hours.",
    ),
    "delayed": (
        "退款仍在银行处理中,我们在持续跟进,无需您操作。",
        "The bank is still working on it. We follow it up, you need not do anything.",
    ),
    "rejected": (
        "您的订单照常处理,如有疑问请联系客服。",
        "Your order goes on as before. Questions? Write to us.",
    ),
    "by-transfer": (
        "款项改由微信转账退还,如有疑问请联系客服。",
        "The money comes as a WeChat transfer. Questions? Write to us.",
    ),
    "outside": (
        "款项按与您约定的方式退还,如有疑问请联系客服。",
        "The money is paid back as agreed with you. Questions? Write to us.",
    ),
    "stays-cancelled": (
        "订单仍为已取消,客服会与您联系退还这笔付款。",
        "Your order stays cancelled. Our service will contact you about this payment.",
    ),
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
    "paid": ("订单已付款", "the order has been paid"),
    "more-than-was-paid": ("退款金额超过实付金额", "more than was paid"),
    "refused-by-provider": ("支付平台拒绝退款", "the payment provider refused the refund"),
    WITH_THE_SHOP: ("退款被转入商户自己的银行账户", "the money was sent to the shop's own bank account"),
    "already-dispatched": ("包裹已发出", "the parcel has left"),
    "not-reserved": ("库存状态不允许取消", "the stock cannot be held"),
    "rejected": ("商家未同意取消", "the shop did not agree to cancel"),
    "withdrawn": ("取消申请已撤回", "the cancellation was withdrawn"),
    "no-answer": ("处理超时", "no answer in time"),
    "delivered": ("包裹已送达", "the parcel was delivered"),
    "not-intercepted": ("包裹未能拦截", "the parcel could not be stopped"),
    "out-of-stock": ("商品已售出,无法恢复订单", "the goods have been sold meanwhile"),
    "new-goods-short": ("所换商品库存不足", "too few of them are left"),
    "old-goods-gone": ("原商品已出库", "the goods have left the shelf"),
    "not-released": ("库存尚未释放", "the stock has not been released yet"),
    "not-resumed": ("当前状态下不能这样处理", "the refund's state does not allow it now"),
}

_TASKS = {
    "refund-refused": (
        "退款 {amount} 被拒绝({because}),订单已恢复原状,顾客已收到通知。请联系顾客:发货,或改用商家转账取消。",
        "The refund of {amount} was refused ({because}). The order is as it was and the customer has been told. Talk "
        "to the customer: ship the order, or cancel it by a transfer.",
    ),
    "refund-refused-no-transfer": (
        "退款 {amount} 被拒绝({because}),订单已恢复原状,顾客已收到通知。这个金额不能改用商家转账"
        "(须在 0.10 元至 1999.99 元之间)。请联系顾客:发货,或线下另行付款。",
        "The refund of {amount} was refused ({because}). The order is as it was and the customer has been told. WeChat "
        "makes no transfer of this amount (0.10 to 1,999.99 yuan). Talk to the customer: ship the order, or pay "
        "otherwise.",
    ),
    "not-cancelled": (
        "取消未成功({because}),没有为此退款;订单已恢复原状,顾客已收到通知。请联系顾客。",
        "The cancellation did not come about ({because}): no money went back for it. The order is as it was and the "
        "customer has been told. Talk to the customer.",
    ),
    "refund-made-outside-closed": (
        "有人在商户平台上退款 {amount},但该退款已关闭({because}):顾客没有收到钱,系统也未通知顾客。订单已恢复原状。",
        "Somebody refunded {amount} on the merchant platform, but that refund was closed ({because}): no money went, "
        "and nobody has told the customer. The order is as it was.",
    ),
    "late-payment-refused": (
        "订单取消后收到的付款 {amount} 退不回去({because}),钱还在商户账户。请选择另一种方式退给顾客。",
        "{amount} was paid after the order was cancelled and cannot go back ({because}). The money is still with the "
        "shop. Choose another way to return it.",
    ),
    "late-payment-gone-back": (
        "订单取消后收到的付款 {amount} 未再退回({because}):其全部或部分已另行退款。请接手该手工退款,余款会自动退回。",
        "{amount} was paid after the order was cancelled and is not sent back ({because}): all of it or a part has "
        "gone back otherwise. Take over the refund that was made by hand, and what is left goes back by itself.",
    ),
    "refund-failed": (
        "退款 {amount} 失败({because}),钱在商户账户,商品已释放库存,没有任何款项在途。请选择怎么办。",
        "The refund of {amount} failed ({because}). The money is with the shop, the goods are back in stock, nothing "
        "is on its way. Choose what to do.",
    ),
    "refund-alone-failed": (
        "退款 {amount} 失败({because}),钱在商户账户,没有任何款项在途。请选择怎么办。",
        "The refund of {amount} failed ({because}). The money is with the shop, nothing is on its way. Choose what to "
        "do.",
    ),
    "refund-stuck": (
        "退款 {amount} 未到账,系统会继续查询。请检查商户余额与支付平台的退款状态,切勿手工再退。",
        "The refund of {amount} has not arrived; it is still being asked for. Check the merchant balance and the "
        "refund at the provider. Never refund by hand while it is under way.",
    ),
    "refund-abnormal": (
        "退款 {amount} 异常:顾客的银行卡收不了款,钱在中间账户。请向顾客要另一张银行卡并登记,切勿再次退款。",
        "The refund of {amount} is abnormal: the customer's card takes no money, it lies in between. Ask the customer "
        "for another card and enter it. Never refund again.",
    ),
    "cannot-give-back": (
        "退款 {amount} 失败,而商品已售出({because}),订单无法恢复。钱在商户账户,顾客既没有收到钱也没有商品。",
        "The refund of {amount} failed and the order cannot be given back ({because}). The money is with the shop; the "
        "customer has neither money nor goods.",
    ),
    "refund-made-outside": (
        "有人在商户平台上退款 {amount}。请核对是哪些商品,必要时取消或补发。",
        "Somebody refunded {amount} on the merchant platform. Find out which goods it was for, and cancel or ship "
        "accordingly.",
    ),
    "shipping-record": (
        "订单已取消,{amount} 已退给顾客,但微信的发货记录不是“已退款”。请到商户平台核对,并确认商品没有发出。",
        "The order is cancelled and {amount} went back, but WeChat's shipping record does not say “refunded”. Check it "
        "on the merchant platform, and that the goods have not left.",
    ),
    "intercept-parcel": (
        "包裹已发出,订单申请取消({amount})。请通知承运商拦截,或等待退回;商品回到仓库后逐行登记完好与损坏件数,款项才会退回。"
        "未能拦截或已送达也请登记,订单将照常处理。",
        "The parcel has left and its order is to be cancelled ({amount}). Have the carrier stop it, or wait for it to "
        "come back; then report line by line what is good and what is damaged: only then the money goes back. Report "
        "it, too, when it could not be stopped or was delivered: the order goes on then.",
    ),
    "no-answer": (
        "步骤“{step}”一直没有回应,系统会继续询问。请检查相应服务。",
        "Nobody has answered the step “{step}”; it is still being asked. Check the service that should.",
    ),
}


def task_in_words(wording: str, amount: str, refusal: str, step: str) -> tuple[str, str]:
    """What a task says, in Chinese and English: what is true now, and what can be done."""
    zh, en = _TASKS[wording]
    return (
        zh.format(amount=amount, because=refusal_in_words(refusal, "zh"), step=step),
        en.format(amount=amount, because=refusal_in_words(refusal, "en"), step=step),
    )


def state_in_words(state: str) -> dict[str, str]:
    """An order's state for people."""
    zh, en = _STATES[state]
    return {"zh": zh, "en": en}


def reason_in_words(reason: Reason, language: Language, words: ReasonWords | None = None) -> str:
    """A reason for people, with its remark; `words`: as it read when its case was opened."""
    said = _pick((words.zh, words.en) if words is not None else _REASONS[reason.code], language)
    return f"{said}:{reason.remark}" if reason.remark else said


def solution_in_words(about: str, language: Language) -> str:
    """What is done about it: by family of the reason, or by what has come of the case."""
    return _pick(_SOLUTIONS[about], language)


def solution_of(reason: Reason, words: ReasonWords | None, own: str, language: Language, another_way: str = "") -> str:
    """What the shop does about it: what the wish said (`own`), or its reason; with an apology where it was not the
    customer's wish. A reason speaks, as a rule, of money that goes back the way it came: where it goes `another_way`
    that is said instead."""
    of_reason = _pick((words.solution_zh, words.solution_en), language) if words is not None else ""
    said = own or (solution_in_words(another_way, language) if another_way else of_reason)
    return _pick(_APOLOGIES[reason.family], language) + said if said else solution_in_words(reason.family, language)


def solution_unpaid(reason: Reason, own: str, language: Language) -> str:
    """The same where nothing was paid. What the list of reasons says is written for every order and speaks, as a rule,
    of money that goes back; whoever wished for this cancellation knew better."""
    said = own or solution_in_words("nothing-paid", language)
    return _pick(_APOLOGIES[reason.family], language) + said


def refusal_in_words(refusal: str, language: Language) -> str:
    """Why something could not be done. An unknown code is shown as it is: better a raw code than nothing."""
    return _pick(_REFUSALS.get(refusal, (refusal, refusal)), language)


def _pick(words: tuple[str, str], language: Language) -> str:
    return words[0] if language == "zh" else words[1]
