"""The two doors the replay knocks at: the public gateway and the stand-in for the outside world. Every address and
every shape of a request is named here and nowhere else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from zlib import crc32

import httpx

from sandbox.fault_mix import Road
from sandbox.subscribe import openid_of
from tools.replay.knock import Json, Knock, expect
from tools.replay.plan import Cancellation, Order, Product

CURRENCY = "CNY"
AT_ONCE = 200
REFUSED: Road = "not-permitted"
PAGE = 500
SCOPE = ["orders:import"]
STAFF = {"staff_id": "replay", "name": "重放", "role": "supervisor", "scope": SCOPE}


class Outside:
    """The stand-in: it hands out tokens, lets customers pay, and keeps the ledger that judges everybody."""

    def __init__(self, knock: Knock) -> None:
        self._knock = knock

    async def customer(self, customer_id: str, group: str) -> Json:
        """Log a customer in; the answer holds the token."""
        who = {
            "customer_id": customer_id,
            "name": name_of(customer_id),
            "phone": phone_of(customer_id),
            "group": group,
            "scope": SCOPE,
        }
        return expect(await self._knock.ask("POST", "/_login/customer", body=who), 200, 201)

    async def staff(self) -> Json:
        """Log the supervisor in who cancels for the customers."""
        return expect(await self._knock.ask("POST", "/_login/staff", body=STAFF), 200, 201)

    async def pay(self, prepay_id: str) -> None:
        """The customer pays. Paid already is fine: the replay may run a second time."""
        answer = await self._knock.ask("POST", "/_customer/pay", body={"prepay_id": prepay_id})
        if answer.status_code == httpx.codes.CONFLICT and '"paid"' in answer.text:
            return
        expect(answer, 200, 201, 202, 204)

    async def accept_messages(self, customer_id: str) -> None:
        """The customer accepts one message of each kind, as the mini-program asks right after a payment."""
        body = {"openid": openid_of(customer_id)}
        expect(await self._knock.ask("POST", "/_customer/subscribe", body=body), 200)

    async def trouble(self, seed: int, unknown: float, refused: float) -> None:
        """Let some refunds go wrong: which ones follows from the seed and the refund's number alone. Refused is for
        want of a right, which no other road replaces: those cases are undone."""
        faults = {"seed": seed, "refund_unknown_share": unknown, "mix": {REFUSED: refused}}
        expect(await self._knock.ask("PUT", "/_control/faults", body=faults), 200, 204)

    async def summary(self) -> Json:
        """The ledger's counts and sums, in fen."""
        return expect(await self._knock.ask("GET", "/_ledger/summary"), 200)

    async def check(self) -> Json:
        """The ledger's own sums."""
        return expect(await self._knock.ask("GET", "/_ledger/check"), 200)

    def money(self) -> AsyncIterator[Json]:
        """Every line about money, oldest first."""
        return self._lines("/_ledger/money")

    def messages(self) -> AsyncIterator[Json]:
        """Every message that a provider accepted, oldest first."""
        return self._lines("/_ledger/messages")

    async def _lines(self, path: str) -> AsyncIterator[Json]:
        after = 0
        while True:
            page = expect(await self._knock.ask("GET", path, params={"after": str(after), "limit": str(PAGE)}), 200)
            for line in page["lines"]:
                yield line
            if page["next_after"] is None:
                return
            after = int(page["next_after"])


