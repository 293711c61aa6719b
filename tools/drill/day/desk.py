"""Staff cancel: who may not, who needs a code or a second person; and they decide about the wishes of customers."""

from __future__ import annotations

from tools.drill.day.regrets import reason
from tools.drill.day.telling import last_line, refusal, role_in, waits, yuan
from tools.drill.day.world import Day
from tools.replay.knock import expect


async def desk(day: Day) -> None:
    """One order after the other."""
    await day.customers[2].sign_in()
    await _two_persons(day)
    await _rejected(day)
    await _approved(day)
    await _taken_back(day)


async def _two_persons(day: Day) -> None:
    customer, service = day.customers[2], day.staff["customer-service"]
    senior, finance = day.staff["supervisor"], day.staff["finance"]
    order_id = await day.buys(customer, {"pot": 2})
    path, wish = f"/admin/v1/orders/{order_id}", reason("fault", "system")
    denied = expect(await service.ask("POST", f"{path}/cancellation", wish), 403)
    day.tell(service, ("取消已付款订单", "cancels a paid order"), refusal(denied))
    told = await senior.does("POST", f"{path}/cancellation-preview", wish)
    roles = [role_in(word) for word in told["approve_by"]]
    day.tell(
        senior,
        ("预览取消", "looks what cancelling takes"),
        (
            f"退 {yuan(told['amount_minor'])};需要确认码,并由{'、'.join(one.zh for one in roles)}审批",
            f"{yuan(told['amount_minor'])} back; needs a code, and the yes of {', '.join(one.en for one in roles)}",
        ),
    )
    amount = int(told["amount_minor"])
    code = await day.code_for(senior, "cancel-order", order_id, amount)
    wrong = "000000" if code != "000000" else "000001"
    refused = expect(
        await senior.ask("POST", f"{path}/cancellation", wish | {"code": wrong, "amount_minor": amount}), 403
    )
    day.tell(senior, ("输错确认码", "mistypes the code"), refusal(refused))
    case = await senior.does("POST", f"{path}/cancellation", wish | {"code": code, "amount_minor": amount})
    day.tell(senior, ("输入确认码取消", "cancels with the code"), waits(case))
    own = expect(await senior.ask("POST", f"/admin/v1/cases/{case['case_id']}/decision", {"approve": True}), 403)
    day.tell(senior, ("想自己批准", "tries to approve it alone"), refusal(own))
    waiting = (await finance.sees("/admin/v1/cases", waits_for="approval", limit="500"))["cases"]
    mine = next(one for one in waiting if one["case_id"] == case["case_id"])
    day.tell(
        finance,
        ("查看待审批列表", "looks at what waits for approval"),
        (
            f"{yuan(mine['amount_minor'])},{mine['reason']['in_words']['zh']},第 {mine['attempts']} 次",
            f"{yuan(mine['amount_minor'])}, {mine['reason']['in_words']['en']}, attempt {mine['attempts']}",
        ),
    )
    await finance.does("POST", f"/admin/v1/cases/{case['case_id']}/decision", {"approve": True})
    page = await day.comes_to(customer, order_id, "cancelled")
    day.came_back(order_id, day.orders[order_id].paid_minor, {"pot": 2}, "refund-on-its-way", "refund-arrived")
    day.tell(finance, ("批准", "approves"), last_line(page, "cancellation-approved"))
    day.tell(customer, ("查看订单", "looks at the order"), last_line(page, "refund-arrived"))


async def _rejected(day: Day) -> None:
    customer, senior = day.customers[2], day.staff["supervisor"]
    order_id = await day.buys(customer, {"oolong": 1})
    case = await customer.does("POST", f"/mp/v1/orders/{order_id}/cancellation", reason("found-better"))
    day.tell(customer, ("申请取消", "asks to cancel"), waits(case))
    wish = {"approve": False, "note": "包裹正在打包"}
    await senior.does("POST", f"/admin/v1/cases/{case['case_id']}/decision", wish)
    page = await day.comes_to(customer, order_id, "paid")
    day.came_back(order_id, 0, {}, "cancellation-refused")
    note = str(page["cases"][-1]["note"])
    day.tell(senior, ("不同意,写明原因", "says no, and why"), last_line(page, "cancellation-rejected"))
    day.tell(customer, ("查看结果", "reads the answer"), (f"未同意:{note}", f"no: {note}"))


async def _approved(day: Day) -> None:
    customer, senior = day.customers[2], day.staff["supervisor"]
    order_id = await day.buys(customer, {"cup": 1})
    case = await customer.does("POST", f"/mp/v1/orders/{order_id}/cancellation", reason("found-better"))
    await senior.does("POST", f"/admin/v1/cases/{case['case_id']}/decision", {"approve": True})
    page = await day.comes_to(customer, order_id, "cancelled")
    day.came_back(order_id, day.orders[order_id].paid_minor, {"cup": 1}, "refund-on-its-way", "refund-arrived")
    day.tell(senior, ("同意顾客取消", "agrees to a customer's wish"), last_line(page, "cancellation-approved"))


async def _taken_back(day: Day) -> None:
    customer, senior = day.customers[2], day.staff["supervisor"]
    order_id = await day.buys(customer, {"tea": 1})
    case = await senior.does("POST", f"/admin/v1/orders/{order_id}/cancellation", reason("duplicate", "system"))
    await senior.does("POST", f"/admin/v1/cases/{case['case_id']}/withdrawal")
    page = await day.comes_to(customer, order_id, "paid")
    day.tell(senior, ("误点取消,撤回", "cancels by mistake, takes it back"), last_line(page, "cancellation-withdrawn"))
