"""Nights in which the provider's bills are not what they should be, and the bookkeeper who works through what the
comparison has found: before they are whole again, and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.people import Door

Json = dict[str, Any]

LEFT_OUT_SHARE = 0.5
CLOSED_SHARE = 0.5
TWICE_SHARE = 0.2
DAYS = "/admin/v1/reconciliations"
SPOILS: Mapping[str, Json] = {
    "left-out": {},
    "strangers": {"add_unknown": 2},
    "torn": {"torn": True},
    "wrong-hash": {"wrong_hash": True},
    "other-columns": {"extra_column": True, "shuffle_columns": True},
}
"""By name what is wrong with every bill. `left-out`: half of the orders, with their refunds."""


class Bookkeeper:
    """Somebody with the rights of `finance`. `dice`: of this plan."""

    def __init__(self, door: Door, dice: Random) -> None:
        self._door, self._dice = door, dice

    async def spoil(self, how: str) -> None:
        """From now on bills are wrong."""
        body = dict(SPOILS[how])
        if how == "left-out":
            body["drop"] = [number for order in self._orders() for number in (order, f"{order}-c1-1")]
        await self._door.sandbox("PUT", "/_control/bills", body)

    def _orders(self) -> list[str]:
        placed = (asked for asked in self._door.asked if asked.what == "place" and asked.status == 201)
        ids = dict.fromkeys(str(asked.answer["order_id"]) for asked in placed)
        return [id for id in ids if self._dice.random() < LEFT_OUT_SHARE]

    async def work(self) -> None:
        """Close some of what is open, now and then twice."""
        await self._every_day(self._close)

    async def start_again(self) -> None:
        """Bills are whole again: everything that was not in order is compared anew."""
        await self._door.sandbox("PUT", "/_control/bills", {})
        await self._every_day(self._start)

    async def _every_day(self, deal_with: Callable[[Json], Awaitable[None]]) -> None:
        _, page = await self._door.ask("s-finance", "GET", f"{DAYS}?limit=100")
        for day in page.get("reconciliations", ()):
            if day["status"] != "done" or day["open"] or day["closed"]:
                await deal_with(day)

    async def _start(self, day: Json) -> None:
        shop = day["reconciliation_id"].partition("/")[0]
        await self._door.ask("s-finance", "POST", f"{DAYS}/{day['day']}?shop={shop}", {})

    async def _close(self, day: Json) -> None:
        path = f"{DAYS}/{day['reconciliation_id']}"
        _, shown = await self._door.ask("s-finance", "GET", path)
        for one in shown.get("differences", ()):
            if one["state"] != "open" or self._dice.random() >= CLOSED_SHARE:
                continue
            for count in range(2 if self._dice.random() < TWICE_SHARE else 1):
                remark = {"remark": f"looked at it, {count}"}
                status, answer = await self._door.ask(
                    "s-finance", "POST", f"{path}/differences/{one['n']}/close", remark
                )
                about = {"reconciliation_id": day["reconciliation_id"], "n": one["n"], **remark}
                self._door.note("s-finance", "close-difference", "", about, status, answer)
