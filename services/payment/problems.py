"""Errors that more than one door of this service answers with."""

from __future__ import annotations

from chassis.problem import Problem


def provider_away(code: str) -> Problem:
    """WeChat Pay was asked, or would have to be, and gives nothing usable now; `code`: what was seen instead, or is
    missing here."""
    return Problem(
        503,
        "payment-provider-away",
        "微信支付暂时没有响应,请稍后重试,不会重复扣款。",
        "WeChat Pay does not answer now. Try again; nobody is charged twice.",
        retry_after=2,
        provider_code=code,
    )
