"""Refusals of the order service as problem documents, in Chinese and English."""

from __future__ import annotations

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from chassis.problem import Problem
from contracts.message import Event

_PROBLEMS: dict[str, tuple[int, str, str]] = {
    "unknown-order": (404, "没有这个订单。", "There is no such order."),
    "unknown-product": (422, "商品不存在或已下架。", "The product does not exist or is no longer sold."),
    "price-changed": (
        422,
        "商品价格已变化,请刷新后重新下单。",
        "The price has changed. Load the product again and order at its price.",
    ),
    "wrong-currency": (422, "币种与商品不一致。", "The product is not sold in this currency."),
    "unknown-coupon": (422, "优惠券不存在。", "There is no such coupon."),
    "coupon-below-minimum": (422, "未达到优惠券使用门槛。", "The goods are worth less than the coupon asks for."),
    "amount-too-large": (422, "订单金额过大。", "The order is too large."),
    "order-too-long": (
        422,
        "订单商品行太多、名称太长,请拆成几单下单。",
        "The order has too many goods with too long names. Split it into several orders.",
    ),
    "nothing-to-pay": (422, "订单金额为零,无法支付。", "There is nothing to pay for this order."),
    "idempotency-key-reused": (
        409,
        "该 Idempotency-Key 已用于另一个请求,请换一个新的。",
        "This Idempotency-Key was used for another request. Use a new one.",
    ),
    "already-cancelled": (409, "订单已取消。", "The order is cancelled already."),
    "already-shipped": (
        409,
        "订单已送达,不能取消;需要退货请联系客服。",
        "The order has been delivered and cannot be cancelled. For a return, write to our service.",
    ),
    "already-completed": (409, "订单已完成,不能取消。", "The order is completed and cannot be cancelled."),
    "cancellation-open": (
        409,
        "该订单有另一个取消正在处理,请等它结束。",
        "Another cancellation of this order is under way. Wait until it has ended.",
    ),
    "unknown-line": (422, "订单中没有这一行商品。", "The order has no such line."),
    "more-than-was-bought": (422, "取消数量超过可取消数量。", "That is more than is left to cancel."),
    "cancel-whole-unpaid-order": (
        422,
        "未付款的订单只能整单取消,然后重新下单。",
        "An unpaid order can only be cancelled as a whole. Place a new one afterwards.",
    ),
    "policy-denied": (403, "按本店规则不能取消。", "The shop's rules do not allow this cancellation."),
    "unknown-reason": (422, "没有这个取消原因。", "There is no such reason."),
    "reason-retired": (422, "该原因已停用。", "The reason is not used any more."),
    "solution-refused": (422, "解决方案的文字无法发送。", "The words of the solution cannot be sent."),
    "code-required": (
        409,
        "此操作需要确认码:请先获取短信确认码,再用同一请求提交。",
        "This needs a confirmation code. Ask for one by text message and send the same request with it.",
    ),
    "unknown-case": (404, "没有这个取消单。", "There is no such cancellation."),
    "not-yours": (
        403,
        "这个取消不是您申请的,不能撤回。",
        "Somebody else asked for this cancellation: it is not yours to take back.",
    ),
    "too-late": (
        409,
        "取消已开始处理,不能再撤回。",
        "The cancellation has begun and cannot be taken back any more.",
    ),
    "already-decided": (409, "该取消申请已处理。", "This cancellation has been decided already."),
    "not-your-role": (403, "当前岗位不能审批这个取消申请。", "This role may not decide this cancellation."),
    "second-person-needed": (
        403,
        "申请人不能审批自己的申请,请换一位同事。",
        "Whoever asked may not approve it. Ask a second person.",
    ),
    "note-required": (422, "拒绝时请填写给顾客的说明。", "Say why it is rejected; the customer reads it."),
    "remark-required": (422, "选择该取消原因时请填写说明。", "This reason needs a remark."),
    "unknown-task": (404, "没有这个待办。", "There is no such task."),
    "already-resolved": (409, "该待办已处理。", "The task has been dealt with already."),
    "not-a-choice": (
        422,
        "当前不能这样处理,请重新查看该待办可选的处理方式。",
        "This cannot be done now. Read the task's choices again.",
    ),
    "goods-incomplete": (
        422,
        "请逐行登记全部商品:完好与损坏件数之和须等于取消件数。",
        "Report every piece: good and damaged must add up to the pieces of each line of the case.",
    ),
    "not-your-task": (403, "当前岗位不能登记包裹。", "This role does not report parcels."),
    "proof-required": (422, "线下结清需填写凭证说明。", "Say in the note how it was paid, with its proof."),
    "dry-run-first": (
        422,
        "请先以 dry_run 试运行,再带上返回的 digest 正式执行。",
        "Make a dry run first, and name its digest: only what was shown is done.",
    ),
    "changed-since-dry-run": (
        409,
        "试运行之后情况有变化,没有执行任何操作;请重新试运行并核对。",
        "Things have changed since the dry run, and nothing was done. Make another one and look at it.",
    ),
    "not-finished": (
        409,
        "只有已完成或已取消的订单才能删除。",
        "Only a completed or cancelled order can be taken out of the list. Wait until it is.",
    ),
    "deletion-denied": (
        409,
        "现在不能删除该订单,请按 rules 中的说明处理。",
        "The order cannot be deleted now. See in rules what to do.",
    ),
    "export-outdated": (
        409,
        "导出之后订单又有变化,请重新导出。",
        "The order has changed since it was exported. Export it again.",
    ),
    "restore-over-newer": (
        409,
        "现有订单比导出的更新,不会覆盖。",
        "The order there is newer than the exported one and is left as it is.",
    ),
    "restore-another": (
        409,
        "删除的是订单的另一个版本,请使用删除时的导出文件。",
        "Another version of the order was erased. Use the export it was erased with.",
    ),
    "erasing-under-way": (
        409,
        "删除仍在进行,请稍后再恢复。",
        "Its erasing is still under way. Restore it when that is over.",
    ),
    "deliver-later": (
        409,
        "顾客选择了晚些送达,未到日期不能发货;确需提前请填写 early。",
        "The customer chose a later delivery. Ship it from that day on, or say `early` if it must leave before.",
    ),
    "too-late-to-change": (
        409,
        "订单已发货或已结束,不能再更改。",
        "The order has been shipped or has ended. It cannot be changed any more.",
    ),
    "payment-not-confirmed": (
        409,
        "微信支付显示该订单已付款,正在等待支付结果入账,确认后才能发货(通常一分钟内)。",
        "WeChat Pay says that it is paid; the payment is being confirmed. Ship it after that, in a minute or so.",
    ),
    "not-paid-yet": (409, "订单尚未付款。", "The order has not been paid yet."),
    "exchange-open": (
        409,
        "该订单正在换货,请等它结束后再操作(通常只需几秒)。",
        "Goods of this order are being exchanged. Wait until that has ended, which takes seconds.",
    ),
    "refund-to-match": (
        409,
        "该订单有一笔退款正在人工核对是哪些商品,暂时不能取消,请联系客服或稍后再试。",
        "Money of this order went back; our service is finding out for which goods. Write to them, or try again later.",
    ),
    "too-many-cancellations": (
        409,
        "该订单已多次申请取消,请联系客服。",
        "Cancellations of this order were asked for too often. Write to our service.",
    ),
    "with-a-person": (
        409,
        "客服正在处理该订单,暂时不能换货,请联系客服。",
        "Our service is working on this order, so nothing can be exchanged now. Write to them.",
    ),
    "not-so-many-left": (
        422,
        "换货数量超过该行剩余数量 left。",
        "The line has fewer pieces: at most `left` can be exchanged.",
    ),
    "not-a-variant": (
        422,
        "只能换成同款的其他规格,请从可换列表中选择。",
        "These goods are no other variant of the line's. Choose one that is shown as exchangeable.",
    ),
    "not-at-this-price": (
        422,
        "该规格价格不同,不能直接换货;请另下单后取消本单。",
        "This variant has another price and cannot be exchanged. Order it anew, then cancel this order.",
    ),
    "day-out-of-reach": (
        422,
        "该日期不可选,请选择 earliest 到 latest 之间的日期。",
        "This day cannot be chosen. Choose one from `earliest` to `latest`.",
    ),
    "too-many-alternatives": (
        409,
        "该订单已多次更改,请联系客服。",
        "This order was changed too often. Write to our service.",
    ),
    "case-open": (
        409,
        "取消还在处理中,结束后才能评价。",
        "The cancellation is still under way. It can be rated once it has ended.",
    ),
    "already-rated": (
        409,
        "这次取消已评价过,不能更改。",
        "This cancellation was rated before. A rating cannot be changed.",
    ),
    "unknown-questionnaire": (
        422,
        "没有这个版本的问卷,请重新加载问卷后再提交。",
        "There is no such version of the questionnaire. Load it again.",
    ),
    "unknown-answer": (
        422,
        "问卷中没有这个问题或选项,请按问卷填写。",
        "The questionnaire has no such question or answer. Use the words it gives.",
    ),
    "wrong-state": (409, "订单当前状态不允许此操作。", "The order's state does not allow this."),
}

