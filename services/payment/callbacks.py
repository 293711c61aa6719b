"""Where the provider calls back. Only the gateway reaches this; it passes the raw body and the `Wechatpay-*` headers on
unchanged.

204 once the fact is stored; anything else and it calls again, for a day. The HTTP status alone counts
(pay.weixin.qq.com/doc/v3/merchant/4012082053).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal, Protocol

import structlog
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import Counter
from pydantic import ValidationError

from chassis.engine import Engine
from chassis.record import Heard
from contracts.message import message_id
from services.payment.handlers import PAYMENTS
from services.payment.merchants import Merchants, UnknownShop
from services.payment.model import Payment
from services.payment.outside import PaymentNotified, RefundShown, TransferShown
from services.payment.shown import ProviderRefund, ProviderTransfer, Trade
from services.payment.wechatpay import BadCallback, BadSignature, Callback, Family

CALLBACK_BYTES_MAX = 64 * 1024

EVENTS: dict[Family, str] = {"pay": "TRANSACTION.", "refund": "REFUND.", "transfer": "MCHTRANSFER."}
"""How the events of each family begin."""

Outcome = Literal[
    "stored", "probe", "unsigned", "expired", "unknown-key", "forged", "unreadable", "not-ours", "too-long"
]
CALLBACKS = Counter(
    "tuidan_payment_callbacks_total", "Callbacks of the provider by their outcome", ["family", "outcome"]
)

Shown = PaymentNotified | RefundShown | TransferShown
Shop = Annotated[str, Path(max_length=32)]

log = structlog.get_logger()


class Summing(Protocol):
    """Where payments are looked for: the records' collection."""

    async def aggregate(self, pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The result of an aggregation pipeline."""


class NotOurs(Exception):
    """A genuine callback about something we do not know: `http` and `why` are the answer."""

    def __init__(self, http: int, why: str) -> None:
        super().__init__(why)
        self.http = http


def callback_routes(engine: Engine, merchants: Merchants, records: Summing) -> APIRouter:
    """The house's own callbacks, and those of each further shop."""
    router = APIRouter()
    door = Door(engine, merchants, records)

    @router.post("/callbacks/{family}")
    async def called_back(family: Family, request: Request) -> Response:
        return await door.answer(request, family, "")

    @router.post("/callbacks/{family}/{shop}")
    async def shop_called_back(family: Family, shop: Shop, request: Request) -> Response:
        return await door.answer(request, family, shop)

    return router


class Door:
    """Verifies, decrypts, stores and answers."""

    def __init__(self, engine: Engine, merchants: Merchants, records: Summing) -> None:
        self._engine = engine
        self._merchants = merchants
        self._records = records

    async def answer(self, request: Request, family: Family, shop: str) -> Response:
        """The answer to one callback, counted by its outcome."""
        response, outcome = await self._judge(request, family, shop)
        CALLBACKS.labels(family, outcome).inc()
        return response

    async def _judge(self, request: Request, family: Family, shop: str) -> tuple[Response, Outcome]:
        raw = await request.body()
        if len(raw) > CALLBACK_BYTES_MAX:
            return _fail(413, "too long"), "too-long"
        try:
            if request.url.query:
                raise NotOurs(400, "our notify_url has no query string")
            callback = await self._merchants.of(shop).open_callback(request.headers, raw)
            owners = self._owners(callback, family, shop)
            await self._store(callback, await self._report(callback, family), owners)
        except BadSignature as problem:
            if not problem.is_probe:
                log.warning("a callback with a bad signature", family=family, shop=shop[:32], problem=str(problem))
            return _fail(401, "signature"), problem.fault
        except BadCallback as problem:
            log.error("a callback of the provider cannot be read", family=family, problem=str(problem)[:300])
            return _fail(400, "unreadable"), "unreadable"
        except UnknownShop:
            log.warning("a callback for a shop we do not know", family=family, shop=shop[:32])
            return _fail(404, "unknown shop"), "not-ours"
        except NotOurs as problem:
            log.warning("a callback about something we do not know", family=family, problem=str(problem))
            return _fail(problem.http, str(problem)), "not-ours"
        return Response(status_code=204), "stored"

    def _owners(self, callback: Callback, family: Family, shop: str) -> Collection[str]:
        """The shops whose it may be. What was begun by hand is told to the one address that its account has on the
        merchant platform, and a service provider's account acts for many. Raises NotOurs."""
        if not callback.event_type.startswith(EVENTS[family]):
            raise NotOurs(400, f"{callback.event_type[:64]} does not belong here")
        resource = callback.resource
        if family == "transfer":
            owners = [shop] if resource.get("mch_id") == self._merchants.of(shop).merchant.mchid else []
        else:
            owners = [name for name, one in self._merchants.of_one_account(shop).items() if one.owns(resource)]
        if not owners:
            raise NotOurs(400, f"another merchant's {family}")
        return owners

    async def _report(self, callback: Callback, family: Family) -> Shown:
        """The callback as a report of one record. Raises BadCallback or NotOurs."""
        try:
            if family == "pay":
                return _payment(callback)
            if family == "refund":
                return _refund(callback)
            return await self._transfer(callback)
        except ValidationError as problem:
            raise BadCallback(f"{problem.error_count()} fields are missing or wrong") from problem

    async def _transfer(self, callback: Callback) -> TransferShown:
        transfer = ProviderTransfer.model_validate(callback.resource)
        found = await self._records.aggregate(
            [{"$match": {TRANSFER_FIELD: transfer.out_bill_no}}, {"$limit": 1}, {"$project": {"_id": 1}}]
        )
        if not found:
            raise NotOurs(404, "unknown transfer")
        return TransferShown.model_validate(
            {"order_id": found[0]["_id"], "number": transfer.out_bill_no, "transfer": transfer, "by": "callback"}
        )

    async def _store(self, callback: Callback, report: Shown, owners: Collection[str]) -> None:
        record = await self._engine.read(PAYMENTS, report.order_id)
        if record is None:
            raise NotOurs(404, "unknown order")
        payment = record.state
        if payment is not None and payment.status != "new" and payment.shop not in owners:
            raise NotOurs(400, "another shop's order")
        if isinstance(report, RefundShown) and not _may_be_refunded(payment):
            # Its payment's callback was lost or is late, so this one made by hand would be forgotten. It comes again.
            raise NotOurs(404, "a payment that is not known yet")
        at = self._engine.clock()
        await self._engine.hear(Heard(report, message_id("callback", callback.id), at, answers_travel=False))


TRANSFER_FIELD = "state.refunds.payout.number"
"""Where a payment keeps the number of a transfer; nothing in the number leads to the order."""

TRANSFERS_ONLY: dict[str, Any] = {TRANSFER_FIELD: {"$gt": ""}}
"""The few payments an index on that field needs to hold."""


def _payment(callback: Callback) -> PaymentNotified:
    trade = Trade.model_validate(callback.resource)
    return PaymentNotified.model_validate({"order_id": trade.out_trade_no, "trade": trade})


def _refund(callback: Callback) -> RefundShown:
    refund = ProviderRefund.model_validate(callback.resource)
    return RefundShown.model_validate(
        {"order_id": refund.out_trade_no, "number": refund.out_refund_no, "refund": refund, "by": "callback"}
    )


def _may_be_refunded(payment: Payment | None) -> bool:
    return payment is not None and (payment.receipt is not None or payment.strange is not None)


def _fail(http: int, why: str) -> JSONResponse:
    return JSONResponse({"code": "FAIL", "message": why}, http)
