"""Every address and every shape of a request that the drill needs beyond the replay's: one customer or member of staff
at the gateway, the sandbox's weather, the services' own pages and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from sandbox.faults import Shares
from tools.drill.plan import Visit
from tools.replay.client import CURRENCY, Outside, Shop, accepts_messages, name_of, phone_of
from tools.replay.knock import Json, Knock, Pace, expect

NEW_CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222021234567890123", "real_name": "张三"}
PLENTY_MINOR = 10**12
PAGE = "500"


class Person:
    """Somebody at the gateway. Logs in at the first request, and again when the token has run out."""

    def __init__(self, knock: Knock, login: Callable[[], Awaitable[Json]]) -> None:
        self._knock = knock
        self._login = login
        self._token = ""

    async def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        key: str = "",
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The gateway's answer. Raises UnexpectedAnswerError when nobody answers for long."""
        for last in (False, True):
            if not self._token:
                self._token = str((await self._login())["token"])
            headers = {"Authorization": f"Bearer {self._token}"} | ({"Idempotency-Key": key} if key else {})
            answer = await self._knock.ask(method, path, body=body, params=params, headers=headers)
            if answer.status_code != httpx.codes.UNAUTHORIZED or last:
                return answer
            self._token = ""
        raise AssertionError("unreachable")


class Provider:
    """The sandbox, as the drill drives it."""

    def __init__(self, knock: Knock) -> None:
        self._knock = knock

    async def trouble(self, shares: Shares) -> None:
        """From now on these refund numbers meet trouble."""
        expect(await self._knock.ask("PUT", "/_control/faults", body=shares.model_dump()), 200)

    async def now(self) -> str:
        """The time as the sandbox writes it into its ledger, RFC 3339."""
        return str(expect(await self._knock.ask("GET", "/_control/clock"), 200)["now"])

    async def balance(self, minor: int) -> None:
        """The merchant has this much money, fen."""
        expect(await self._knock.ask("PUT", "/_control/balance", body={"balance_minor": minor}), 200)

    async def advance(self, seconds: float) -> None:
        """Its business time goes on by so much."""
        expect(await self._knock.ask("POST", "/_control/clock", body={"advance_seconds": seconds}), 200)

    async def refund_by_hand(self, order_id: str, amount_minor: int) -> None:
        """Somebody makes a refund on the merchant platform."""
        body = {"out_trade_no": order_id, "amount_minor": amount_minor}
        expect(await self._knock.ask("POST", "/_control/platform/refunds", body=body), 201)

    async def confirm(self, package: str) -> bool:
        """A customer takes a transfer; False when it cannot be taken now."""
        answer = await self._knock.ask("POST", "/_customer/transfer/confirm", body={"package_info": package})
        return bool(answer.status_code == httpx.codes.OK)


@dataclass(frozen=True, slots=True)
class Doors:
    """Everybody the drill speaks to. `order` and `payment` are the services' own doors, for reading their books."""

    front: Knock
    outside: Outside
    provider: Provider
    shop: Shop
    staff: Person
    order: Knock
    payment: Knock

    @property
    def pace(self) -> Pace:
        """How long anything is waited for."""
        return self.front.pace

    def customer(self, visit: Visit) -> Person:
        """The customer of an order."""
        return Person(self.front, lambda: self.outside.customer(visit.customer_id, "drill"))

    async def subscribe(self, visit: Visit) -> None:
        """Most customers let the shop write to them when they pay."""
        if accepts_messages(visit.customer_id):
            await self.outside.accept_messages(visit.customer_id)

    def open_cases(self) -> AsyncIterator[Json]:
        """Every case that has not ended."""
        return self._pages("/admin/v1/cases", "cases", status="open")

    def tasks(self) -> AsyncIterator[Json]:
        """Everything that waits for a person."""
        return self._pages("/admin/v1/tasks", "tasks")

    async def order_page(self, order_id: str) -> Json:
        """The order service's page about an order."""
        return expect(await self.order.ask("GET", f"/orders/{order_id}"), 200)

    async def payment_page(self, order_id: str) -> Json:
        """The payment service's page about an order; an empty one when it knows of none."""
        answer = await self.payment.ask("GET", f"/payments/{order_id}")
        return {} if answer.status_code == httpx.codes.NOT_FOUND else expect(answer, 200)

    async def _pages(self, path: str, name: str, **which: str) -> AsyncIterator[Json]:
        params = {"limit": PAGE, **which}
        while True:
            page = expect(await self.staff.ask("GET", path, params=params), 200)
            for row in page[name]:
                yield row
            if not page.get("next"):
                return
            params["after"] = str(page["next"])


def order_body(visit: Visit) -> Json:
    """What the mini-program sends to place the order."""
    lines = [
        {"product_id": line.product_id, "quantity": line.quantity, "unit_price_minor": line.unit_price_minor}
        for line in visit.lines
    ]
    contact = {"name": name_of(visit.customer_id), "phone": phone_of(visit.customer_id)}
    return {"currency": CURRENCY, "lines": lines, "contact": contact}


def cancellation_body(visit: Visit) -> Json:
    """What customer or staff send to cancel it, or some pieces of it."""
    lines = [{"line_no": line_no, "quantity": quantity} for line_no, quantity in visit.cancelled]
    return {"reason": {"family": visit.family, "code": visit.code}} | ({"lines": lines} if lines else {})


@asynccontextmanager
async def opened(
    addresses: Mapping[str, str], pace: Pace, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Doors]:
    """All doors; `addresses`: host:port of gateway, sandbox, order and payment. Proxies from the environment must not
    come between two processes of one machine."""
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)

    def knock(name: str) -> httpx.AsyncClient:
        base = f"http://{addresses[name]}"
        return httpx.AsyncClient(base_url=base, timeout=30, limits=limits, trust_env=False, transport=transport)

    async with knock("gateway") as front, knock("sandbox") as back, knock("order") as order, knock("payment") as till:
        behind, before = Knock(back, pace), Knock(front, pace)
        outside = Outside(behind)
        yield Doors(
            front=before,
            outside=outside,
            provider=Provider(behind),
            shop=Shop(before, outside),
            staff=Person(before, outside.staff),
            order=Knock(order, pace),
            payment=Knock(till, pace),
        )
