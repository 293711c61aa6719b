"""`python -m tools.bench.answering payment|notify`: a service whose providers answer at once, in its own process,
when it wants to refund or to tell. What is measured then is ours alone. Payments still go to the sandbox."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from chassis import clock
from chassis.bucket import Rate
from chassis.clock import Clock
from chassis.service import Service
from chassis.settings import load
from contracts.message import Money
from services.notify import main as notify
from services.notify.clients import Answer, Seen
from services.notify.effects import Senders, senders
from services.notify.model import SmsTemplate
from services.notify.settings import NotifySettings
from services.payment import main as payment
from services.payment.merchants import Merchants, open_merchants
from services.payment.settings import PaymentSettings
from services.payment.shown import ProviderRefund
from services.payment.wechatpay import WechatPay

UNLIMITED = Rate(per_second=100_000, burst=10_000)
"""No provider is asked, so none of its limits counts."""


class Generous(WechatPay):
    """Every refund has arrived as soon as it is asked for."""

    async def refund(
        self, out_refund_no: str, out_trade_no: str, amount: Money, total: Money, reason: str
    ) -> ProviderRefund:
        """At once, without a call."""
        return ProviderRefund.model_validate(
            {
                "out_refund_no": out_refund_no,
                "out_trade_no": out_trade_no,
                "refund_id": f"5{out_refund_no}",
                "status": "SUCCESS",
                "user_received_account": "支付用户零钱",
                "success_time": clock.now().isoformat(),
                "amount": {
                    "refund": amount.amount_minor,
                    "total": total.amount_minor,
                    "payer_refund": amount.amount_minor,
                    "currency": amount.currency,
                },
            }
        )


class SilentWechat:
    """Every message is sent."""

    async def send(self, message: Mapping[str, Any]) -> Answer:
        """At once, without a call."""
        return Answer("sent")


class SilentSms:
    """Every short message is sent."""

    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str], mark: str) -> Answer:
        """At once, without a call."""
        return Answer("sent")

    async def find(self, phone: str, mark: str, since: datetime, until: datetime) -> Seen:
        """It was there."""
        return Seen("delivered")


def _generous(settings: PaymentSettings, now: Clock) -> AbstractAsyncContextManager[Merchants]:
    return open_merchants(settings, now, Generous)


@asynccontextmanager
async def _silent(settings: NotifySettings) -> AsyncIterator[Senders]:
    async with senders(settings) as opened:
        yield replace(opened, wechat=SilentWechat(), sms=dict.fromkeys(opened.sms, SilentSms()))


def service(name: str) -> Service:
    """The service with this name, its providers answering at once."""
    if name == "payment":
        return payment.service(load(PaymentSettings), opening=_generous, calls=UNLIMITED)
    return notify.service(load(NotifySettings), opening=_silent)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A service whose providers answer at once (run by the benchmark).")
    parser.add_argument("name", choices=("payment", "notify"))
    service(parser.parse_args().name).run()
