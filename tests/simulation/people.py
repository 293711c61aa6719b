"""The public door of a world, and the shoppers with their phones who come to it. They know only the door and the
sandbox, and behave as clients do: who gets no answer asks again with the same key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sandbox.subscribe import openid_of
from tests.simulation import afterwards, coming, erasing, instead, losing, overreach
from tests.simulation.confirming import code_for
from tests.simulation.evidence import Asked, Attempt
from tests.simulation.keyring import ROLES, Account, Keyring, Session
from tests.simulation.loop import EPOCH, SimLoop
from tests.simulation.network import Cut, Network, Nobody, TooSlow
from tests.simulation.plan import PRODUCTS, STOCK, VARIANTS, Shopper, Step

Json = dict[str, Any]

ANSWER_SECONDS = 8.0
TRIES = 4
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 40.0
NO_ANSWER: tuple[int, Json] = (0, {})
PHONE = "1380000{:04d}"
STAFF_PHONE = "1390000{:04d}"
ALSO: Mapping[str, tuple[int, ...]] = {"tea": (95,)}
"""Other prices at which something is sold, so that there is something like a postcard."""


@dataclass
class Door:
    """The public door and the sandbox behind it, with a note of everything that was asked. `shops`: by customer whose
    merchant account they pay to, where it is not the house's."""

    loop: SimLoop
    network: Network
    asked: list[Asked] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    loss: losing.Loss = field(default_factory=losing.Loss)
    shops: dict[str, str] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keyring = Keyring(self.knock, lambda: self.loop.now)

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
            session = await self.keyring.session(who) if who in self.keyring else None
            status, answer = await self._attempt(
                who, session, method, path, body, await self._headers(who, session, key)
            )
            if status == 401 and session is not None:
                self.keyring.refused(who, session)
            elif status not in (0, 429, 503):
                break
            await asyncio.sleep(0.3 * 2**attempt)
        if what:
            self.note(who, what, order, body or {}, status, answer)
        return status, answer

    def note(self, who: str, what: str, order: str, body: Json, status: int, answer: Json) -> None:
        """Write down what somebody wanted."""
        self.asked.append(Asked(self._now(), who, what, order, body, status, answer))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH + self.loop.now, UTC)

    async def _attempt(
        self,
        who: str,
        session: Session | None,
        method: str,
        path: str,
        body: Any,
        headers: list[tuple[bytes, bytes]],
    ) -> tuple[int, Json]:
        """One request, which nobody asks again. It is noted before its answer is known: it may have been heard."""
        id, place = f"{who}.{len(self.attempts) + 1}", len(self.attempts)
        told = Attempt(self._now(), who, method, path.partition("?")[0], id, session.id if session else "", 0)
        self.attempts.append(told)
        status, answer = await self._ask("gateway", method, path, body, [*headers, (b"x-request-id", id.encode())])
        self.attempts[place] = replace(told, status=status)
        return status, answer

    async def knock(self, who: str, what: str, method: str, path: str, body: Json) -> tuple[int, Json]:
        """Ask at the gateway once, without a token: `what` is to come in, or to stay in."""
        status, answer = await self._attempt(who, None, method, path, body, [])
        self.note(who, what, "", body, status, answer)
        return status, answer

    async def watch(self, who: str, path: str, order: str, seconds: float) -> None:
        """Follow a stream of events for so long; what came is noted as `{"ids", "last"}`."""
        session = await self.keyring.session(who) if who in self.keyring else None
        headers = await self._headers(who, session, "")
        status, answer = await self._ask("gateway", "GET", path, None, headers, hangs_up=seconds)
        events = [part for part in str(answer.get("body", "")).split("\n\n") if "event: order" in part]
        ids = [int(line[4:]) for part in events for line in part.splitlines() if line.startswith("id: ")]
        data = [line[6:] for part in events[-1:] for line in part.splitlines() if line.startswith("data: ")]
        self.note(who, "watch", order, {}, status, {"ids": ids, "last": json.loads(data[0]) if data else {}})

    async def _headers(self, who: str, session: Session | None, key: str) -> list[tuple[bytes, bytes]]:
        token = session.access if session else "" if who in self.keyring else await self._token(who)
        headers = [(b"authorization", f"Bearer {token}".encode())]
        return [*headers, (b"idempotency-key", key.encode())] if key else headers

    async def _token(self, who: str) -> str:
        token, until = self._tokens.get(who, ("", 0.0))
        if self.loop.now >= until:
            if who.startswith("s-"):
                body: Json = {"staff_id": who, "name": "李四", "role": who[2:], "phone": staff_phone_of(who)}
                _, answer = await self.sandbox("POST", "/_login/staff", body)
            else:
                body = {"customer_id": who, "name": "张三", "phone": phone_of(who)}
                body |= {"shop": self.shops[who]} if who in self.shops else {}
                _, answer = await self.sandbox("POST", "/_login/customer", body)
            token = str(answer["token"])
            self._tokens[who] = (token, self.loop.now + 20 * 3600)
        return token

    async def _ask(
        self,
        host: str,
        method: str,
        path: str,
        body: Any,
        headers: list[tuple[bytes, bytes]],
        hangs_up: float | None = None,
    ) -> tuple[int, Json]:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        if body is not None:
            headers = [*headers, (b"content-type", b"application/json")]
        try:
            patience = ANSWER_SECONDS + (hangs_up or 0.0)
            answer = await self.network.ask(method, host, path, headers, content, patience, hangs_up=hangs_up)
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
    {"name": "small", "way": "allow", "who": ["supervisor"], "codes": ["delivery"], "states": ["paid"]}
    | {"up_to_minor": 1_000},
    {"name": "large", "way": "approve", "who": ["supervisor"], "codes": ["delivery"], "states": ["paid", "shipped"]}
    | {"approve_by": ["supervisor", "finance"]},
    {"name": "service-paid", "way": "deny", "who": ["customer-service"], "states": ["paid", "shipped"]}
    | {"zh": "请转主管", "en": "Ask a supervisor."},
    {"name": "with-a-code", "way": "allow", "code": True, "who": ["supervisor"], "codes": ["quality"]}
    | {"states": ["paid"]},
    {"name": "anything-else", "way": "allow"},
]
"""Which way a cancellation goes follows from its reason, and once from its amount, so that plans decide it."""


