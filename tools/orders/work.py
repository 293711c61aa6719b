"""What `tuidan orders` does: export, delete, restore. Every one may be stopped and started again."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx

from tools.front import Json, Refused
from tools.orders import files
from tools.orders.door import Door
from tools.orders.files import Damaged, Export

DONE, REFUSED, NOT_DONE = 0, 1, 2

TOO_OFTEN = "codes-too-often"
WAIT_MAX_SECONDS = 180
"""For the next code. Whoever signed in is known for a quarter of an hour: after a longer wait nobody would be."""

Say = Callable[[str], None]
Pause = Callable[[float], Awaitable[object]]
AskCode = Callable[[Export, int, str], str]
"""The code for deleting the orders of an export, worth so many fen; it was sent to this phone. Raises NoCode."""


class NoCode(Exception):
    """Nobody gave the code that was asked for."""


class NoMoreCodes(Exception):
    """No code is sent before so many minutes have passed."""

    def __init__(self, minutes: int) -> None:
        super().__init__(minutes)
        self.minutes = minutes


async def export(door: Door, before: str, out: Path, say: Say) -> int:
    """Write, prove and register exports of everything that is finished and was placed before a time."""
    return await _guarded(_export(door, before, out, say), say)


async def delete(
    door: Door, before: str, out: Path, reason: str, ask_code: AskCode, say: Say, *, pause: Pause = asyncio.sleep
) -> int:
    """Export, then delete what the rules let go; tell what was refused by which rule."""
    return await _guarded(_delete(door, before, out, reason, ask_code, say, pause), say)


async def delete_dry(door: Door, before: str, say: Say) -> int:
    """Tell what a deletion would do. Nothing is written anywhere."""
    return await _guarded(_delete_dry(door, before, say), say)


async def restore(door: Door, paths: Sequence[Path], say: Say, *, dry_run: bool) -> int:
    """Prove all files, then put their orders back."""
    return await _guarded(_restore(door, paths, say, dry_run=dry_run), say)


async def _export(door: Door, before: str, out: Path, say: Say) -> int:
    count = 0
    async for page in door.orders(before):
        written = await _proven(door, page, out)
        count += len(written.lines)
        say(f"已导出 · exported {count}: {written.path}")
    say(f"共导出 · exported in all: {count}")
    return DONE


async def _delete(door: Door, before: str, out: Path, reason: str, ask_code: AskCode, say: Say, pause: Pause) -> int:
    outcomes: Counter[str] = Counter()
    async for page in door.orders(before):
        allowed = await _allowed(door, page, outcomes, say)
        if allowed:
            written = await _proven(door, allowed, out)
            amount_minor = await door.total(written)
            sent_to = await _code_sent(door, written, amount_minor, say, pause)
            found = await door.delete(written, reason, ask_code(written, amount_minor, sent_to))
            _tell_refusals(found, say)
            outcomes.update(one["outcome"] for one in found)
        say(_summary(outcomes))
    return _ended(outcomes, say)


async def _code_sent(door: Door, written: Export, amount_minor: int, say: Say, pause: Pause) -> str:
    """Where the code went. Each page of orders needs one, and they are sent at most once a minute: whoever gives the
    first one quickly waits for the second. Raises NoMoreCodes when those of the hour or the day are used up."""
    while True:
        try:
            return await door.send_code(written, amount_minor)
        except Refused as refusal:
            if refusal.code != TOO_OFTEN or not refusal.retry_after:
                raise
            if refusal.retry_after > WAIT_MAX_SECONDS:
                raise NoMoreCodes(math.ceil(refusal.retry_after / 60)) from refusal
            say(
                f"{refusal.retry_after:.0f} 秒后发送下一个确认码 · the next code is sent in {refusal.retry_after:.0f} s"
            )
            await pause(refusal.retry_after)


async def _delete_dry(door: Door, before: str, say: Say) -> int:
    outcomes: Counter[str] = Counter()
    async for page in door.orders(before):
        outcomes["would-be-erased"] += len(await _allowed(door, page, outcomes, say))
        say(_summary(outcomes))
    return _ended(outcomes, say)


async def _restore(door: Door, paths: Sequence[Path], say: Say, *, dry_run: bool) -> int:
    exports = [files.read(path) for path in paths]  # all of them, before anything is put back
    outcomes: Counter[str] = Counter()
    total = sum(len(export.lines) for export in exports)
    for one in exports:
        async for found in door.restore(one, dry_run=dry_run):
            outcomes.update(order["outcome"] for order in found)
            for order in found:
                if order["outcome"] in ("refused", "damaged"):
                    say(f"{order['order_id']}: {order['outcome']} {order.get('reason') or order.get('en', '')}")
            say(f"{sum(outcomes.values())}/{total}  {_summary(outcomes)}")
    return REFUSED if outcomes["refused"] or outcomes["damaged"] else DONE


async def _allowed(door: Door, page: Sequence[Json], outcomes: Counter[str], say: Say) -> list[Json]:
    """The orders that no rule denies to delete; the others are told and counted."""
    allowed = []
    for one in page:
        view = await door.would_delete(one["order_id"])
        if view["allowed"]:
            allowed.append(one)
        else:
            outcomes["refused"] += 1
            _tell_refusals([{"order_id": one["order_id"], "rules": view["denied"]}], say)
    return allowed


async def _proven(door: Door, page: Sequence[Json], out: Path) -> Export:
    """A file of these orders, read back and registered."""
    written = files.write(out, [(one["order_id"], one["sha256"], one["state"]) for one in page])
    await door.register(written)
    return written


def _ended(outcomes: Counter[str], say: Say) -> int:
    if not outcomes:
        say("没有可处理的订单 · there is nothing to delete")
    return REFUSED if outcomes["refused"] else DONE


async def _guarded(work: Awaitable[int], say: Say) -> int:
    try:
        return await work
    except Refused as problem:
        say(f"{problem}")
    except NoCode:
        say("没有输入确认码,可重新执行 · no code was given: these orders were not deleted, run it again")
    except NoMoreCodes as used_up:
        say(
            f"确认码已用完,{used_up.minutes} 分钟后重新登录并执行,已删除的不受影响 · no more codes for now: sign in "
            f"and run it again in {used_up.minutes} min; what was deleted stays so, the rest is as it was"
        )
    except Damaged as problem:
        say(f"文件已损坏,未恢复任何订单 · the file is damaged, nothing was put back: {problem}")
    except OSError as problem:
        say(f"文件无法读写 · a file cannot be read or written: {problem}")
    except httpx.TransportError as problem:
        say(f"网关没有响应,可重新执行 · the gateway does not answer, run it again: {problem}")
    return NOT_DONE


def _tell_refusals(found: Sequence[Json], say: Say) -> None:
    for one in found:
        for rule in one["rules"]:
            say(f"{one['order_id']}: {rule['rule']}: {rule['zh']} · {rule['en']}")


def _summary(outcomes: Counter[str]) -> str:
    return ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items()))
