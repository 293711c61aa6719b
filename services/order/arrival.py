"""When the money of a refund should be there. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.zone import CHINA

BANK_CARD_DAYS = 3
WALLET_MINUTES = 5


def expected_by(route: str, accepted_at: datetime) -> datetime:
    """When the money should be there: the WeChat balance within minutes, a bank card within three working days
    (pay.weixin.qq.com/doc/v3/merchant/4013071031), which are days in China."""
    if "零钱" in route:
        return accepted_at + timedelta(minutes=WALLET_MINUTES)
    by, days = accepted_at, BANK_CARD_DAYS
    while days:
        by += timedelta(days=1)
        days -= by.astimezone(CHINA).weekday() < 5
    return by