def phone_of(who: str) -> str:
    """The phone number of a shopper."""
    return PHONE.format(int(who[1:]) if who[1:].isdigit() else 0)


def staff_phone_of(who: str) -> str:
    """The phone number of a member of staff."""
    return STAFF_PHONE.format(ROLES.index(who[2:]) if who[2:] in ROLES else 99)


async def open_shop(door: Door) -> None:
    """Give the staff their accounts, put products on sale and on the shelf, and wait until they can be ordered."""
    for role in ROLES:
        who = f"s-{role}"
        person = {"name": "李四", "role": role, "phone": staff_phone_of(who)}
        _, answer = await door.ask("s-administrator", "PUT", f"/admin/v1/staff/{who}", person, what="staff")
        door.keyring.accounts[who] = Account.of(answer)
    listed = [
        {"product_id": one, "name": one, "category": "goods", "offers_minor": [price, *ALSO.get(one, ())]}
        | ({"variant_of": min(one, VARIANTS[one])} if one in VARIANTS else {})
        for one, price in PRODUCTS.items()
    ]
    receipts = [{"receipt_id": f"r-{one}", "product_id": one, "quantity": count} for one, count in STOCK.items()]
    for who, path, body in (
        ("s-administrator", "/admin/v1/policies", {"rules": RULES, "note": "of this house"}),
        ("s-administrator", "/admin/v1/policies/1/activation", {"instead_of": 0}),
        ("s-supervisor", "/admin/v1/products", {"products": listed}),
        ("s-supervisor", "/admin/v1/stock-receipts", {"receipts": receipts}),
    ):
        status, answer = await door.ask(who, "POST", path, body, key="open")
        if 400 <= status < 500:
            raise RuntimeError(f"the shop cannot be opened: {path} answered {status} {answer}")

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
        if plan.shop:
            door.shops[plan.name] = plan.shop
        self.name = plan.name
        self.plan = plan
        self.order_id = ""
        self.prepay_id = ""
        self.case_id = ""
        self.exported: list[str] = []
        self.quantities: list[int] = []
        self._count = 0

    async def live(self) -> None:
        """Come, do everything, go."""
        await asyncio.sleep(self.plan.at)
        if self.plan.signs_in:
            self.door.keyring.admit(self.name)
        if self.plan.subscribes:
            await self.door.sandbox("POST", "/_customer/subscribe", {"openid": openid_of(self.name), "count": 3})
        for step in self.plan.steps:
            await self._do(step)

    async def _do(self, step: Step) -> None:
        self._count += 1
        name, *args = step
        await STEPS[name](self, f"{self.name}-{self._count}", *args)

    async def place(self, key: str, lines: list[list[Any]], price: int | None = None) -> None:
        wanted = [
            {"product_id": one, "quantity": count, "unit_price_minor": price or PRODUCTS[one]} for one, count in lines
        ]
        contact = {"name": "张三", "phone": phone_of(self.name)}
        body = {"currency": "CNY", "lines": wanted, "contact": contact}
        status, answer = await self.door.ask(self.name, "POST", "/mp/v1/orders", body, key=key, what="place")
        if status == 201:
            self.order_id = str(answer["order_id"])
            self.quantities = [count for _, count in lines]
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

    async def cancel(
        self, key: str, lines: list[list[int]], who: str, family: str, code: str, how: str = "right"
    ) -> None:
        """`how`: which confirmation code is given where one is asked for (see `confirming.code_for`)."""
        if not self.order_id:
            return
        body: Json = {"reason": {"family": family, "code": code}}
        if lines:
            body["lines"] = [{"line_no": line_no, "quantity": quantity} for line_no, quantity in lines]
        self.last = (key, who, body, how)
        await self._cancel(key, who, body, how)

    async def cancel_again(self, key: str) -> None:
        """The same request, as a client that crashed sends it."""
        if self.order_id:
            await self._cancel(*self.last)

    async def _cancel(self, key: str, who: str, body: Json, how: str) -> None:
        actor, door = (self.name, "mp") if who == "customer" else ("s-supervisor", "admin")
        path = f"/{door}/v1/orders/{self.order_id}/cancellation"
        _, answer = await self.door.ask(actor, "POST", path, body, key=key, what="cancel", order=self.order_id)
        if answer.get("code") == "code-required":
            _, shown = await self.door.ask(actor, "POST", f"{path}-preview", body)
            amount = int(shown.get("amount_minor") or 0)
            code = await code_for(self.door, actor, "cancel-order", self.order_id, amount, how)
            body = {**body, "code": code or "000000", "amount_minor": amount}
            _, answer = await self.door.ask(actor, "POST", path, body, key=key, what="cancel", order=self.order_id)
        self.case_id = str(answer.get("case_id") or self.case_id)

    async def withdraw(self, key: str) -> None:
        """Take the last cancellation back, if it still can be."""
        if self.case_id:
            path = f"/mp/v1/orders/{self.order_id}/cases/{self.case_id}/withdrawal"
            await self.door.ask(self.name, "POST", path, {}, key=key, what="withdraw", order=self.order_id)

    async def exchange(self, key: str, line_no: int, quantity: int, product_id: str) -> None:
        """Take other goods for some of a line."""
        if self.order_id:
            path = f"/mp/v1/orders/{self.order_id}/alternatives"
            body = {"kind": "exchange", "line_no": line_no, "quantity": quantity, "product_id": product_id}
            await self.door.ask(self.name, "POST", path, body, key=key, what="exchange", order=self.order_id)

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

    async def wait_and(self, key: str, seconds: float, step: Step) -> None:
        """Something a little later than what happens beside it."""
        await asyncio.sleep(seconds)
        await self._do(step)

    async def refund_by_hand(self, key: str, whole: bool) -> None:
        """Somebody at the merchant platform pays money back."""
        order = await self.look()
        total = int(order.get("paid_minor") or 0)
        if total:
            amount = total if whole else max(1, total // 3)
            body = {"out_trade_no": self.order_id, "amount_minor": amount, "from_available": not whole}
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
    "exchange": Person.exchange,
    "both": Person.both,
    "wait-and": Person.wait_and,
    "refund-by-hand": Person.refund_by_hand,
    **afterwards.STEPS,
    **coming.STEPS,
    **erasing.STEPS,
    **instead.STEPS,
    **losing.STEPS,
    **overreach.STEPS,
}
