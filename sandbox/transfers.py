"""Merchant transfers: reserved when accepted, paid when the customer confirms, back after 24 hours without that.

Rules: pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill/transfer-to-user.html, scene 1011 /doc/v3/merchant/
4013774589, reasons of failure /doc/v3/merchant/4013774966. The only scene this merchant was granted is 1011.
"""

import hashlib
import sqlite3
from base64 import b64encode
from typing import Any

from sandbox.callbacks import CallbackQueue
from sandbox.clock import Clock, rfc3339_china
from sandbox.errors import WechatPayError
from sandbox.fault_rules import Fault
from sandbox.keys import Keys
from sandbox.ledger import Ledger
from sandbox.store import Store
from sandbox.trades import digits
from sandbox.wechatpay_models import Transfer

SCENE = "1011"
PERCEPTIONS = ("退款", "商家赔付")
LEAST = 10
NAME_FROM = 200_000
NAME_NOT_BELOW = 30
CONFIRM_SECONDS = 24 * 3600
SHOWN_SECONDS = 30 * 24 * 3600
FINAL = ("SUCCESS", "FAIL", "CANCELLED")
# What a waiting state becomes at its moment, and the reason that is shown then.
NEXT = {
    "PROCESSING": ("FAIL", "OVERDUE_CLOSE"),
    "WAIT_USER_CONFIRM": ("FAIL", "OVERDUE_CLOSE"),
    "CANCELING": ("CANCELLED", "MCH_CANCEL"),
}
UNCONFIRMED = ("ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM")
_DUE = "state NOT IN ('SUCCESS', 'FAIL', 'CANCELLED')"


