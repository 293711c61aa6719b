"""A tree of messages on the terminal and for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools import masking
from tools.cases.showing import money
from tools.trace.weaving import Knot, walked

SUMMARY_MAX = 110
_LEFT_OUT = frozenset({"order_id", "customer_id", "customer_group", "fingerprint", "request_id", "case_id"})
"""What every line would repeat, or what says nothing to a person."""


def lines(order_id: str, roots: Sequence[Knot]) -> Iterator[str]:
    """The tree, a line per message: when it was decided (UTC), who said it, on which topic, what it says."""
    every = [knot for knot in walked(roots) if knot.wire]
    first, last = min(knot.at for knot in every), max(knot.at for knot in every)
    yield f"{order_id}: {len(every)} 条消息 · messages, {first:%Y-%m-%d %H:%M:%S} – {last:%Y-%m-%d %H:%M:%S} UTC"
    for root in roots:
        yield from _branch(root, order_id, "", "")


def nested(order_id: str, knot: Knot) -> dict[str, Any]:
    """A knot and what is below it, for programs. `message` is empty where only `service` heard the cause."""
    return {
        "id": knot.id,
        "cause": knot.cause,
        "at": knot.at.isoformat(),
        "service": knot.service,
        "message": knot.wire,
        "place": f"{knot.topic}:{knot.partition}:{knot.offset}" if knot.wire else "",
        "case_id": knot.case,
        "summary": summary(order_id, knot),
        "times": knot.times,
        "effects": knot.effects,
        "died": knot.died,
        "replayed": knot.replayed,
        "children": [nested(order_id, child) for child in knot.children],
    }


def summary(order_id: str, knot: Knot) -> str:
    """What a message says, on one line, without anything about who somebody is."""
    if not knot.wire:
        return ""
    data = masking.shown(knot.wire, knot.body)
    if not isinstance(data, Mapping):
        return str(data)
    case = knot.case.removeprefix(order_id)
    said = ", ".join((*([f"case {case}"] if case else []), *_facts(data))).replace(order_id, "")
    return said if len(said) <= SUMMARY_MAX else f"{said[: SUMMARY_MAX - 1]}…"


def _facts(data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data.items():
        if name in _LEFT_OUT or name.endswith("_at") or value in (None, "", [], {}, False):
            continue
        if isinstance(value, Mapping):
            if inside := _inside(value):
                yield f"{name} {inside}"
        elif isinstance(value, list):
            yield f"{name} {len(value)}"
        elif not (isinstance(value, str) and ("*" in value or "<" in value)):  # masked, or only a shape
            yield f"{name} {value}"


def _inside(value: Mapping[str, Any]) -> str:
    if {"amount_minor", "currency"} <= value.keys():
        return money(value["amount_minor"], value["currency"])
    return str(next((value[name] for name in ("code", "kind") if name in value), ""))


def _branch(knot: Knot, order_id: str, before: str, below: str) -> Iterator[str]:
    yield f"{knot.at:%m-%d %H:%M:%S}.{knot.at.microsecond // 1_000:03}  {before}{_told(knot, order_id)}"
    for child in knot.children:
        here, further = ("└ ", "  ") if child is knot.children[-1] else ("├ ", "│ ")
        yield from _branch(child, order_id, below + here, below + further)


def _told(knot: Knot, order_id: str) -> str:
    if not knot.wire:
        return f"{knot.service}: 请求、定时或渠道回报 · a request, a timer, or word from outside"
    after = f"  (经 {knot.effects} 次执行 · after {knot.effects} effect)" if knot.effects else ""
    marks = [f"说了 {knot.times} 次 · said {knot.times} times"] if knot.times > 1 else []
    marks += [f"✗ 死信 · died: {death}" for death in knot.died]
    marks += [f"↻ 重放 · replayed {replay}" for replay in knot.replayed]
    return f"{knot.service} → {knot.topic}  {knot.wire}  {summary(order_id, knot)}{after}" + "".join(
        f"  [{mark}]" for mark in marks
    )
