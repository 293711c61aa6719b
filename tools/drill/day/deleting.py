"""The administrator deletes what has been kept long enough: an export first, then a code, then the personal data go."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from tools.drill.day.telling import Words, shown, yuan
from tools.drill.day.world import Day
from tools.replay.knock import Json

DELETION = ("POST", "/admin/v1/orders/{order_id}/deletion")


async def deleting(day: Day) -> None:
    """The order that was delivered."""
    boss, order_id = day.staff["administrator"], day.shipped
    path = f"/admin/v1/orders/{order_id}/deletion"
    shown_first = await _looks(day, path)
    export = await boss.sees(f"/admin/v1/orders/{order_id}/export")
    lines = [str(line) for line in export["lines"]]
    checksum = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    await boss.does("POST", "/admin/v1/exports", {"order_ids": [order_id], "sha256": checksum})
    day.tell(
        boss,
        ("导出订单并登记校验值", "exports the order, registers the checksum"),
        (f"{checksum[:12]}…", f"{checksum[:12]}…"),
    )
    dry: Json = {"reason": "保存期已满", "dry_run": True}
    await boss.sees(f"/admin/v1/exports/{checksum}/deletion")
    would = await boss.does("POST", f"/admin/v1/exports/{checksum}/deletion", dry)
    outcome = str(would["orders"][0]["outcome"])
    await boss.sees("/admin/v1/exports/orders", before=datetime.now(UTC).isoformat(), limit="1")
    day.tell(boss, ("批量删除试运行", "tries the bulk deletion dry"), (outcome, outcome))
    back = await boss.does("POST", "/admin/v1/restorations", {"lines": lines, "dry_run": True})
    kept = str(back["orders"][0]["outcome"])
    day.tell(boss, ("校验导出文件能否恢复", "proves that the file could be restored"), (kept, kept))
    if shown_first["allowed"]:
        await _erase(day, path, checksum, int(shown_first["confirmation"]["amount_minor"]))


async def _looks(day: Day, path: str) -> Json:
    """What deleting would do, once nothing is under way any more."""
    boss = day.staff["administrator"]
    found = await day.page_when(
        boss,
        path,
        "nothing about the order is under way",
        lambda page: all(one["holds"] for one in page["rules"] if one["rule"] != "retention"),
    )
    if found["allowed"]:
        saw = Words(f"可以删除;将清除 {len(found['erases'])} 项", f"allowed; {len(found['erases'])} things would go")
    else:
        saw = shown(found["denied"][0])
        day.left_out[DELETION] = Words("订单须保存三年", "orders are kept for three years on this stack")
    day.tell(boss, ("查看能否删除", "looks whether it may be deleted"), saw)
    return found


async def _erase(day: Day, path: str, checksum: str, amount_minor: int) -> None:
    boss, customer = day.staff["administrator"], day.customers[1]
    code = await day.code_for(boss, "delete-order", day.shipped, amount_minor)
    wish = {"export_id": checksum, "reason": "保存期已满", "code": code}
    await boss.does("POST", path, wish)
    page = await boss.sees(f"/admin/v1/orders/{day.shipped}")
    day.tell(
        boss,
        ("输入确认码删除", "deletes with the code"),
        (
            f"{page['customer_id']}:个人信息已清除,实付 {yuan(page['paid_minor'])} 保留",
            f"{page['customer_id']}: personal data are gone, {yuan(page['paid_minor'])} stays in the books",
        ),
    )
    left = (await customer.sees("/mp/v1/orders"))["orders"]
    day.tell(customer, ("查看我的订单", "looks at the list"), (f"{len(left)} 单", f"{len(left)} orders"))
