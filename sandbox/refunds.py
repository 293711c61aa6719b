"""Refunds: accepted at once, arrived later, and each number at most once.

Rules: pay.weixin.qq.com/doc/v3/merchant/4012556457 (limits), /4013071031 (statuses), /4014959631 (codes).
"""

import sqlite3
from typing import Any

from sandbox.banks import MERCHANT_ACCOUNT, WALLET
from sandbox.callbacks import CallbackQueue
from sandbox.clock import Clock, rfc3339_china
from sandbox.coupons import advance, discount_share, refund_amounts, refund_promotions
from sandbox.errors import WechatPayError
from sandbox.fault_rules import Fault
from sandbox.keys import Keys
from sandbox.ledger import Ledger
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.trades import Trades, digits
from sandbox.wechatpay_models import Refund, RefundAmount

MOST_REFUNDS_PER_ORDER = 50
WINDOW_SECONDS = 365 * 24 * 3600
SPACING_SECONDS = 60
DAY_SECONDS = 24 * 3600
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

    def row(self, out_refund_no: str, mchid: str | None = None) -> sqlite3.Row | None:
        """The stored refund of this merchant (None: the first one that has the number), or None: never accepted."""
        if mchid is None:
            sql = "SELECT * FROM refunds WHERE out_refund_no = ? ORDER BY mchid = ? DESC"
            return self._store.one(sql, out_refund_no, self._keys.mchid)
        return self._store.one("SELECT * FROM refunds WHERE mchid = ? AND out_refund_no = ?", mchid, out_refund_no)

    def ask(self, order: Refund, fault: Fault | None = None, *, mchid: str | None = None) -> dict[str, Any]:
        """Accept a refund, or answer the state of one accepted before under the same number.

        A ``status`` fault says what becomes of it and when; ``mchid`` is who asks (None: the first merchant). A
        refusal is noted in the ledger and raised as WechatPayError: 404 RESOURCE_NOT_EXISTS, 400 INVALID_REQUEST,
        403 NOT_ENOUGH, 429 FREQUENCY_LIMITED.
        """
        mchid = mchid or self._keys.mchid
        try:
            with self._store.transaction():
                return self._ask(order, fault, mchid)
        except WechatPayError as refusal:
            if refusal.http != 429:
                self.note_refusal(order, refusal.code, mchid=mchid)
            raise

    def ask_by_hand(
        self, trade: sqlite3.Row, amount_minor: int, reason: str | None, *, from_available: bool = False
    ) -> dict[str, Any]:
        """A refund somebody makes on the merchant platform: the platform makes the number up.

        The callback goes to the one address that the account has there. ``from_available``: from what was topped up,
        so that only the bill RECHARGE_REFUND has it. WechatPayError as for ``ask``.
        """
        mchid, out_trade_no = trade["mchid"], trade["out_trade_no"]
        count = self._store.number(
            "SELECT COUNT(*) FROM refunds WHERE mchid = ? AND out_trade_no = ?", mchid, out_trade_no
        )
        order = Refund(
            out_trade_no=out_trade_no,
            out_refund_no=f"2000{digits(f'platform/{mchid}/{out_trade_no}/{count}', 24)}",
            reason=reason,
            notify_url=self._address_on_the_platform(mchid),
            amount=RefundAmount(refund=amount_minor, total=trade["total"], currency="CNY"),
        )
        made = self.ask(order, mchid=mchid)
        if from_available:
            sql = "UPDATE refunds SET bill = 'RECHARGE_REFUND' WHERE mchid = ? AND out_refund_no = ?"
            self._store.run(sql, mchid, order.out_refund_no)
        return made

    def _address_on_the_platform(self, mchid: str) -> str | None:
        url, name = self._settings.refund_url, self._keys.merchants[mchid].name
        return f"{url}/{name}" if url and name else url or None

    def note_refusal(self, order: Refund, code: str, *, mchid: str | None = None) -> None:
        """Write into the ledger that this number was refused with this code."""
        mchid = mchid or self._keys.mchid
        if self.row(order.out_refund_no, mchid) is None:
            self._ledger.refusal(order.out_trade_no, order.out_refund_no, order.amount.refund, code, mchid=mchid)

    def leave_closed(self, order: Refund, *, mchid: str) -> None:
        """A refund that was refused is shown as CLOSED all the same, and moved nothing: no bill has it
        (pay.weixin.qq.com/doc/v3/merchant/4014959631: only one that is not CLOSED was accepted)."""
        if self.row(order.out_refund_no, mchid) is None:
            self._insert(order, self._paid_trade(order, mchid), 0, None)
            self._store.run(
                "UPDATE refunds SET status = 'CLOSED', ended_at = created_at, bill = ''"
                " WHERE mchid = ? AND out_refund_no = ?",
                *(mchid, order.out_refund_no),
            )
            about = {"out_trade_no": order.out_trade_no, "out_refund_no": order.out_refund_no}
            self._ledger.money("refund-left-closed", order.amount.refund, mchid=mchid, **about)

    def _ask(self, order: Refund, fault: Fault | None, mchid: str) -> dict[str, Any]:
        trade = self._paid_trade(order, mchid)
        known = self.row(order.out_refund_no, mchid)
        if known is not None:
            if (known["out_trade_no"], known["refund"]) != (trade["out_trade_no"], order.amount.refund):
                raise WechatPayError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致, 请核实后再试")
            self.settle_due()
            return self.shown(self.must(order.out_refund_no, mchid))
        others = self._counting_refunds(order, trade)
        discount = discount_share(trade, others, order.amount.refund)
        settlement = order.amount.refund - discount + advance(trade, discount)
        if self._ledger.balance(mchid) < settlement:
            raise WechatPayError(403, "NOT_ENOUGH", "基本账户余额不足, 请充值后重新发起")
        self._insert(order, trade, discount, fault)
        refund = self.must(order.out_refund_no, mchid)
        self._lines(("refund-accepted", "coupon-refunded"), refund, trade)
        return self.shown(refund)

    def _insert(self, order: Refund, trade: sqlite3.Row, discount: int, fault: Fault | None) -> None:
        now = self._clock.now()
        mchid = trade["mchid"]
        final_status = (fault.refund_status if fault is not None else None) or "SUCCESS"
        self._store.run(
            "INSERT INTO refunds (mchid, out_refund_no, refund_id, out_trade_no, refund, discount, reason, notify_url,"
            " funds_account, channel, account, status, final_status, created_at, settle_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'ORIGINAL', ?, 'PROCESSING', ?, ?, ?)",
            *(mchid, order.out_refund_no, f"503{digits(f'refund/{mchid}/{order.out_refund_no}', 26)}"),
            *(trade["out_trade_no"], order.amount.refund, discount, order.reason, order.notify_url),
            *(order.funds_account or "AVAILABLE", trade["bank"] or WALLET, final_status),
            *(now, now + self._seconds_to_settle(fault, trade["bank"] is not None)),
        )

    def _seconds_to_settle(self, fault: Fault | None, to_card: bool) -> float:
        if fault is not None and fault.after_days is not None:
            return fault.after_days * DAY_SECONDS
        if fault is not None and fault.settle_seconds is not None:
            return fault.settle_seconds
        return self.card_settle_seconds if to_card else self._settings.refund_settle_seconds

    @property
    def card_settle_seconds(self) -> float:
        """How long money takes to a bank card, seconds."""
        chosen = self._settings.card_settle_seconds
        return self._settings.refund_settle_seconds if chosen is None else chosen

    def _paid_trade(self, order: Refund, mchid: str) -> sqlite3.Row:
        if order.transaction_id is not None:
            trade = self._trades.row_of_transaction(order.transaction_id, mchid)
        else:
            trade = self._trades.row(order.out_trade_no or "", mchid)
        if trade is None or trade["state"] != "SUCCESS":
            raise WechatPayError(404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付")
        if order.out_trade_no is not None and order.out_trade_no != trade["out_trade_no"]:
            raise WechatPayError(400, "INVALID_REQUEST", "transaction_id与out_trade_no不是同一订单")
        if order.amount.total != trade["total"]:
            raise WechatPayError(400, "INVALID_REQUEST", "订单金额与原订单不一致")
        return trade

    def _counting_refunds(self, order: Refund, trade: sqlite3.Row) -> list[sqlite3.Row]:
        """The earlier refunds that count against the order; WechatPayError where there is no room for one more."""
        now = self._clock.now()
        if now - trade["success_at"] > WINDOW_SECONDS:
            raise WechatPayError(400, "INVALID_REQUEST", "订单支付超过一年, 不能退款")
        others = self._store.all(
            "SELECT refund, discount, status, created_at FROM refunds WHERE mchid = ? AND out_trade_no = ?",
            *(trade["mchid"], trade["out_trade_no"]),
        )
        if len(others) >= MOST_REFUNDS_PER_ORDER:
            raise WechatPayError(400, "INVALID_REQUEST", "一笔订单最多支持50次部分退款")
        # A closed refund had no effect: its amount can be refunded again, under a new number.
        counting = [other for other in others if other["status"] != "CLOSED"]
        if sum(other["refund"] for other in counting) + order.amount.refund > trade["total"]:
            raise WechatPayError(400, "INVALID_REQUEST", "累计退款金额超过订单金额")
        if self._settings.enforce_refund_spacing and any(now - o["created_at"] < SPACING_SECONDS for o in others):
            raise WechatPayError(429, "FREQUENCY_LIMITED", "同一订单的多次退款需间隔1分钟")
        return counting

    def query(self, out_refund_no: str, *, mchid: str | None = None) -> dict[str, Any]:
        """The refund as WeChat Pay shows it; a number the merchant never got accepted: 404 RESOURCE_NOT_EXISTS."""
        self.settle_due()
        row = self.row(out_refund_no, mchid or self._keys.mchid)
        if row is None:
            raise WechatPayError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        return self.shown(row)

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        """A refund in the form of answers (wechatpay-go docs/refunddomestic/Refund.md)."""
        trade = self._trade(row)
        answer: dict[str, Any] = {
            "refund_id": row["refund_id"],
            "out_refund_no": row["out_refund_no"],
            "transaction_id": trade["transaction_id"],
            "out_trade_no": row["out_trade_no"],
            "channel": row["channel"],
            "user_received_account": row["account"],
            "create_time": rfc3339_china(row["created_at"]),
            "status": row["status"],
            "funds_account": row["funds_account"],
            "amount": refund_amounts(trade, row),
            "promotion_detail": refund_promotions(trade, row),
        }
        if row["status"] == "SUCCESS":
            answer["success_time"] = rfc3339_china(row["ended_at"])
        return answer

    def settle_due(self) -> int:
        """Give every refund whose time has come its final status; says how many."""
        due = self._store.all(
            "SELECT mchid, out_refund_no, final_status FROM refunds WHERE status = 'PROCESSING' AND settle_at <= ?"
            " ORDER BY settle_at, out_refund_no",
            self._clock.now(),
        )
        for row in due:
            self.end(row["out_refund_no"], row["final_status"], row["mchid"])
        return len(due)

    def next_due(self) -> float | None:
        """When the next refund settles, business time."""
        row = self._store.one("SELECT MIN(settle_at) AS due FROM refunds WHERE status = 'PROCESSING'")
        return None if row is None else row["due"]

    def end(self, out_refund_no: str, status: str, mchid: str) -> bool:
        """Move a refund to SUCCESS, ABNORMAL or CLOSED, with ledger lines and callback; False where it cannot go."""
        with self._store.transaction():
            row = self.row(out_refund_no, mchid)
            if row is None or status not in ALLOWED_ENDS.get(row["status"], ()):
                return False
            self._store.run(
                "UPDATE refunds SET status = ?, ended_at = ? WHERE mchid = ? AND out_refund_no = ?",
                *(status, self._clock.now(), mchid, out_refund_no),
            )
            kind = ENDS[status]
            if status == "SUCCESS" and row["account"] == MERCHANT_ACCOUNT:
                kind = "refund-returned"
            self._lines((kind, "coupon-restored" if status == "CLOSED" else None), row, self._trade(row))
            self._announce(self.must(out_refund_no, mchid))
        return True

    def redirect(self, row: sqlite3.Row, account: str, final_status: str = "SUCCESS") -> sqlite3.Row:
        """Send the money of an abnormal refund to another account: PROCESSING again, then ``final_status``."""
        self._store.run(
            "UPDATE refunds SET status = 'PROCESSING', final_status = ?, channel = 'OTHER_BANKCARD',"
            " account = ?, settle_at = ?, ended_at = NULL WHERE mchid = ? AND out_refund_no = ?",
            *(final_status, account, self._clock.now() + self.card_settle_seconds, row["mchid"], row["out_refund_no"]),
        )
        return self.must(row["out_refund_no"], row["mchid"])

    def _announce(self, row: sqlite3.Row) -> None:
        """Queue the callback; inside it the status is called ``refund_status``, elsewhere ``status``."""
        if row["notify_url"] is None:
            return
        shown = self.shown(row)
        names = ("out_trade_no", "transaction_id", "out_refund_no", "refund_id", "success_time")
        resource: dict[str, Any] = {
            "mchid": row["mchid"],
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

    def _lines(self, kinds: tuple[str, str | None], row: sqlite3.Row, trade: sqlite3.Row) -> None:
        """A line about the customer's money, and one about the coupon's where that moves the merchant's balance."""
        about = {
            "mchid": row["mchid"],
            "out_trade_no": row["out_trade_no"],
            "out_refund_no": row["out_refund_no"],
            "openid": trade["openid"],
        }
        self._ledger.money(kinds[0], row["refund"] - row["discount"], **about)
        prepaid = advance(trade, row["discount"])
        if kinds[1] is not None and prepaid:
            self._ledger.money(kinds[1], prepaid, **about)

    def _trade(self, row: sqlite3.Row) -> sqlite3.Row:
        trade = self._trades.row(row["out_trade_no"], row["mchid"])
        assert trade is not None
        return trade

    def must(self, out_refund_no: str, mchid: str) -> sqlite3.Row:
        """The stored refund, which is known to be there."""
        row = self.row(out_refund_no, mchid)
        assert row is not None
        return row
