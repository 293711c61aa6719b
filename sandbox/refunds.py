"""Refunds: accepted at once, arrived later, and each number at most once.

Rules: pay.weixin.qq.com/doc/v3/merchant/4012556457 (limits), /4013071031 (statuses), /4014959631 (codes).
"""

import sqlite3
from typing import Any

from sandbox.callbacks import CallbackQueue
from sandbox.clock import Clock, rfc3339_china
from sandbox.errors import WechatPayError
from sandbox.keys import Keys
from sandbox.ledger import Ledger
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.trades import Trades, digits
from sandbox.wechatpay_models import Refund

MOST_REFUNDS_PER_ORDER = 50
WINDOW_SECONDS = 365 * 24 * 3600
SPACING_SECONDS = 60
WALLET = "支付用户零钱"
SUMMARIES = {"SUCCESS": "退款成功", "ABNORMAL": "退款异常", "CLOSED": "退款关闭"}
ENDS = {"SUCCESS": "refund-success", "ABNORMAL": "refund-abnormal", "CLOSED": "refund-closed"}
# ABNORMAL is not the end: the money is in between and may still arrive.
ALLOWED_ENDS = {"PROCESSING": ("SUCCESS", "ABNORMAL", "CLOSED"), "ABNORMAL": ("SUCCESS",)}


