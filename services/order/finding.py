"""What an order is found by, and the place in a list where a page ends. Pure: no clock, no I/O."""

from __future__ import annotations

import re
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from chassis.record import Findable
from services.order.model import Order
from services.order.work import work_since

CaseState = Literal["open", "completed", "undone", "waits-for-a-person"]

TAIL_DIGITS = 4
TERMS_MAX = 20_000
"""Of one order: 340 goods with names of 30 Chinese characters, no two alike, have as many. Each stands in two indexes,
and all of an order are written in one piece: one of 2,000 goods with long names had more of them than MongoDB writes
together (TransactionTooLargeForCache), so it could never be saved, nor what was to be saved with it."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last moment that a time can hold
_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUNS = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_CURSOR = re.compile(r"1\.([0-9]{1,15})\.([A-Za-z0-9_*-]{1,64})\Z")

_CASES: Final[tuple[tuple[str, ...], ...]] = (("", "open", "waits-for-a-person"), ("", "completed"), ("", "undone"))


def found_by(order: Order) -> Findable:
    """What stands beside an order's state so that it is found from an index: one word for the states of all its cases,
    since when one is open, since when one stands in each list of what needs somebody, and a term for each product, each
    word of its goods' names, and for who ordered (kept as keyed hashes). Past `TERMS_MAX` the words of its last goods
    are left out: by them it is not found, by these products it is."""
    terms = dict.fromkeys(product_term(line.product_id) for line in order.lines)
    for word in (word for line in order.lines for word in words_of(line.name)):
        if len(terms) >= TERMS_MAX:
            break
        terms[word_term(word)] = None
    personal: tuple[str, ...] = ()
    if order.erased is None:  # what stands there afterwards is nobody's name and number, and somebody's may be like it
        name, tail = normal_name(order.contact.name), phone_tail(order.contact.phone)
        personal = (*who_terms(name, None), *who_terms(None, tail), *who_terms(name, tail))
    fields: dict[str, object] = {"case": _case_word(order), "work": work_since(order)}
    if (since := open_since(order)) is not None:
        fields["open_since"] = since
    return Findable(fields=fields, terms=tuple(terms), personal=personal)


def open_since(order: Order) -> datetime | None:
    """When the oldest of its open cases was accepted."""
    return min((case.accepted_at for case in order.cases if case.status == "open"), default=None)


def product_term(product_id: str) -> str:
    """The term of a product."""
    return f"p/{product_id}"


def word_term(word: str) -> str:
    """The term of a word in the name of goods."""
    return f"w/{word}"


def who_terms(name: str | None, tail: str | None) -> tuple[str, ...]:
    """The personal term for a name, for the end of a phone number, or for both together; none for neither."""
    if name and tail:
        return (f"b/{normal_name(name)}/{tail}",)
    if name:
        return (f"n/{normal_name(name)}",)
    return (f"t/{tail}",) if tail else ()


def normal_name(name: str) -> str:
    """A name in one spelling of width, case and spaces."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def phone_tail(phone: str) -> str:
    """The last four digits of a phone number."""
    return phone[-TAIL_DIGITS:]


def words_wanted(text: str) -> list[str]:
    """The words that must all stand in the names of an order's goods, the longest (the most telling) first. Chinese is
    not written in words: there it is each pair of neighbours, or the one character."""
    words: list[str] = []
    for run, is_cjk in _runs(text):
        words.extend(_pairs(run) if is_cjk and len(run) > 1 else [run])
    return sorted(dict.fromkeys(words), key=lambda word: -len(word))


def words_of(text: str) -> Iterator[str]:
    """The words that goods of this name are found by."""
    for run, is_cjk in _runs(text):
        if is_cjk:
            yield from run
            yield from _pairs(run)
        else:
            yield run


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Stretches of letters and digits, in one spelling of width and case; whether they are Chinese."""
    for match in _RUNS.finditer(unicodedata.normalize("NFKC", text).casefold()):
        run = match[0]
        yield run, re.match(f"[{_CJK}]", run) is not None


def _case_word(order: Order) -> str:
    """The states of an order's cases as one word, empty without a case. One word, because an index can hold only one
    list, and that is the list of terms."""
    states = {"waits-for-a-person" if case.waits_for_a_person else case.status for case in order.cases}
    return "+".join(state for row in _CASES for state in row if state in states)


def case_words(state: CaseState) -> list[str]:
    """Every such word that contains a case in `state`; one that waits for a person is open, too."""
    among = {"open", "waits-for-a-person"} if state == "open" else {state}
    every = [(one, two, three) for one in _CASES[0] for two in _CASES[1] for three in _CASES[2]]
    return sorted("+".join(filter(None, row)) for row in every if among & set(row))


class WrongCursor(ValueError):
    """`after` is not the `next` of an earlier page."""


def cursor_of(placed_at: datetime, order_id: str) -> str:
    """Where a page ends: after this order. Orders that are placed meanwhile stand before it and move nothing."""
    plain = f"1.{(placed_at - EPOCH) // _MILLISECOND}.{order_id}"
    return urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """When the last order of the page before was placed, and its id. Raises WrongCursor."""
    try:
        plain = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError as wrong:
        raise WrongCursor from wrong
    match = _CURSOR.match(plain)
    if match is None or int(match[1]) > _LAST_MS:
        raise WrongCursor
    return EPOCH + int(match[1]) * _MILLISECOND, match[2]


def following(cursor: tuple[datetime, str] | None) -> Mapping[str, object]:
    """The condition that an order stands behind `cursor` in a list that is sorted newest first."""
    if cursor is None:
        return {}
    at, order_id = cursor
    return {"$or": [{"state.placed_at": {"$lt": at}}, {"_id": {"$lt": order_id}}]}
