"""The sums over all payments, added up by a real database."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.mongo import Database
from contracts.message import CaseId, OrderId
from services.payment.api import SUMS
from services.payment.handlers import PAYMENTS
from tests.unit.payment.given import (
    NOON,
    ORDER,
    OTHER_CASE,
    notified,
    open_payment,
    refund_document,
    refund_payment,
)
from tests.unit.payment.provider import Provider
from tests.unit.payment.shop import Clock, Shop


@pytest.mark.real
@pytest.mark.parametrize("mongo_driver", ["motor", "pymongo"])
async def test_paid_promised_arrived_and_open(database: Database, keys: Path) -> None:
    provider = Provider(keys)
    store = database.store(PAYMENTS)
    await store.prepare()
    shop = Shop(provider.client(), Clock(NOON), store)
    assert await database.collection(PAYMENTS.name).aggregate(SUMS) == []

    await shop.hear(open_payment().model_copy(update={"order_id": OrderId("ORDER-NEVER-PAID")}))
    await shop.hear(open_payment())
    await shop.hear(notified())
    provider.script = [
        provider.says(200, refund_document("SUCCESS")),
        provider.refuses(500, "SYSTEM_ERROR"),
    ]
    await shop.hear(refund_payment(4_000))
    await shop.hear(refund_payment(3_000, OTHER_CASE))
    await shop.hear(refund_payment(9_000, CaseId("CASE0000000000000003")))

    assert await database.collection(PAYMENTS.name).aggregate(SUMS) == [
        {
            "currency": "CNY",
            "payments": 1,
            "paid_minor": 10_000,
            "refunds_accepted_minor": 4_000,
            "refunds_settled_minor": 4_000,
            "refunds_open_minor": 3_000,
        }
    ]
    again = await shop.payment(ORDER)
    assert [refund.status for refund in again.refunds] == ["settled", "intended", "refused"], "the second is held back"
    assert again.wake_at == (await store.load([ORDER]))[ORDER].wake_at
