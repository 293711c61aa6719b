"""How money reads to customers: an amount, where it goes, when it arrives. Pure.

WeChat Pay's own promise is about five minutes for the wallet and one to three working days for a bank card
(pay.weixin.qq.com/doc/v3/merchant/4013071031). Dates are shown in China's time.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from contracts.payment import OUTSIDE_ROUTE
from contracts.zone import CHINA

Language = Literal["zh", "en"]

_SIGNS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_WITHOUT_CENTS = {"JPY", "KRW", "VND"}
_WALLET = re.compile(r"零钱|wallet|balance", re.IGNORECASE)
_MINI_FUND = "零钱通"
_CARD = re.compile(r"银行|信用卡|储蓄卡|借记卡|card|bank", re.IGNORECASE)


def amount_text(amount_minor: int, currency: str) -> str:
    """`¥12.30`; a currency without a sign of its own is written behind: `12.30 CHF`."""
    whole, cents = divmod(amount_minor, 100)
    figure = str(amount_minor) if currency in _WITHOUT_CENTS else f"{whole}.{cents:02d}"
    sign = _SIGNS.get(currency)
    return f"{sign}{figure}" if sign else f"{figure} {currency}"


def day_text(at: datetime, language: Language) -> str:
    """A day in China's time: `2025年3月1日`, `2025-03-01`."""
    day = at.astimezone(CHINA)
    return f"{day.year}年{day.month}月{day.day}日" if language == "zh" else f"{day:%Y-%m-%d}"


def confirmation(by: datetime | None, language: Language) -> tuple[str, str]:
    """Until when something can be confirmed, as a part of a sentence and as a hint for a small field."""
    if by is None:
        return ("24 小时内", "请在24小时内确认收款") if language == "zh" else ("within 24 hours", "Confirm within 24h")
    at = by.astimezone(CHINA)
    if language == "zh":
        return f" {day_text(by, 'zh')} {at:%H:%M} 前", f"请于{at.month}月{at.day}日{at:%H:%M}前确认"
    return f"by {at:%Y-%m-%d %H:%M} (China time)", f"Confirm: {at:%m-%d %H:%M}"


def arrival(route: str, expected_by: datetime | None, language: Language) -> tuple[str, str]:
    """When the money arrives, as a part of a sentence and as a hint for a small field. `route` is where it goes in
    the provider's words (`user_received_account`: `支付用户零钱`, `支付用户零钱通`, `招商银行信用卡0403`); empty when
    not known."""
    if route == OUTSIDE_ROUTE:
        words = {
            "zh": ("由商家按与您约定的方式退还", "按与您约定的方式退还"),
            "en": ("as agreed with the shop", "As agreed"),
        }
    elif _WALLET.search(route):
        wallet = _wallet(route, language)
        words = {
            "zh": (f"预计几分钟内退回{wallet}", f"几分钟内退回{wallet}"),
            "en": (f"to {wallet}, usually within minutes", "Wallet: in minutes"),
        }
    elif _CARD.search(route):
        words = {
            "zh": (f"预计 1–3 个工作日退回{route}", "1-3个工作日退回银行卡"),
            "en": (f"to your bank card ({route}) within 1–3 working days", "Card: 1-3 work days"),
        }
    else:
        words = {
            "zh": ("将原路退回:微信零钱几分钟内到账,银行卡 1–3 个工作日内到账", "零钱几分钟,银行卡1-3个工作日"),
            "en": (
                "the way you paid: within minutes to a WeChat wallet, within 1–3 working days to a bank card",
                "In 1-3 working days",
            ),
        }
    when, hint = words[language]
    if expected_by is not None:
        day = day_text(expected_by, language)
        when += f",最晚 {day}到账" if language == "zh" else f", by {day} at the latest"
    return when, hint


def receiver(route: str, language: Language) -> str:
    """Where the money goes, for people."""
    if route == OUTSIDE_ROUTE:
        return "您与商家约定的账户" if language == "zh" else "the account that you agreed on with the shop"
    if _WALLET.search(route):
        return _wallet(route, language)
    return route or ("您的原支付账户" if language == "zh" else "the account you paid from")


def _wallet(route: str, language: Language) -> str:
    """Which of the two places in a customer's wallet."""
    if _MINI_FUND in route:
        return "微信零钱通" if language == "zh" else "your WeChat Mini Fund"
    return "微信零钱" if language == "zh" else "your WeChat wallet"
