"""A shop as its customers, its staff and its providers see it: business words over the public door. Stories judge by
the sandbox's ledgers, not by our own database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from sandbox.subscribe import openid_of

DEADLINE_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 0.02
TEA_PRICE = 300

Json = dict[str, Any]

RULES: list[Json] = [
    {"name": "regrets", "way": "allow", "codes": ["found-better"], "states": ["paid"], "undo_seconds": 2},
    {
        "name": "asks",
        "way": "approve",
        "codes": ["wrong-item"],
        "states": ["paid"],
        "approve_by": ["supervisor", "finance"],
    },
    {"name": "anything-else", "way": "allow"},
]
"""What the shop does depends on the reason, so that each story can have its own."""


@dataclass
class Shop:
    """One shop with one customer, on a stack that is up. Product names are its own, so shops can share a stack."""

    gateway: httpx.AsyncClient
    sandbox: httpx.AsyncClient
    name: str = field(default_factory=lambda: uuid4().hex[:10])
    _tokens: dict[str, str] = field(default_factory=dict)
    _keys: Any = field(default_factory=count)

    async def opens(self, **stock: int) -> None:
        """Put products on sale at `TEA_PRICE`, each with this many pieces, and wait until they can be ordered."""
        listed = [{"product_id": self.product(name), "name": name, "offers_minor": [TEA_PRICE]} for name in stock]
        received = [
            {"receipt_id": f"{self.name}-{name}", "product_id": self.product(name), "quantity": pieces}
            for name, pieces in stock.items()
        ]
        await self.decides_by(RULES)
        await self.staff("POST", "/admin/v1/products", {"products": listed})
        await self.staff("POST", "/admin/v1/stock-receipts", {"receipts": received})

        async def all_there() -> bool:
            after = f"{self.name}-"
            page = (await self.customer("GET", f"/mp/v1/products?after={after}&limit=50")).json()
            known = {product["product_id"] for product in page["products"]}
            on_shelf = [await self.on_shelf(name) for name in stock]
            return known >= {self.product(name) for name in stock} and on_shelf == list(stock.values())

        await eventually(all_there, "the products can be ordered")

    async def decides_by(self, rules: list[Json]) -> None:
        """Let these rules decide about cancellations from now on."""
        saved = await self.staff("POST", "/admin/v1/policies", {"rules": rules, "note": "a test"})
        assert saved.status_code == 201, saved.text
        active = (await self.staff("GET", "/admin/v1/policies")).json()["active"]
        path = f"/admin/v1/policies/{saved.json()['version']}/activation"
        switched = await self.staff("POST", path, {"instead_of": active})
        assert switched.status_code == 200, switched.text

    def product(self, name: str) -> str:
        """The product id behind a name of this shop."""
        return f"{self.name}-{name}"

    async def order(self, *, coupon: str = "", **pieces: int) -> str:
        """Place an order and wait until it can be paid; returns its id."""
        placed = await self.place(coupon=coupon, **pieces)
        assert placed.status_code == 201, placed.text
        order_id = str(placed.json()["order_id"])

        async def payable() -> bool:
            return bool((await self.show(order_id))["payable"])

        await eventually(payable, f"{order_id} can be paid")
        return order_id

    async def place(self, *, coupon: str = "", **pieces: int) -> httpx.Response:
        """Place an order; the answer as it comes."""
        lines = [
            {"product_id": self.product(name), "quantity": quantity, "unit_price_minor": TEA_PRICE}
            for name, quantity in pieces.items()
        ]
        contact = {"name": "张三", "phone": "13800001111"}
        wanted = {"currency": "CNY", "lines": lines, "contact": contact} | ({"coupon": coupon} if coupon else {})
        return await self.customer("POST", "/mp/v1/orders", wanted)

    async def starts_to_pay(self, order_id: str) -> str:
        """The customer opens the payment; returns the provider's prepay id."""
        answer = await self.customer("POST", f"/mp/v1/orders/{order_id}/pay", {})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prepay_id"])

    async def pays(self, prepay_id: str, *, late: bool = False) -> None:
        """The customer confirms the payment on the phone."""
        body = {"prepay_id": prepay_id, "force_late": late}
        answer = await self.sandbox.post("/_customer/pay", json=body)
        assert answer.status_code == 200, answer.text

    async def paid_order(self, *, coupon: str = "", **pieces: int) -> str:
        """Place and pay an order, and wait until the shop knows; returns its id."""
        order_id = await self.order(coupon=coupon, **pieces)
        await self.pays(await self.starts_to_pay(order_id))
        await self.comes_to(order_id, "paid")
        return order_id

    async def cancels(
        self, order_id: str, *lines: tuple[int, int], key: str | None = None, code: str = "changed-mind"
    ) -> httpx.Response:
        """The customer cancels everything, or (line number, pieces) each."""
        body: Json = {"reason": {"family": "customer", "code": code}}
        if lines:
            body["lines"] = [{"line_no": line_no, "quantity": quantity} for line_no, quantity in lines]
        return await self.customer("POST", f"/mp/v1/orders/{order_id}/cancellation", body, key=key)

    async def comes_to(self, order_id: str, state: str) -> Json:
        """Wait until the order is in this state with no case open; returns it."""

        async def there() -> bool:
            order = await self.show(order_id)
            return order["state"] == state and all(case["status"] != "open" for case in order["cases"])

        await eventually(there, f"{order_id} is {state} and no case is open")
        return await self.show(order_id)

    async def show(self, order_id: str) -> Json:
        """The order as staff see it: everything."""
        answer = await self.staff("GET", f"/admin/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def on_shelf(self, name: str) -> int:
        """Pieces that can be sold."""
        answer = await self.staff("GET", f"/admin/v1/stock/{self.product(name)}")
        return int(answer.json()["available"]) if answer.status_code == 200 else 0

    async def money(self, order_id: str) -> dict[str, int]:
        """The sandbox's money book for one order: fen by kind of line."""
        sums: dict[str, int] = {}
        async for line in self._ledger("/_ledger/money"):
            if line["out_trade_no"] == order_id:
                sums[line["kind"]] = sums.get(line["kind"], 0) + line["amount_minor"]
        return sums

    async def accepts_messages(self) -> None:
        """The customer accepts one WeChat message of each kind."""
        answer = await self.sandbox.post("/_customer/subscribe", json={"openid": openid_of(self.name)})
        assert answer.status_code == 200, answer.text

    async def channels(self, order_id: str) -> list[str]:
        """By which channels the sandbox has taken messages about one order, in order."""
        return [str(line["channel"]) async for line in self._messages(order_id)]

    async def notices(self, order_id: str) -> list[str]:
        """The templates of the messages the sandbox has taken for one order, in order."""
        return [str(line["template_name"]) async for line in self._messages(order_id)]

    async def _messages(self, order_id: str) -> AsyncIterator[Json]:
        async for line in self._ledger("/_ledger/messages"):
            if order_id in str(line["values"]):
                yield line

    async def _ledger(self, path: str) -> AsyncIterator[Json]:
        after: int | None = 0
        while after is not None:
            page = (await self.sandbox.get(path, params={"after": after, "limit": 500})).json()
            for line in page["lines"]:
                yield line
            after = page["next_after"]

    async def trouble(
        self, call: str, kind: str, *, nth: int | None = 1, code: str = "SYSTEM_ERROR", **more: Any
    ) -> None:
        """Make a call of the provider go wrong."""
        rule: Json = {"call": call, "fault": {"kind": kind, "code": code, **more}}
        if nth is not None:
            rule["nth"] = nth
        answer = await self.sandbox.post("/_control/faults/rules", json=[rule])
        assert answer.status_code < 300, answer.text

    async def no_trouble(self) -> None:
        """Forget every fault."""
        answer = await self.sandbox.delete("/_control/faults/rules")
        assert answer.status_code < 300, answer.text

    async def customer(
        self, method: str, path: str, body: Json | None = None, *, key: str | None = None
    ) -> httpx.Response:
        """Ask as the shop's customer."""
        return await self._ask("customer", method, path, body, key)

    async def staff(
        self, method: str, path: str, body: Json | None = None, *, key: str | None = None
    ) -> httpx.Response:
        """Ask as a supervisor."""
        return await self._ask("staff", method, path, body, key)

    async def _ask(self, who: str, method: str, path: str, body: Json | None, key: str | None) -> httpx.Response:
        if who not in self._tokens:
            self._tokens[who] = await self.token(who, self.name)
        headers = {"Authorization": f"Bearer {self._tokens[who]}"}
        if method != "GET":
            headers["Idempotency-Key"] = key or f"{self.name}-{next(self._keys)}"
        return await self.gateway.request(method, path, json=body, headers=headers)

    async def token(self, who: str, id: str) -> str:
        """Log somebody in."""
        body = {
            "customer": {"customer_id": id, "name": "张三", "phone": "13800001111"},
            "staff": {"staff_id": id, "name": "李四", "role": "supervisor"},
        }[who]
        answer = await self.sandbox.post(f"/_login/{who}", json=body)
        return str(answer.json()["token"])


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Return as soon as `condition` holds; fail, naming `what`, when it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(LOOK_AGAIN_SECONDS)  # why: other processes have no event we could wait for
    except TimeoutError:
        raise AssertionError(f"waited {seconds:.0f} s in vain until {what}") from None


@asynccontextmanager
async def shop_at(gateway: str, sandbox: str) -> AsyncIterator[Shop]:
    """A new shop on a stack that is up."""
    async with (
        httpx.AsyncClient(base_url=gateway, timeout=20, trust_env=False) as front,
        httpx.AsyncClient(base_url=sandbox, timeout=20, trust_env=False) as outside,
    ):
        yield Shop(front, outside)
