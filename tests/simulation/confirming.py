"""Confirmation codes as the staff meet them: ask for one, read the short message, give it; or give another one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.people import Door

Json = dict[str, Any]

AGAIN_SECONDS = 71.0
"""Between two codes for one person lies a good minute."""
LASTS_SECONDS = 301.0
WRONG = "000000"
LINES_MAX = 10_000


async def code_for(door: Door, who: str, action: str, order_id: str, amount_minor: int, how: str = "right") -> str:
    """A code for this: `right`, `wrong` (a guess), `late` (given when it counts no more), `other` (asked for another
    amount), `none` (nobody asked). Empty when none came."""
    if how in ("wrong", "none"):
        return WRONG
    amount_minor += how == "other"
    body = {"action": action, "order_id": order_id, "amount_minor": amount_minor}
    since = await _newest(door)
    status, _ = await door.ask(who, "POST", "/admin/v1/codes", body, what="code", order=order_id)
    if status == 429:
        await asyncio.sleep(AGAIN_SECONDS)
        status, _ = await door.ask(who, "POST", "/admin/v1/codes", body, what="code", order=order_id)
    if status != 202:
        return ""
    code = await _read(door, who, since)
    if how == "late":
        await asyncio.sleep(LASTS_SECONDS)
    return code


async def _newest(door: Door) -> int:
    _, book = await door.sandbox("GET", f"/_ledger/messages?limit={LINES_MAX}")
    return max((line["id"] for line in book["lines"]), default=0)


async def _read(door: Door, who: str, since: int) -> str:
    """The code in the newest short message to this person."""
    from tests.simulation.people import staff_phone_of

    _, book = await door.sandbox("GET", f"/_ledger/messages?after={since}&limit={LINES_MAX}")
    mine = [line for line in book["lines"] if str(line["to"]).endswith(staff_phone_of(who))]
    codes = [str(line["values"]["code"]) for line in mine if "code" in line["values"]]
    return codes[-1] if codes else ""
