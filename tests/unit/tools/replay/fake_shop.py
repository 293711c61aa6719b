"""A shop and a stand-in in one small object, behind an httpx.MockTransport: just enough to be replayed against, with
books that a test can falsify. Cases end a few requests after they were opened, as those of a real shop end later."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs

import httpx

from sandbox.faults import Shares
from tools.replay.client import REFUSED

Json = dict[str, Any]
LAG = 3


class FakeShop:
    """State of everything. `orders` by id, `cases` by id, ledgers as lists of lines."""

    def __init__(self) -> None:
        self.products: dict[str, Json] = {}
        self.receipts: dict[str, Json] = {}
        self.orders: dict[str, Json] = {}
        self.cases: dict[str, Json] = {}
        self.money: list[Json] = []
        self.messages: list[Json] = []
        self.violations: list[Json] = []
        self.recount: list[str] = []
        self.extra_figures: dict[tuple[str, str], dict[str, list[int]]] = {}
        self.extra_stock: dict[str, int] = {}
        self.shares = Shares()
        self.refuse_all = False
        self.stuck = False
        self.busy = 0
        self.refused = 0
        self.inbox: list[Json] = []
        self.calls: list[str] = []
        self._asked_to_pay: set[str] = set()
        self._due: list[tuple[int, str]] = []

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.calls.append(f"{request.method} {path}")
        if self.busy:
            self.busy -= 1
            return httpx.Response(503, headers={"Retry-After": "1"})
        self._pass_time()
        body = json.loads(request.content) if request.content else {}
        query = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
        if path.startswith(("/mp/", "/admin/")) and "authorization" not in request.headers:
            return httpx.Response(401)
        parts = path.strip("/").split("/")
        for road in (self._sandbox, self._books, self._front):
            if answer := road(request, parts, body, query):
                return answer
        return httpx.Response(404, json={"code": "no-such-road"})

    def _sandbox(
        self, _request: httpx.Request, parts: list[str], body: Json, query: dict[str, str]
    ) -> httpx.Response | None:
        match parts:
            case ["_login", _]:
                return _ok({"token": f"{body.get('customer_id', 'staff')}|{body.get('group', '')}"})
            case ["_control", "faults"]:
                self.shares = Shares(**body)
                return _ok(body)
            case ["_customer", "subscribe"]:
                return _ok({"remaining": {}})
            case ["_customer", "pay"]:
                return self._customer_pays(body["prepay_id"].removeprefix("wx-"))
            case ["_ledger", "check"]:
                return _ok({"ok": not self.violations, "violations": self.violations})
            case ["_ledger", book]:
                lines = self.money if book == "money" else self.messages
                page = [{"id": n, **line} for n, line in enumerate(lines, 1)][int(query["after"]) :][:2]
                return _ok({"lines": page, "next_after": page[-1]["id"] if len(page) == 2 else None})
        return None

    def _books(
        self, _request: httpx.Request, parts: list[str], _body: Json, query: dict[str, str]
    ) -> httpx.Response | None:
        match parts[2:]:
            case ["products"] if parts[0] == "mp":
                return _page("products", "product_id", self.products, query)
            case ["stock"]:
                return _page("stock", "product_id", self._stock(), query)
            case ["stock", "recount"]:
                return _ok({"products": len(self.products), "differences": self.recount})
            case ["summary"]:
                return _ok(self._summary())
            case ["orders"] if parts[0] == "admin":
                return _page("orders", "order_id", self.orders, query)
            case ["notices"]:
                return _ok({"notices": [notice for notice in self.inbox if notice["order_id"] == query["order_id"]]})
            case ["cases"]:
                return _page("cases", "case_id", self.cases, query)
            case ["figures", subject]:
                return _ok({"by": query["by"], "rows": self._figures(subject, query["by"])})
        return None

    def _front(
        self, request: httpx.Request, parts: list[str], body: Json, _query: dict[str, str]
    ) -> httpx.Response | None:
        match parts[2:]:
            case ["products"]:
                self.products |= {product["product_id"]: product for product in body["products"]}
                return _ok({})
            case ["stock-receipts"]:
                self.receipts |= {receipt["receipt_id"]: receipt for receipt in body["receipts"]}
                return _ok({})
            case ["orders"]:
                return self._place(request, body)
            case ["orders", order_id]:
                cases = [case for case in self.cases.values() if case["order_id"] == order_id]
                return _ok({**self.orders[order_id], "cases": cases})
            case ["orders", order_id, "pay"]:
                return self._prepay(order_id)
            case ["orders", order_id, "cancellation"]:
                return self._cancel(order_id, request.headers["idempotency-key"], body)
        return None

    def _place(self, request: httpx.Request, body: Json) -> httpx.Response:
        who = request.headers["authorization"].removeprefix("Bearer ")
        order_id = f"0rder-{request.headers['idempotency-key']}"
        lines = [
            {"line_no": no, "paid_minor": line["quantity"] * line["unit_price_minor"], "cancelled": 0, **line}
            for no, line in enumerate(body["lines"], 1)
        ]
        for line in lines:
            if line["unit_price_minor"] not in self.products[line["product_id"]]["offers_minor"]:
                return _problem(409, "price-changed")
        order = {
            "order_id": order_id,
            "reference": body["reference"]["number"],
            "month": body["reference"]["occurred_at"][:7],
            "group": who.partition("|")[2],
            "state": "pending-payment",
            "total_minor": sum(line["paid_minor"] for line in lines),
            "paid_minor": 0,
            "refunded_minor": 0,
            "lines": lines,
        }
        self.orders.setdefault(order_id, order)
        return httpx.Response(201, json={"order_id": order_id, "state": self.orders[order_id]["state"]})

    def _prepay(self, order_id: str) -> httpx.Response:
        if self.orders[order_id]["paid_minor"]:
            return _problem(409, "already-paid")
        if order_id not in self._asked_to_pay:
            self._asked_to_pay.add(order_id)
            return _problem(409, "payment-not-ready")
        return _ok({"prepay_id": f"wx-{order_id}"})

    def _customer_pays(self, order_id: str) -> httpx.Response:
        order = self.orders[order_id]
        if order["paid_minor"]:
            return httpx.Response(409, json={"detail": {"reason": "paid"}})
        order["paid_minor"] = order["total_minor"]
        order["state"] = "pending-payment" if self.stuck else "paid"
        trade = order_id.replace("-", "")
        self.money.append({"kind": "payment", "out_trade_no": trade, "amount_minor": order["total_minor"]})
        return _ok({})

    def _cancel(self, order_id: str, key: str, body: Json) -> httpx.Response:
        case_id = f"case-{key}".lower()
        known = self.cases.get(case_id)
        if known is None:
            if any(case["order_id"] == order_id and case["status"] == "open" for case in self.cases.values()):
                self.refused += 1
                return _problem(409, "cancellation-open")
            lines = []
            for wanted in body["lines"]:
                line = self.orders[order_id]["lines"][wanted["line_no"] - 1]
                assert line["cancelled"] + wanted["quantity"] <= line["quantity"]
                amount = wanted["quantity"] * line["unit_price_minor"]
                lines.append({**wanted, "product_id": line["product_id"], "amount_minor": amount})
            known = self.cases[case_id] = {
                "case_id": case_id,
                "order_id": order_id,
                "reference": body["reference"]["number"],
                "month": body["reference"]["occurred_at"][:7],
                "reason": body["reason"]["code"],
                "status": "open",
                "lines": lines,
                "amount_minor": sum(line["amount_minor"] for line in lines),
            }
            self._due.append((len(self.calls) + LAG, case_id))
        return httpx.Response(202, json={"case_id": case_id, "state": known["status"]})

    def _pass_time(self) -> None:
        while self._due and self._due[0][0] <= len(self.calls):
            self._end(self.cases[self._due.pop(0)[1]])

    def _end(self, case: Json) -> None:
        order, number = self.orders[case["order_id"]], f"{case['case_id']}-1"
        trade = order["order_id"].replace("-", "")
        line = {"out_refund_no": number, "out_trade_no": trade, "amount_minor": case["amount_minor"]}
        if self.refuse_all or self.shares.of(number) == REFUSED:
            case["status"] = "undone"
            self.money.append({"kind": "refund-refused", **line})
            self._tell(order, "refund-failed")
            return
        case["status"] = "completed"
        for wanted in case["lines"]:
            order["lines"][wanted["line_no"] - 1]["cancelled"] += wanted["quantity"]
        order["refunded_minor"] += case["amount_minor"]
        if all(line["cancelled"] == line["quantity"] for line in order["lines"]):
            order["state"] = "cancelled"
        for kind, outcome in (("refund-accepted", "refund-on-its-way"), ("refund-success", "refund-arrived")):
            self.money.append({"kind": kind, **line})
            self._tell(order, outcome)

    def _tell(self, order: Json, outcome: str) -> None:
        values = {"character_string1": order["order_id"].replace("-", "")}
        self.messages.append({"channel": "wechat", "template_name": outcome, "values": values})

    def _stock(self) -> dict[str, Json]:
        received: dict[str, int] = defaultdict(int)
        for receipt in self.receipts.values():
            received[receipt["product_id"]] += receipt["quantity"]
        reserved: dict[str, int] = defaultdict(int)
        for order in self.orders.values():
            for line in order["lines"]:
                reserved[line["product_id"]] += line["quantity"] - line["cancelled"]
        return {
            code: {
                "product_id": code,
                "received": received[code],
                "available": received[code] - reserved[code] + self.extra_stock.get(code, 0),
                "reserved": reserved[code] - self.extra_stock.get(code, 0),
                "sold": 0,
            }
            for code in self.products
        }

    def _summary(self) -> Json:
        states: dict[str, int] = defaultdict(int)
        for order in self.orders.values():
            states[order["state"]] += 1
        by = {status: [c for c in self.cases.values() if c["status"] == status] for status in _STATUSES}
        done = by["completed"]
        return {
            "orders": {"by_state": states, "count": len(self.orders), "total_minor": _sum(self.orders, "total_minor")},
            "paid_minor": _sum(self.orders, "paid_minor"),
            "refunded_minor": _sum(self.orders, "refunded_minor"),
            "cases": {
                **{status: len(found) for status, found in by.items()},
                "cancelled_quantity": sum(line["quantity"] for case in done for line in case["lines"]),
                "refunded_minor": sum(case["amount_minor"] for case in done),
            },
            "open_tasks": len(by["undone"]),
        }

    def _figures(self, subject: str, by: str) -> list[Json]:
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        counted: set[tuple[str, str]] = set()
        done = (case for case in self.cases.values() if case["status"] == "completed")
        things = self.orders.values() if subject == "orders" else done
        for thing in things:
            order = self.orders[thing["order_id"]]
            for line in thing["lines"]:
                keys = {"product": line["product_id"], "month": thing["month"], "group": order["group"]}
                key = str(keys[by] if by in keys else thing["reason"])
                name = (key, str(thing.get("case_id", thing["order_id"])))
                money = line.get("amount_minor", line.get("paid_minor"))
                row = found[key]
                found[key] = [row[0] + (name not in counted), row[1] + line["quantity"], row[2] + money]
                counted.add(name)
        for key, extra in self.extra_figures.get((subject, by), {}).items():
            found[key] = [a + b for a, b in zip(found[key], extra, strict=True)]
        return [{"key": key, "count": n, "quantity": q, "amount_minor": a} for key, (n, q, a) in found.items()]


_STATUSES = ("open", "completed", "undone")


def _sum(rows: dict[str, Json], name: str) -> int:
    return sum(row[name] for row in rows.values())


def _ok(body: Json) -> httpx.Response:
    return httpx.Response(200, json=body)


def _problem(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code}, headers={"Retry-After": "1"})


def _page(name: str, key: str, rows: dict[str, Json], query: dict[str, str]) -> httpx.Response:
    """Two rows at a time, whatever the limit, so that paging is always met."""
    found = [rows[at] for at in sorted(rows) if at > query.get("after", "")][:2]
    return _ok({name: found, "next": found[-1][key] if len(found) == 2 else None})
