"""What WeChat and the SMS providers push to us: checked, read, and turned into facts and reports. No I/O.

WeChat's message push must be set to JSON without encryption
(developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html). `List` is an object when it has
one item and an array when it has several, and CreateTime is a number or a text
(developers.weixin.qq.com/community/develop/doc/00042034428fa074706c908245b800).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from services.notify.model import SmsReceipt, marked
from services.notify.quota import Fact, What

ITEMS_MAX = 100
RECEIPTS_MAX = 1_000

_EVENTS = ("subscribe_msg_popup_event", "subscribe_msg_change_event", "subscribe_msg_sent_event")


class BadPush(Exception):
    """Not what the provider sends, or not signed by it."""


def signed(token: str, query: Mapping[str, str]) -> bool:
    """Whether WeChat sent this: `signature` is the SHA-1 of token, timestamp and nonce, sorted and joined."""
    parts = sorted((token, query.get("timestamp", ""), query.get("nonce", "")))
    expected = hashlib.sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()
    return hmac.compare_digest(expected.encode(), query.get("signature", "").encode())


def _many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


_Code = Annotated[str, BeforeValidator(_text)]


class _Item(BaseModel):
    template_id: str = Field(alias="TemplateId", min_length=1, max_length=64)
    status: str = Field("", alias="SubscribeStatusString")
    error: _Code = Field("0", alias="ErrorCode")
    message_id: _Code = Field("", alias="MsgID")


class _Push(BaseModel):
    openid: str = Field(alias="FromUserName", min_length=1, max_length=64)
    event: str = Field("", alias="Event")
    created: int = Field(alias="CreateTime", ge=0, le=10**10)
    items: Annotated[list[_Item], BeforeValidator(_many)] = Field([], alias="List", max_length=ITEMS_MAX)


def facts_of(body: bytes) -> list[Fact]:
    """What a push says about subscriptions; nothing when it is about something else. Raises BadPush."""
    try:
        push = _Push.model_validate_json(body)
    except ValidationError as problem:
        raise BadPush(f"{problem.error_count()} fields are missing or wrong") from problem
    at = datetime.fromtimestamp(push.created, UTC)
    found = []
    for item in push.items if push.event in _EVENTS else []:
        what = _what(push.event, item)
        if what is not None:
            id = "/".join(
                ("push", push.event, push.openid, str(push.created), item.template_id, item.message_id or item.status)
            )
            found.append(Fact(id=id, openid=push.openid, template_id=item.template_id, what=what, source="push", at=at))
    return found


def _what(event: str, item: _Item) -> What | None:
    if event == "subscribe_msg_sent_event":
        # Our own call has counted the message already; news is only that the customer takes none.
        return "no-quota" if item.error == "43101" else None
    if item.status == "accept":
        return "accept" if event == "subscribe_msg_popup_event" else None
    if item.status == "reject":
        return "reject" if event == "subscribe_msg_popup_event" else "off"
    return "ban" if item.status == "ban" else None


class _Receipt(BaseModel):
    phone_number: str = Field(max_length=32)
    success: bool
    err_code: str | None = Field(None, max_length=64)
    out_id: str | None = Field(None, max_length=256)


_ROWS = TypeAdapter(Annotated[list[Any], Field(max_length=RECEIPTS_MAX)])


class Receipts(NamedTuple):
    """Those with a mark of ours, and how many could not be read."""

    found: list[SmsReceipt]
    unreadable: int


def receipts_of(body: bytes) -> Receipts:
    """Alibaba Cloud's receipts (help.aliyun.com/document_detail/101867.html). Many come at once, of all that the
    account sends: one that cannot be read must not lose the others. Raises BadPush for what is no list."""
    try:
        rows = _ROWS.validate_json(body)
    except ValidationError as problem:
        raise BadPush(f"{problem.error_count()} fields are missing or wrong") from problem
    found, unreadable = [], 0
    for given in rows:
        try:
            row = _Receipt.model_validate(given)
        except ValidationError:
            unreadable += 1
            continue
        mark = marked(row.out_id or "")
        if mark is not None:
            notice_id, call = mark
            found.append(
                SmsReceipt(
                    notice_id=notice_id,
                    provider="sms-alibaba",
                    phone=row.phone_number,
                    call=call,
                    delivered=row.success,
                    code=row.err_code or "",
                )
            )
    return Receipts(found, unreadable)
