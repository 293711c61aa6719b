"""Which values a field of a subscribe message takes; the kind is the field's name without its number.

developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage
"""

import re
from collections.abc import Callable

CLOCK_TIME = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
CALENDAR_DAY = r"\d{4}(年\d{1,2}月\d{1,2}日|-\d{1,2}-\d{1,2}|/\d{1,2}/\d{1,2})"
DAY_AND_TIME = rf"{CALENDAR_DAY}( {CLOCK_TIME})?"
CHINESE = r"[\u4e00-\u9fff]"


def _pattern(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _range_of(pattern: str) -> Callable[[str], bool]:
    return _pattern(rf"({pattern})(\s?[~\uff5e]\s?({pattern}))?")


RULES: dict[str, Callable[[str], bool]] = {
    "thing": lambda value: len(value) <= 20,
    "number": _pattern(r"[+-]?\d{1,32}(\.\d{1,32})?"),
    "letter": _pattern(r"[A-Za-z]{1,32}"),
    "symbol": _pattern(r"[^\w\s]{1,5}"),
    "character_string": _pattern(r"[\x20-\x7e]{1,32}"),
    "time": _range_of(rf"{CLOCK_TIME}|{DAY_AND_TIME}"),
    "date": _range_of(DAY_AND_TIME),
    # One currency sign, at most ten digits, a fraction and 元 where wanted.
    "amount": _pattern(r"[¥￥$€£]?\d{1,10}(\.\d+)?元?"),
    "phone_number": _pattern(r"[\d+\-() ]{1,17}"),
    "car_number": lambda value: len(value) <= 8,
    "name": _pattern(rf"({CHINESE}{{1,10}}|[^\u4e00-\u9fff]{{1,20}})"),
    "phrase": _pattern(rf"{CHINESE}{{1,5}}"),
}


def wrong_field(fields: dict[str, str], values: dict[str, str]) -> str | None:
    """The first field that is missing, empty, unknown to the template or out of its limits; None when all fit."""
    for name in fields:
        value = values.get(name, "")
        rule = RULES.get(name.rstrip("0123456789"))
        if not value.strip() or rule is None or not rule(value):
            return name
    return next((name for name in values if name not in fields), None)
