"""A customer thinks twice, takes something else instead, then cancels a part and the rest, and says how it went."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from contracts.zone import CHINA
from tools.drill.day.opening import COUPON_MINOR
from tools.drill.day.people import Customer
from tools.drill.day.telling import Words, last_line, shown, state, yuan
from tools.drill.day.world import Day
from tools.replay.knock import Json, UnexpectedAnswerError, expect

LIVE_SECONDS = 120.0


def reason(code: str, family: str = "customer") -> Json:
    """Why somebody cancels, as it is sent."""
    return {"reason": {"family": family, "code": code}}


async def regrets(day: Day) -> None:
    """Everything of one customer with one order."""
    customer = day.customers[0]
    order_id = await _shops(day, customer)
    await _thinks_twice(day, customer, order_id)
    await _something_else(day, customer, order_id)
    part = await _part(day, customer, order_id)
    await _rest(day, customer, order_id)
    await _says_how_it_went(day, customer, order_id, part)


async def _shops(day: Day, customer: Customer) -> str:
    shelf = (await customer.sees("/mp/v1/products", after=f"day-{day.mark}", limit="3"))["products"]
    names = "、".join(f"{one['name']} {yuan(one['offers_minor'][0])}" for one in shelf)
    day.tell(customer, ("打开小程序,浏览商品", "opens the mini-program and looks at goods"), (names, names))
    order_id = await day.buys(customer, {"tea": 2, "cup": 1}, (f"DAY-{day.mark}", COUPON_MINOR))
    allowed = await day.sandbox("POST", "/_customer/subscribe", {"openid": customer.openid})
    templates = dict.fromkeys(list(allowed["remaining"])[:3], "accept")
    noted = await customer.does("POST", "/mp/v1/subscriptions", {"answers": templates})
    known = (await customer.sees("/mp/v1/subscriptions"))["templates"]
    day.tell(
        customer,
        ("同意接收消息,小程序上报", "accepts messages, and the mini-program reports it"),
        (
            f"已记录 {noted['noted']} 个模板,{len(known)} 个有剩余次数",
            f"{noted['noted']} templates noted, {len(known)} known",
        ),
    )
    found = (await customer.sees("/mp/v1/orders", number=order_id))["orders"]
    by_goods = (await customer.sees("/mp/v1/orders", goods=day.goods["tea"].name.split()[0]))["orders"]
    page = await customer.sees(f"/mp/v1/orders/{order_id}")
    day.tell(
        customer,
        ("按单号和商品搜索订单,查看时间线", "searches by number and goods, and reads the timeline"),
        (
            f"找到 {len(found)} 和 {len(by_goods)} 单;{last_line(page, 'paid').zh}",
            f"{len(found)} and {len(by_goods)} found; {last_line(page, 'paid').en}",
        ),
    )
    return order_id


async def _thinks_twice(day: Day, customer: Customer, order_id: str) -> None:
    path = f"/mp/v1/orders/{order_id}"
    listed = (await customer.sees("/mp/v1/reasons"))["reasons"]
    day.tell(
        customer,
        ("想取消,看可选原因", "wants to cancel, and sees the reasons"),
        ("、".join(str(one["zh"]) for one in listed), ", ".join(str(one["en"]) for one in listed)),
    )
    told = await customer.does("POST", f"{path}/cancellation-preview", reason("changed-mind"))
    by = datetime.fromisoformat(str(told["undo_until"])).astimezone(CHINA)
    day.tell(
        customer,
        ("预览取消", "looks what cancelling would bring"),
        (
            f"退 {yuan(told['amount_minor'])},原路退回;{by:%H:%M:%S} 前可撤回",
            f"{yuan(told['amount_minor'])} back the way it came; can be taken back until {by:%H:%M:%S}",
        ),
    )
    case = await customer.does("POST", f"{path}/cancellation", reason("changed-mind"))
    undone = await customer.does("POST", f"{path}/cases/{case['case_id']}/withdrawal")
    page = await day.comes_to(customer, order_id, "paid")
    day.tell(
        customer,
        ("取消,马上又撤回", "cancels, and takes it back at once"),
        (f"{shown(undone['refusal']).zh};订单{state(page).zh}", f"{shown(undone['refusal']).en}; {state(page).en}"),
    )


async def _something_else(day: Day, customer: Customer, order_id: str) -> None:
    path = f"/mp/v1/orders/{order_id}/alternatives"
    offered = await customer.sees(path)
    similar = "、".join(str(one["name"]) for one in offered["similar"]) or "-"
    await _another_colour(day, customer, order_id)
    later = (datetime.now(UTC) + timedelta(days=5)).astimezone(CHINA).date().isoformat()
    day.tell(
        customer,
        ("看看有什么替代方案", "looks what else would help"),
        (f"可晚些送达;相似商品:{similar}", f"a later delivery; similar goods: {similar}"),
    )
    await customer.does("POST", path, {"kind": "later-delivery", "day": later})
    page = await customer.sees(f"/mp/v1/orders/{order_id}")
    day.tell(customer, (f"改为 {later} 送达", f"takes delivery on {later}"), last_line(page, "alternative-taken"))


async def _another_colour(day: Day, customer: Customer, order_id: str) -> None:
    """One piece is exchanged for another variant at the same price."""
    old, new = day.goods["cup"], day.goods["blue"]
    wish = {"kind": "exchange", "line_no": 2, "quantity": 1, "product_id": new.product_id}
    await customer.does("POST", f"/mp/v1/orders/{order_id}/alternatives", wish)
    page = await day.page_when(
        customer,
        f"/mp/v1/orders/{order_id}",
        "the goods are exchanged",
        lambda order: all(one["status"] != "open" for one in order["exchanges"]),
    )
    day.orders[order_id].pieces.update({old.product_id: -1, new.product_id: 1})
    day.tell(customer, ("换一个颜色", "takes another colour"), last_line(page, "goods-exchanged"))


async def _part(day: Day, customer: Customer, order_id: str) -> str:
    path = f"/mp/v1/orders/{order_id}"
    wish = reason("wrong-item") | {"lines": [{"line_no": 1, "quantity": 1}]}
    told = await customer.does("POST", f"{path}/cancellation-preview", wish)
    case = await customer.does("POST", f"{path}/cancellation", wish)
    page = await day.comes_to(customer, order_id, "paid")
    day.came_back(order_id, int(told["amount_minor"]), {"tea": 1}, "refund-on-its-way", "refund-arrived")
    day.tell(
        customer,
        ("取消其中一件", "cancels one piece"),
        last_line(page, "refund-arrived"),
    )
    return str(case["case_id"])


async def _rest(day: Day, customer: Customer, order_id: str) -> None:
    """The rest, while the order's live status is open."""
    promise = day.orders[order_id]
    rest = promise.paid_minor - promise.back_minor
    path = f"/mp/v1/orders/{order_id}"
    headers = {"Authorization": f"Bearer {customer.token}"}
    seen: list[Words] = []
    async with day.gateway.stream("GET", f"{path}/live", headers=headers, timeout=LIVE_SECONDS) as live:
        customer.asked.append(("GET", f"{path}/live"))
        if live.status_code != 200:
            raise UnexpectedAnswerError(f"GET {path}/live: {live.status_code}")
        async for line in live.aiter_lines():
            if not line.startswith("data: "):
                continue
            order = json.loads(line.removeprefix("data: "))
            if not seen:
                expect(await customer.ask("POST", f"{path}/cancellation", reason("wrong-item")), 202)
            if "state_in_words" in order and (not seen or seen[-1] != state(order)):
                seen.append(state(order))
            if order.get("state") == "cancelled":
                break
    await day.comes_to(customer, order_id, "cancelled")
    day.came_back(order_id, rest, {"tea": 1, "blue": 1}, "refund-on-its-way", "refund-arrived")
    day.tell(
        customer,
        ("取消其余商品,看着状态变化", "cancels the rest, and watches it move"),
        (" → ".join(one.zh for one in seen), " → ".join(one.en for one in seen)),
    )


