"""Refunds that do not go through: by transfer, by a person's choice, to another bank card."""

from __future__ import annotations

from tools.drill.day.people import Customer
from tools.drill.day.regrets import reason
from tools.drill.day.telling import last_line, shown, yuan
from tools.drill.day.world import Day
from tools.replay.knock import Json, UnexpectedAnswerError

CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222021234567890123", "real_name": "张三"}


async def trouble(day: Day) -> None:
    """One trouble after the other, always the same customer."""
    await day.customers[3].sign_in()
    await _by_transfer(day)
    await _by_choice(day)
    await _to_a_card(day)


async def _by_transfer(day: Day) -> None:
    customer, senior = day.customers[3], day.staff["supervisor"]
    order_id = await day.buys(customer, {"cup": 1})
    async with day.trouble(order_id, kind="error-before", http=403, code="USER_ACCOUNT_ABNORMAL"):
        wish = reason("out-of-stock", "merchant")
        case = await senior.does("POST", f"/admin/v1/orders/{order_id}/cancellation", wish)
        path = f"/mp/v1/orders/{order_id}/cases/{case['case_id']}/transfer"

        async def ticket() -> Json | None:
            answer = await customer.ask("GET", path)
            return answer.json() if answer.status_code == 200 else None

        shown_to_customer = await day.until("the transfer can be confirmed", ticket)
    page = await day.page_when(
        customer,
        f"/mp/v1/orders/{order_id}",
        "the customer was told of the transfer",
        lambda order: any(one["what"] == "refund-rerouted" for one in order["timeline"]),
    )
    day.tell(senior, ("缺货,取消订单", "out of stock, cancels"), last_line(page, "refund-rerouted"))
    await day.sandbox("POST", "/_customer/transfer/confirm", {"package_info": shown_to_customer["package"]})
    page = await day.comes_to(customer, order_id, "cancelled")
    day.came_back(order_id, day.orders[order_id].paid_minor, {"cup": 1}, "refund-to-confirm", "refund-arrived")
    day.tell(customer, ("在微信中确认收款", "takes the transfer in WeChat"), last_line(page, "refund-arrived"))


async def _by_choice(day: Day) -> None:
    customer, service, finance = day.customers[3], day.staff["customer-service"], day.staff["finance"]
    order_id = await day.buys(customer, {"tea": 1})
    async with day.trouble(order_id, kind="error-before", http=403, code="NO_AUTH"):
        task = await refused(day, customer, order_id)
        wish = {"note": "顾客同意照常发货"}
        await service.does("POST", f"/admin/v1/tasks/{task['task_id']}/done", wish)
        day.tell(service, ("看待办", "reads the task"), shown(task))
        day.tell(service, ("电话联系顾客后标记完成", "phones the customer, marks it done"), ("已完成", "done"))
        task = await refused(day, customer, order_id)
    listed = (await finance.sees("/admin/v1/tasks", limit="500"))["tasks"]
    if all(one["task_id"] != task["task_id"] for one in listed):
        raise UnexpectedAnswerError(f"GET /admin/v1/tasks: {task['task_id']} is open and not in the list")
    choice = {"choice": "cancel-by-transfer", "note": "已电话确认"}
    await finance.does("POST", f"/admin/v1/tasks/{task['task_id']}/resolution", choice)
    page = await day.comes_to(customer, order_id, "cancelled")
    day.came_back(order_id, day.orders[order_id].paid_minor, {"tea": 1}, "refund-on-its-way", "refund-arrived")
    choices = "、".join(task["choices"])
    day.tell(
        finance,
        (f"从 {choices} 中选择 cancel-by-transfer", f"of {choices} chooses cancel-by-transfer"),
        last_line(page, "refund-arrived"),
    )


async def refused(day: Day, customer: Customer, order_id: str) -> Json:
    """The customer cancels, WeChat Pay refuses: the newest task."""
    path = f"/mp/v1/orders/{order_id}"
    case = await customer.does("POST", f"{path}/cancellation", reason("wrong-item"))
    page = await day.comes_to(customer, order_id, "paid")
    day.came_back(order_id, 0, {}, "refund-failed")
    day.tell(customer, ("取消,退款被拒", "cancels, and the refund is refused"), last_line(page, "cancellation-undone"))
    order = await day.page_when(
        day.staff["customer-service"],
        f"/admin/v1/orders/{order_id}",
        "there is a task",
        lambda order: any(one["case_id"] == case["case_id"] and one["done_at"] is None for one in order["tasks"]),
    )
    found: Json = order["tasks"][-1]
    return found


async def _to_a_card(day: Day) -> None:
    customer, service = day.customers[3], day.staff["customer-service"]
    order_id = await day.buys(customer, {"oolong": 1})
    async with day.trouble(order_id, kind="status", refund_status="ABNORMAL"):
        case = await customer.does("POST", f"/mp/v1/orders/{order_id}/cancellation", reason("wrong-item"))
        order = await day.page_when(
            service,
            f"/admin/v1/orders/{order_id}",
            "there is a task about the card",
            lambda order: any(one["kind"] == "refund-abnormal" for one in order["tasks"]),
        )
    day.tell(service, ("看待办", "reads the task"), shown(order["tasks"][-1]))
    await service.does("POST", f"/admin/v1/cases/{case['case_id']}/bank-card", CARD)
    page = await day.comes_to(customer, order_id, "cancelled")
    paid = day.orders[order_id].paid_minor
    day.came_back(order_id, paid, {"oolong": 1}, "refund-on-its-way", "refund-arrived")
    day.tell(
        service,
        ("登记顾客的另一张银行卡", "notes another card of the customer"),
        (f"{yuan(paid)} 改退新卡", f"{yuan(paid)} goes to the new card"),
    )
    day.tell(customer, ("查看订单", "looks at the order"), last_line(page, "refund-arrived"))