_SHOWN = (
    "open_case_id",
    "state",
    "choices",
    "rule",
    "policy_version",
    "amount_minor",
    "roles",
    "rules",
    "earliest",
    "latest",
    "not_before",
    "left",
    "use",
)
"""What of a refusal the caller is shown besides its code and its words."""


def problem(code: str, **more: Any) -> Problem:
    """The problem document with this code, in the words of the table."""
    status, zh, en = _PROBLEMS[code]
    return Problem(status, code, zh, en, **more)


def problem_of(refusal: Event) -> Problem:
    """The problem document for a refusal; its code is the refusal's reason, or the finer word for it."""
    said: dict[str, Any] = refusal.model_dump(mode="json", exclude_none=True)
    code = said.get("because") or said["reason"]
    status, zh, en = _PROBLEMS[code]
    more = {name: said[name] for name in _SHOWN if said.get(name)}
    if said["reason"] == "policy-denied":
        zh, en = said["zh"], said["en"]
    if said.get("detail"):
        more["about"] = said["detail"]
    if code in ("cancellation-open", "exchange-open"):
        more["retry_after"] = 1
    return Problem(status, code, zh, en, **more)


def not_valid(place: str, wrong: ValidationError) -> RequestValidationError:
    """The error that FastAPI would have raised for a model that was read without it; `place`: query or body."""
    return RequestValidationError(
        [{**error, "loc": (place, *error["loc"])} for error in wrong.errors(include_url=False)]
    )
