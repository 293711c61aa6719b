"""The public door of a world, and the shoppers with their phones who come to it. They know only the door and the
sandbox, and behave as clients do: who gets no answer asks again with the same key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.subscribe import openid_of
from tests.simulation.evidence import Asked
from tests.simulation.loop import EPOCH, SimLoop
from tests.simulation.network import Cut, Network, Nobody, TooSlow
from tests.simulation.plan import PRODUCTS, STOCK, Shopper, Step

Json = dict[str, Any]

ANSWER_SECONDS = 8.0
TRIES = 4
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 40.0
NO_ANSWER: tuple[int, Json] = (0, {})
PHONE = "1380000{:04d}"


@dataclass
class Door:
    """The public door and the sandbox behind it, with a note of everything that was asked."""

    loop: SimLoop
    network: Network
    asked: list[Asked] = field(default_factory=list)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)

    async def sandbox(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        """Ask the sandbox, which always answers."""
        return await self._ask("sandbox", method, path, body, [])

    async def ask(
        self,
        who: str,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        key: str = "",
        what: str = "",
        order: str = "",
    ) -> tuple[int, Json]:
        """Ask at the gateway as `who` (`c3`, or `s-` and a role). Status 0: no answer, however often it was asked."""
        status, answer = NO_ANSWER
        for attempt in range(TRIES):
            status, answer = await self._ask("gateway", method, path, body, await self._headers(who, key))
            if status not in (0, 429, 503):
                break
            await asyncio.sleep(0.3 * 2**attempt)
        if what:
            at = datetime.fromtimestamp(EPOCH + self.loop.now, UTC)
            self.asked.append(Asked(at, who, what, order, body or {}, status, answer))
        return status, answer

    async def _headers(self, who: str, key: str) -> list[tuple[bytes, bytes]]:
        headers = [(b"authorization", f"Bearer {await self._token(who)}".encode())]
        return [*headers, (b"idempotency-key", key.encode())] if key else headers

    async def _token(self, who: str) -> str:
        token, until = self._tokens.get(who, ("", 0.0))
        if self.loop.now >= until:
            if who.startswith("s-"):
                body: Json = {"staff_id": who, "name": "李四", "role": who[2:]}
                _, answer = await self.sandbox("POST", "/_login/staff", body)
            else:
                body = {"customer_id": who, "name": "张三", "phone": phone_of(who)}
                _, answer = await self.sandbox("POST", "/_login/customer", body)
            token = str(answer["token"])
            self._tokens[who] = (token, self.loop.now + 20 * 3600)
        return token

    async def _ask(
        self, host: str, method: str, path: str, body: Any, headers: list[tuple[bytes, bytes]]
    ) -> tuple[int, Json]:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        if body is not None:
            headers = [*headers, (b"content-type", b"application/json")]
        try:
            answer = await self.network.ask(method, host, path, headers, content, ANSWER_SECONDS)
        except (Nobody, Cut, TooSlow):
            return NO_ANSWER
        try:
            found = json.loads(answer.body) if answer.body else {}
        except ValueError:
            found = {"body": answer.body.decode(errors="replace")}
        return answer.status, found if isinstance(found, dict) else {"found": found}


RULES: list[Json] = [
    {"name": "regrets", "way": "allow", "who": ["customer"], "codes": ["found-better"], "states": ["paid"]}
    | {"undo_seconds": 9},
    {"name": "asks", "way": "approve", "who": ["customer"], "codes": ["wrong-item"], "states": ["paid", "shipped"]}
    | {"approve_by": ["supervisor", "finance"]},
    {"name": "large", "way": "approve", "who": ["supervisor"], "codes": ["delivery"], "states": ["paid", "shipped"]}
    | {"approve_by": ["supervisor", "finance"]},
    {"name": "service-paid", "way": "deny", "who": ["customer-service"], "states": ["paid", "shipped"]}
    | {"zh": "请转主管", "en": "Ask a supervisor."},
    {"name": "anything-else", "way": "allow"},
]
"""Which way a cancellation goes follows from its reason, so that plans decide it."""


def phone_of(who: str) -> str:
    """The phone number of a shopper."""
    return PHONE.format(int(who[1:]) if who[1:].isdigit() else 0)


async def open_shop(door: Door) -> None:
    """Put products on sale and on the shelf, and wait until they can be ordered."""
    listed = [
        {"product_id": one, "name": one, "category": "goods", "offers_minor": [price]}
        for one, price in PRODUCTS.items()
    ]
    receipts = [{"receipt_id": f"r-{one}", "product_id": one, "quantity": count} for one, count in STOCK.items()]
    await door.ask(
        "s-administrator", "POST", "/admin/v1/policies", {"rules": RULES, "note": "of this house"}, key="open"
    )
    await door.ask("s-administrator", "POST", "/admin/v1/policies/1/activation", {"instead_of": 0}, key="open")
    await door.ask("s-supervisor", "POST", "/admin/v1/products", {"products": listed}, key="open")
    await door.ask("s-supervisor", "POST", "/admin/v1/stock-receipts", {"receipts": receipts}, key="open")

    async def there() -> bool:
        _, page = await door.ask("c0", "GET", "/mp/v1/products")
        _, stock = await door.ask("s-supervisor", "GET", "/admin/v1/stock")
        shelf = {row["product_id"]: row["available"] for row in stock.get("stock", ())}
        return len(page.get("products", ())) == len(PRODUCTS) and shelf == dict(STOCK)

    while not await there():  # noqa: ASYNC110 - only looking tells
        await asyncio.sleep(LOOK_SECONDS)


class Person:
    """A shopper going through the steps of a plan."""

    def __init__(self, door: Door, plan: Shopper) -> None:
        self.door = door
        self.name = plan.name
        self.plan = plan
        self.order_id = ""
        self.prepay_id = ""
        self.case_id = ""
        self._count = 0

    async def live(self) -> None:
        """Come, do everything, go."""
        await asyncio.sleep(self.plan.at)
        if self.plan.subscribes:
            await self.door.sandbox("POST", "/_customer/subscribe", {"openid": openid_of(self.name), "count": 3})
        for step in self.plan.steps:
            await self._do(step)

    async def _do(self, step: Step) -> None:
        self._count += 1
        name, *args = step
        await STEPS[name](self, f"{self.name}-{self._count}", *args)

    async def place(self, key: str, lines: list[list[Any]]) -> None:
        wanted = [{"product_id": one, "quantity": count, "unit_price_minor": PRODUCTS[one]} for one, count in lines]
        contact = {"name": "张三", "phone": phone_of(self.name)}
        body = {"currency": "CNY", "lines": wanted, "contact": contact}
        status, answer = await self.door.ask(self.name, "POST", "/mp/v1/orders", body, key=key, what="place")
        if status == 201:
            self.order_id = str(answer["order_id"])
            await asyncio.sleep(LOOK_SECONDS)

    async def wait(self, key: str, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def start_to_pay(self, key: str) -> None:
        path, until = f"/mp/v1/orders/{self.order_id}/pay", self.door.loop.now + PATIENCE_SECONDS
        while self.order_id and self.door.loop.now < until:
            status, answer = await self.door.ask(self.name, "POST", path, {}, what="start-to-pay", order=self.order_id)
            self.prepay_id = str(answer.get("prepay_id", ""))
            if status not in (0, 409, 503):
                return
            await asyncio.sleep(LOOK_SECONDS * 2)

    async def confirm_payment(self, key: str, late: bool = False, how: str = "wallet") -> None:
        if not self.prepay_id:
            return
        body: Json = {"prepay_id": self.prepay_id, "force_late": late}
        body |= {"bank": "招商银行信用卡0403"} if how == "card" else {}
        body |= {"coupon_minor": 1} if how == "coupon" else {}
        await self.door.sandbox("POST", "/_customer/pay", body)

    async def pay(self, key: str, how: str) -> None:
        await self.start_to_pay(key)
        await asyncio.sleep(0.5)
        await self.confirm_payment(key, how=how)
        await asyncio.sleep(LOOK_SECONDS)

    async def cancel(self, key: str, lines: list[list[int]], who: str, family: str, code: str) -> None:
        if not self.order_id:
            return
        body: Json = {"reason": {"family": family, "code": code}}
        if lines:
            body["lines"] = [{"line_no": line_no, "quantity": quantity} for line_no, quantity in lines]
        self.last = (key, who, body)
        await self._cancel(key, who, body)

    async def cancel_again(self, key: str) -> None:
        """The same request, as a client that crashed sends it."""
        if self.order_id:
            await self._cancel(*self.last)

    async def _cancel(self, key: str, who: str, body: Json) -> None:
        actor, door = (self.name, "mp") if who == "customer" else ("s-supervisor", "admin")
        path = f"/{door}/v1/orders/{self.order_id}/cancellation"
        _, answer = await self.door.ask(actor, "POST", path, body, key=key, what="cancel", order=self.order_id)
        self.case_id = str(answer.get("case_id") or self.case_id)

    async def withdraw(self, key: str) -> None:
        """Take the last cancellation back, if it still can be."""
        if self.case_id:
            path = f"/mp/v1/orders/{self.order_id}/cases/{self.case_id}/withdrawal"
            await self.door.ask(self.name, "POST", path, {}, key=key, what="withdraw", order=self.order_id)

    async def move(self, what: str) -> None:
        if self.order_id:
            body = {"carrier": "顺丰", "tracking_number": f"SF{self.name}"} if what == "ship" else {}
            path = f"/admin/v1/orders/{self.order_id}/{what}"
            await self.door.ask("s-warehouse", "POST", path, body, what=what, order=self.order_id)

    async def hide(self, key: str) -> None:
        """Take the order out of the list."""
        if self.order_id:
            path = f"/mp/v1/orders/{self.order_id}"
            await self.door.ask(self.name, "DELETE", path, what="hide", order=self.order_id)

    async def both(self, key: str, one: Step, other: Step) -> None:
        """Two things at once."""
        await asyncio.gather(self._do(one), self._do(other))

    async def refund_by_hand(self, key: str, whole: bool) -> None:
        """Somebody at the merchant platform pays money back."""
        order = await self.look()
        total = int(order.get("paid_minor") or 0)
        if total:
            amount = total if whole else max(1, total // 3)
            body = {"out_trade_no": self.order_id, "amount_minor": amount}
            await self.door.sandbox("POST", "/_control/platform/refunds", body)

    async def look(self, key: str = "") -> Json:
        """See how the order stands, and what came into the inbox."""
        _, order = await self.door.ask(self.name, "GET", f"/mp/v1/orders/{self.order_id}")
        await self.door.ask(self.name, "GET", "/mp/v1/inbox")
        return order

    async def browse(self, key: str) -> None:
        """Look at the list."""
        await self.door.ask(self.name, "GET", "/mp/v1/orders?limit=5")


STEPS: Mapping[str, Callable[..., Awaitable[object]]] = {
    "order": Person.place,
    "wait": Person.wait,
    "look": Person.look,
    "browse": Person.browse,
    "pay": Person.pay,
    "starts-to-pay": Person.start_to_pay,
    "confirms-payment": Person.confirm_payment,
    "cancel": Person.cancel,
    "again": Person.cancel_again,
    "withdraw": Person.withdraw,
    "ship": lambda person, key: person.move("ship"),
    "deliver": lambda person, key: person.move("deliver"),
    "complete": lambda person, key: person.move("complete"),
    "hide": Person.hide,
    "both": Person.both,
    "refund-by-hand": Person.refund_by_hand,
}
