"""Which answer of the provider sends a refund down which road, and how long each road waits. The table to read first.

Sources: pay.weixin.qq.com/doc/v3/merchant/4014959631 (codes), /4013071031 (statuses). The provider's rule: after any
answer but 200, first ask by the refund's number; only when it is not there, or there as CLOSED, nothing was accepted,
and the answer says what is to be done. So the rows below 200 apply when that question found nothing else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, NamedTuple

from contracts.payment import RefusalReason

Road = Literal[
    "taken", "accepted", "settled", "abnormal", "closed", "failed", "refused", "doubted", "parked", "busy", "unknown"
]


class Row(NamedTuple):
    """One row of the table below."""

    http: str
    word: str
    road: Road
    why: str
    refused_because: RefusalReason | None = None


# fmt: off
ROADS: tuple[Row, ...] = (
    # HTTP   the provider's word       road        what it means, what is done
    Row("200", "PROCESSING",           "accepted", "promised, money on its way: ask where it is until it has arrived"),
    Row("200", "SUCCESS",              "settled",  "the money has arrived: done"),
    Row("200", "ABNORMAL",             "abnormal", "the card takes no money; it lies in between and may still arrive: ask on, never a second refund"),  # noqa: E501
    Row("200", "CLOSED",               "closed",   "dead without effect, money back with the merchant: next number"),
    Row("403", "USER_ACCOUNT_ABNORMAL", "refused", "the customer's account is closed or blocked: never this way", "account-abnormal"),  # noqa: E501
    Row("403", "TRADE_OVERDUE",        "refused",  "paid more than a year ago: never this way", "too-old"),
    Row("400", "INVALID_REQUEST",      "refused",  "breaks a rule of the provider, after 365 days: too old", "refused-by-provider"),  # noqa: E501
    Row("400", "PARAM_ERROR",          "refused",  "breaks a rule of the provider", "refused-by-provider"),
    Row("403", "NO_AUTH",              "refused",  "this merchant may not refund", "refused-by-provider"),
    Row("404", "RESOURCE_NOT_EXISTS",  "doubted",  "the provider does not find a payment that it has shown us: same number again, ten times, then never", "refused-by-provider"),  # noqa: E501
    Row("404", "MCH_NOT_EXISTS",       "refused",  "the provider does not know this merchant", "refused-by-provider"),
    Row("403", "NOT_ENOUGH",           "parked",   "the merchant's balance is short: finance tops up, then same number again"),  # noqa: E501
    Row("429", "FREQUENCY_LIMITED",    "busy",     "too many at once, may be accepted: look later, then same number again"),  # noqa: E501
    Row("403", "INVALID_REQ_TOO_MUCH", "busy",     "too many wrong requests: wait, then same number again"),
    Row("403", "BIZERR_NEED_RETRY",    "unknown",  "two at once for one payment: same number again"),
    Row("401", "SIGN_ERROR",           "unknown",  "our signature or keys are wrong: same number again once that is put right"),  # noqa: E501
    Row("500", "SYSTEM_ERROR",         "unknown",  "may be accepted: look, then same number again"),
)
ANYTHING_ELSE = Row("any", "*",        "unknown",  "no answer, no valid signature, a word not in this table: look, then same number again")  # noqa: E501
# fmt: on

# A payout: the merchant transfer that stands in for a refund. As above: below 200 only when a query found nothing.
# Sources: pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill, /doc/v3/merchant/4013774589; states and what
# is done about each: /doc/v3/merchant/4012716434.
# fmt: off
PAYOUT_ROADS: tuple[Row, ...] = (
    Row("200", "ACCEPTED",             "taken",    "taken, not yet offered to the customer: same number again"),
    Row("200", "PROCESSING",           "taken",    "the merchant's balance is being charged, and may be short: same number again"),  # noqa: E501
    Row("200", "WAIT_USER_CONFIRM",    "accepted", "the customer must confirm within 24 hours: ask on"),
    Row("200", "TRANSFERING",          "accepted", "confirmed, money on its way: ask on"),
    Row("200", "CANCELING",            "accepted", "somebody cancels it: ask on until it is known"),
    Row("200", "SUCCESS",              "settled",  "the money has arrived: done"),
    Row("200", "FAIL",                 "failed",   "not confirmed in time or refused, money back with the merchant: next number, then a person"),  # noqa: E501
    Row("200", "CANCELLED",            "failed",   "cancelled on the merchant platform, money back with the merchant: next number, then a person"),  # noqa: E501
    Row("400", "PARAM_ERROR",          "refused",  "breaks a rule of the provider", "refused-by-provider"),
    Row("400", "INVALID_REQUEST",      "refused",  "breaks a rule of the provider", "refused-by-provider"),
    Row("403", "NO_AUTH",              "refused",  "this merchant may not make transfers", "refused-by-provider"),
    Row("403", "USER_ACCOUNT_ABNORMAL", "refused", "the customer's account cannot receive it either", "account-abnormal"),  # noqa: E501
    Row("403", "NOT_ENOUGH",           "parked",   "the merchant's balance is short: same number again later"),
    Row("429", "FREQUENCY_LIMITED",    "busy",     "too many at once, may be accepted: look later, then same number again"),  # noqa: E501
    Row("500", "SYSTEM_ERROR",         "unknown",  "may be accepted: look, then same number again"),
)
# fmt: on
PAYOUTS_MAX = 3

_BY_WORD = {row.word: row for row in ROADS}
_PAYOUT_BY_WORD = {row.word: row for row in PAYOUT_ROADS}

REFUND_WINDOW = timedelta(days=365)

# Without a real name given a transfer must stay below 2,000 yuan; below 0.1 yuan none is made
# (pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill).
PAYOUT_FEN = range(10, 200_000)

# How long to wait before the next try: first wait, doubled each time in a row, up to the second.
# unknown: 2 s, because a customer waits and most hiccups are over by then; 5 min, because every wrong request counts
#   against 6 per second for the whole merchant.
# busy: 15 s, because refunds of one order must be a minute apart and the first retry should not be wasted.
# parked: 30 s, because it needs a person; 10 min, so that nobody has to press a button after topping up.
# closed: from the third number on, because a refund that closes again and again is a balance that stays short.
WAITS: dict[str, tuple[timedelta, timedelta]] = {
    "unknown": (timedelta(seconds=2), timedelta(minutes=5)),
    "busy": (timedelta(seconds=15), timedelta(minutes=5)),
    "parked": (timedelta(seconds=30), timedelta(minutes=10)),
    "closed": (timedelta(seconds=30), timedelta(hours=1)),
}
UNKNOWN_WORRIES_AT = 10
DOUBTED_TRIES = 10
"""In a row, about fifteen minutes. A payment that was made minutes ago is now and then not found, and the same request
once more is taken (developers.weixin.qq.com/community/develop/doc/0002cc91f60120266c050ea3265c00)."""

ALREADY_PAID_CODES = frozenset({"ORDERPAID", "ORDER_PAID"})
"""What the provider calls a payment that was made when it is asked to close or to order it; both spellings are seen."""

NO_PAYMENT_CODES = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"})
"""What the provider says of a payment that it does not know."""

# How long to wait before asking where an accepted refund is: five times a minute, then further and further apart
# (pay.weixin.qq.com/doc/v3/merchant/4014959631). The last wait repeats.
POLL_MINUTES = (1, 1, 1, 1, 1, 5, 10, 20, 30, 60, 120, 360)

# Days after acceptance at which a refund that is still on its way worries somebody. The provider closes it after seven
# when the merchant's account stays short (pay.weixin.qq.com/doc/v3/merchant/4013071031).
LATE_DAYS = (1, 3, 5)


def row_for(word: str) -> Row:
    """The row of a status or code of the provider."""
    return _BY_WORD.get(word, ANYTHING_ELSE)


def payout_row_for(word: str) -> Row:
    """The row of a state or code of the provider about a transfer."""
    return _PAYOUT_BY_WORD.get(word, ANYTHING_ELSE)


def wait(kind: str, tries: int) -> timedelta:
    """The wait after `tries` (from 1) in a row."""
    first, longest = WAITS[kind]
    return min(longest, first * (1 << min(tries - 1, 20)))
