"""The shop opens: accounts, goods, stock, a coupon, the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.gateway.roles import Role
from tools.drill.day.people import Member, role_words
from tools.drill.day.world import Day
from tools.replay.knock import Json

COUPON_MINOR = 500
COUPON_FROM_MINOR = 3_000
UNDO_SECONDS = 300

RULES: list[Json] = [
    {"name": "wrong-item", "who": ["customer"], "states": ["paid"], "codes": ["wrong-item"], "way": "allow"},
    {
        "name": "found-better",
        "who": ["customer"],
        "states": ["paid"],
        "codes": ["found-better"],
        "way": "approve",
        "approve_by": ["supervisor"],
    },
    {
        "name": "think-twice",
        "who": ["customer"],
        "states": ["paid"],
        "way": "allow",
        "undo_seconds": UNDO_SECONDS,
    },
    {
        "name": "service-paid",
        "who": ["customer-service"],
        "states": ["paid"],
        "way": "deny",
        "zh": "客服只能取消未付款的订单,请转交主管。",
        "en": "Customer service cancels unpaid orders only. Hand this one to a supervisor.",
    },
    {
        "name": "twice",
        "who": ["supervisor"],
        "states": ["paid"],
        "codes": ["duplicate"],
        "way": "approve",
        "approve_by": ["finance"],
    },
    {
        "name": "large",
        "who": ["supervisor"],
        "states": ["paid"],
        "codes": ["fault"],
        "way": "approve",
        "approve_by": ["finance"],
        "code": True,
    },
    {"name": "anything", "way": "allow"},
]
"""What becomes of a wish depends on its reason, so that one day shows every way."""


async def opening(day: Day) -> None:
    """Staff, goods, rules."""
    await _hire(day)
    await _stock(day)
    await _reasons(day)
    await _decide(day)


async def _hire(day: Day) -> None:
    boss = day.staff["administrator"]
    for role, member in day.staff.items():
        if member is not boss:
            await _account(day, boss, member)
            day.tell(
                member,
                ("用密码和动态验证码登录", "signs in with password and second factor"),
                (f"已登录,岗位:{role_words(_role(role)).zh}", f"signed in as {role_words(_role(role)).en}"),
            )
    staff = (await boss.sees("/admin/v1/staff", limit="500"))["staff"]
    ours = [one for one in staff if str(one["staff_id"]).endswith(day.mark)]
    one = await boss.sees(f"/admin/v1/staff/{day.staff['finance'].staff_id}")
    day.tell(
        boss,
        ("查看员工账号", "looks at the accounts"),
        (f"今天 {len(ours)} 人;{one['name']} 电话 {one['phone']}", f"{len(ours)} today; {one['name']}: {one['phone']}"),
    )


def _role(word: str) -> Role:
    return word  # type: ignore[return-value]


async def _account(day: Day, boss: Member, member: Member) -> None:
    """An account; customer service loses the note with the secrets, and gets others."""
    path = f"/admin/v1/staff/{member.staff_id}"
    wish = {"name": member.name, "role": member.duty, "phone": member.phone}
    made = await boss.does("PUT", path, wish)
    if member.duty == "customer-service":
        made = await boss.does("POST", f"{path}/secrets")
    await member.sign_in(str(made["password"]), str(made["otpauth"]))
    role = role_words(member.duty)
    day.tell(
        boss,
        (f"为{member.name}开通账号({role.zh})", f"makes an account for {member.name} ({role.en})"),
        ("密码和验证器密钥只显示这一次", "password and second factor are shown this once"),
    )


async def _stock(day: Day) -> None:
    keeper, senior = day.staff["warehouse"], day.staff["supervisor"]
    goods = list(day.goods.values())
    listed = [
        {
            "product_id": one.product_id,
            "name": one.name,
            "category": one.category,
            "offers_minor": [one.price_minor],
            "currency": "CNY",
            "variant_of": one.variant_of,
        }
        for one in goods
    ]
    answer = await senior.does("POST", "/admin/v1/products", {"products": listed})
    day.tell(
        senior, ("上架商品", "puts goods on sale"), (f"已上架 {answer['listed']} 种", f"{answer['listed']} listed")
    )
    booked = [{"receipt_id": one.product_id, "product_id": one.product_id, "quantity": one.opening} for one in goods]
    await keeper.does("POST", "/admin/v1/stock-receipts", {"receipts": booked})
    for one in goods:
        path = f"/admin/v1/stock/{one.product_id}"

        async def there(path: str = path) -> Json | None:
            answer = await keeper.ask("GET", path)
            return answer.json() if answer.status_code == 200 and answer.json()["available"] else None

        shelf = await day.until(f"{one.name} is on the shelf", there)
        day.tell(
            keeper,
            (f"{one.name}入库 {one.opening} 件", f"books in {one.opening} of {one.name}"),
            (f"可售 {shelf['available']} 件", f"{shelf['available']} can be sold"),
        )
    await keeper.sees("/admin/v1/stock", limit="50")
    coupon = f"DAY-{day.mark}"
    await senior.does(
        "PUT", f"/admin/v1/coupons/{coupon}", {"amount_minor": COUPON_MINOR, "minimum_minor": COUPON_FROM_MINOR}
    )
    day.tell(senior, ("发放满减券", "makes a coupon"), (f"{coupon}:满 30 减 5", f"{coupon}: 5 off from 30 on"))
    customer = day.customers[0]
    await customer.sign_in()
    last = max(one.product_id for one in goods)

    async def on_sale() -> Json | None:
        page = await customer.sees("/mp/v1/products", after=f"day-{day.mark}", limit="50")
        return page if any(one["product_id"] == last for one in page["products"]) else None

    await day.until("the goods are on sale", on_sale)


async def _reasons(day: Day) -> None:
    """The next version of the list, with the same reasons: old cases keep theirs, and nobody is surprised."""
    senior = day.staff["supervisor"]
    known = await senior.sees("/admin/v1/reasons")
    wish = {"reasons": known["reasons"], "instead_of": known["version"], "note": "tuidan drill day"}
    saved = await senior.does("POST", "/admin/v1/reasons", wish)
    page = await senior.sees(f"/admin/v1/reasons/{saved['version']}")
    day.tell(
        senior,
        ("发布新版取消原因", "publishes the reasons for cancelling"),
        (
            f"第 {page['version']} 版,{len(page['reasons'])} 个原因",
            f"version {page['version']}, {len(page['reasons'])} reasons",
        ),
    )


async def _decide(day: Day) -> None:
    senior = day.staff["supervisor"]
    known = await senior.sees("/admin/v1/policies")
    saved = await senior.does("POST", "/admin/v1/policies", {"rules": RULES, "note": "tuidan drill day"})
    version, now = int(saved["version"]), datetime.now(UTC)
    period = {"since": (now - timedelta(days=7)).isoformat(), "until": now.isoformat()}
    past = await senior.does("POST", f"/admin/v1/policies/{version}/preview", period)
    day.tell(
        senior,
        ("保存今天的取消规则,并用过去一周试算", "saves the day's rules and tries them on last week"),
        (
            f"第 {version} 版:{past['cases']} 张取消单中 {past['changed']} 张会有不同结果",
            f"version {version}: {past['changed']} of {past['cases']} cancellations would have been decided otherwise",
        ),
    )
    day.policies = (int(known["active"]), version)
    active = await senior.does("POST", f"/admin/v1/policies/{version}/activation", {"instead_of": day.policies[0]})
    page = await senior.sees(f"/admin/v1/policies/{version}")
    day.tell(
        senior,
        ("启用", "switches them on"),
        (
            f"第 {active['active']} 版生效,{len(page['rules'])} 条",
            f"version {active['active']}, {len(page['rules'])} rules",
        ),
    )


async def rules_back(day: Day) -> None:
    """Let the rules decide that decided before the day, if nobody else has switched meanwhile."""
    if day.policies is None:
        return
    before, ours = day.policies
    if before != ours:
        senior = day.staff["supervisor"]
        await senior.ask("POST", f"/admin/v1/policies/{before}/activation", {"instead_of": ours})
    day.policies = None
