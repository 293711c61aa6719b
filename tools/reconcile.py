"""`tuidan reconcile`: one day of WeChat Pay's bills against our books, as a person types it.

Exit codes: 0 all agrees or was healed, 1 differences are open, 2 it could not be done."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import httpx
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.front import NotSignedIn, Refused, checked_address, said_by, token_in
from tools.stack.control import Stack, StackError
from tools.stack.home import current_home

AGREES, DIFFERS, NOT_DONE = 0, 1, 2
LOOK_EVERY_SECONDS = 0.5
ANSWER_SECONDS = 15.0
LINES_SHOWN = 100

Json = dict[str, Any]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

WORDS = {
    "fetching": "正在下载账单并核对 · fetching the bills and comparing",
    "healing": "正在向微信支付查询差异 · asking WeChat Pay about differences",
    "compared": "稍后再查一次 · waiting to ask again",
}


def run_reconcile(day: str, shop: str, gateway: str, token_file: Path | None, *, as_json: bool) -> None:
    """Reconcile a day at a gateway, or on the stack that is up, wait for its end, show it."""
    if not _DAY.fullmatch(day):  # it becomes part of an address, and would lead to another one
        _refuse(f"不是日期 · {day!r} is no day like 2026-11-01")
    address, headers, query = _door(gateway, token_file, shop)
    with httpx.Client(base_url=address, headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as http:
        raise typer.Exit(reconcile(http, day, query, as_json=as_json))


def _door(gateway: str, token_file: Path | None, shop: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Where to ask, as whom, and which shop. A gateway knows by the token who asks; the payment service is told."""
    if bool(gateway) != bool(token_file):
        _refuse("--gateway and --token-file belong together")
    try:
        if token_file:
            headers = {"Authorization": f"Bearer {token_in(token_file)}"}
            return f"{checked_address(gateway).rstrip('/')}/admin/v1", headers, {"shop": shop} if shop else {}
        return f"http://{Stack(current_home().root).address('payment')}", {}, {"shop": shop, "by": "tuidan"}
    except StackError as problem:
        _refuse(f"{problem}. Start it with: tuidan up, or name --gateway and --token-file")
    except NotSignedIn as problem:
        _refuse(str(problem))


def reconcile(
    http: httpx.Client,
    day: str,
    query: Mapping[str, str],
    *,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """The exit code. `http` speaks to the payment service, or to the gateway about it."""
    console = Console(stderr=True)
    try:
        with console.status(WORDS["fetching"]) as status:
            seen = _answer(http.post(f"/reconciliations/{day}", params=query))
            while seen["status"] in WORDS:
                status.update(f"{WORDS[seen['status']]} ({seen['open']})")
                sleep(LOOK_EVERY_SECONDS)
                seen = _answer(http.get(f"/reconciliations/{seen['reconciliation_id']}"))
        code = _code(seen)
    except httpx.TransportError as problem:
        return _cannot(f"{http.base_url} 没有响应 · does not answer: {problem}. On the stack see: tuidan status")
    except Refused as problem:
        return _cannot(str(problem))
    except KeyboardInterrupt:
        return _cannot("已中断,对账会继续 · interrupted; the reconciliation goes on by itself")
    if as_json:
        print(json.dumps(seen, ensure_ascii=False, indent=2))
    elif seen["status"] == "done":
        show(seen, Console())
    return code


def _answer(answer: httpx.Response) -> Json:
    document = said_by(answer)
    if answer.is_success:
        return document
    detail = document.get("detail")
    if isinstance(detail, dict):
        raise Refused("", f"{detail.get('zh')} · {detail.get('en')}")
    raise Refused("", f"{answer.status_code}: {answer.text[:200]}")


def _code(seen: Json) -> int:
    if seen["status"] == "unreadable":
        return _cannot(f"账单无法读取 · a bill cannot be read, nothing was changed: {seen['problem']}")
    if seen["status"] == "failed":
        again = f"{seen['wake_at']} (UTC)" if seen["wake_at"] else "不再自动重试 · not by itself any more"
        return _cannot(f"账单还拿不到 · the bills are not there: {seen['problem']}. 下次 · next try: {again}")
    is_cut = seen["found"] > len(seen["differences"])
    return DIFFERS if seen["open"] or is_cut else AGREES


def show(seen: Json, console: Console) -> None:
    """Both sides' counts and sums, then the differences, the open ones first."""
    console.print(f"[bold]{seen['day']}[/bold]  {seen['shop'] or 'house'}", highlight=False)
    console.print(_sums(seen["sums"]))
    others = [f"{one['word']} {one['count']}: {yuan(one['amount_minor'])}" for one in seen["sums"]["others"]]
    if others:
        console.print(f"其他资金 · other movements: {escape(', '.join(others))}", highlight=False)
    if not seen["sums"]["has_account"]:
        console.print("[yellow]无权下载资金账单,未核对 · no right to the fund-flow bill: not compared[/yellow]")
    if seen["sums"]["at_border"]:
        console.print(f"零点前后未核对 · too near to midnight: {seen['sums']['at_border']}", highlight=False)
    if not seen["differences"]:
        console.print("[green]一致 · everything agrees[/green]")
        return
    console.print(_differences(seen["differences"]))
    if seen["found"] > len(seen["differences"]):
        console.print(
            f"[red]共 {seen['found']} 条,只保留一部分 · {seen['found']} differences, only some are kept[/red]"
        )
    console.print(f"未处理 · open: {seen['open']}", highlight=False)


def _sums(sums: Json) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    for name in ("", "账单笔数 · bill", "元 · yuan", "我方笔数 · ours", "元 · yuan"):
        table.add_column(name, justify="left" if not name else "right")
    for name, bill, ours in (
        ("支付 · payments", sums["bill_payments"], sums["our_payments"]),
        ("退款 · refunds", sums["bill_refunds"], sums["our_refunds"]),
    ):
        counted = [str(bill["count"]), yuan(bill["amount_minor"]), str(ours["count"]), yuan(ours["amount_minor"])]
        table.add_row(name, *counted, style="red" if bill != ours else None)
    return table


def _differences(differences: list[Json]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    for name in ("#", "状态", "差异 · difference", "单号 · about", "账单 · bill", "我方 · ours", "说明 · remark"):
        table.add_column(name, overflow="fold")
    order = {"open": 0, "closed": 1, "healed": 2}
    chosen = sorted(differences, key=lambda one: (order[one["state"]], not one["loud"], one["n"]))[:LINES_SHOWN]
    for one in chosen:
        meaning = f"{one['meaning']['zh']}\n{one['meaning']['en']}"
        # What people and providers write may hold square brackets, which would be taken for a style.
        remark = escape("\n".join(text for text in (one["detail"], one["remark"]) if text))
        about = one["subject"] if one["subject"] == one["order_id"] else f"{one['subject']}\n{one['order_id']}".strip()
        style = "bold red" if one["loud"] and one["state"] == "open" else None
        amounts = (yuan(one["bill_minor"]), yuan(one["our_minor"]))
        table.add_row(str(one["n"]), one["state"], meaning, escape(about), *amounts, remark, style=style)
    if len(differences) > len(chosen):
        table.add_row("…", "", f"{len(differences) - len(chosen)} more: --json", "", "", "", "")
    return table


def yuan(minor: int | None) -> str:
    """Fen as yuan, a dash for nothing."""
    return "–" if minor is None else f"{minor // 100:,}.{minor % 100:02}"


def _cannot(text: str) -> int:
    sys.stderr.write(text + "\n")
    return NOT_DONE


def _refuse(text: str) -> NoReturn:
    raise typer.Exit(_cannot(text))
