"""The day itself: who is there, what is on the shelf, what was promised to whom, and how anything is waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tools.drill.day.people import Customer, Member, Person
from tools.drill.day.telling import Teller, Words, state, yuan
from tools.replay.client import Outside
from tools.replay.knock import Json, Knock, Pace, UnexpectedAnswerError, expect


@dataclass(frozen=True, slots=True)
class Goods:
    """Something that is sold, for so many fen. `variant_of`: what its variants name alike; empty when it has none."""

    product_id: str
    name: str
    category: str
    price_minor: int
    opening: int
    variant_of: str = ""


@dataclass
class Promise:
    """What the people of an order were told: fen that they paid, fen that came back, and each outcome that a message
    carried (refund-arrived, …). `pieces` stay with the customer, by product."""

    customer: Customer
    paid_minor: int
    back_minor: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    pieces: Counter[str] = field(default_factory=Counter)


@dataclass
class Day:
    """Everything a chapter works with. `codes`: confirmation codes that were asked for, by phone. `left_out`: routes
    that cannot be played on this stack, with the reason. `since`: the newest lines of the sandbox's two ledgers when
    the day began."""

    teller: Teller
    gateway: httpx.AsyncClient
    front: Knock
    back: Knock
    outside: Outside
    chance: Random
    mark: str
    staff: dict[str, Member]
    customers: list[Customer]
    goods: dict[str, Goods]
    since: tuple[int, int] = (0, 0)
    orders: dict[str, Promise] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    left_out: dict[tuple[str, str], Words] = field(default_factory=dict)
    policies: tuple[int, int] | None = None
    shipped: str = ""

    @property
    def pace(self) -> Pace:
        """How long anything is waited for."""
        return self.front.pace

    @property
    def people(self) -> list[Person]:
        """Everybody."""
        return [*self.staff.values(), *self.customers]

    def tell(self, who: Person, did: tuple[str, str], saw: tuple[str, str]) -> None:
        """One scene: (Chinese, English) each."""
        self.teller.tell(who.name, who.role, Words(*did), Words(*saw))

    async def until(self, what: str, look: Callable[[], Awaitable[Json | None]]) -> Json:
        """Look again and again until there is something. Raises UnexpectedAnswerError, naming `what`."""
        try:
            return await self.pace.again(look)
        except TimeoutError as late:
            raise UnexpectedAnswerError(f"{what}: {late}") from late

    async def page_when(self, who: Person, path: str, what: str, is_so: Callable[[Json], bool]) -> Json:
        """A page, as soon as it says so."""

        async def look() -> Json | None:
            page = await who.sees(path)
            return page if is_so(page) else None

        return await self.until(what, look)

    async def comes_to(self, customer: Customer, order_id: str, wanted: str) -> Json:
        """The order's page when it is in this state and no cancellation is open."""
        return await self.page_when(
            customer,
            f"/mp/v1/orders/{order_id}",
            f"{order_id} is {wanted}",
            lambda order: order["state"] == wanted and all(case["status"] != "open" for case in order["cases"]),
        )

    async def buys(self, customer: Customer, pieces: dict[str, int], coupon: tuple[str, int] = ("", 0)) -> str:
        """Order and pay: the order's id. `pieces` by the name of the goods; `coupon`: its code and fen off."""
        bought = [(self.goods[name], quantity) for name, quantity in pieces.items()]
        wish: Json = {
            "currency": "CNY",
            "contact": {"name": customer.name, "phone": customer.phone},
            "lines": [
                {"product_id": one.product_id, "quantity": quantity, "unit_price_minor": one.price_minor}
                for one, quantity in bought
            ],
        } | ({"coupon": coupon[0]} if coupon[0] else {})
        order_id = str((await customer.does("POST", "/mp/v1/orders", wish))["order_id"])
        total = sum(one.price_minor * quantity for one, quantity in bought) - coupon[1]
        promise = self.orders[order_id] = Promise(customer, total)
        promise.pieces.update({one.product_id: quantity for one, quantity in bought})
        path = f"/mp/v1/orders/{order_id}"
        await self.page_when(customer, path, f"{order_id} can be paid", lambda order: bool(order["payable"]))
        ticket = await customer.does("POST", f"{path}/pay")
        await self.outside.pay(str(ticket["prepay_id"]))
        paid = await self.comes_to(customer, order_id, "paid")
        names = "、".join(f"{one.name}×{quantity}" for one, quantity in bought)
        self.tell(
            customer,
            (f"下单并付款:{names}", f"orders and pays {names}"),
            (f"{state(paid).zh},实付 {yuan(paid['paid_minor'])}", f"{state(paid).en}, paid {yuan(paid['paid_minor'])}"),
        )
        return order_id

    def came_back(self, order_id: str, amount_minor: int, pieces: dict[str, int], *outcomes: str) -> None:
        """Note what a cancellation gave back, and what the customer must have been told about it."""
        promise = self.orders[order_id]
        promise.back_minor += amount_minor
        promise.pieces.subtract({self.goods[name].product_id: quantity for name, quantity in pieces.items()})
        promise.outcomes.update(outcomes)

    async def code_for(self, who: Member, action: str, subject: str, amount_minor: int) -> str:
        """Have a confirmation code sent, and read it on the phone."""
        wish = {"action": action, "order_id": subject, "amount_minor": amount_minor}
        sent = await who.does("POST", "/admin/v1/codes", wish)
        self.codes[who.phone] += 1
        codes = [str(line["values"]["code"]) async for line in self.messages() if is_code_for(line, who.phone)]
        self.tell(
            who,
            (f"获取确认码({yuan(amount_minor)})", f"asks for a code ({yuan(amount_minor)})"),
            (f"短信已发至 {sent['sent_to']}", f"sent to {sent['sent_to']}"),
        )
        return codes[-1]

    async def messages(self) -> AsyncIterator[Json]:
        """The sandbox's lines about messages since the day began."""
        async for line in self.outside.messages():
            if line["id"] > self.since[1]:
                yield line

    async def money(self) -> AsyncIterator[Json]:
        """The sandbox's lines about money since the day began."""
        async for line in self.outside.money():
            if line["id"] > self.since[0]:
                yield line

    async def sandbox(self, method: str, path: str, body: Any = None) -> Json:
        """What only the sandbox's own doors do: the customer's phone, faults, time."""
        return expect(await self.back.ask(method, path, body=body), 200, 201, 204)

    @asynccontextmanager
    async def trouble(self, order_id: str, **fault: Any) -> AsyncIterator[None]:
        """While it lasts, refunds of this order meet this fault; faults that somebody else asked for stay."""
        before = (await self.sandbox("GET", "/_control/faults"))["rules"]
        rule = {"call": "refund", "match": {"out_trade_no": order_id}, "fault": fault}
        await self.sandbox("POST", "/_control/faults/rules", [rule])
        try:
            yield
        finally:
            await self.sandbox("DELETE", "/_control/faults/rules")
            await self.sandbox("POST", "/_control/faults/rules", before)


def is_code_for(line: Json, phone: str) -> bool:
    """Whether a message brings a confirmation code to this phone."""
    return "code" in line["values"] and str(line.get("to", "")).endswith(phone)
