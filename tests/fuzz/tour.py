"""Once through the town with requests that mean something: what chance never reaches (a task resolved, a parcel
reported, goods exchanged, reasons published) is answered as the document says, too."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import schemathesis
from schemathesis.core.failures import FailureGroup

from tests.fuzz.firing import Gunner, Json, closed
from tests.fuzz.town import Town
from tests.support.shop import Shop, eventually, shop_at


@dataclass
class Tour:
    """Asks, and holds each answer against the closed document. `seen`: operation and status."""

    shop: Shop
    document: Json
    tokens: dict[str, str]
    seen: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._schema = schemathesis.openapi.from_dict(closed(self.document))

    async def ask(
        self, who: str, method: str, route: str, body: Json | None = None, *, query: str = "", **ids: Any
    ) -> Any:
        """Ask a route as somebody; its good answer. Raises AssertionError for any other, and for one that is not as
        described."""
        answer = await self.send(who, method, route, body, query=query, **ids)
        assert answer.status_code < 300, f"{method} {route}: {answer.status_code} {answer.text[:1_000]}"
        return answer.json() if answer.content else None

    async def send(
        self, who: str, method: str, route: str, body: Json | None = None, *, query: str = "", **ids: Any
    ) -> httpx.Response:
        """The same, whatever is answered."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}", "Idempotency-Key": f"tour-{len(self.seen)}-{ids}"}
        headers["Idempotency-Key"] = headers["Idempotency-Key"].encode().hex()[:64]
        answer = await self.shop.gateway.request(method, route.format(**ids) + query, json=body, headers=headers)
        try:
            self._schema[route][method].validate_response(answer)
        except FailureGroup as wrong:
            raise AssertionError(f"{method} {route}{query}: {wrong.exceptions} {answer.text[:2_000]}") from wrong
        self.seen.add((f"{method} {route}", answer.status_code))
        return answer


ORDER = "/admin/v1/orders/{order_id}"
OWN = "/mp/v1/orders/{order_id}"
TASK = "/admin/v1/tasks/{task_id}"


def tour(place: Town, document: Json, everybody: list[Gunner], customer: str) -> set[tuple[str, int]]:
    """Make the tour; which operations were answered how. Raises AssertionError."""
    return asyncio.run(_tour(place, document, {one.who: one.token for one in everybody}, customer))


async def _tour(place: Town, document: Json, tokens: dict[str, str], customer: str) -> set[tuple[str, int]]:
    async with shop_at(place.gateway, place.sandbox) as shop:
        shop.name = customer
        here = Tour(shop, document, tokens)
        for part in (_reasons, _policies, _exchange, _parcels, _many, _lists, _trail):
            await part(here)
        return here.seen


async def _reasons(here: Tour) -> None:
    known = await here.ask("supervisor", "GET", "/admin/v1/reasons")
    own = {"family": "customer", "code": "moved-house", "zh": "搬家", "en": "moved house"}
    body = {"reasons": [*known["reasons"], own], "instead_of": known["version"], "note": "people move"}
    made = await here.ask("supervisor", "POST", "/admin/v1/reasons", body)
    await here.ask("warehouse", "GET", "/admin/v1/reasons/{version}", version=made["version"])
    offered = await here.ask("customer", "GET", "/mp/v1/reasons")
    assert "moved-house" in {one["code"] for one in offered["reasons"]}
    order = await here.shop.paid_order(tea=2)
    reason = {"reason": {"family": "customer", "code": "moved-house"}, "lines": [{"line_no": 1, "quantity": 1}]}
    for road in ("cancellation-preview", "cancellation"):
        await here.ask("customer", "POST", f"{OWN}/{road}", reason, order_id=order)
    await here.shop.comes_to(order, "paid")
    shown = await here.ask("customer", "GET", OWN, order_id=order)
    assert shown["cases"][0]["reason"]["word"] == "moved-house"


async def _policies(here: Tour) -> None:
    rule = {"name": "by-hand", "way": "approve", "states": ["shipped"], "codes": ["moved-house"]}
    rules = [{**rule, "approve_by": ["supervisor"]}, {"name": "anything", "way": "allow"}]
    saved = await here.ask("supervisor", "POST", "/admin/v1/policies", {"rules": rules, "note": "parcels"})
    await here.ask("finance", "GET", "/admin/v1/policies/{version}", version=saved["version"])
    period = {"since": "2026-01-01T00:00:00Z", "until": "2026-12-31T00:00:00Z"}
    await here.ask("finance", "POST", "/admin/v1/policies/{version}/preview", period, version=saved["version"])
    await here.ask("supervisor", "GET", "/admin/v1/policies")
    coupon = {"amount_minor": 100, "minimum_minor": 200}
    for _ in range(2):
        await here.ask("supervisor", "PUT", "/admin/v1/coupons/{code}", coupon, code="TEN")


