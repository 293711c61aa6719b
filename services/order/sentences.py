"""One sentence for each code of an order's timeline, in Chinese and English. A code without a sentence fails
`tests/unit/order/test_story.py`, which names it.

A sentence may hold the facts of its line (`detail`) and those that `story` adds; what is not known is left out.
"""

from __future__ import annotations

from typing import NamedTuple


class Sentence(NamedTuple):
    """`staff_only`: about how the shop works, not about the customer's order."""

    zh: str
    en: str
    staff_only: bool = False


SENTENCES: dict[str, Sentence] = {
    # ── the order ────────────────────────────────────────────────────────────────────────────────────────────────────
    "placed": Sentence("订单已提交。", "The order was placed."),
    "stock-reserved": Sentence("商品已为您预留。", "The goods are set aside for you."),
    "stock-short": Sentence("商品缺货,订单已取消。", "The goods are out of stock. The order is cancelled."),
    "payment-opened": Sentence("等待付款。", "Waiting for the payment."),
    "paid": Sentence("已付款 {paid}。", "Paid: {paid}."),
    "shipped": Sentence(
        "包裹已发出:{carrier} {tracking_number}。", "The parcel has left: {carrier} {tracking_number}."
    ),
    "stock-dispatched": Sentence("商品已打包出库。", "The goods are packed and off the shelf."),
    "stock-dispatch-refused": Sentence(
        "出库未能登记({because})。", "The goods could not be taken off the books ({because}).", staff_only=True
    ),
    "shipping-recorded": Sentence(
        "微信发货信息:{outcome}{code}。", "Shipping record at WeChat: {outcome}{code}.", staff_only=True
    ),
    "shipping-record-strange": Sentence(
        "微信的发货记录与订单不符:{status}。",
        "WeChat's shipping record does not fit the order: {status}.",
        staff_only=True,
    ),
    "delivered": Sentence("包裹已送达。", "The parcel was delivered."),
    "completed": Sentence("订单已完成。", "The order is completed."),
    # ── a cancellation ───────────────────────────────────────────────────────────────────────────────────────────────
    "cancellation-accepted": Sentence(
        "{who_zh}申请取消,已受理:{reason_zh}。", "Cancellation asked for by {who_en} and accepted: {reason_en}."
    ),
    "time-to-pay-over": Sentence(
        "付款时间已过,订单自动取消。", "The time to pay is over: the order is being cancelled by itself."
    ),
    "alternative-taken": Sentence("已改为晚些送达,订单保留。", "To be delivered later; the order stays."),
    "exchange-begun": Sentence("正在把 {pieces} 件{old}换成{new}。", "Being exchanged: {pieces} × {old} for {new}."),
    "goods-exchanged": Sentence(
        "已把 {pieces} 件{old}换成{new},价格不变。", "Exchanged {pieces} × {old} for {new}, at the same price."
    ),
    "exchange-completed": Sentence("换下的{old}已退回库存。", "The exchanged {old} is back in stock.", staff_only=True),
    "exchange-refused": Sentence(
        "未能把{old}换成{new}({refusal_zh}),订单保持不变。",
        "{old} could not be exchanged for {new} ({refusal_en}). The order is as it was.",
    ),
    "cancellation-rated": Sentence("感谢您的评价。", "Thank you for your rating."),
    "cancellation-begun": Sentence("取消开始处理。", "The cancellation begins."),
    "cancellation-withdrawn": Sentence(
        "取消申请已撤回,订单照常处理。", "The cancellation was taken back. The order goes on."
    ),
    "cancellation-approved": Sentence("商家已同意取消。", "The shop agreed to the cancellation."),
    "cancellation-rejected": Sentence("商家未同意取消。", "The shop did not agree to the cancellation."),
    "parcel-called-back": Sentence(
        "包裹已发出:仓库正在拦截,或等待其退回;商品回到仓库后退款。",
        "The parcel has left: the warehouse has it stopped or waits for it. The money follows the goods.",
    ),
    "parcel-came-back": Sentence("包裹已回到仓库。", "The parcel is back in the warehouse."),
    "parcel-not-back": Sentence("{found_zh},取消未能完成。", "No way back: {found_en}."),
    "stock-taken-back": Sentence("退回的完好商品已入库。", "What came back in good order is in stock again."),
    "stock-held": Sentence("已通知仓库停止发货。", "The warehouse was told not to ship."),
    "stock-hold-refused": Sentence("仓库无法拦截({because_zh})。", "The goods could not be held back ({because_en})."),
    "stock-kept": Sentence("商品继续为您保留。", "The goods stay set aside for you."),
    "stock-released": Sentence("商品已退回库存。", "The goods are back in stock."),
    "stock-taken-again": Sentence("商品已重新为您预留。", "The goods are set aside for you again."),
    "stock-not-taken-again": Sentence("商品已售出,无法恢复订单。", "The goods were sold meanwhile: no way back."),
    "payment-closed": Sentence("尚未付款,支付已关闭。", "Nothing was paid; the payment is closed."),
    "payment-close-refused": Sentence(
        "订单其实已付款,改为退款办理。", "The order had been paid after all: the money goes back."
    ),
    "refund-accepted": Sentence(
        "退款 {amount} 已受理,退回{route_zh}{expected_zh}。", "The refund of {amount} goes to {route_en}{expected_en}."
    ),
    "refund-refused": Sentence(
        "退款 {amount} 未成功({because_zh})。", "The refund of {amount} did not succeed ({because_en})."
    ),
    "refund-attempted": Sentence(
        "退款第 {attempt} 次:{outcome}({provider_code}),下次 {next_try_at}。",
        "Refund, attempt {attempt}: {outcome} ({provider_code}), next at {next_try_at}.",
        staff_only=True,
    ),
    "refund-rerouted": Sentence(
        "无法原路退回({because_zh}),改为微信转账。",
        "The money cannot go back the way it came ({because_en}): it comes as a WeChat transfer.",
    ),
    "refund-delayed": Sentence(
        "银行仍在处理退款,已 {days} 天,我们在跟进,无需您操作。",
        "The bank has been working on the refund for {days} days. We follow it up, you need not do anything.",
    ),
    "refund-arrived": Sentence("退款 {received} 已到账。", "The refund of {received} has arrived."),
    "refund-resumed": Sentence("退款已按决定继续。", "The refund goes on as decided.", staff_only=True),
    "refund-not-resumed": Sentence(
        "退款当前不能这样继续({because})。", "The refund cannot go on that way now ({because}).", staff_only=True
    ),
    "customer-told": Sentence("已通过{channel_zh}通知您。", "You were told by {channel_en}."),
    "turned-back": Sentence(
        "没有及时得到答复,取消正在撤回。", "There was no answer in time: the cancellation is taken back."
    ),
    "cancellation-completed": Sentence("取消已完成。", "The cancellation is completed."),
    "cancellation-undone": Sentence(
        "取消未能完成({refusal_zh}),订单已恢复原状。", "The cancellation failed ({refusal_en}). The order is as it was."
    ),
    # ── money alone: it came too late, or went back by hand ──────────────────────────────────────────────────────────
    "refund-begun": Sentence("{who_zh}退还 {amount}:{reason_zh}。", "{amount} is sent back by {who_en}: {reason_en}."),
    "refund-completed": Sentence("退款已完成。", "The refund is completed."),
    "refund-not-made": Sentence("这笔退款没有成功({refusal_zh})。", "This refund did not go through ({refusal_en})."),
    "payment-not-returned": Sentence(
        "这笔付款未能退回({refusal_zh}),订单仍为已取消,客服会与您联系。",
        "This payment could not be sent back ({refusal_en}). The order stays cancelled; our service will contact you.",
    ),
    # ── how the shop works on it ─────────────────────────────────────────────────────────────────────────────────────
    "asked-again": Sentence("步骤“{step}”再次询问。", "The step “{step}” was asked again.", staff_only=True),
    "rule-applied": Sentence("按规则 {rule} 处理:{way}。", "By the rule {rule}: {way}.", staff_only=True),
    "road-taken": Sentence("改走 {road} {wish}。", "Goes on by {road} {wish}.", staff_only=True),
    "task-raised": Sentence("待办 {task}:{kind}。", "Task {task}: {kind}.", staff_only=True),
    "task-done": Sentence("待办 {task} 由 {by} 处理 {choice}。", "Task {task} was dealt with by {by} {choice}.", True),
}
