"""Payments: ordered by the merchant, paid by the customer, queried and closed."""

import hashlib
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.banks import bank_type_of
from sandbox.callbacks import CallbackQueue
from sandbox.clock import CHINA, Clock, rfc3339_china
from sandbox.coupons import advance, payer_total, trade_promotions
from sandbox.errors import WechatPayError
from sandbox.keys import Keys
from sandbox.ledger import Ledger
from sandbox.store import Store
from sandbox.wechatpay_models import Prepay

PREPAY_LIFE_SECONDS = 2 * 3600
# pay.weixin.qq.com/doc/v3/partner/4012523593: seven days where the order names no last moment.
TRADE_LIFE_SECONDS = 7 * 24 * 3600

STATE_WORDS = {"SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "订单未支付", "CLOSED": "订单已关闭"}


class PaymentRefusedError(Exception):
    """The customer cannot pay this: ``reason`` is unknown, paid, closed, expired, wrong-payer or coupon-too-large."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Means:
    """What a customer pays with: a coupon (fen, COUPON or DISCOUNT), and a bank card instead of the wallet."""

    coupon: int = 0
    coupon_type: str = "COUPON"
    bank: str | None = None


def digits(text: str, count: int) -> str:
    """So many decimal digits that depend on the text only."""
    return str(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"))[-count:].rjust(count, "0")


class Trades:
    """One row per merchant and out_trade_no.

    States: NOTPAY, SUCCESS, CLOSED; REFUND is shown once a refund was accepted.
    """

    def __init__(self, store: Store, ledger: Ledger, clock: Clock, keys: Keys, queue: CallbackQueue) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._keys = keys
        self._queue = queue

    def row(self, out_trade_no: str, mchid: str | None = None) -> sqlite3.Row | None:
        """The stored payment of this merchant (None: the first one that has the number), or None."""
        if mchid is None:
            sql = "SELECT * FROM trades WHERE out_trade_no = ? ORDER BY mchid = ? DESC"
            return self._store.one(sql, out_trade_no, self._keys.mchid)
        return self._store.one("SELECT * FROM trades WHERE mchid = ? AND out_trade_no = ?", mchid, out_trade_no)

    def row_of_transaction(self, transaction_id: str, mchid: str) -> sqlite3.Row | None:
        """The merchant's stored payment with WeChat Pay's own number, or None."""
        sql = "SELECT * FROM trades WHERE transaction_id = ? AND mchid = ?"
        return self._store.one(sql, transaction_id, mchid)

    def prepay(self, order: Prepay) -> str:
        """Order a payment and say its prepay_id.

        The same order again gives a prepay_id again, a new one when the old has outlived its two hours. Refused: other
        parameters under the same number (400 INVALID_REQUEST), closed (400 ORDER_CLOSED), paid (400 ORDERPAID).
        """
        merchant = self._keys.merchants.get(order.mchid)
        if merchant is None:
            raise WechatPayError(400, "MCH_NOT_EXISTS", "商户号不存在")
        if order.appid != merchant.appid:
            raise WechatPayError(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
        now = self._clock.now()
        fingerprint = hashlib.sha256(order.model_dump_json().encode()).hexdigest()
        with self._store.transaction():
            row = self.row(order.out_trade_no, order.mchid)
            if row is None:
                return self._insert(order, fingerprint, now)
            if row["state"] == "CLOSED":
                raise WechatPayError(400, "ORDER_CLOSED", "订单已关闭, 请重新下单")
            if row["state"] == "SUCCESS":
                raise WechatPayError(400, "ORDERPAID", "该订单已支付")
            if row["fingerprint"] != fingerprint:
                raise WechatPayError(400, "INVALID_REQUEST", "请求重入时, 参数与首次请求时不一致")
            if now - row["prepay_at"] < PREPAY_LIFE_SECONDS:
                return str(row["prepay_id"])
            prepay_id = _prepay_id(order, now)
            self._store.run(
                "UPDATE trades SET prepay_id = ?, prepay_at = ? WHERE mchid = ? AND out_trade_no = ?",
                *(prepay_id, now, order.mchid, order.out_trade_no),
            )
            return prepay_id

    def _insert(self, order: Prepay, fingerprint: str, now: float) -> str:
        expires_at = now + TRADE_LIFE_SECONDS
        if order.time_expire is not None:
            expires_at = datetime.fromisoformat(order.time_expire).timestamp()
            if expires_at <= now:
                raise WechatPayError(400, "PARAM_ERROR", "time_expire必须晚于当前时间")
        prepay_id = _prepay_id(order, now)
        self._store.run(
            "INSERT INTO trades (mchid, out_trade_no, appid, description, fingerprint, prepay_id, prepay_at, openid,"
            " total, attach, notify_url, expires_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'NOTPAY')",
            *(order.mchid, order.out_trade_no, order.appid, order.description, fingerprint, prepay_id, now),
            *(order.payer.openid, order.amount.total, order.attach, order.notify_url, expires_at),
        )
        return prepay_id

    def query(self, out_trade_no: str | None, transaction_id: str | None, mchid: str) -> dict[str, Any]:
        """The payment as WeChat Pay shows it, by either number; unknown: 404 ORDER_NOT_EXIST."""
        if mchid not in self._keys.merchants:
            raise WechatPayError(400, "MCH_NOT_EXISTS", "商户号不存在")
        if out_trade_no is not None:
            row = self.row(out_trade_no, mchid)
        else:
            row = self.row_of_transaction(transaction_id or "", mchid)
        if row is None:
            raise WechatPayError(404, "ORDER_NOT_EXIST", "订单不存在")
        return self.shown(row)

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        """A payment in the form of query answers and callbacks."""
        state = row["state"]
        if state == "SUCCESS" and self._has_refund(row):
            state = "REFUND"
        answer: dict[str, Any] = {
            "appid": row["appid"],
            "mchid": row["mchid"],
            "out_trade_no": row["out_trade_no"],
            "trade_state": state,
            "trade_state_desc": STATE_WORDS[state],
            "payer": {"openid": row["openid"]},
            "amount": {"total": row["total"], "currency": "CNY"},
        }
        if row["attach"] is not None:
            answer["attach"] = row["attach"]
        if row["transaction_id"] is not None:
            answer |= {
                "transaction_id": row["transaction_id"],
                "trade_type": "JSAPI",
                "bank_type": bank_type_of(row["bank"]),
                "success_time": rfc3339_china(row["success_at"]),
            }
            answer["amount"] |= {"payer_total": payer_total(row), "payer_currency": "CNY"}
        if row["coupon"]:
            answer["promotion_detail"] = trade_promotions(row)
        return answer

    def _has_refund(self, row: sqlite3.Row) -> bool:
        sql = "SELECT 1 FROM refunds WHERE mchid = ? AND out_trade_no = ? AND status <> 'CLOSED'"
        return self._store.one(sql, row["mchid"], row["out_trade_no"]) is not None

    def close(self, out_trade_no: str, mchid: str) -> None:
        """Close an unpaid payment; closing it again changes nothing. Paid: 400 ORDERPAID.

        pay.weixin.qq.com/docs/merchant/products/close-order/introduction.html
        """
        if mchid not in self._keys.merchants:
            raise WechatPayError(400, "MCH_NOT_EXISTS", "商户号不存在")
        row = self.row(out_trade_no, mchid)
        if row is None:
            raise WechatPayError(404, "ORDER_NOT_EXIST", "订单不存在")
        if row["state"] == "SUCCESS":
            raise WechatPayError(400, "ORDERPAID", "该订单已支付, 不能关闭")
        self._store.run("UPDATE trades SET state = 'CLOSED' WHERE mchid = ? AND out_trade_no = ?", mchid, out_trade_no)

    def pay(
        self,
        *,
        out_trade_no: str | None,
        prepay_id: str | None,
        openid: str | None,
        force_late: bool,
        means: Means,
        mchid: str | None = None,
    ) -> dict[str, Any]:
        """The customer pays. ``force_late`` pays a closed or expired payment, as one in flight at that moment would.

        PaymentRefusedError says why not. The answer is the payment as shown by a query.
        """
        now = self._clock.now()
        with self._store.transaction():
            if out_trade_no is not None:
                row = self.row(out_trade_no, mchid)
            else:
                row = self._store.one("SELECT * FROM trades WHERE prepay_id = ?", prepay_id)
            if row is None:
                raise PaymentRefusedError("unknown")
            self._check_payable(row, now, openid, by_prepay_id=out_trade_no is None, force_late=force_late)
            if means.coupon >= row["total"]:
                raise PaymentRefusedError("coupon-too-large")
            return self._take(row, means, now)

    def _take(self, row: sqlite3.Row, means: Means, now: float) -> dict[str, Any]:
        """The money changes hands: state, ledger lines and callback."""
        number = (row["mchid"], row["out_trade_no"])
        self._store.run(
            "UPDATE trades SET state = 'SUCCESS', transaction_id = ?, success_at = ?, bank = ?, coupon = ?,"
            " coupon_type = ? WHERE mchid = ? AND out_trade_no = ?",
            *(f"4200{digits('transaction/' + '/'.join(number), 24)}", now, means.bank),
            *(means.coupon, means.coupon_type if means.coupon else None, *number),
        )
        paid = self.row(row["out_trade_no"], row["mchid"])
        assert paid is not None
        about = {"mchid": row["mchid"], "out_trade_no": row["out_trade_no"], "openid": row["openid"]}
        self._ledger.money("payment", payer_total(paid), **about)
        if prepaid := advance(paid, paid["coupon"]):
            self._ledger.money("coupon", prepaid, **about)
        shown = self.shown(paid)
        self._queue.add(
            "pay-callback",
            event_type="TRANSACTION.SUCCESS",
            summary="支付成功",
            numbers={"out_trade_no": row["out_trade_no"], "openid": row["openid"]},
            notify_url=row["notify_url"],
            resource=shown,
        )
        return shown

    def _check_payable(
        self, row: sqlite3.Row, now: float, openid: str | None, *, by_prepay_id: bool, force_late: bool
    ) -> None:
        if row["state"] == "SUCCESS":
            raise PaymentRefusedError("paid")
        if openid is not None and openid != row["openid"]:
            raise PaymentRefusedError("wrong-payer")
        if force_late:
            return
        if row["state"] == "CLOSED":
            raise PaymentRefusedError("closed")
        if now > row["expires_at"] or (by_prepay_id and now - row["prepay_at"] > PREPAY_LIFE_SECONDS):
            raise PaymentRefusedError("expired")


def _prepay_id(order: Prepay, now: float) -> str:
    day = datetime.fromtimestamp(now, CHINA).strftime("%d%H%M%S")
    number = f"{order.mchid}/{order.out_trade_no}/{now}"
    return f"wx{day}{hashlib.sha256(number.encode()).hexdigest()[:22]}0000"
