"""The payment service: `python -m services.payment.main`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import httpx
from fastapi import APIRouter

from chassis import clock
from chassis.bucket import Rate, connect
from chassis.miniprogram import MiniProgram
from chassis.service import Parts, Service, every
from chassis.settings import load
from contracts import payment
from services.payment.accounts import ACCOUNTS
from services.payment.api import routes
from services.payment.books import PaymentBooks
from services.payment.callbacks import TRANSFER_FIELD, TRANSFERS_ONLY, callback_routes
from services.payment.effects import Effects
from services.payment.figures import count_refunds, show_what_stands
from services.payment.handlers import PAYMENTS
from services.payment.limits import CALLS, RefundLimits
from services.payment.merchants import Merchants, expect_keys, open_merchants
from services.payment.miniprograms import MiniPrograms
from services.payment.parking import Parking
from services.payment.reconciliation import RECONCILIATIONS
from services.payment.reconciliation_api import reconciliation_routes
from services.payment.reconciling import Nightly, Reconciler
from services.payment.refund_api import refund_routes
from services.payment.refund_effects import RefundEffects
from services.payment.restored import NAME as RESTORED
from services.payment.restored import Restored
from services.payment.settings import PaymentSettings
from services.payment.shipping_effects import ShippingEffects
from services.payment.turnstile import Turnstile

MINI_PROGRAM_SECONDS = 10.0
LOOK_FOR_DAYS_EVERY_SECONDS = 60.0


Opening = Callable[[PaymentSettings, clock.Clock], AbstractAsyncContextManager[Merchants]]


def service(settings: PaymentSettings, *, opening: Opening = open_merchants, calls: Rate = CALLS) -> Service:
    """Put the service together. `opening` and `calls` (refunds a second and merchant) are other ones where no real
    provider is asked. Leaves the process when a key file is missing."""
    expect_keys(settings.keys)

    @asynccontextmanager
    async def wire(parts: Parts) -> AsyncIterator[Sequence[APIRouter]]:
        engine, records = parts.engine, parts.database.collection(PAYMENTS.name)
        await records.ensure_index([(TRANSFER_FIELD, 1)], partial=TRANSFERS_ONLY)
        limits = RefundLimits(connect(settings.redis), calls=calls)
        turnstile = Turnstile(engine, limits, timedelta(seconds=settings.refund_spacing_seconds), clock.now)
        parking = Parking(engine, turnstile, records)
        await parking.prepare()
        parking.join(engine)
        restored = _restored(parts, settings)
        await restored.prepare()
        books = PaymentBooks(records)
        await books.prepare()
        async with opening(settings, clock.now) as merchants, _mini_programs(settings) as account_of:
            count_refunds(engine)
            days = parts.database.collection(RECONCILIATIONS.name)
            show_what_stands(parts.readings, engine, records, days, lambda: merchants.shops)
            Effects(merchants).join(engine)
            RefundEffects(merchants, turnstile, restored).join(engine)
            ShippingEffects(account_of, clock.now).join(engine)
            Reconciler(engine, merchants, books).join()
            nightly = Nightly(engine, lambda: merchants.shops)
            loops = []
            if settings.reconcile_nightly:
                work = every(LOOK_FOR_DAYS_EVERY_SECONDS, nightly.start_due, "reconciliation")
                loops.append(asyncio.create_task(work))

            async def catch_up() -> None:
                if settings.reconcile_nightly:
                    await restored.start_due(engine, merchants.shops)
                await restored.finish(merchants.shops)

            if restored.days():
                work = every(LOOK_FOR_DAYS_EVERY_SECONDS, catch_up, "restored")
                loops.append(asyncio.create_task(work))
            try:
                yield [
                    routes(engine, merchants, records),
                    refund_routes(engine, merchants),
                    callback_routes(engine, merchants, records),
                    reconciliation_routes(engine, days, lambda: merchants.shops),
                ]
            finally:
                for loop in loops:
                    loop.cancel()
                await limits.aclose()

    return Service(
        "payment",
        settings,
        topics=[payment.COMMANDS],
        aggregates=[PAYMENTS, ACCOUNTS, RECONCILIATIONS],
        wire=wire,
    )


def _restored(parts: Parts, settings: PaymentSettings) -> Restored:
    notes, days = (parts.database.collection(name) for name in (RESTORED, RECONCILIATIONS.name))
    return Restored(notes, days, clock.now, timedelta(seconds=settings.restored_look_seconds))


@asynccontextmanager
async def _mini_programs(settings: PaymentSettings) -> AsyncIterator[Callable[[str], MiniProgram | None]]:
    """Each shop's mini-program, for its shipping records; None for all where none are kept."""
    async with httpx.AsyncClient(timeout=MINI_PROGRAM_SECONDS) as http:
        programs = MiniPrograms(http, settings.keys, settings.mini_program_url)
        yield programs.of if settings.shipping_records else lambda _: None


if __name__ == "__main__":
    service(load(PaymentSettings)).run()