async def _says_how_it_went(day: Day, customer: Customer, order_id: str, case_id: str) -> None:
    inbox = await day.page_when(
        customer,
        "/mp/v1/inbox",
        "the customer was told",
        lambda page: sum(one["order_id"] == order_id and bool(one["told_at"]) for one in page["notices"]) >= 4,
    )
    channels = "、".join(dict.fromkeys(str(one["channel"]) for one in inbox["notices"]))
    text = str(inbox["notices"][0]["title"])
    day.tell(customer, ("看消息", "reads the inbox"), (f"{text}({channels})", f"{text} ({channels})"))
    asked = await customer.sees("/mp/v1/questionnaire")
    answers = {one["word"]: day.chance.choice(one["choices"])["word"] for one in asked["questions"]}
    stars = day.chance.randint(3, 5)
    path = f"/mp/v1/orders/{order_id}"
    rating = {"questionnaire": asked["version"], "stars": stars, "answers": answers, "remark": "退款很快"}
    await customer.does("POST", f"{path}/cases/{case_id}/rating", rating)
    page = await customer.sees(path)
    day.tell(customer, (f"评价 {stars} 星", f"gives {stars} stars"), last_line(page, "cancellation-rated"))
    await customer.does("DELETE", path)
    left = (await customer.sees("/mp/v1/orders"))["orders"]
    day.tell(
        customer,
        ("从列表中删除这张订单", "takes the order out of the list"),
        (f"列表里还有 {len(left)} 单", f"{len(left)} left in the list"),
    )
