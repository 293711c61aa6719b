"""Shipping information of payments: what the shop uploaded, and in which state the money is.

developers.weixin.qq.com/miniprogram/dev/server/API/order_shipping/. A record exists once a payment was taken over; a
payment that was refunded in full becomes 已退款 by itself on the next day, business time.
"""

import json
import sqlite3
from datetime import datetime
from typing import Any

from sandbox.call_counts import CHINA_AHEAD_SECONDS, DAY_SECONDS
from sandbox.clock import Clock
from sandbox.settings import SandboxSettings
from sandbox.shipping_models import BY_TRANSACTION, EXPRESS, MOST_PARCELS, SPLIT, UNIFIED, OrderKey, Parcel, Upload
from sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS shipping (
    transaction_id TEXT PRIMARY KEY, state INTEGER NOT NULL, logistics_type INTEGER NOT NULL,
    delivery_mode INTEGER NOT NULL, parcels TEXT NOT NULL, finished INTEGER NOT NULL, uploads INTEGER NOT NULL,
    uploaded_at REAL NOT NULL, receipt_notified INTEGER NOT NULL
) WITHOUT ROWID;
"""
TO_SHIP, SHIPPED, RECEIVED, DONE, REFUNDED, TO_SETTLE = 1, 2, 3, 4, 5, 6
SF_EXPRESS = "SF"
LONGEST_ITEM = 120
LONGEST_TRACKING_NO = 128
LONGEST_COMPANY = 128
# The first upload that completes the shipment, and one correction of it.
MOST_FINISHED_UPLOADS = 2


class ShippingError(Exception):
    """A refusal: errcode and words."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"{errcode} {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg


class Shipping:
    """One record per payment; without a row it is still to be shipped."""

    def __init__(self, store: Store, clock: Clock, settings: SandboxSettings) -> None:
        self._store = store
        self._clock = clock
        self._ingest_seconds = settings.shipping_ingest_seconds
        store.script(SCHEMA)

    def trade_of(self, transaction_id: str | None, mchid: str | None, out_trade_no: str | None) -> sqlite3.Row:
        """The paid trade with WeChat Pay's number or the merchant's; 10060001 where it is not (yet) known."""
        sql = "SELECT * FROM trades WHERE success_at <= ? AND "
        latest = self._clock.now() - self._ingest_seconds
        if transaction_id:
            row = self._store.one(f"{sql} transaction_id = ?", latest, transaction_id)
        else:
            row = self._store.one(f"{sql} mchid = ? AND out_trade_no = ?", latest, mchid or "", out_trade_no or "")
        if row is None:
            raise ShippingError(10060001, "支付单不存在")
        return row

    def _record(self, trade: sqlite3.Row) -> sqlite3.Row | None:
        return self._store.one("SELECT * FROM shipping WHERE transaction_id = ?", trade["transaction_id"])

    def state(self, trade: sqlite3.Row) -> int:
        """1 to ship, 2 shipped, 3 received, 4 done, 5 refunded, 6 waiting for settlement."""
        if self._refunded_days_ago(trade):
            return REFUNDED
        record = self._record(trade)
        return TO_SHIP if record is None else int(record["state"])

    def _refunded_days_ago(self, trade: sqlite3.Row) -> bool:
        """Whether the last fen went back, on a day in China before today."""
        row = self._store.one(
            "SELECT SUM(refund) AS refunded, MAX(ended_at) AS ended_at FROM refunds"
            " WHERE mchid = ? AND out_trade_no = ? AND status = 'SUCCESS'",
            *(trade["mchid"], trade["out_trade_no"]),
        )
        if row is None or (row["refunded"] or 0) < trade["total"]:
            return False
        return _china_day(row["ended_at"]) < _china_day(self._clock.now())

    def upload(self, body: Upload) -> None:
        """Take the shop's word that it shipped; ShippingError when it may not say so."""
        check_fields(body)
        trade = self._trade_of_key(body.order_key)
        if body.payer.openid != trade["openid"]:
            raise ShippingError(10060031, "该笔支付单不属于 openid 所指定的用户")
        record = self._record(trade)
        uploads = 0 if record is None else int(record["uploads"])
        if self.state(trade) not in (TO_SHIP, SHIPPED):
            raise ShippingError(10060004, "支付单处于不可发货的状态, 请检查支付单状态")
        if uploads >= MOST_FINISHED_UPLOADS:
            raise ShippingError(10060003, "支付单已使用重新发货机会")
        uploaded_at = datetime.fromisoformat(body.upload_time).timestamp()
        if record is not None and uploaded_at <= record["uploaded_at"]:
            raise ShippingError(10060023, "发货信息未更新")
        self._write(trade, body, record, uploaded_at)

    def _trade_of_key(self, key: OrderKey) -> sqlite3.Row:
        if key.order_number_type == BY_TRANSACTION:
            return self.trade_of(key.transaction_id, None, None)
        return self.trade_of(None, key.mchid, key.out_trade_no)

    def _write(self, trade: sqlite3.Row, body: Upload, record: sqlite3.Row | None, uploaded_at: float) -> None:
        finished = body.delivery_mode == UNIFIED or body.is_all_delivered is True
        parcels = [parcel.model_dump(exclude_none=True) for parcel in body.shipping_list]
        if record is not None and not record["finished"]:
            # Split parcels are told one after the other; an upload behind the last one starts anew.
            parcels = [*json.loads(record["parcels"]), *parcels]
        if len(parcels) > MOST_PARCELS:
            raise ShippingError(10060024, "物流信息列表太长, 数量不可超过15个")
        uploads = (0 if record is None else int(record["uploads"])) + int(finished)
        self._store.run(
            "INSERT OR REPLACE INTO shipping VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            *(trade["transaction_id"], SHIPPED if finished else TO_SHIP, body.logistics_type, body.delivery_mode),
            *(json.dumps(parcels, ensure_ascii=False), int(finished), uploads, uploaded_at),
        )

    def confirm(self, trade: sqlite3.Row) -> None:
        """The customer has the goods; 10060028 unless they are on their way."""
        if self.state(trade) != SHIPPED:
            raise ShippingError(10060028, "支付单状态不允许此操作")
        self.put(trade, RECEIVED)

    def remind(self, trade: sqlite3.Row) -> None:
        """The shop says the parcel was signed for, so the customer is asked to confirm: once for a payment."""
        record = self._record(trade)
        if record is None or self.state(trade) != SHIPPED:
            raise ShippingError(10060028, "支付单状态不允许此操作")
        if record["receipt_notified"]:
            raise ShippingError(10060028, "该笔支付单已提醒过用户确认收货")
        self._store.run("UPDATE shipping SET receipt_notified = 1 WHERE transaction_id = ?", trade["transaction_id"])

    def put(self, trade: sqlite3.Row, state: int) -> None:
        """Set the state by hand; parcels that are known stay."""
        now = self._clock.now()
        finished = int(state != TO_SHIP)
        self._store.run(
            "INSERT INTO shipping VALUES (?, ?, ?, ?, '[]', ?, ?, ?, 0) ON CONFLICT (transaction_id)"
            " DO UPDATE SET state = excluded.state, finished = excluded.finished",
            *(trade["transaction_id"], state, EXPRESS, UNIFIED, finished, finished, now),
        )

    def told(self) -> dict[str, list[dict[str, Any]]]:
        """By the merchant's number of each payment of which something was uploaded: its parcels."""
        rows = self._store.all("SELECT out_trade_no, parcels FROM shipping JOIN trades USING (transaction_id)")
        return {row["out_trade_no"]: json.loads(row["parcels"]) for row in rows}

    def shown(self, trade: sqlite3.Row) -> dict[str, Any]:
        """The record as ``get_order`` shows it; times are seconds since the epoch, amounts fen."""
        order = {
            "transaction_id": trade["transaction_id"],
            "merchant_id": trade["mchid"],
            "sub_merchant_id": "",
            "merchant_trade_no": trade["out_trade_no"],
            "description": trade["description"],
            "paid_amount": trade["total"],
            "openid": trade["openid"],
            "trade_create_time": int(trade["prepay_at"]),
            "pay_time": int(trade["success_at"]),
            "order_state": self.state(trade),
            "in_complaint": False,
        }
        record = self._record(trade)
        return order if record is None else {**order, "shipping": _shipping(record)}


def _shipping(record: sqlite3.Row) -> dict[str, Any]:
    parcels = json.loads(record["parcels"])
    uploaded = int(record["uploaded_at"])
    return {
        "delivery_mode": record["delivery_mode"],
        "logistics_type": record["logistics_type"],
        "finish_shipping": bool(record["finished"]),
        "goods_desc": "; ".join(parcel["item_desc"] for parcel in parcels),
        "finish_shipping_count": record["uploads"],
        "shipping_list": [
            {
                "tracking_no": parcel.get("tracking_no", ""),
                "express_company": parcel.get("express_company", ""),
                "goods_desc": parcel["item_desc"],
                "upload_time": uploaded,
                "contact": parcel.get("contact", {}),
            }
            for parcel in parcels
        ],
    }


def _china_day(seconds: float) -> int:
    return int(seconds + CHINA_AHEAD_SECONDS) // DAY_SECONDS


def check_fields(body: Upload) -> None:
    """ShippingError for what the form of the body does not say; the codes are those of the API's own page."""
    express = body.logistics_type == EXPRESS
    split = body.delivery_mode == SPLIT
    if split and not express:
        raise ShippingError(10060006, "非快递发货时不允许分拆发货")
    if split and body.is_all_delivered is None:
        raise ShippingError(10060007, "分拆发货模式下必须填写 is_all_delivered")
    if not split and len(body.shipping_list) > 1:
        raise ShippingError(10060014, "统一发货模式下只能有一条物流信息")
    if len(body.shipping_list) > MOST_PARCELS:
        raise ShippingError(10060024, "物流信息列表太长, 数量不可超过15个")
    for parcel in body.shipping_list:
        _check_parcel(parcel, express)


def _check_parcel(parcel: Parcel, express: bool) -> None:
    if not parcel.item_desc.strip():
        raise ShippingError(10060008, "商品描述 item_desc 字段不能为空")
    if len(parcel.item_desc) > LONGEST_ITEM:
        raise ShippingError(10060009, "商品描述 item_desc 字段太长")
    if not express:
        return
    if not parcel.tracking_no or not parcel.express_company:
        raise ShippingError(10060014, "快递发货时 tracking_no 与 express_company 必填")
    if len(parcel.express_company) > LONGEST_COMPANY:
        raise ShippingError(10060025, "物流公司编码太长")
    if len(parcel.tracking_no) > LONGEST_TRACKING_NO:
        raise ShippingError(10060026, "物流单号太长")
    contacts = [] if parcel.contact is None else [parcel.contact.consignor_contact, parcel.contact.receiver_contact]
    given = [contact for contact in contacts if contact]
    if parcel.express_company == SF_EXPRESS and not given:
        raise ShippingError(10060014, "顺丰快递必须填写 contact")
    if any("****" not in contact for contact in given):
        raise ShippingError(10060014, "contact 须为掩码手机号, 如 189****1234")