class Refunds:
    """One row per out_refund_no. Statuses: PROCESSING, SUCCESS, ABNORMAL, CLOSED. Amounts are fen."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        keys: Keys,
        queue: CallbackQueue,
        trades: Trades,
        settings: SandboxSettings,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._keys = keys
        self._queue = queue
        self._trades = trades
        self._settings = settings

    def row(self, out_refund_no: str) -> sqlite3.Row | None:
        """The stored refund, or None when the number was never accepted."""
        return self._store.one("SELECT * FROM refunds WHERE out_refund_no = ?", out_refund_no)

    def ask(self, order: Refund, final_status: str = "SUCCESS") -> dict[str, Any]:
        """Accept a refund, or answer the state of one accepted before under the same number.

        ``final_status`` is what it becomes when it settles. A refusal is noted in the ledger and raised as
        WechatPayError: 404 RESOURCE_NOT_EXISTS, 400 INVALID_REQUEST, 403 NOT_ENOUGH, 429 FREQUENCY_LIMITED.
        """
        try:
            with self._store.transaction():
                return self._ask(order, final_status)
        except WechatPayError as refusal:
            if refusal.http != 429:
                self.note_refusal(order, refusal.code)
            raise

    def note_refusal(self, order: Refund, code: str) -> None:
        """Write into the ledger that this number was refused with this code."""
        if self.row(order.out_refund_no) is None:
            self._ledger.refusal(order.out_trade_no, order.out_refund_no, order.amount.refund, code)

    def _ask(self, order: Refund, final_status: str) -> dict[str, Any]:
        trade = self._paid_trade(order)
        known = self.row(order.out_refund_no)
        if known is not None:
            same = (known["out_trade_no"], known["refund"], known["total"])
            if same != (trade["out_trade_no"], order.amount.refund, order.amount.total):
                raise WechatPayError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致, 请核实后再试")
            self.settle_due()
            return self.shown(self._must(order.out_refund_no))
        self._check_limits(order, trade)
        if self._ledger.balance() < order.amount.refund:
            raise WechatPayError(403, "NOT_ENOUGH", "基本账户余额不足, 请充值后重新发起")
        now = self._clock.now()
        self._store.run(
            "INSERT INTO refunds (out_refund_no, refund_id, out_trade_no, refund, total, notify_url, funds_account,"
            " status, final_status, created_at, settle_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'PROCESSING', ?, ?, ?)",
            *(order.out_refund_no, f"503{digits('refund/' + order.out_refund_no, 26)}", trade["out_trade_no"]),
            *(order.amount.refund, order.amount.total, order.notify_url, order.funds_account or "AVAILABLE"),
            *(final_status, now, now + self._settings.refund_settle_seconds),
        )
        self._line("refund-accepted", self._must(order.out_refund_no), trade["openid"])
        return self.shown(self._must(order.out_refund_no))

    def _paid_trade(self, order: Refund) -> sqlite3.Row:
        if order.transaction_id is not None:
            trade = self._trades.row_of_transaction(order.transaction_id)
        else:
            trade = self._trades.row(order.out_trade_no or "")
        if trade is None or trade["state"] != "SUCCESS":
            raise WechatPayError(404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付")
        if order.out_trade_no is not None and order.out_trade_no != trade["out_trade_no"]:
            raise WechatPayError(400, "INVALID_REQUEST", "transaction_id与out_trade_no不是同一订单")
        if order.amount.total != trade["total"]:
            raise WechatPayError(400, "INVALID_REQUEST", "订单金额与原订单不一致")
        return trade

    def _check_limits(self, order: Refund, trade: sqlite3.Row) -> None:
        now = self._clock.now()
        if now - trade["success_at"] > WINDOW_SECONDS:
            raise WechatPayError(400, "INVALID_REQUEST", "订单支付超过一年, 不能退款")
        others = self._store.all(
            "SELECT refund, status, created_at FROM refunds WHERE out_trade_no = ?", trade["out_trade_no"]
        )
        if len(others) >= MOST_REFUNDS_PER_ORDER:
            raise WechatPayError(400, "INVALID_REQUEST", "一笔订单最多支持50次部分退款")
        # A closed refund had no effect: its amount can be refunded again, under a new number.
        taken = sum(other["refund"] for other in others if other["status"] != "CLOSED")
        if taken + order.amount.refund > trade["total"]:
            raise WechatPayError(400, "INVALID_REQUEST", "累计退款金额超过订单金额")
        if self._settings.enforce_refund_spacing and any(now - o["created_at"] < SPACING_SECONDS for o in others):
            raise WechatPayError(429, "FREQUENCY_LIMITED", "同一订单的多次退款需间隔1分钟")

    def query(self, out_refund_no: str) -> dict[str, Any]:
        """The refund as WeChat Pay shows it; a number never accepted: 404 RESOURCE_NOT_EXISTS."""
        self.settle_due()
        row = self.row(out_refund_no)
        if row is None:
            raise WechatPayError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        return self.shown(row)

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        """A refund in the form of answers (wechatpay-go docs/refunddomestic/Refund.md)."""
        trade = self._trades.row(row["out_trade_no"])
        assert trade is not None
        answer: dict[str, Any] = {
            "refund_id": row["refund_id"],
            "out_refund_no": row["out_refund_no"],
            "transaction_id": trade["transaction_id"],
            "out_trade_no": row["out_trade_no"],
            "channel": "ORIGINAL",
            "user_received_account": WALLET,
            "create_time": rfc3339_china(row["created_at"]),
            "status": row["status"],
            "funds_account": row["funds_account"],
            "amount": {
                "total": row["total"],
                "refund": row["refund"],
                "from": [],
                "payer_total": row["total"],
                "payer_refund": row["refund"],
                "settlement_refund": row["refund"],
                "settlement_total": row["total"],
                "discount_refund": 0,
                "currency": "CNY",
            },
            "promotion_detail": [],
        }
        if row["success_at"] is not None:
            answer["success_time"] = rfc3339_china(row["success_at"])
        return answer

    def settle_due(self) -> int:
        """Give every refund whose time has come its final status; says how many."""
        due = self._store.all(
            "SELECT out_refund_no, final_status FROM refunds WHERE status = 'PROCESSING' AND settle_at <= ?"
            " ORDER BY settle_at, out_refund_no",
            self._clock.now(),
        )
        for row in due:
            self.end(row["out_refund_no"], row["final_status"])
        return len(due)

    def next_due(self) -> float | None:
        """When the next refund settles, business time."""
        row = self._store.one("SELECT MIN(settle_at) AS due FROM refunds WHERE status = 'PROCESSING'")
        return None if row is None else row["due"]

    def end(self, out_refund_no: str, status: str) -> bool:
        """Move a refund to SUCCESS, ABNORMAL or CLOSED, with ledger line and callback; False where it cannot go."""
        with self._store.transaction():
            row = self.row(out_refund_no)
            if row is None or status not in ALLOWED_ENDS.get(row["status"], ()):
                return False
            success_at = self._clock.now() if status == "SUCCESS" else None
            self._store.run(
                "UPDATE refunds SET status = ?, success_at = ? WHERE out_refund_no = ?",
                *(status, success_at, out_refund_no),
            )
            trade = self._trades.row(row["out_trade_no"])
            assert trade is not None
            self._line(ENDS[status], row, trade["openid"])
            self._announce(self._must(out_refund_no))
        return True

    def _announce(self, row: sqlite3.Row) -> None:
        """Queue the callback; inside it the status is called ``refund_status``, elsewhere ``status``."""
        if row["notify_url"] is None:
            return
        shown = self.shown(row)
        names = ("out_trade_no", "transaction_id", "out_refund_no", "refund_id", "success_time")
        resource: dict[str, Any] = {
            "mchid": self._keys.mchid,
            **{name: shown[name] for name in names if name in shown},
            "refund_status": row["status"],
            "user_received_account": shown["user_received_account"],
            "amount": {name: shown["amount"][name] for name in ("total", "refund", "payer_total", "payer_refund")},
        }
        self._queue.add(
            "refund-callback",
            event_type=f"REFUND.{row['status']}",
            summary=SUMMARIES[row["status"]],
            numbers={"out_refund_no": row["out_refund_no"], "out_trade_no": row["out_trade_no"]},
            notify_url=row["notify_url"],
            resource=resource,
        )

    def _line(self, kind: str, row: sqlite3.Row, openid: str) -> None:
        self._ledger.money(
            kind, row["refund"], out_trade_no=row["out_trade_no"], out_refund_no=row["out_refund_no"], openid=openid
        )

    def _must(self, out_refund_no: str) -> sqlite3.Row:
        row = self.row(out_refund_no)
        assert row is not None
        return row
