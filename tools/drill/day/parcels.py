"""An order is found, shipped, delivered and completed."""

from __future__ import annotations

from tools.drill.day.telling import last_line, refusal, shown, state, waits
from tools.drill.day.world import Day
from tools.replay.knock import Json, expect


async def parcels(day: Day) -> None:
    """Customer service finds the order, the warehouse ships it."""
    customer, service, keeper = day.customers[1], day.staff["customer-service"], day.staff["warehouse"]
    await customer.sign_in()
    order_id = day.shipped = await day.buys(customer, {"pot": 1})
    found = await service.sees(
        "/admin/v1/orders", name=customer.name, phone=customer.phone[-4:], state="paid", goods=day.goods["pot"].name
    )
    row = next(one for one in found["orders"] if one["order_id"] == order_id)
    day.tell(
        service,
        ("按姓名、手机尾号、商品查找订单", "finds the order by name, last digits and goods"),
        (
            f"{row['contact']['name']} {row['contact']['phone']},{state(row).zh}",
            f"{row['contact']['name']} {row['contact']['phone']}, {state(row).en}",
        ),
    )
    path, parcel = f"/admin/v1/orders/{order_id}", {"carrier": "SF", "tracking_number": f"SF{day.mark}"}
    blocked = await _blocked(day, order_id)
    await keeper.sees(path)
    sent = await keeper.does("POST", f"{path}/ship", parcel)
    day.tell(keeper, ("打包发货", "packs and ships"), last_line(sent, "shipped"))
    await _not_stopped(day, order_id, blocked)
    await _watched(day, order_id)
    there = await keeper.does("POST", f"{path}/deliver")
    day.tell(keeper, ("登记送达", "notes the delivery"), last_line(there, "delivered"))
    await service.does("POST", f"{path}/complete")
    page = await day.comes_to(customer, order_id, "completed")
    day.tell(customer, ("查看订单", "looks at the order"), state(page))
    await _stopped(day, parcel)


async def _not_stopped(day: Day, order_id: str, wish: Json) -> None:
    """The parcel has left: the warehouse tries to stop it, and cannot."""
    customer, keeper = day.customers[1], day.staff["warehouse"]
    case = await customer.does("POST", f"/mp/v1/orders/{order_id}/cancellation", wish)
    day.tell(customer, ("包裹已发出,还想取消", "wants to cancel, but the parcel has left"), waits(case))
    task = await _task(day, order_id, str(case["case_id"]))
    day.tell(keeper, ("看待办", "reads the task"), shown(task))
    await keeper.does("POST", f"/admin/v1/tasks/{task['task_id']}/parcel", {"found": "not-intercepted"})
    page = await day.comes_to(customer, order_id, "shipped")
    day.came_back(order_id, 0, {}, "cancellation-refused")
    day.tell(keeper, ("登记:未能拦截", "reports that it could not be stopped"), last_line(page, "parcel-not-back"))


async def _stopped(day: Day, parcel: Json) -> None:
    """Another parcel is stopped: first the goods are back, then the money."""
    customer, keeper = day.customers[1], day.staff["warehouse"]
    order_id = await day.buys(customer, {"oolong": 2})
    await keeper.does("POST", f"/admin/v1/orders/{order_id}/ship", parcel)
    wish: Json = {"reason": {"family": "customer", "code": "wrong-item"}}
    case = await customer.does("POST", f"/mp/v1/orders/{order_id}/cancellation", wish)
    task = await _task(day, order_id, str(case["case_id"]))
    goods = [{"line_no": 1, "good": 2, "damaged": 0}]
    await keeper.does("POST", f"/admin/v1/tasks/{task['task_id']}/parcel", {"found": "intercepted", "goods": goods})
    page = await day.comes_to(customer, order_id, "cancelled")
    paid = day.orders[order_id].paid_minor
    day.came_back(order_id, paid, {"oolong": 2}, "refund-on-its-way", "refund-arrived")
    day.tell(keeper, ("拦截成功,登记商品完好", "stops a parcel, all is good"), last_line(page, "parcel-came-back"))
    day.tell(customer, ("查看订单", "looks at the order"), last_line(page, "refund-arrived"))


async def _task(day: Day, order_id: str, case_id: str) -> Json:
    """The open task about a case."""

    def is_there(order: Json) -> bool:
        return any(one["case_id"] == case_id and one["done_at"] is None for one in order["tasks"])

    path, keeper = f"/admin/v1/orders/{order_id}", day.staff["warehouse"]
    order = await day.page_when(keeper, path, "there is a task about the parcel", is_there)
    found: Json = next(one for one in order["tasks"] if one["case_id"] == case_id and one["done_at"] is None)
    return found


async def _blocked(day: Day, order_id: str) -> Json:
    """While a cancellation waits nothing is shipped; taken back, it can be."""
    customer, keeper = day.customers[1], day.staff["warehouse"]
    wish: Json = {"reason": {"family": "customer", "code": "changed-mind"}}
    path = f"/mp/v1/orders/{order_id}"
    case = await customer.does("POST", f"{path}/cancellation", wish)
    parcel = {"carrier": "SF", "tracking_number": f"SF{day.mark}"}
    refused = expect(await keeper.ask("POST", f"/admin/v1/orders/{order_id}/ship", parcel), 409)
    day.tell(keeper, ("有取消待处理时发货", "ships while a cancellation waits"), refusal(refused))
    await customer.does("POST", f"{path}/cases/{case['case_id']}/withdrawal")
    page = await day.comes_to(customer, order_id, "paid")
    day.tell(customer, ("撤回取消", "takes the cancellation back"), last_line(page, "cancellation-withdrawn"))
    return wish


async def _watched(day: Day, order_id: str) -> None:
    """Staff have the live status, too."""
    service = day.staff["customer-service"]
    path, headers = f"/admin/v1/orders/{order_id}/live", {"Authorization": f"Bearer {service.token}"}
    service.asked.append(("GET", path))
    async with day.gateway.stream("GET", path, headers=headers, timeout=60.0) as live:
        async for line in live.aiter_lines():
            if line.startswith("id: "):
                version = line.removeprefix("id: ")
                day.tell(
                    service,
                    ("打开实时状态", "opens the live status"),
                    (f"订单版本 {version}", f"version {version} of the order"),
                )
                return
