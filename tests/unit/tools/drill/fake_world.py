"""A shop, its services and a sandbox in one small object behind an httpx.MockTransport: just enough to be drilled. What
becomes of a case depends on its number: completed at once, by transfer, after another bank card, or undone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from tests.unit.tools.drill.given import at, case_id, message, money, order_page, payment_page, transfer_number
from tools.stack import StackError

Json = dict[str, Any]
FATES = ("at-once", "transfer", "abnormal", "undone")
METRICS = """# TYPE tuidan_loop_lag_seconds histogram
tuidan_loop_lag_seconds_bucket{le="0.01"} 5.0
tuidan_loop_lag_seconds_bucket{le="+Inf"} 5.0
"""


class Clock:
    """Time passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class FakeWorld:
    """`orders` by id, with everything known about them; ledgers as lists of lines; `calls` as method and path."""

    def __init__(self) -> None:
        self.orders: dict[str, Json] = {}
        self.money: list[Json] = []
        self.messages: list[Json] = []
        self.calls: list[str] = []
        self.mixes: list[Json] = []
        self.balances: list[int] = []
        self.stock: dict[str, int] = {}
        self.hang = False
        self.refund_twice = False
        self.unauthorized = 1
        self.cards_refused = 0

    # ── the stack ────────────────────────────────────────────────────────────────────────────────────────────────────
    def address(self, name: str) -> str:
        return name

    def pid(self, name: str) -> int:
        raise StackError(f"{name} is no process")

    def restarts(self, name: str) -> int:
        return 0

    def wait_ready(self, name: str, *, restarts: int = 0, timeout: float = 0) -> None:
        pass

    # ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, json.loads(request.content) if request.content else {}
        self.calls.append(f"{request.method} {path}")
        if path.startswith(("/mp/", "/admin/")) and self.unauthorized:
            self.unauthorized -= 1
            return httpx.Response(401)
        parts = path.strip("/").split("/")
        for door in (self._sandbox, self._customers, self._staff, self._pages):
            if (found := door(request.method, parts, body, dict(request.url.params))) is not None:
                return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)
        return httpx.Response(404, json={"code": "no-such-road"})

    def _sandbox(self, method: str, parts: list[str], body: Json, _: Json) -> Json | httpx.Response | None:
        match parts:
            case ["_login", _]:
                return {"token": body.get("customer_id", "staff")}
            case ["_control", "faults"]:
                self.mixes.append(body["mix"])
                return {}
            case ["_control", "balance"]:
                self.balances.append(body["balance_minor"])
                return {}
            case ["_control", "clock"]:
                return {"now": at(0)}
            case ["_customer", "pay"]:
                return self._pay(body["prepay_id"])
            case ["_customer", "subscribe"]:
                return {}
            case ["_customer", "transfer", "confirm"]:
                return self._end(body["package_info"])
            case ["_ledger", "check"]:
                return {"violations": []}
            case ["_ledger", book]:
                return {"lines": self.money if book == "money" else self.messages, "next_after": None}
        return None

    def _customers(self, method: str, parts: list[str], body: Json, _: Json) -> Json | httpx.Response | None:
        match parts:
            case ["mp", "v1", "products"]:
                return {"products": [{"product_id": name} for name in self.stock], "next": None}
            case ["mp", "v1", "orders"]:
                order_id = f"order{len(self.orders)}"
                self.orders[order_id] = {"lines": body["lines"], "state": "pending-payment", "asked": 0, "case": None}
                return httpx.Response(201, json={"order_id": order_id})
            case ["mp", "v1", "orders", order_id]:
                return {"state": self.orders[order_id]["state"]}
            case ["mp", "v1", "orders", order_id, "pay"]:
                self.orders[order_id]["asked"] += 1
                if self.orders[order_id]["asked"] == 1:
                    return httpx.Response(409, json={"code": "payment-not-ready"})
                return {"prepay_id": order_id}
            case [_, "v1", "orders", order_id, "cancellation"]:
                return self._cancel(order_id)
            case ["mp", "v1", "orders", order_id, "cases", _, "transfer"]:
                return {"package": order_id}
        return None

    def _staff(self, method: str, parts: list[str], body: Json, query: Json) -> Json | httpx.Response | None:
        match parts:
            case ["admin", "v1", "products"]:
                self.stock |= {product["product_id"]: 0 for product in body["products"]}
                return {}
            case ["admin", "v1", "stock-receipts"]:
                self.stock |= {receipt["product_id"]: receipt["quantity"] for receipt in body["receipts"]}
                return {}
            case ["admin", "v1", "stock"]:
                rows = [{"product_id": name, "received": pieces} for name, pieces in self.stock.items()]
                return {"stock": rows, "next": None}
            case ["admin", "v1", "policies", *more]:
                return httpx.Response(201, json={"version": 1}) if method == "POST" and not more else {"active": 0}
            case ["admin", "v1", "summary"]:
                counts = [order["case"] for order in self.orders.values()]
                return {"cases": {state: counts.count(state) for state in ("open", "completed", "undone")}}
            case ["admin", "v1", "orders"]:
                return {"orders": [{"order_id": order_id} for order_id in self.orders], "next": None}
            case ["admin", "v1", "cases"]:
                return {"cases": [self._case(one) for one in self.orders if self.orders[one]["case"] == "open"]}
            case ["admin", "v1", "tasks"]:
                stuck = [one for one in self.orders if self._fate(one) == "abnormal" and self.orders[one]["case"]]
                return {"tasks": [{"kind": "refund-abnormal", "case_id": case_id(one)} for one in stuck]}
            case ["admin", "v1", "cases", case, "bank-card"]:
                return self._name_card(case.rpartition("-")[0])
            case ["admin", "v1", "notices"]:
                return {"notices": []}
        return None

    def _pages(self, method: str, parts: list[str], body: Json, _: Json) -> Json | httpx.Response | None:
        match parts:
            case ["orders", order_id]:
                return self._order(order_id)
            case ["payments", order_id]:
                status = "refused" if self.orders[order_id]["case"] == "undone" else "settled"
                by_transfer = {"payout": {"n": 1}} if self._fate(order_id) == "transfer" else {}
                amount = {"amount_minor": self._amount(order_id)}
                page = payment_page(order_id, status, amount=amount, **by_transfer)
                return page | {"receipt": {"amount": amount}}
            case ["metrics"]:
                return httpx.Response(200, text=METRICS)
        return None

    def has_transfer(self, order_id: str) -> None:
        """An order of one fen whose refund waits to be confirmed."""
        lines = [{"quantity": 1, "unit_price_minor": 1}]
        self.orders[order_id] = {"lines": lines, "state": "cancelling", "case": "open"}

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _fate(self, order_id: str) -> str:
        return FATES[int(order_id.removeprefix("order")) % len(FATES)]

    def _amount(self, order_id: str) -> int:
        lines = self.orders[order_id]["lines"]
        return sum(int(line["quantity"]) * int(line["unit_price_minor"]) for line in lines)

    def _pay(self, order_id: str) -> Json:
        self.orders[order_id]["state"] = "paid"
        self.money.append(money("payment", order_id, amount=self._amount(order_id)))
        return {}

    def _cancel(self, order_id: str) -> httpx.Response:
        self.orders[order_id]["case"] = "open"
        if self._fate(order_id) in ("at-once", "undone") and not self.hang:
            self._end(order_id)
        return httpx.Response(202, json={"case_id": case_id(order_id), "amount_minor": self._amount(order_id)})

    def _end(self, order_id: str) -> Json:
        fate, amount = self._fate(order_id), self._amount(order_id)
        if self.orders[order_id]["case"] == "open":
            self.orders[order_id]["case"] = "undone" if fate == "undone" else "completed"
            bill = transfer_number(order_id) if fate == "transfer" else ""
            road = "transfer" if bill else "refund"
            for _ in range(2 if self.refund_twice else 1):
                if fate != "undone":
                    self.money.append(money(f"{road}-accepted", order_id, amount=amount, bill=bill))
                    self.money.append(money(f"{road}-success", order_id, amount=amount, bill=bill))
            self.messages.append(message("refund-failed" if fate == "undone" else "refund-arrived", order_id))
        return {}

    def _name_card(self, order_id: str) -> httpx.Response:
        if self.cards_refused:
            self.cards_refused -= 1
            return httpx.Response(409, json={"code": "refund-not-abnormal", "refund_status": "accepted"})
        if self.orders[order_id]["case"] != "open":
            return httpx.Response(409, json={"code": "refund-not-abnormal", "refund_status": "settled"})
        return httpx.Response(202, json=self._end(order_id))

    def _case(self, order_id: str) -> Json:
        by_transfer = self._fate(order_id) == "transfer"
        refund = {
            "amount": {"amount_minor": self._amount(order_id)},
            "confirm_by": at(59) if by_transfer else None,
            "settled_at": None,
        }
        case: Json = order_page(
            order_id,
            self.orders[order_id]["case"],
            amount_minor=self._amount(order_id),
            waits_for_a_person=False,
            refund=refund,
        )["cases"][0]
        return case

    def _order(self, order_id: str) -> Json:
        page = order_page(order_id, self.orders[order_id]["case"] or "open")
        cases = [self._case(order_id)] if self.orders[order_id]["case"] else []
        return page | {"paid_minor": self._amount(order_id), "cases": cases, "tasks": []}
