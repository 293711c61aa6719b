"""Which values a field of a subscribe message takes; the kind is the field's name without its number.

developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

CLOCK_TIME = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
MONTH = r"(0?[1-9]|1[0-2])"
DAY = r"(0?[1-9]|[12]\d|3[01])"
CALENDAR_DAY = rf"\d{{4}}(年{MONTH}月{DAY}日|-{MONTH}-{DAY}|/{MONTH}/{DAY})"
DAY_AND_TIME = rf"{CALENDAR_DAY}( {CLOCK_TIME})?"
CHINESE = r"[\u4e00-\u9fff]"
HAS_CHINESE = re.compile(CHINESE)


def _pattern(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _range_of(pattern: str) -> Callable[[str], bool]:
    return _pattern(rf"({pattern})(\s?[~\uff5e]\s?({pattern}))?")


def _name(value: str) -> bool:
    """Ten characters where any of them is Chinese, else twenty."""
    return len(value) <= (10 if HAS_CHINESE.search(value) else 20)


RULES: dict[str, Callable[[str], bool]] = {
    "thing": lambda value: len(value) <= 20,
    "number": _pattern(r"[+-]?[0-9]{1,32}(\.[0-9]{1,32})?"),
    "letter": _pattern(r"[A-Za-z]{1,32}"),
    "symbol": _pattern(r"[^\w\s]{1,5}"),
    "character_string": _pattern(r"[\x20-\x7e]{1,32}"),
    "time": _range_of(rf"{CLOCK_TIME}|{DAY_AND_TIME}"),
    "date": _range_of(DAY_AND_TIME),
    # One currency sign, at most ten digits, a fraction and 元 where wanted.
    "amount": _pattern(r"[¥￥$€£]?[0-9]{1,10}(\.[0-9]+)?元?"),
    "phone_number": _pattern(r"[0-9+\-() ]{1,17}"),
    "car_number": _pattern(rf"(?=.{{1,8}}\Z)({CHINESE}|[A-Za-z0-9])[A-Za-z0-9]*({CHINESE}|[A-Za-z0-9])?"),
    "name": _name,
    "phrase": _pattern(rf"{CHINESE}{{1,5}}"),
}


def wrong_field(
    fields: dict[str, str], values: dict[str, str], enums: Mapping[str, list[str]] = MappingProxyType({})
) -> str | None:
    """The first field that is missing, empty, unknown to the template or out of its limits; None when all fit.

    ``fields`` is field name → label, ``enums`` names the values that enum fields take.
    """
    for name in fields:
        value = values.get(name, "")
        if not value.strip() or not _fits(name, value, enums):
            return name
    return next((name for name in values if name not in fields), None)


def _fits(name: str, value: str, enums: Mapping[str, list[str]]) -> bool:
    """Whether the field takes the value; a field of a kind that does not exist takes none."""
    if name in enums:
        return value in enums[name]
    rule = RULES.get(name.rstrip("0123456789"))
    return rule is not None and rule(value)
