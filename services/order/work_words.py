"""What happens when a choice about a task is made, in Chinese and English, for whoever looks before deciding."""

from __future__ import annotations

from collections.abc import Mapping

WHAT_HAPPENS: Mapping[str, tuple[str, str]] = {
    "send-again": (
        "以同一退款单号再次请求退款;若可能重复付款则不执行,并生成新待办。",
        "The refund is sent again under its own number; where that could pay twice it is not, and a new task says so.",
    ),
    "look-again": ("立即再次查询退款状态。", "The provider is asked at once how the refund stands."),
    "ask-again": ("立即再次发出未获应答的步骤。", "The step that was not answered is asked for again at once."),
    "transfer": (
        "改为商家转账,需顾客确认收款;若可能重复付款则不执行,并生成新待办。",
        "The money goes as a transfer that the customer confirms; where that could pay twice it does not, and a new "
        "task says so.",
    ),
    "cancel-by-transfer": (
        "重新取消订单,款项改为商家转账,需顾客确认收款。",
        "The order is cancelled once more, and the money goes as a transfer that the customer confirms.",
    ),
    "settled-outside": (
        "以备注作为凭证,记为已在系统外退款;若退款仍在途则不执行,并生成新待办。",
        "It is booked as paid outside this system, with the note as its proof; while money is on its way it is not, "
        "and a new task says so.",
    ),
    "give-back": (
        "放弃退款:重新占用库存,订单恢复原状并告知顾客。",
        "The refund is given up: the goods are set aside again, the order becomes what it was, the customer is told.",
    ),
}
