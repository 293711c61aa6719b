"""When the money of a refund should be there, by the calendar that banks in China work by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.zone import CHINA
from services.order.arrival import expected_by


def in_china(day: int, hour: int) -> datetime:
    """November 2026; the 2nd is a Monday."""
    return datetime(2026, 11, day, hour, tzinfo=CHINA).astimezone(UTC)


@pytest.mark.parametrize(
    ("accepted", "there"),
    [
        (in_china(2, 12), in_china(5, 12)),
        (in_china(4, 12), in_china(9, 12)),
        (in_china(6, 12), in_china(11, 12)),
        (in_china(7, 12), in_china(11, 12)),
        (in_china(8, 23), in_china(11, 23)),
        # Before eight in the morning it is the day before by UTC.
        (in_china(2, 7), in_china(5, 7)),
        (in_china(4, 7), in_china(9, 7)),
        (in_china(7, 7), in_china(11, 7)),
        (in_china(8, 7), in_china(11, 7)),
    ],
)
def test_a_bank_card_takes_three_working_days(accepted: datetime, there: datetime) -> None:
    assert expected_by("招商银行信用卡0403", accepted) == there


def test_the_wechat_balance_takes_minutes() -> None:
    assert expected_by("支付用户零钱", in_china(7, 7)) < in_china(7, 8)
