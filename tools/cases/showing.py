"""Cases on the terminal: the list of those that wait, and one of them in plain words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tools.front import Json

Lang = Literal["both", "zh", "en"]
_FACTS = ("provider_code", "outcome", "attempt", "refund_number", "transfer_number", "next_try_at")
"""Of a line's details those that help whoever mends it; none of them tells who somebody is."""
_TITLES = {
    "stuck": "卡住的取消单 · cases without an answer",
    "parked": "等待商户余额 · cases that wait for the merchant's balance",
    "person": "等待人工 · cases that wait for a person",
    "approval": "等待审批 · cases that wait for approval",
}


def table(name: str, entries: Sequence[Json], now: datetime) -> Table:
    """A work list: where each case stands, for how long, what was tried."""
    shown = Table(title=_TITLES[name], title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in (
        "订单\norder",
        "取消单\ncase",
        "状态\nstate",
        "已等\nage",
        "次数\nattempts",
        "渠道码\nprovider code",
    ):
        shown.add_column(column, overflow="fold", justify="right" if "\na" in column else "left")
    shown.add_column("下次\nnext try", overflow="fold")
    for one in entries:
        shown.add_row(
            one["order_id"],
            one["case_id"],
            standing(one),
            lasted(one["age_seconds"]),
            str(one["attempts"]),
            one["last_provider_code"] or "–",
            next_try(one["next_try_at"], now),
        )
    return shown


def standing(case: Json) -> str:
    """Where a case stands: what it waits for, or its step."""
    if case["status"] != "open":
        return str(case["status"])
    return f"waits for {case['waits_for']}" if case["waits_for"] else str(case["step"] or "open")


def lasted(seconds: float) -> str:
    """A time span for people: `40 s`, `12 min`, `3 h 05 min`, `2 d 4 h`."""
    minutes = int(seconds) // 60
    if minutes < 1:
        return f"{int(seconds)} s"
    hours = minutes // 60
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def next_try(at: str | None, now: datetime) -> str:
    """When it is tried again by itself, to the second, UTC."""
    if not at:
        return "不再自动 · not by itself"
    due = datetime.fromisoformat(at)
    wait = (due - now).total_seconds()
    return f"{due:%m-%d %H:%M:%S} ({'in ' + lasted(wait) if wait >= 0 else 'due'})"


def story(order: Json, cases: Sequence[Json], tasks: Sequence[Json], now: datetime, lang: Lang) -> Iterator[str]:
    """An order and these of its cases, line by line: how it stands, what is to be done, what happened. Times: UTC."""
    total = money(order["total"]["amount_minor"], order["total"]["currency"])
    yield f"{order['order_id']}  {said(order['state_in_words'], lang)}  {total}"
    for case in cases:
        yield ""
        yield from _case(case, now, lang)
    for task in tasks:
        yield ""
        yield f"待办 · task {task['task_id']} ({task['kind']}): {', '.join(task['choices']) or '–'}"
        yield f"  {said(task, lang)}"
    yield ""
    ids = {case["case_id"] for case in cases}
    whole = len(cases) == len(order["cases"])
    for moment in order["timeline"]:
        if whole or moment["case_id"] in ids:
            yield _moment(moment, lang)


def said(words: Json, lang: Lang) -> str:
    """What stands in two languages, in one or both."""
    return f"{words['zh']} · {words['en']}" if lang == "both" else str(words[lang])


def money(amount_minor: int, currency: str) -> str:
    """An amount for people."""
    return f"{currency} {amount_minor / 100:,.2f}"


def _case(case: Json, now: datetime, lang: Lang) -> Iterator[str]:
    where = f"open, {standing(case)}" if case["status"] == "open" else case["status"]
    yield f"取消单 · case {case['case_id']}: {where} ({case['road']} road)"
    yield f"  {money(case['amount_minor'], case['currency'])}, {said(case['reason']['in_words'], lang)}"
    if case["status"] == "open":
        age = lasted((now - datetime.fromisoformat(case["accepted_at"])).total_seconds())
        code = f", 渠道码 · provider said {case['last_provider_code']}" if case["last_provider_code"] else ""
        yield f"  {age}, 已试 · attempts {case['attempts']}{code}"
        yield f"  下次 · next try: {next_try(case['next_try_at'], now)}"
    if case["waits_for_a_person"]:
        yield "  等待人工 · it waits for a person"
    if refund := case["refund"]:
        state = "已到账 arrived" if refund["settled_at"] else "已受理 accepted" if refund["accepted_at"] else "–"
        yield f"  退款 · refund {refund['number']}: {state}"


def _moment(moment: Json, lang: Lang) -> str:
    facts = [f"{name} {moment['detail'][name]}" for name in _FACTS if moment["detail"].get(name)]
    at = datetime.fromisoformat(moment["at"])
    about = f"  [{', '.join(facts)}]" if facts else ""
    return f"{at:%m-%d %H:%M:%S}  {said(moment['in_words'], lang)}{about}"