class Shop:
    """The public gateway, as its customers and as one supervisor."""

    def __init__(self, knock: Knock, outside: Outside) -> None:
        self.pace = knock.pace
        self._knock = knock
        self._outside = outside
        self._logins: dict[tuple[str, str], Json] = {}

    async def list_products(self, products: Sequence[Product]) -> None:
        """Put products on sale; listing them again changes nothing."""
        for start in range(0, len(products), AT_ONCE):
            listed = [
                {
                    "product_id": product.product_id,
                    "name": product.name,
                    "category": product.category,
                    "offers_minor": list(product.offers_minor),
                    "currency": CURRENCY,
                }
                for product in products[start : start + AT_ONCE]
            ]
            await self._tell("/admin/v1/products", {"products": listed})

    async def begin_at_once(self) -> None:
        """Let every cancellation begin at once, without approval or undo window: for drills on a stack of their own."""
        rules = [{"name": "anything", "way": "allow"}]
        key = hashlib.sha256(json.dumps(rules).encode()).hexdigest()[:32]
        body = {"rules": rules, "note": "drill"}
        saved = expect(await self._as(None, "POST", "/admin/v1/policies", body, key=key), 201)
        active = expect(await self._as(None, "GET", "/admin/v1/policies"), 200)["active"]
        path = f"/admin/v1/policies/{saved['version']}/activation"
        expect(await self._as(None, "POST", path, {"instead_of": active}, key=f"{key}-{active}"), 200)

    async def receive_stock(self, receipts: Sequence[tuple[str, str, int]]) -> None:
        """Book pieces in: (receipt id, product id, quantity); the same receipt id counts once."""
        for start in range(0, len(receipts), AT_ONCE):
            booked = [
                {"receipt_id": receipt_id, "product_id": product_id, "quantity": quantity}
                for receipt_id, product_id, quantity in receipts[start : start + AT_ONCE]
            ]
            await self._tell("/admin/v1/stock-receipts", {"receipts": booked})

    def products(self) -> AsyncIterator[Json]:
        """Everything on sale."""
        return self._pages("/mp/v1/products", "products")

    def stock(self) -> AsyncIterator[Json]:
        """The balance of every product."""
        return self._pages("/admin/v1/stock", "stock")

    def orders(self) -> AsyncIterator[Json]:
        """Every order there is."""
        return self._pages("/admin/v1/orders", "orders")

    def cases(self) -> AsyncIterator[Json]:
        """Every cancellation case there is."""
        return self._pages("/admin/v1/cases", "cases")

    async def place(self, order: Order) -> Json:
        """Place an order as its customer. The key is the invoice's number, so a second time is the same order."""
        body = {
            "currency": CURRENCY,
            "lines": [
                {"product_id": line.product_id, "quantity": line.quantity, "unit_price_minor": line.unit_price_minor}
                for line in order.lines
            ],
            "contact": {"name": name_of(order.customer_id), "phone": phone_of(order.customer_id)},
            "reference": {"number": order.invoice, "occurred_at": _rfc3339(order.occurred_at)},
        }
        return expect(await self._as(order, "POST", "/mp/v1/orders", body, key=f"invoice-{order.invoice}"), 201, 200)

    async def pay(self, order: Order, order_id: str) -> httpx.Response:
        """Ask for a payment to be prepared; 409 says that it is not ready yet or that it is paid already."""
        return await self._as(order, "POST", f"/mp/v1/orders/{order_id}/pay", {}, key=f"pay-{order.invoice}")

    async def customer_pays(self, order: Order, prepay_id: str) -> None:
        """The customer confirms the payment on the phone; most then let the shop write to them."""
        if accepts_messages(order.customer_id):
            await self._outside.accept_messages(order.customer_id)
        await self._outside.pay(prepay_id)

    async def show(self, order: Order, order_id: str) -> Json:
        """An order as its customer sees it."""
        return expect(await self._as(order, "GET", f"/mp/v1/orders/{order_id}"), 200)

    async def cancel(self, case: Cancellation, order_id: str) -> httpx.Response:
        """Cancel pieces of an order as staff; 409 may say that another case of the order is open."""
        body = {
            "lines": [{"line_no": line_no, "quantity": quantity} for line_no, quantity in case.lines],
            "reason": {"family": case.family, "code": case.code, "remark": f"退货单 {case.number}"},
            "reference": {"number": case.number, "occurred_at": _rfc3339(case.occurred_at)},
        }
        key = f"cancellation-{case.number}-{case.invoice}"
        return await self._as(None, "POST", f"/admin/v1/orders/{order_id}/cancellation", body, key=key)

    async def summary(self) -> Json:
        """Counts and sums of the orders' book."""
        return expect(await self._as(None, "GET", "/admin/v1/summary"), 200)

    async def recount(self) -> Json:
        """Let the stock book prove itself against its own ledger."""
        return expect(await self._as(None, "POST", "/admin/v1/stock/recount", {}), 200)

    async def notices(self, order_id: str) -> list[Json]:
        """What the notify service says it told about an order."""
        found = expect(await self._as(None, "GET", "/admin/v1/notices", params={"order_id": order_id}), 200)
        return list(found["notices"])

    async def figures(self, subject: str, by: str) -> list[Json]:
        """The analytics service's rows about orders, cancellations or refunds."""
        found = expect(await self._as(None, "GET", f"/admin/v1/figures/{subject}", params={"by": by}), 200)
        return list(found["rows"])

    async def token(self, order: Order) -> str:
        """The token of an order's customer."""
        return str((await self._login((order.customer_id, order.group)))["token"])

    async def _tell(self, path: str, body: Json) -> None:
        key = hashlib.sha256(json.dumps([path, body]).encode()).hexdigest()[:32]
        expect(await self._as(None, "POST", path, body, key=key), 200, 201, 202)

    async def _pages(self, path: str, name: str) -> AsyncIterator[Json]:
        params = {"limit": str(PAGE)}
        while True:
            page = expect(await self._as(None, "GET", path, params=params), 200)
            for row in page[name]:
                yield row
            if not page.get("next"):
                return
            params["after"] = str(page["next"])

    async def _as(
        self,
        who: Order | None,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        key: str = "",
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Ask as an order's customer, or as staff; a token that has run out is fetched anew once."""
        whose = (who.customer_id, who.group) if who else ("", "")
        login = await self._login(whose)
        for last in (False, True):
            headers = {"Authorization": f"Bearer {login['token']}"} | ({"Idempotency-Key": key} if key else {})
            answer = await self._knock.ask(method, path, body=body, params=params, headers=headers)
            if answer.status_code != httpx.codes.UNAUTHORIZED or last:
                return answer
            self._logins.pop(whose, None)
            login = await self._login(whose)
        raise AssertionError("unreachable")

    async def _login(self, whose: tuple[str, str]) -> Json:
        if whose not in self._logins:
            self._logins[whose] = await (self._outside.customer(*whose) if whose[0] else self._outside.staff())
        return self._logins[whose]


def accepts_messages(customer_id: str) -> bool:
    """Four customers in five accept WeChat messages; the others are told by SMS. Always the same ones."""
    return crc32(f"accepts {customer_id}".encode()) % 5 != 0


def name_of(customer_id: str) -> str:
    """The file names nobody."""
    return f"客户{customer_id}"[:64]


def phone_of(customer_id: str) -> str:
    """A well-formed number that is always the same for a customer. The stand-in is the only one ever to see it."""
    return f"199{crc32(customer_id.encode()) % 10**8:08d}"


def _rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
