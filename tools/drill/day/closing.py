"""The day ends: who did what, and everybody goes home."""

from __future__ import annotations

from services.gateway.passwords import STEP_SECONDS
from tools.drill.day.opening import rules_back
from tools.drill.day.telling import refusal
from tools.drill.day.world import Day
from tools.replay.knock import expect


async def closing(day: Day) -> None:
    """The audit trail, the rules of before, the sessions."""
    boss, keeper = day.staff["administrator"], day.staff["warehouse"]
    denied = expect(await keeper.ask("GET", "/admin/v1/audit"), 403)
    day.tell(keeper, ("想看操作审计", "tries to read the audit trail"), refusal(denied))
    entries = (await boss.sees("/admin/v1/audit", subject=day.shipped, limit="50"))["entries"]
    newest = entries[0]
    day.tell(
        boss,
        ("查看一张订单的操作审计", "reads who did what with an order"),
        (
            f"{len(entries)} 条;最近:{newest['staff']} {newest['method']} {newest['route']}",
            f"{len(entries)} entries; the newest: {newest['staff']} {newest['method']} {newest['route']}",
        ),
    )
    await keeper.change_password(ahead=STEP_SECONDS)
    day.tell(
        keeper,
        ("改自己的密码", "takes another password"),
        ("已更改,其他设备上的登录已退出", "done; signed out everywhere else"),
    )
    await rules_back(day)
    service, customer = day.staff["customer-service"], day.customers[0]
    await service.refresh()
    await customer.refresh()
    await service.sign_out()
    await customer.sign_out()
    gone = expect(await service.ask("GET", "/admin/v1/orders"), 401)
    day.tell(service, ("退出登录后再看订单", "signs out, and looks at orders once more"), refusal(gone))
