"""`tuidan drill restore`, from the first order to the verdict."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table

from contracts.zone import CHINA
from services.payment.reconciliation_record import first_without_bill
from tools.backup.crosscheck import compare
from tools.backup.folder import Manifest, check_files
from tools.backup.place import forget_topics, stack_mongo
from tools.drill import DEFAULT_PACE
from tools.drill.course import DOORS, Place
from tools.drill.doors import Doors, opened
from tools.drill.ledger import Ledger, Movement
from tools.drill.reading import read_ledger
from tools.drill.report import new_table, print_verdict
from tools.drill.restoring import (
    Loss,
    Shopping,
    Story,
    compare_with_the_provider,
    loss_plan,
    printed,
    put_back,
    stories,
    until_the_loss,
)
from tools.drill.restoring_judge import Found, figures, judge
from tools.drill.settle import Say, stand
from tools.own_stack import on_own_stack
from tools.replay.judge.sides import Check
from tools.replay.knock import Pace
from tools.replay.report import yuan
from tools.stack import down, up
from tools.stack.display import UpDisplay
from tools.stack.home import Home

PATIENCE_SECONDS = 60.0


def run_restore_drill(loss: Loss, *, keep: bool) -> None:
    """Exit codes as of every drill."""
    on_own_stack(lambda root, console: _drilled(Home(root), loss, console), keep=keep)


def _drilled(home: Home, loss: Loss, console: Console) -> bool:
    home.make()
    say, folder, all = printed(console), home.root / "backup", stories(loss)
    pace = replace(DEFAULT_PACE, patience=PATIENCE_SECONDS)
    stack = _up(home, console)
    manifest = asyncio.run(until_the_loss(stack, all, folder, pace, say))
    forgotten = asyncio.run(_taken_since(stack, manifest, pace))
    agreement = compare(folder, check_files(folder, lambda _: None))
    whole = Check(("备份中各服务一致", "the services agree with each other in the backup"), compared=agreement.orders)
    whole.differences += agreement.differences
    say("停机,数据库丢失,恢复备份 · stopped, the database is lost, the backup is put back …")
    down(home.root)
    shutil.rmtree(home.data("mongo"))
    began = time.monotonic()
    with stack_mongo(home, may_be_up=False) as url:
        asyncio.run(put_back(url, folder))
    forget_topics(home)
    took = time.monotonic() - began
    stack = _up(home, console)
    found = asyncio.run(_afterwards(stack, all, forgotten, manifest, replace(pace, patience=loss.patience), say))
    console.print(_sizes(manifest, took, found))
    console.print(_fates(found))
    checks = [whole, *judge(found)]
    print_verdict(checks, console)
    return all_agree(checks)


def all_agree(checks: list[Check]) -> bool:
    """Whether no line found a violation."""
    return all(check.agrees for check in checks)


def _up(home: Home, console: Console) -> Place:
    with UpDisplay(console) as display:
        return up(home.root, plan=loss_plan, progress=display.show)


async def _taken_since(place: Place, manifest: Manifest, pace: Pace) -> dict[str, str]:
    """Refund numbers that the provider took after the backup, with their orders."""
    async with opened({name: place.address(name) for name in DOORS}, pace) as doors:
        ledger, by_order = await _ledger(doors)
    owners = {moved.number: order for order, several in by_order.items() for moved in several}
    since = manifest.taken_at
    return {
        moved.number: owners[moved.number]
        for moved in ledger.movements.values()
        if moved.accepted and datetime.fromisoformat(moved.first_at) >= since
    }


async def _ledger(doors: Doors) -> tuple[Ledger, dict[str, list[Movement]]]:
    """The ledger, and its movements by order."""
    ledger, owners = await read_ledger(doors), {}
    async for line in doors.outside.money():
        if number := line.get("out_refund_no"):
            owners[str(number)] = str(line["out_trade_no"])
    by_order: defaultdict[str, list[Movement]] = defaultdict(list)
    for number, moved in ledger.movements.items():
        by_order[owners.get(number, "")].append(moved)
    return ledger, by_order


async def _afterwards(
    place: Place, all: list[Story], forgotten: Mapping[str, str], manifest: Manifest, pace: Pace, say: Say
) -> Found:
    async with opened({name: place.address(name) for name in DOORS}, pace) as doors:
        shopping = Shopping(doors, all)
        count = await shopping.each(["again", "by-hand", "two", "lost", "new"], shopping.cancel_again)
        say(f"恢复后再次取消 · cancelled, many of them again, after the restore: {count}")
        await shopping.each(["new"], shopping.until_ended)
        say("从未退过款的订单已退款 · what was never refunded did not have to wait")
        held = await _held(doors)
        days = _days(manifest, await doors.provider.now())
        reconciled = await compare_with_the_provider(doors, days, pace.patience)
        say("账单已核对 · the bills are compared")
        open_cases = await _rest(doors, pace, say)
        ledger, by_order = await _ledger(doors)
        orders = {
            story.order_id: await doors.order_page(story.order_id)
            for story in all
            if story.fate != "lost" and story.order_id
        }
        payments = {id: await doors.payment_page(id) for id in orders}
        stock = await doors.shop.recount()
    return Found(
        stories=all,
        movements=by_order,
        forgotten=forgotten,
        orders=orders,
        payments=payments,
        days=reconciled,
        held=held,
        violations=ledger.violations,
        open_cases=open_cases,
        stock=[str(one) for one in stock["differences"]],
    )


def _days(manifest: Manifest, now: str) -> list[str]:
    first, last = first_without_bill(manifest.taken_at), datetime.fromisoformat(now).astimezone(CHINA).date()
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


async def _held(doors: Doors) -> int:
    """How many calls payment has held back since the restore."""
    text = (await doors.payment.ask("GET", "/metrics")).text
    name = 'tuidan_payment_refunds_held_total{code="RESTORED"} '
    return sum(int(float(line.removeprefix(name))) for line in text.splitlines() if line.startswith(name))


async def _rest(doors: Doors, pace: Pace, say: Say) -> list[str]:
    """Wait until every open case waits for a person; what does not, is named."""

    async def still() -> bool | None:
        now = await stand(doors)
        return True if now.open == now.waiting else None

    try:
        await pace.again(still)
    except TimeoutError:
        say("等待到时 · patience is over")
    return [
        f"{case['case_id']}: open at '{case['step']}'"
        async for case in doors.open_cases()
        if not case["waits_for_a_person"]
    ]


def _sizes(manifest: Manifest, took: float, found: Found) -> Table:
    table = new_table(("备份与恢复", "backup and restore"), "", "")
    kinds = [str(one["kind"]) for day in found.days for one in day["differences"]]
    rows = {
        "文档 documents": sum(part.documents for part in manifest.parts),
        "集合 collections": len(manifest.parts),
        "字节 bytes": sum(part.bytes for part in manifest.parts),
        "备份毫秒 backup, ms": int((manifest.finished_at - manifest.taken_at).total_seconds() * 1000),
        "恢复毫秒 restore, ms": int(took * 1000),
        "备份后退款 refunds made since": len(found.forgotten),
        "暂缓的退款调用 refund calls held back": found.held,
        **{f"对账差异 difference {kind}": kinds.count(kind) for kind in sorted(set(kinds))},
    }
    for name, value in rows.items():
        table.add_row(name, f"{value:,}")
    return table


def _fates(found: Found) -> Table:
    columns = ("订单\norders", "被拒\nrefused", "应退（元）\nwanted, yuan", "已退（元）\nwent back, yuan")
    table = new_table(("订单的命运", "what became of the orders"), "", *columns)
    for fate, (orders, refused, wanted, got) in figures(found).items():
        table.add_row(fate, f"{orders:,}", f"{refused:,}", yuan(wanted), yuan(got))
    return table
