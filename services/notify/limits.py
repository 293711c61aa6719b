"""What the fields of providers' templates take, and how words are made to fit: shortened, never refused.

WeChat answers 47003 for a value that is empty or out of its kind's limits
(developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from contracts.zone import CHINA
from services.notify.model import Words

SMS_VALUE_MAX = 35
"""Characters in one variable of a short message. The providers refuse long ones
(InvalidParameterValue.TemplateParameterLengthLimit); both take this many."""

MAINLAND = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_AMOUNT = re.compile(r"([¥￥$€£]?)\s*([0-9]+)(\.[0-9]+)?")
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[\x21-\x7e]+|[a-z0-9-]+\.(?:com|cn|net|org|top|xyz|shop|info|vip|me|cc|io)\b[\x21-\x7e]*",
    re.IGNORECASE,
)
_AMOUNT_MAX = 10**10 - 1

MEANINGS: tuple[tuple[str, str], ...] = (
    ("编号", "order"),
    ("单号", "order"),
    ("金额", "amount"),
    ("原因", "reason"),
    ("预计", "by"),
    ("最晚", "by"),
    ("截止", "by"),
    ("时间", "time"),
    ("日期", "time"),
    ("状态", "title"),
    ("结果", "title"),
)
"""The first part that the label contains says what is meant; nothing found: the hint."""


def subscribe_data(fields: Mapping[str, str], words: Words) -> dict[str, str]:
    """A value for every field of a WeChat template. `fields`: field name (`thing3`) → label (`退款原因`); the label
    says what is meant, the name without its number what kind of value is taken."""
    return {
        name: fitted(kind, _text_for(kind, label, words), _time_for(label, words))
        for name, kind, label in ((name, name.rstrip("0123456789"), label) for name, label in fields.items())
    }


def sms_values(params: Iterable[str], words: Words) -> dict[str, str]:
    """A value for every parameter of a short message's template, by the parameter's name."""
    known = {"order": words.order, "amount": words.amount, "reason": words.reason, "title": words.title}
    return {name: _cut(_without_addresses(known.get(name, words.note)), SMS_VALUE_MAX) or "-" for name in params}


def e164(phone: str) -> str:
    """`+8613800138000` for a mainland number however it is written; anything else as it was given."""
    mainland = MAINLAND.fullmatch(phone)
    return f"+86{mainland[1]}" if mainland else phone


def is_same_number(one: str, other: str) -> bool:
    """Whether two numbers are one, however they are written: providers leave out the sign before a country's code."""
    return e164(one).removeprefix("+") == e164(other).removeprefix("+")


def fitted(kind: str, value: str, time: datetime) -> str:
    """`value` within the limits of `kind`, never empty. Kinds of time show `time`, whatever the value. Kinds that are
    not known are treated like `thing`."""
    if kind in {"time", "date"}:
        return time_text(time)
    fit = _FITS.get(kind, _thing)
    return fit(value)


def time_text(at: datetime) -> str:
    """`2019年10月1日 15:01`, in China's time."""
    local = at.astimezone(CHINA)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"


def _meaning(label: str) -> str:
    return next((meaning for part, meaning in MEANINGS if part in label), "note")


def _text_for(kind: str, label: str, words: Words) -> str:
    meaning = _meaning(label)
    if meaning in ("time", "by"):
        return time_text(_time_for(label, words))
    text = str(getattr(words, meaning))
    if kind == "phrase" and (meaning in ("title", "note") or not _CHINESE.search(text)):
        return words.phrase or words.title  # a part of a hint says nothing, and of English words nothing is left
    return text


def _time_for(label: str, words: Words) -> datetime:
    """The time a label means: when it became true, or until when the money comes, where that is known."""
    return (words.by if _meaning(label) == "by" else None) or words.time


def _cut(value: str, size: int) -> str:
    """At most `size` characters on one line, without what has no place in a message (control, emoji)."""
    plain = " ".join("".join(one if one.isprintable() and ord(one) < 0x10000 else " " for one in value).split())
    return plain if len(plain) <= size else plain[: size - 1].rstrip() + "…"


def _without_addresses(value: str) -> str:
    """Providers refuse addresses of pages in a variable (InvalidParameterValue.ProhibitedUseUrlInTemplateParameter),
    and a remark may hold one."""
    return _ADDRESS.sub(" ", value)


def _thing(value: str) -> str:
    return _cut(value, 20) or "无"


def _character_string(value: str) -> str:
    """Letters, digits, signs; of a long number the end, which differs most."""
    return re.sub(r"[^\x21-\x7e]", "", value)[-32:] or "-"


def _amount(value: str) -> str:
    """One currency sign and at most ten digits before the point. A larger amount cannot be shown."""
    found = _AMOUNT.search(value)
    if found is None:
        return "0"
    sign, whole, cents = found.groups()
    if int(whole) > _AMOUNT_MAX:
        return f"{sign}{_AMOUNT_MAX}"
    return f"{sign}{int(whole)}{(cents or '')[:3]}"


def _number(value: str) -> str:
    """Digits, with a sign and a fraction where the value has them; of a long one the end."""
    found = re.search(r"((?:^|(?<=\s))[+-])?([0-9]+)(\.[0-9]{1,32})?", value)
    if found is None:
        return "0"
    return found[0] if len(found[2]) <= 32 else found[2][-32:]


def _car_number(value: str) -> str:
    """Eight letters and digits, of which the first and the last may be Chinese: `粤A8Z888挂`."""
    found = re.search(r"[\u4e00-\u9fff]?[A-Za-z0-9]{1,6}[A-Za-z0-9\u4e00-\u9fff]?", value)
    return found[0] if found else "无"


def _phrase(value: str) -> str:
    return "".join(_CHINESE.findall(value))[:5] or "请查看订单"


def _name(value: str) -> str:
    chinese = "".join(_CHINESE.findall(value))
    return chinese[:10] or _cut(value, 20) or "顾客"


_FITS: dict[str, Callable[[str], str]] = {
    "thing": _thing,
    "character_string": _character_string,
    "amount": _amount,
    "phrase": _phrase,
    "name": _name,
    "number": _number,
    "letter": lambda value: "".join(re.findall(r"[A-Za-z]", value))[:32] or "A",
    "symbol": lambda value: "".join(re.findall(r"[^\w\s]", value))[:5] or "-",
    "phone_number": lambda value: re.sub(r"[^0-9+\-]", "", value)[:17] or "0",
    "car_number": _car_number,
}
