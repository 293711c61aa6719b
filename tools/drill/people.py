"""The people of the drill: customers confirm transfers, staff name another bank card. Nobody does anything else: what
does not end without more help is left open, and the judge sees it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from math import inf

import httpx

from tools.drill.doors import NEW_CARD, Doors
from tools.drill.load import Load
from tools.replay.knock import Json, UnexpectedAnswerError, expect

LOOK_EVERY_SECONDS = 3.0
CARD_AGAIN_AFTER_SECONDS = 30.0
"""A card may be named at a bad moment, or not be taken: then staff see the task still standing there."""
ON_ITS_WAY = ("accepted", "abnormal")


class People:
    """`confirmed` and `cards`: what was done so far, by case."""

    def __init__(self, doors: Doors, load: Load) -> None:
        self._doors = doors
        self._load = load
        self._looks: Counter[str] = Counter()
        self._card_from: dict[str, float] = {}
        self.confirmed: set[str] = set()
        self.cards: set[str] = set()

    async def live(self) -> None:
        """Look at what is to be done, again and again, until cancelled. Somebody who gets no answer comes back."""
        while True:
            with suppress(UnexpectedAnswerError, TimeoutError):  # a service that stays away is the judge's matter
                await self.look()
            await self._doors.pace.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Do once what can be done now."""
        async for task in self._doors.tasks():
            if task["kind"] == "refund-abnormal":
                await self._name_card(str(task["case_id"]))
        async for case in self._doors.open_cases():
            if _waits_for_confirmation(case):
                await self._confirm(str(case["case_id"]), str(case["order_id"]))

    async def _name_card(self, case_id: str) -> None:
        now = self._doors.pace.clock()
        if now < self._card_from.get(case_id, 0.0):
            return
        self._card_from[case_id] = now + CARD_AGAIN_AFTER_SECONDS
        path = f"/admin/v1/cases/{case_id}/bank-card"
        answer = await self._doors.staff.ask("POST", path, NEW_CARD, key=f"{case_id}-card-{now:.0f}")
        if answer.status_code == httpx.codes.ACCEPTED:
            self.cards.add(case_id)
        elif answer.json().get("refund_status") not in ON_ITS_WAY:  # the money has found its way meanwhile
            self._card_from[case_id] = inf

    async def _confirm(self, case_id: str, order_id: str) -> None:
        one = self._load.visit_of(case_id)
        if one is None:
            return
        self._looks[case_id] += 1
        if self._looks[case_id] < one.looks:
            return
        path = f"/mp/v1/orders/{order_id}/cases/{case_id}/transfer"
        shown = await self._doors.customer(one).ask("GET", path)
        if shown.status_code in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT):  # paid already, or not offered yet
            return
        if await self._doors.provider.confirm(str(expect(shown, 200)["package"])):
            self.confirmed.add(case_id)


def _waits_for_confirmation(case: Json) -> bool:
    refund = case["refund"] or {}
    return refund.get("confirm_by") is not None and refund.get("settled_at") is None
