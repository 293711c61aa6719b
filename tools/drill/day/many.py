"""Several cases that stand still are set going at once: listed, looked at in a dry run, and done."""

from __future__ import annotations

from tools.drill.day.telling import Words, last_line, shown, yuan
from tools.drill.day.trouble import refused
from tools.drill.day.world import Day
from tools.replay.knock import Json, UnexpectedAnswerError

BULK = "/admin/v1/tasks/resolutions"


async def many(day: Day) -> None:
    """Two refunds that were refused go another way with one command."""
    customer, finance = day.customers[3], day.staff["finance"]
    tasks: list[Json] = []
    for name in ("tea", "cup"):
        order_id = await day.buys(customer, {name: 1})
        async with day.trouble(order_id, kind="error-before", http=403, code="NO_AUTH"):
            tasks.append(await refused(day, customer, order_id))
    orders = [str(task["task_id"]).rsplit("-", 2)[0] for task in tasks]
    listed = (await finance.sees("/admin/v1/cases", list="person", limit="500"))["cases"]
    mine = [one for one in listed if one["order_id"] in orders]
    if len(mine) != len(orders):
        raise UnexpectedAnswerError(f"GET /admin/v1/cases?list=person: {len(mine)} of {len(orders)} cases are there")
    codes = "、".join(dict.fromkeys(str(one["last_provider_code"]) for one in mine))
    day.tell(
        finance,
        ("看需要人处理的取消单", "looks at the cases that wait for a person"),
        (f"{len(mine)} 张,微信支付最后返回 {codes}", f"{len(mine)}; WeChat Pay said last: {codes}"),
    )
    wish: Json = {"command": "other-route", "note": "权限已恢复", "task_ids": [one["task_id"] for one in tasks]}
    dry = await finance.does("POST", BULK, wish | {"dry_run": True})
    would = shown(dry["tasks"][0]["in_words"])
    total = yuan(sum(int(one["amount_minor"]) for one in dry["sums"]))
    day.tell(
        finance,
        ("批量处理前先试运行", "makes a dry run first"),
        (f"{dry['count']} 张,共 {total}:{would.zh}", f"{dry['count']}, {total} in all: {would.en}"),
    )
    done = await finance.does("POST", BULK, wish | {"digest": dry["digest"]})
    counts = Words(f"完成 {done['count']},拒绝 {done['refused']}", f"{done['count']} done, {done['refused']} refused")
    day.tell(finance, ("执行", "does it"), counts)
    for order_id, name in zip(orders, ("tea", "cup"), strict=True):
        page = await day.comes_to(customer, order_id, "cancelled")
        paid = day.orders[order_id].paid_minor
        day.came_back(order_id, paid, {name: 1}, "refund-on-its-way", "refund-arrived")
        day.tell(customer, ("查看订单", "looks at the order"), last_line(page, "refund-arrived"))
