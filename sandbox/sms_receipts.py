"""Receipts that Alibaba Cloud pushes: what the carriers say became of a message that was accepted.

help.aliyun.com/document_detail/101867.html. Times are China's. The same receipt may come twice.
"""

import sqlite3
from datetime import datetime
from typing import Any

import httpx

from sandbox.clock import CHINA
from sandbox.posts import Manner, Posts
from sandbox.settings import SandboxSettings
from sandbox.sms_book import NO_ERROR, SmsBook

DELIVERED = "DELIVERED"
# Sent again after one, five and ten minutes.
LADDER = (60.0, 300.0, 600.0)


def china(seconds: float) -> str:
    """Such as ``2017-08-31 11:12:13``."""
    return datetime.fromtimestamp(seconds, CHINA).strftime("%Y-%m-%d %H:%M:%S")


class ReceiptPushes:
    """Tells the shop what was reported: an array of receipts, which is answered with ``{"code": 0}``."""

    def __init__(self, posts: Posts, book: SmsBook, settings: SandboxSettings) -> None:
        self._posts = posts
        self._book = book
        self._url = settings.sms_receipt_url
        posts.deliver_as("sms-receipt", Manner(LADDER, dict, _handled))

    def of_batch(self, batch: str) -> None:
        """Have the receipts of one call pushed once they are there."""
        rows = self._book.of_batch(batch)
        if not self._url or not rows:
            return
        due_at = max(float(row["report_at"]) for row in rows)
        numbers = {"phone": str(rows[0]["number"]), "template_id": str(rows[0]["template"])}
        self._posts.add("sms-receipt", self._url, [receipt(row) for row in rows], numbers=numbers, due_at=due_at)


def receipt(row: sqlite3.Row) -> dict[str, Any]:
    """One element of the pushed array."""
    failed = row["err_code"] != NO_ERROR
    return {
        "phone_number": row["number"].removeprefix("+86").removeprefix("+"),
        "send_time": china(row["sent_at"]),
        "report_time": china(row["report_at"]),
        "success": not failed,
        "err_code": row["err_code"] if failed else DELIVERED,
        "err_msg": "用户未收到" if failed else "用户接收成功",
        "sms_size": "1",
        "biz_id": row["batch"],
        "out_id": row["context"],
    }


def _handled(answer: httpx.Response) -> bool:
    try:
        said = answer.json()
    except ValueError:
        return False
    return answer.status_code == httpx.codes.OK and isinstance(said, dict) and said.get("code") == 0
