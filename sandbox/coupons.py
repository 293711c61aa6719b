"""Coupons: who pays how much of an order, and what part of a refund is not the customer's money. Amounts are fen.

Two types (wechatpay-go docs/refunddomestic/Promotion.md): COUPON was paid for in advance and reaches the merchant,
DISCOUNT is a rebate the merchant itself gives and no money at all.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any


def payer_total(trade: sqlite3.Row) -> int:
    """What the customer paid."""
    return int(trade["total"] - trade["coupon"])


def advance(trade: sqlite3.Row, amount: int) -> int:
    """The part of a coupon amount that moves the merchant's balance."""
    return amount if trade["coupon_type"] == "COUPON" else 0


def discount_share(trade: sqlite3.Row, others: Iterable[sqlite3.Row], refund: int) -> int:
    """The coupon's part of a refund, in proportion to the order and never such that all parts exceed the whole.

    ``others`` are the refunds that count already. Rounded on the running sum, so that refunding everything in any
    number of steps gives the customer exactly what the customer paid.
    """
    taken = given = 0
    for other in others:
        taken += other["refund"]
        given += other["discount"]
    fair = trade["coupon"] * (taken + refund) // trade["total"] - given
    # Where earlier refunds were closed, the running sum may lie beside the fair one by more than this refund.
    return int(min(max(fair, 0), refund))


def trade_promotions(trade: sqlite3.Row) -> list[dict[str, Any]]:
    """``promotion_detail`` of a payment (wechatpay-go docs/payments/PromotionDetail.md)."""
    prepaid = trade["coupon_type"] == "COUPON"
    return [
        {
            "coupon_id": coupon_id(trade),
            "name": "全场代金券",
            "scope": "GLOBAL",
            "type": "CASH" if prepaid else "NOCASH",
            "amount": trade["coupon"],
            "stock_id": "9836588",
            "wechatpay_contribute": 0,
            "merchant_contribute": trade["coupon"],
            "other_contribute": 0,
            "currency": "CNY",
        }
    ]


def refund_amounts(trade: sqlite3.Row, refund: sqlite3.Row) -> dict[str, Any]:
    """``amount`` of a refund (wechatpay-go docs/refunddomestic/Amount.md)."""
    rebate = trade["coupon"] - advance(trade, trade["coupon"])
    rebate_refund = refund["discount"] - advance(trade, refund["discount"])
    return {
        "total": trade["total"],
        "refund": refund["refund"],
        "from": [],
        "payer_total": payer_total(trade),
        "payer_refund": refund["refund"] - refund["discount"],
        "settlement_refund": refund["refund"] - rebate_refund,
        "settlement_total": trade["total"] - rebate,
        "discount_refund": refund["discount"],
        "currency": "CNY",
    }


def refund_promotions(trade: sqlite3.Row, refund: sqlite3.Row) -> list[dict[str, Any]]:
    """``promotion_detail`` of a refund; empty where no coupon was used."""
    if not trade["coupon"]:
        return []
    return [
        {
            "promotion_id": coupon_id(trade),
            "scope": "GLOBAL",
            "type": trade["coupon_type"],
            "amount": trade["coupon"],
            "refund_amount": refund["discount"],
        }
    ]


def coupon_id(trade: sqlite3.Row) -> str:
    """The coupon's number, the same for a payment and its refunds."""
    return str(trade["transaction_id"])[-9:]