async def _exchange(here: Tour) -> None:
    order = await here.shop.paid_order(tea=2)
    found = await here.ask("customer", "GET", f"{OWN}/alternatives", order_id=order)
    other = found["exchange"]["variants"][0]
    wish = {"kind": "exchange", "line_no": 1, "quantity": 1, "product_id": other["product_id"]}
    await here.ask("customer", "POST", f"{OWN}/alternatives", wish, order_id=order)

    async def swapped() -> bool:
        return bool((await here.shop.show(order))["exchanges"][0]["ended_at"])

    await eventually(swapped, f"goods of {order} are exchanged")
    days = (await here.ask("customer", "GET", f"{OWN}/alternatives", order_id=order))["later_delivery"]
    later = {"kind": "later-delivery", "day": days["latest"]}
    await here.ask("customer", "POST", f"{OWN}/alternatives", later, order_id=order)


async def _parcels(here: Tour) -> None:
    back = [{"line_no": 1, "good": 0, "damaged": 1}]
    reports: list[Json] = [
        {"found": "intercepted", "goods": [{"line_no": 1, "good": 1, "damaged": 0}]},
        {"found": "returned", "goods": back, "note": "wet"},
        {"found": "delivered"},
    ]
    whole = {"reason": {"family": "merchant", "code": "quality"}}
    for report in reports:
        order = await here.shop.paid_order(tea=1)
        parcel = {"carrier": "SF", "tracking_number": "SF1"}
        await here.ask("warehouse", "POST", f"{ORDER}/ship", parcel, order_id=order)
        for road in ("cancellation-preview", "cancellation"):
            await here.ask("supervisor", "POST", f"{ORDER}/{road}", whole, order_id=order)
        waits = await here.ask("customer", "GET", OWN, order_id=order)
        assert [case["waits_for"] for case in waits["cases"]] == ["parcel"]
        (task,) = (await here.ask("warehouse", "GET", ORDER, order_id=order))["tasks"]
        await here.ask("warehouse", "POST", f"{TASK}/parcel", report, task_id=task["task_id"])
        await here.shop.comes_to(order, "shipped" if report["found"] == "delivered" else "cancelled")
        for who, route in (("customer", OWN), ("finance", ORDER)):
            shown = await here.ask(who, "GET", route, order_id=order)
            assert shown["cases"][0]["parcel"]["found"] == report["found"]


async def _many(here: Tour) -> None:
    road = "/admin/v1/tasks/resolutions"
    wish: Json = {"command": "try-again", "list": "person"}
    shown = await here.ask("finance", "POST", road, {**wish, "dry_run": True})
    assert shown["count"]
    done = await here.ask("finance", "POST", road, {**wish, "digest": shown["digest"]})
    assert "done" in {task["outcome"] for task in done["tasks"]}
    named = {"command": "give-up", "task_ids": ["o1-c1-t1", done["tasks"][0]["task_id"]], "dry_run": True}
    assert (await here.ask("finance", "POST", road, named))["refused"]


async def _lists(here: Tour) -> None:
    lists = [f"?list={name}" for name in ("stuck", "parked", "person", "approval")]
    waits = [f"?waits_for={what}" for what in ("approval", "undo-window", "parcel", "person")]
    for query in ("", *lists, *waits, "?status=completed"):
        await here.ask("customer-service", "GET", "/admin/v1/cases", query=query)
    person = await here.ask("supervisor", "GET", "/admin/v1/cases", query="?list=person")
    assert person["cases"], "a parcel is waited for"
    await here.ask("warehouse", "GET", "/admin/v1/tasks")
    await here.ask("customer", "GET", "/mp/v1/products")
    for who, route in (("customer", OWN), ("supervisor", ORDER)):
        listed = (await here.ask(who, "GET", route.removesuffix("/{order_id}")))["orders"]
        for order in listed:
            await here.ask(who, "GET", route, order_id=order["order_id"])
    await here.ask("customer", "GET", "/mp/v1/inbox")


async def _trail(here: Tour) -> None:
    wrong = {"password": "x", "code": "000000", "new_password": "a longer one, 4711"}
    assert (await here.send("finance", "POST", "/admin/v1/session/password", wrong)).status_code in {403, 503}
    account = {"name": "王五", "role": "warehouse", "phone": "13900001111"}
    await here.ask("administrator", "PUT", "/admin/v1/staff/{staff_id}", account, staff_id="tour")
    await here.ask("administrator", "PUT", "/admin/v1/staff/{staff_id}", account, staff_id="tour")
    found = await here.ask("administrator", "GET", "/admin/v1/audit", query="?limit=500")
    kinds = {kind for entry in found["entries"] for kind in (entry["after"] or ())}
    assert kinds >= {"orders", "coupon", "active", "version", "stock", "account"}, kinds
    assert {"done", "refused"} <= {entry["outcome"] for entry in found["entries"]}
