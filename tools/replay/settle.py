"""After the last request: wait until every order is paid and every case has ended."""

from __future__ import annotations

import json
from collections.abc import Collection

from tools.replay.books import COMPLETED, UNDONE
from tools.replay.client import Shop
from tools.replay.driver import UNPAID

ENDED = frozenset({COMPLETED, UNDONE})
LOOK_CLOSER = 5.0
PAUSE = 0.5


class HangingError(Exception):
    """Nothing moves any more and some orders have not come to their end; says which."""


async def settle(shop: Shop, mine: Collection[str]) -> None:
    """Return when none of my orders is unpaid or has an open case. Other people's orders on the same stack may be as
    unfinished as they like. Raises HangingError when nothing has moved for the time that the pace calls quiet."""
    last, moved_at = "", shop.pace.clock()
    while True:
        summary = await shop.summary()
        if summary["cases"]["open"] == 0 and summary["orders"]["by_state"].get(UNPAID, 0) == 0:
            return
        now, seen = shop.pace.clock(), json.dumps(summary, sort_keys=True)
        if seen != last:
            last, moved_at = seen, now
        elif now - moved_at >= LOOK_CLOSER:
            hanging = await _hanging(shop, mine)
            if not hanging:
                return
            if now - moved_at >= shop.pace.quiet:
                raise HangingError(f"nothing has moved for {shop.pace.quiet:.0f} s; still open: {', '.join(hanging)}")
        await shop.pace.sleep(PAUSE)


async def _hanging(shop: Shop, mine: Collection[str]) -> list[str]:
    unpaid = [
        f"order {row['order_id']} is not paid"
        async for row in shop.orders()
        if row["order_id"] in mine and row["state"] == UNPAID
    ]
    open_cases = [
        f"case {row['case_id']} of order {row['order_id']} is {row['status']}"
        async for row in shop.cases()
        if row["order_id"] in mine and row["status"] not in ENDED
    ]
    return unpaid + open_cases
