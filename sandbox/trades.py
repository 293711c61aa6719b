"""Payments: ordered by the merchant, paid by the customer, queried and closed."""

import hashlib
import sqlite3
from datetime import datetime
from typing import Any

from sandbox.callbacks import CallbackQueue
from sandbox.clock import CHINA, Clock, rfc3339_china
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
    """The customer cannot pay this: ``reason`` is unknown, paid, closed, expired or wrong-payer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def digits(text: str, count: int) -> str:
    """So many decimal digits that depend on the text only."""
    return str(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"))[-count:].rjust(count, "0")


class Trades:
    """One row per out_trade_no. States: NOTPAY, SUCCESS, CLOSED; REFUND is shown once a refund was accepted."""

    def __init__(self, store: Store, ledger: Ledger, clock: Clock, keys: Keys, queue: CallbackQueue) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._keys = keys
        self._queue = queue

    def row(self, out_trade_no: str) -> sqlite3.Row | None:
        """The stored payment, or None."""
        return self._store.one("SELECT * FROM trades WHERE out_trade_no = ?", out_trade_no)

    def row_of_transaction(self, transaction_id: str) -> sqlite3.Row | None:
        """The stored payment with WeChat Pay's own number, or None."""
        return self._store.one("SELECT * FROM trades WHERE transaction_id = ?", transaction_id)

    def prepay(self, order: Prepay) -> str:
        """Order a payment and say its prepay_id.

        The same order again gives a prepay_id again, a new one when the old has outlived its two hours. Refused: other
        parameters under the same number (400 INVALID_REQUEST), closed (400 ORDER_CLOSED), paid (400 ORDERPAID).
        """
        if order.mchid != self._keys.mchid:
            raise WechatPayError(400, "MCH_NOT_EXISTS", "商户号不存在")
        if order.appid != self._keys.appid:
            raise WechatPayError(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
        now = self._clock.now()
        fingerprint = hashlib.sha256(order.model_dump_json().encode()).hexdigest()
        with self._store.transaction():
            row = self.row(order.out_trade_no)
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
            prepay_id = _prepay_id(order.out_trade_no, now)
            self._store.run(
                "UPDATE trades SET prepay_id = ?, prepay_at = ? WHERE out_trade_no = ?",
                *(prepay_id, now, order.out_trade_no),
            )
            return prepay_id

    def _insert(self, order: Prepay, fingerprint: str, now: float) -> str:
        expires_at = now + TRADE_LIFE_SECONDS
        if order.time_expire is not None:
            expires_at = datetime.fromisoformat(order.time_expire).timestamp()
            if expires_at <= now:
                raise WechatPayError(400, "PARAM_ERROR", "time_expire必须晚于当前时间")
        prepay_id = _prepay_id(order.out_trade_no, now)
        self._store.run(
            "INSERT INTO trades (out_trade_no, fingerprint, prepay_id, prepay_at, openid, total, attach, notify_url,"
            " expires_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'NOTPAY')",
            *(order.out_trade_no, fingerprint, prepay_id, now, order.payer.openid, order.amount.total),
            *(order.attach, order.notify_url, expires_at),
        )
        return prepay_id

    def query(self, out_trade_no: str | None, transaction_id: str | None, mchid: str) -> dict[str, Any]:
        """The payment as WeChat Pay shows it, by either number; unknown: 404 ORDER_NOT_EXIST."""
        if mchid != self._keys.mchid:
            raise WechatPayError(400, "MCH_NOT_EXISTS", "商户号不存在")
        row = self.row(out_trade_no) if out_trade_no is not None else self.row_of_transaction(transaction_id or "")
        if row is None:
            raise WechatPayError(404, "ORDER_NOT_EXIST", "订单不存在")
        return self.shown(row)

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        """A payment in the form of query answers and callbacks."""
        state = row["state"]
        if state == "SUCCESS" and self._has_refund(row["out_trade_no"]):
            state = "REFUND"
        answer: dict[str, Any] = {
            "appid": self._keys.appid,
            "mchid": self._keys.mchid,
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
                "bank_type": "OTHERS",
                "success_time": rfc3339_china(row["success_at"]),
            }
            answer["amount"] |= {"payer_total": row["total"], "payer_currency": "CNY"}
        return answer

    def _has_refund(self, out_trade_no: str) -> bool:
        sql = "SELECT 1 FROM refunds WHERE out_trade_no = ? AND status <> 'CLOSED'"
        return self._store.one(sql, out_trade_no) is not None

    def close(self, out_trade_no: str, mchid: str) -> None:
        """Close an unpaid payment; closing it again changes nothing. Paid: 400 ORDERPAID.

        pay.weixin.qq.com/docs/merchant/products/close-order/introduction.html
        """
        if mchid != self._keys.mchid:
            raise WechatPayError(400, "MCH_NOT_EXISTS", "商户号不存在")
        row = self.row(out_trade_no)
        if row is None:
            raise WechatPayError(404, "ORDER_NOT_EXIST", "订单不存在")
        if row["state"] == "SUCCESS":
            raise WechatPayError(400, "ORDERPAID", "该订单已支付, 不能关闭")
        self._store.run("UPDATE trades SET state = 'CLOSED' WHERE out_trade_no = ?", out_trade_no)

    def pay(
        self, *, out_trade_no: str | None, prepay_id: str | None, openid: str | None, force_late: bool
    ) -> dict[str, Any]:
        """The customer pays. ``force_late`` pays a closed or expired payment, as one in flight at that moment would.

        PaymentRefusedError says why not. The answer is the payment as shown by a query.
        """
        now = self._clock.now()
        with self._store.transaction():
            if out_trade_no is not None:
                row = self.row(out_trade_no)
            else:
                row = self._store.one("SELECT * FROM trades WHERE prepay_id = ?", prepay_id)
            if row is None:
                raise PaymentRefusedError("unknown")
            self._check_payable(row, now, openid, by_prepay_id=out_trade_no is None, force_late=force_late)
            transaction_id = f"4200{digits('transaction/' + row['out_trade_no'], 24)}"
            self._store.run(
                "UPDATE trades SET state = 'SUCCESS', transaction_id = ?, success_at = ? WHERE out_trade_no = ?",
                *(transaction_id, now, row["out_trade_no"]),
            )
            self._ledger.money("payment", row["total"], out_trade_no=row["out_trade_no"], openid=row["openid"])
            paid = self.row(row["out_trade_no"])
            assert paid is not None
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


def _prepay_id(out_trade_no: str, now: float) -> str:
    day = datetime.fromtimestamp(now, CHINA).strftime("%d%H%M%S")
    return f"wx{day}{hashlib.sha256(f'{out_trade_no}/{now}'.encode()).hexdigest()[:22]}0000"
