"""Finance reads the figures, and compares WeChat Pay's bill of the day with the books."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from contracts.zone import CHINA
from tools.drill.day.telling import Words, shown, yuan
from tools.drill.day.world import Day
from tools.replay.knock import Json

READY = time(10, 30)
"""When a bill is there, the day after."""
CLOSING = ("POST", "/admin/v1/reconciliations/{shop}/{day}/differences/{n}/close")


async def books(day: Day) -> None:
    """Figures first, then the bill."""
    await _figures(day)
    await _reconcile(day)


async def _figures(day: Day) -> None:
    finance, keeper = day.staff["finance"], day.staff["warehouse"]
    whole = await finance.sees("/admin/v1/summary")
    day.tell(
        finance,
        ("看总账", "reads the totals"),
        (
            f"{whole['orders']['count']} 单,实收 {yuan(whole['paid_minor'])},已退 {yuan(whole['refunded_minor'])}",
            f"{whole['orders']['count']} orders, {yuan(whole['paid_minor'])} in, {yuan(whole['refunded_minor'])} back",
        ),
    )
    saved = (await finance.sees("/admin/v1/figures/cancellations", by="reason"))["rows"]
    rows = "、".join(f"{one['key']} {one['count']}" for one in saved)
    day.tell(finance, ("按原因看取消", "reads cancellations by reason"), (rows, rows))
    order_id = next(id for id, promise in day.orders.items() if promise.customer is day.customers[3])
    notices = (await finance.sees("/admin/v1/notices", order_id=order_id))["notices"]
    tried = "、".join(f"{one['channel']} {one['result']}" for one in notices[0]["tried"])
    day.tell(finance, (f"看通知:{notices[0]['title']}", "reads what a customer was told"), (tried, tried))
    counted = await keeper.does("POST", "/admin/v1/stock/recount")
    day.tell(
        keeper,
        ("盘点", "recounts"),
        (
            f"{counted['products']} 种商品,差异 {len(counted['differences'])}",
            f"{counted['products']} products, {len(counted['differences'])} differences",
        ),
    )


async def _reconcile(day: Day) -> None:
    """The sandbox's clock goes on to the next morning; where it is ahead already, today's bill is one of before."""
    finance = day.staff["finance"]
    now = datetime.fromisoformat(str((await day.sandbox("GET", "/_control/clock"))["now"])).astimezone(CHINA)
    today = datetime.now(UTC).astimezone(CHINA).date()
    is_ours, before = now.date() == today, await day.sandbox("GET", "/_control/bills")
    if is_ours:
        morning = datetime.combine(today + timedelta(days=1), READY, CHINA)
        await day.sandbox("PUT", "/_control/bills", {"add_unknown": 1})
        await day.sandbox("POST", "/_control/clock", {"advance_seconds": (morning - now).total_seconds()})
    path = f"/admin/v1/reconciliations/house/{today}"
    try:
        await finance.does("POST", f"/admin/v1/reconciliations/{today}")
        found = await day.page_when(finance, path, "the day is reconciled", lambda page: page["status"] == "done")
    finally:
        await day.sandbox("PUT", "/_control/bills", before)
    await finance.sees("/admin/v1/reconciliations", limit="10")
    sums = found["sums"]
    day.tell(
        finance,
        (f"次日早上核对 {today} 的账单", f"compares the bill of {today} the next morning"),
        (
            f"账单收款 {yuan(sums['bill_payments']['amount_minor'])},我方 "
            f"{yuan(sums['our_payments']['amount_minor'])};未结差异 {found['open']}",
            f"paid by the bill {yuan(sums['bill_payments']['amount_minor'])}, by us "
            f"{yuan(sums['our_payments']['amount_minor'])}; {found['open']} differences open",
        ),
    )
    strange = [one for one in found["differences"] if one["kind"] == "order-unknown" and one["state"] == "open"]
    for one in strange[:1]:
        await _close(day, path, one)
    if not strange:
        day.left_out[CLOSING] = Words(
            "沙箱的时钟已在未来,当天账单没有差异可处理",
            "the sandbox's clock is ahead already: the bill has no difference to close",
        )


async def _close(day: Day, path: str, difference: Json) -> None:
    finance = day.staff["finance"]
    closed = await finance.does(
        "POST", f"{path}/differences/{difference['n']}/close", {"remark": "已向微信支付核实,与本店无关"}
    )
    meaning = shown(closed["meaning"])
    day.tell(
        finance,
        (f"处理差异:{meaning.zh}", f"deals with a difference: {meaning.en}"),
        ("已关闭", "closed"),
    )
