"""The payment service: `python -m services.payment.main`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter

from chassis import clock
from chassis.service import Parts, Service
from chassis.settings import load
from contracts import payment
from services.payment.api import routes
from services.payment.effects import Effects
from services.payment.handlers import PAYMENTS
from services.payment.settings import PaymentSettings
from services.payment.wechatpay import WechatPay, http_client, read_merchant


def service(settings: PaymentSettings) -> Service:
    """Put the service together. Leaves the process when a key file is missing."""
    merchant = read_merchant(settings.keys)

    @asynccontextmanager
    async def wire(parts: Parts) -> AsyncIterator[Sequence[APIRouter]]:
        async with http_client(settings.provider_url) as http:
            provider = WechatPay(http, merchant, settings.callback_url, clock.now)
            Effects(provider).join(parts.engine)
            yield [routes(parts.engine, provider, parts.database.collection(PAYMENTS.name))]

    return Service("payment", settings, topics=[payment.COMMANDS], aggregates=[PAYMENTS], wire=wire)


if __name__ == "__main__":
    service(load(PaymentSettings)).run()