class TransferRefusedError(Exception):
    """The customer cannot confirm this: ``reason`` is unknown, or the state the transfer is in."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Transfers:
    """One row per merchant and out_bill_no. States: WAIT_USER_CONFIRM, CANCELING, SUCCESS, FAIL, CANCELLED; with a
    fault ``states`` also ACCEPTED or PROCESSING before, and TRANSFERING after the customer has confirmed."""

    def __init__(self, store: Store, ledger: Ledger, clock: Clock, keys: Keys, queue: CallbackQueue) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._keys = keys
        self._queue = queue

    def row(self, out_bill_no: str, mchid: str) -> sqlite3.Row | None:
        """The stored transfer, or None when the number was never accepted."""
        return self._store.one("SELECT * FROM transfers WHERE mchid = ? AND out_bill_no = ?", mchid, out_bill_no)

    def ask(self, order: Transfer, *, mchid: str, serial: str, fault: Fault | None = None) -> dict[str, Any]:
        """Accept a transfer, or answer the state of one accepted before with the same parameters; one in PROCESSING
        goes on then. ``fault`` may give a new one more states to go through.

        ``serial`` names the key of ``user_name``. WechatPayError: 400 PARAM_ERROR, 400 INVALID_REQUEST (scene,
        perception, other parameters under the same number), 403 NOT_ENOUGH.
        """
        try:
            with self._store.transaction():
                return self._ask(order, mchid, serial, fault)
        except WechatPayError as refusal:
            if self.row(order.out_bill_no, mchid) is None:
                amount = order.transfer_amount
                self._ledger.transfer_refusal(order.out_bill_no, amount, refusal.code, mchid=mchid, openid=order.openid)
            raise

    def _ask(self, order: Transfer, mchid: str, serial: str, fault: Fault | None) -> dict[str, Any]:
        if order.transfer_amount < LEAST:
            raise WechatPayError(400, "PARAM_ERROR", "参数错误: 转账金额不能小于0.1元")
        name = self._checked_name(order, serial)
        _check_scene(order)
        # The name is encrypted anew each time: what it says is compared, not how it was sent.
        said = order.model_copy(update={"user_name": name})
        fingerprint = hashlib.sha256(said.model_dump_json().encode()).hexdigest()
        self.settle_due()
        known = self.row(order.out_bill_no, mchid)
        if known is not None:
            if known["fingerprint"] != fingerprint:
                raise WechatPayError(400, "INVALID_REQUEST", "商户单号已存在但参数不一致, 请查单后确认")
            if known["state"] == "PROCESSING":
                self._move(known, "WAIT_USER_CONFIRM", due_at=known["due_at"])
            return self._accepted(self._must(order.out_bill_no, mchid))
        if self._ledger.balance(mchid) < order.transfer_amount:
            raise WechatPayError(403, "NOT_ENOUGH", "商户账户余额不足, 请充值后用原单号重试")
        self._insert(order, fingerprint, mchid, fault)
        row = self._must(order.out_bill_no, mchid)
        self._line("transfer-accepted", row)
        return self._accepted(row)

    def _checked_name(self, order: Transfer, serial: str) -> str | None:
        if order.user_name is None:
            if order.transfer_amount >= NAME_FROM:
                raise WechatPayError(400, "PARAM_ERROR", "参数错误: 转账金额大于等于2000元时user_name必填")
            return None
        if order.transfer_amount < NAME_NOT_BELOW:
            raise WechatPayError(400, "PARAM_ERROR", "参数错误: 转账金额小于0.3元时不允许传入user_name")
        return self._keys.decrypt(serial, order.user_name)

    def _insert(self, order: Transfer, fingerprint: str, mchid: str, fault: Fault | None) -> None:
        now = self._clock.now()
        state = (fault.first_state if fault is not None else None) or "WAIT_USER_CONFIRM"
        accepted_seconds = (fault.settle_seconds if fault is not None else None) or 0.0
        due_at = now + (accepted_seconds if state == "ACCEPTED" else CONFIRM_SECONDS)
        number = f"transfer/{mchid}/{order.out_bill_no}"
        package = b64encode(hashlib.sha512(f"{number}/{now}".encode()).digest()).decode()
        self._store.run(
            "INSERT INTO transfers (mchid, out_bill_no, transfer_bill_no, fingerprint, appid, openid, amount, remark,"
            " notify_url, package_info, state, created_at, updated_at, due_at, sending_seconds, end_reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(mchid, order.out_bill_no, f"1330{digits(number, 36)}", fingerprint, order.appid, order.openid),
            *(order.transfer_amount, order.transfer_remark, order.notify_url, package),
            *(state, now, now, due_at),
            *((fault.sending_seconds, fault.fail_reason) if fault is not None else (None, None)),
        )

    def _accepted(self, row: sqlite3.Row) -> dict[str, Any]:
        answer = {
            "out_bill_no": row["out_bill_no"],
            "transfer_bill_no": row["transfer_bill_no"],
            "create_time": rfc3339_china(row["created_at"]),
            "state": row["state"],
        }
        if row["state"] == "WAIT_USER_CONFIRM":
            answer["package_info"] = row["package_info"]
        if row["fail_reason"] is not None:
            answer["fail_reason"] = row["fail_reason"]
        return answer

    def query(self, numbers: dict[str, str], *, mchid: str) -> dict[str, Any]:
        """The transfer by out_bill_no or transfer_bill_no; unknown or older than 30 days: 404 NOT_FOUND."""
        self.settle_due()
        if "out_bill_no" in numbers:
            row = self.row(numbers["out_bill_no"], mchid)
        else:
            sql = "SELECT * FROM transfers WHERE mchid = ? AND transfer_bill_no = ?"
            row = self._store.one(sql, mchid, numbers["transfer_bill_no"])
        if row is None or self._clock.now() - row["created_at"] > SHOWN_SECONDS:
            raise WechatPayError(404, "NOT_FOUND", "转账单不存在")
        return {**_result(row), "appid": row["appid"], "transfer_remark": row["remark"]}

    def cancel(self, out_bill_no: str, *, mchid: str) -> dict[str, Any]:
        """Take a transfer back that its customer has not confirmed; done a little later. Otherwise 400
        INVALID_REQUEST."""
        self.settle_due()
        row = self.row(out_bill_no, mchid)
        if row is None:
            raise WechatPayError(404, "NOT_FOUND", "转账单不存在")
        if row["state"] in UNCONFIRMED:
            self._move(row, "CANCELING", due_at=self._clock.now())
            row = self._must(out_bill_no, mchid)
        elif row["state"] not in ("CANCELING", "CANCELLED"):
            raise WechatPayError(400, "INVALID_REQUEST", "转账单已确认收款或已到终态, 不能撤销")
        return {
            "out_bill_no": row["out_bill_no"],
            "transfer_bill_no": row["transfer_bill_no"],
            "state": row["state"],
            "update_time": rfc3339_china(row["updated_at"]),
        }

    def confirm(self, package_info: str | None, out_bill_no: str | None, openid: str | None) -> dict[str, Any]:
        """The customer takes the money. TransferRefusedError: unknown, wrong-payee, or the state it is in."""
        self.settle_due()
        column = "package_info" if package_info is not None else "out_bill_no"
        row = self._store.one(f"SELECT * FROM transfers WHERE {column} = ?", package_info or out_bill_no)
        if row is None:
            raise TransferRefusedError("unknown")
        if openid is not None and openid != row["openid"]:
            raise TransferRefusedError("wrong-payee")
        if row["state"] != "WAIT_USER_CONFIRM":
            raise TransferRefusedError(row["state"])
        if row["sending_seconds"] is not None or row["end_reason"] is not None:
            self._move(row, "TRANSFERING", due_at=self._clock.now() + (row["sending_seconds"] or 0.0))
        else:
            self._end(row, "SUCCESS", None)
        return _result(self._must(row["out_bill_no"], row["mchid"]))

    def settle_due(self) -> int:
        """Move on every transfer whose time in its state is over; says how many times."""
        sql = f"SELECT * FROM transfers WHERE {_DUE} AND due_at <= ? ORDER BY due_at, out_bill_no"
        moved = 0
        while due := self._store.all(sql, self._clock.now()):
            for row in due:
                self._go_on(row)
            moved += len(due)
        return moved

    def _go_on(self, row: sqlite3.Row) -> None:
        if row["state"] == "ACCEPTED":
            self._move(row, "WAIT_USER_CONFIRM", due_at=row["created_at"] + CONFIRM_SECONDS)
        elif row["state"] == "TRANSFERING":
            self._end(row, "SUCCESS" if row["end_reason"] is None else "FAIL", row["end_reason"])
        else:
            self._end(row, *NEXT[row["state"]])

    def next_due(self) -> float | None:
        """When the next transfer ends by itself, business time."""
        row = self._store.one(f"SELECT MIN(due_at) AS due FROM transfers WHERE {_DUE}")
        return None if row is None else row["due"]

    def _end(self, row: sqlite3.Row, state: str, reason: str | None) -> None:
        with self._store.transaction():
            self._move(row, state, reason=reason, due_at=row["due_at"])
            self._line("transfer-success" if state == "SUCCESS" else "transfer-returned", row, code=reason)
            ended = self._must(row["out_bill_no"], row["mchid"])
            if ended["notify_url"] is not None:
                self._queue.add(
                    "transfer-callback",
                    event_type="MCHTRANSFER.BILL.FINISHED",
                    summary="商家转账单据终态通知",
                    numbers={"out_bill_no": row["out_bill_no"], "openid": row["openid"]},
                    notify_url=ended["notify_url"],
                    resource=_result(ended),
                )

    def _move(self, row: sqlite3.Row, state: str, *, due_at: float, reason: str | None = None) -> None:
        self._store.run(
            "UPDATE transfers SET state = ?, fail_reason = ?, updated_at = ?, due_at = ?"
            " WHERE mchid = ? AND out_bill_no = ?",
            *(state, reason, self._clock.now(), due_at, row["mchid"], row["out_bill_no"]),
        )

    def _line(self, kind: str, row: sqlite3.Row, code: str | None = None) -> None:
        about = {"mchid": row["mchid"], "out_bill_no": row["out_bill_no"], "openid": row["openid"]}
        self._ledger.money(kind, row["amount"], code=code, **about)

    def _must(self, out_bill_no: str, mchid: str) -> sqlite3.Row:
        row = self.row(out_bill_no, mchid)
        assert row is not None
        return row


def _check_scene(order: Transfer) -> None:
    if order.transfer_scene_id != SCENE:
        raise WechatPayError(400, "INVALID_REQUEST", "你尚未获取该转账场景")
    if order.user_recv_perception is not None and order.user_recv_perception not in PERCEPTIONS:
        raise WechatPayError(400, "INVALID_REQUEST", "暂不支持展示当前传入的用户收款感知")
    if [info.info_type for info in order.transfer_scene_report_infos] != ["赔付原因"]:
        raise WechatPayError(400, "PARAM_ERROR", "参数错误: 转账场景报备信息与场景不符, 须恰好为一项赔付原因")


def _result(row: sqlite3.Row) -> dict[str, Any]:
    """What callbacks carry, and queries begin with."""
    answer = {
        "out_bill_no": row["out_bill_no"],
        "transfer_bill_no": row["transfer_bill_no"],
        "state": row["state"],
        "mch_id": row["mchid"],
        "transfer_amount": row["amount"],
        "openid": row["openid"],
        "create_time": rfc3339_china(row["created_at"]),
        "update_time": rfc3339_china(row["updated_at"]),
    }
    return answer if row["fail_reason"] is None else {**answer, "fail_reason": row["fail_reason"]}
