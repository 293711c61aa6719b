"""The shop's staff in a world: they work through what waits for a person, and ask everything else now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from tests.simulation import desk
from tests.simulation.errands import Errand
from tests.simulation.errands_door import EVERY
from tests.simulation.loop import EPOCH
from tests.simulation.people import Door, Json

CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222021234567890123", "real_name": "张三"}
ERRAND_SHARE = 0.7
DESK_SHARE = 0.04
CARD_SHARE = 0.7
WRONG_CARD_SHARE = 0.3
NOT_THAT_CARD = {"kind": "error-before", "http": 400, "code": "PARAM_ERROR"}
"""What WeChat Pay says of a card that is not the customer's, or was mistyped."""
APPROVED_SHARE = 0.75
WAREHOUSE_SHARE = 0.9
MISCOUNTED_SHARE = 0.1
MANY_SHARE = 0.5
AGAIN_SHARE = 0.3
COMMANDS = ("try-again", "other-route", "settled-outside", "give-up")
ALWAYS = 1.0
"""Staff so diligent do what a task asks for, and nothing else."""
DAY_SECONDS = 86_400.0


class Staff:
    """Works through what waits for a person: confirms transfers for customers, names bank cards, resolves tasks by
    chance, looks at figures. `diligence`: how likely something is dealt with when it is seen."""

    def __init__(self, door: Door, diligence: float, draw: Callable[[], float]) -> None:
        self.door, self.diligence, self.draw = door, diligence, draw
        self._count = 0

    async def live(self) -> None:
        """Look every now and then, for ever."""
        while self.diligence:
            await asyncio.sleep(15.0 + 30.0 * self.draw())
            await self.look()

    async def look(self) -> None:
        """Deal with what is there, and now and then do something else."""
        if self.diligence < ALWAYS and self.draw() < ERRAND_SHARE:
            await self._run_errand(EVERY[int(self.draw() * len(EVERY))])
        if self.diligence < ALWAYS and self.draw() < DESK_SHARE:
            await desk.EVERY[int(self.draw() * len(desk.EVERY))](self.door, self.draw)
        _, page = await self.door.ask("s-finance", "GET", "/admin/v1/tasks")
        if page.get("tasks") and self.diligence < ALWAYS and self.draw() < MANY_SHARE:
            await self._deal_with_many()
            _, page = await self.door.ask("s-finance", "GET", "/admin/v1/tasks")
        for task in page.get("tasks", ()):
            if self.draw() < self.diligence:
                await self._deal_with(task)
        _, cases = await self.door.ask("s-supervisor", "GET", "/admin/v1/cases?status=open&limit=100")
        for case in cases.get("cases", ()):
            if case.get("waits_for") == "approval" and self.draw() < self.diligence:
                await self._decide(case)
            refund = case.get("refund") or {}
            if refund.get("confirm_by") and not refund.get("settled_at") and self.draw() < self.diligence:
                await self._confirm(case)

    async def _run_errand(self, errand: Errand) -> None:
        self._count += 1
        known = [asked for asked in self.door.asked if asked.what == "place" and asked.status == 201]
        order = known[int(self.draw() * len(known))] if known else None
        order_id = str(order.answer["order_id"]) if order else "none"
        customer = order.who if order else "c0"
        day = datetime.fromtimestamp(EPOCH + self.door.loop.now - DAY_SECONDS, UTC).date().isoformat()
        path = errand.path.format(order=order_id, case=f"{order_id}-c1", customer=customer, day=day)
        who = customer if errand.who == "customer" else f"s-{errand.who}"
        key = f"errand-{self._count}" if errand.key else ""
        placing = errand.path == "/mp/v1/orders" and errand.method == "POST"
        what = "place" if placing else "cancel" if errand.path.endswith("/cancellation") else ""
        await self.door.ask(
            who, errand.method, path, errand.body, key=key, what=what, order="" if placing else order_id
        )

    async def _deal_with(self, task: Json) -> None:
        self._count += 1
        order_id = str(task["task_id"]).rsplit("-", 2)[0]
        if task["kind"] == "refund-abnormal" and (self.diligence >= ALWAYS or self.draw() < CARD_SHARE):
            await self._name_a_card(task, order_id)
            return
        if task["kind"] == "intercept-parcel":
            await self._report(task, order_id)
            return
        choices = task.get("choices") or ["done"]
        choice = choices[int(self.draw() * len(choices))]
        path = f"/admin/v1/tasks/{task['task_id']}/resolution"
        body = {"choice": choice, "note": "paid in cash, receipt 17"}
        await self.door.ask("s-finance", "POST", path, body, what="resolve", order=order_id)

    async def _name_a_card(self, task: Json, order_id: str) -> None:
        """The customer's, or now and then one that is refused."""
        if self.diligence < ALWAYS and self.draw() < WRONG_CARD_SHARE:
            rule = {"call": "abnormal-refund", "times": 1, "fault": NOT_THAT_CARD}
            await self.door.sandbox("POST", "/_control/faults/rules", [rule])
        path = f"/admin/v1/cases/{task['case_id']}/bank-card"
        await self.door.ask("s-finance", "POST", path, CARD, key=f"card-{self._count}", what="card", order=order_id)

    async def _deal_with_many(self) -> None:
        """One command for all that stands in the list: looked at first, then what was shown; now and then the same
        once more. Some of the tasks are of another kind, and are refused."""
        self._count += 1
        _, page = await self.door.ask("s-finance", "GET", "/admin/v1/cases?list=person")
        fitting = [one for case in page.get("cases", ()) for one in case["commands"] if one["command"] in COMMANDS]
        if not fitting:
            return
        wish: Json = {"command": fitting[int(self.draw() * len(fitting))]["command"]}
        wish |= {"note": "paid in cash, receipt 17", "task_ids": list(dict.fromkeys(one["task_id"] for one in fitting))}
        path, key = "/admin/v1/tasks/resolutions", f"many-{self._count}"
        _, shown = await self.door.ask("s-finance", "POST", path, {**wish, "dry_run": True}, key=f"{key}-look")
        for _ in range(2 if self.draw() < AGAIN_SHARE else 1):
            body = {**wish, "digest": shown.get("digest")}
            await self.door.ask("s-finance", "POST", path, body, key=key, what="resolve-many")

    async def _report(self, task: Json, order_id: str) -> None:
        """What the warehouse has found of a parcel; now and then somebody counts wrong, or somebody else tries."""
        found = task["choices"][int(self.draw() * len(task["choices"]))]
        body: Json = {"found": found}
        if found in ("intercepted", "returned"):
            _, order = await self.door.ask("s-warehouse", "GET", f"/admin/v1/orders/{order_id}")
            case: Json = next(
                (one for one in order.get("cases", ()) if one["case_id"] == task["case_id"]), {"lines": []}
            )
            body["goods"] = [self._counted(line) for line in case["lines"]]
        who = "s-warehouse" if self.draw() < WAREHOUSE_SHARE else "s-customer-service"
        path = f"/admin/v1/tasks/{task['task_id']}/parcel"
        await self.door.ask(who, "POST", path, body, what="report", order=order_id)

    def _counted(self, line: Json) -> Json:
        pieces = int(line["quantity"])
        good = int(self.draw() * (pieces + 1))
        miscounted = int(self.draw() < MISCOUNTED_SHARE)
        return {"line_no": line["line_no"], "good": good, "damaged": pieces - good + miscounted}

    async def _decide(self, case: Json) -> None:
        """Yes more often than no; now and then somebody tries who may not."""
        who = ("s-finance", "s-finance", "s-supervisor", "s-customer-service")[int(self.draw() * 4)]
        body = {"approve": self.draw() < APPROVED_SHARE, "note": "has been packed"}
        path = f"/admin/v1/cases/{case['case_id']}/decision"
        await self.door.ask(who, "POST", path, body, what="decide", order=str(case["order_id"]))

    async def _confirm(self, case: Json) -> None:
        customer = str(case.get("customer_id") or "")
        if not customer:
            _, order = await self.door.ask("s-supervisor", "GET", f"/admin/v1/orders/{case['order_id']}")
            customer = str(order.get("customer_id", ""))
        path = f"/mp/v1/orders/{case['order_id']}/cases/{case['case_id']}/transfer"
        status, ticket = await self.door.ask(self.door.keyring.name_of(customer), "GET", path)
        if status == 200:
            await self.door.sandbox("POST", "/_customer/transfer/confirm", {"package_info": ticket["package"]})
