"""Compares one day of the provider's bills with what we know. Pure: plain values in, differences out.

Which day is compared with which field (all days are China days):
- a payment's line stands in the bill of the day it was paid: our `receipt.paid_at`, the provider's own time;
- a refund's line stands in the bill of the day the provider *accepted* it, not of the day the money arrived, and is
  never written anew (format-trade.html, 交易时间). It is looked up by its number whatever our times say. Only the other
  way round needs a day: our `accepted_at`, the moment we heard of it, which may be later. So a refund that is missing
  in a bill is asked for before anybody is bothered: one accepted just before midnight stands in the bill before.
- a movement of the account carries the moment it was booked, which may fall on the other side of midnight:
  `BORDER` around midnight a missing counterpart is counted, and is no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from services.payment.bills import FundLine, TradeLine, day_of, day_range, yuan
from services.payment.model import Payment, Refund
from services.payment.shown import Fact, UtcTime

BORDER = timedelta(minutes=5)
DIFFERENCES_MAX = 1_000
"""Kept of one day. More than that is no list of differences any more: something is wrong as a whole."""

Kind = Literal[
    "payment-not-known-here",
    "payment-not-in-bill",
    "payment-amount",
    "payment-revoked",
    "order-unknown",
    "refund-not-settled-here",
    "refund-not-accepted-here",
    "refund-not-in-bill",
    "refund-not-ours",
    "refund-amount",
    "refund-failed-there",
    "refund-twice",
    "fund-line-missing",
    "fund-line-extra",
    "fund-amount",
]


@dataclass(frozen=True, slots=True)
class Row:
    """What a kind of difference means and what is done: `heal`, the provider is asked and the payment hears its answer;
    `task`, a person looks. `loud`: money may be lost, so it also goes to the error log."""

    does: Literal["heal", "task"]
    zh: str
    en: str
    loud: bool = False


KINDS: dict[Kind, Row] = {
    "payment-not-known-here": Row("heal", "账单有支付,我方未记为已支付", "paid in the bill, not paid here"),
    "payment-not-in-bill": Row("task", "我方已支付,账单没有", "paid here, not in the bill"),
    "payment-amount": Row("task", "支付金额不一致", "the amounts of a payment differ"),
    "payment-revoked": Row("task", "支付已被撤销", "a payment was revoked at the provider"),
    "order-unknown": Row("task", "账单中的订单不属于本店", "the order in the bill is not one of this shop"),
    "refund-not-settled-here": Row("heal", "账单退款成功,我方未到账", "refund arrived in the bill, not here"),
    "refund-not-accepted-here": Row("heal", "账单有退款,我方未受理", "refund accepted in the bill, not here"),
    "refund-not-in-bill": Row("heal", "我方已受理的退款,账单没有", "refund accepted here, not in the bill"),
    "refund-not-ours": Row("heal", "账单有退款,我方从未发起", "a refund we never sent: made by hand"),
    "refund-amount": Row("task", "退款金额不一致", "the amounts of a refund differ"),
    "refund-failed-there": Row("task", "账单退款失败,我方已到账", "refund failed in the bill, arrived here"),
    "refund-twice": Row("task", "同一取消单退了两次款", "one case was refunded twice", loud=True),
    "fund-line-missing": Row("task", "交易账单有,资金账单没有", "in the trade bill, no money moved"),
    "fund-line-extra": Row("task", "资金账单有,交易账单没有", "money moved, not in the trade bill"),
    "fund-amount": Row("task", "资金账单金额不一致", "the account moved by another amount"),
}


class Difference(Fact):
    """One thing that does not agree. `subject` is what it is about: an order, a refund's number, a number of the
    provider. Amounts are fen, None where a side has nothing; for the account `our_minor` is what it moved by. `state`
    healed: the provider was asked, we heard it, and comparing again found it no more; closed: a person (`by`) has dealt
    with it."""

    n: int = 0
    kind: Kind
    subject: str
    order_id: str = ""
    bill_minor: int | None = None
    our_minor: int | None = None
    happened_at: UtcTime | None = None
    detail: str = ""
    state: Literal["open", "healed", "closed"] = "open"
    by: str = ""
    remark: str = ""
    changed_at: UtcTime | None = None

    @property
    def identity(self) -> tuple[str, str, int | None, int | None]:
        """What makes it the same difference when it is found again: with other amounts it is another one."""
        return self.kind, self.subject, self.bill_minor, self.our_minor

    @property
    def row(self) -> Row:
        return KINDS[self.kind]

    @property
    def is_to_heal(self) -> bool:
        return self.state == "open" and self.row.does == "heal"


# ── the trade bill and our payments ──────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Side:
    """What one comparison is about: whose bill, of which day, and which refund numbers the provider has confirmed
    since: the same amount where the bill lacks it, closed where we do."""

    shop: str
    day: date
    confirmed: Collection[str] = frozenset()


def compare_order(ours: Payment | None, lines: Sequence[TradeLine], side: Side) -> list[Difference]:
    """The differences of one order: `ours` is our record of it, `lines` all that the day's bill has about it."""
    if lines and (ours is None or ours.shop != side.shop):
        whose = "no such payment here" if ours is None else f"belongs to shop {ours.shop or 'house'}"
        return [_from_line("order-unknown", one, None, detail=whose) for one in lines]
    if ours is None:
        return []
    refund_lines = [one for one in lines if one.is_refund]
    return [
        *_payment(ours, [one for one in lines if not one.is_refund], side),
        *(found for one in refund_lines if (found := _refund_line(ours, one, side)) is not None),
        *_refunds_without_line(ours, {one.refund_number for one in refund_lines}, side),
        *_refunded_twice(ours, refund_lines),
    ]


def _payment(ours: Payment, lines: Sequence[TradeLine], side: Side) -> list[Difference]:
    receipt = ours.receipt
    found: list[Difference] = [_from_line("payment-revoked", one, None) for one in lines if one.state == "REVOKED"]
    paid = [one for one in lines if one.state != "REVOKED"]
    for line in paid:
        if receipt is None:
            asked = ours.amount.amount_minor if ours.amount else None
            found.append(_from_line("payment-not-known-here", line, asked, detail=f"our status: {ours.status}"))
        elif (line.amount_minor, line.currency) != (receipt.amount.amount_minor, receipt.amount.currency):
            found.append(_from_line("payment-amount", line, receipt.amount.amount_minor, detail=line.currency))
        elif line.transaction_id != receipt.transaction_id:
            detail = f"bill: {line.transaction_id}, here: {receipt.transaction_id}"
            found.append(_from_line("payment-amount", line, receipt.amount.amount_minor, detail=detail))
    if receipt is not None and not paid and day_of(receipt.paid_at) == side.day:
        found.append(
            Difference(
                kind="payment-not-in-bill",
                subject=ours.order_id,
                order_id=ours.order_id,
                our_minor=receipt.amount.amount_minor,
                happened_at=receipt.paid_at,
                detail=receipt.transaction_id,
            )
        )
    return found


def _refund_line(ours: Payment, line: TradeLine, side: Side) -> Difference | None:
    """What is wrong with one refund of the bill. A refund that its successor has replaced is judged with all others of
    its case (`_refunded_twice`)."""
    refund = ours.refund_numbered(line.refund_number)
    closed = line.refund_state != "SUCCESS" and line.refund_number in side.confirmed
    if refund is None:
        # Failed or closed, and never ours: no money moved, and the provider's answer would change nothing here.
        return None if closed or line.refund_state == "FAIL" else _from_line("refund-not-ours", line, None)
    if line.amount_minor != refund.amount.amount_minor or line.currency != refund.amount.currency:
        return _from_line("refund-amount", line, refund.amount.amount_minor, detail=line.currency)
    payout = refund.live_payout
    # What has gone as a transfer as well is judged there, too; one that is not known to be made is not all there is.
    if payout is not None and payout.status in ("waiting", "paid"):
        return None
    if line.refund_number != refund.number:
        # Alone it is not twice: its successor was refused, or waits still and would pay again.
        is_alone = line.refund_state == "SUCCESS" and not is_at_provider(refund) and not refund.is_paid_outside
        detail = f"closed here, its successor {refund.number} is {refund.status}"
        return _from_line("refund-not-settled-here", line, None, detail=detail) if is_alone else None
    if refund.returned:
        return None
    kind: Kind | None = None
    if line.refund_state == "FAIL":
        kind = "refund-failed-there" if refund.status == "settled" else None
    elif line.refund_state == "SUCCESS":
        kind = None if refund.status == "settled" else "refund-not-settled-here"
    elif not (closed or refund.is_promised or refund.status == "settled"):
        kind = "refund-not-accepted-here"
    if kind is None:
        return None
    detail = f"bill: {line.refund_state}, here: {refund.status}"
    return _from_line(kind, line, refund.amount.amount_minor, detail=detail)


def _refunds_without_line(ours: Payment, in_bill: Collection[str], side: Side) -> list[Difference]:
    return [
        Difference(
            kind="refund-not-in-bill",
            subject=refund.number,
            order_id=ours.order_id,
            our_minor=refund.amount.amount_minor,
            happened_at=refund.accepted_at,
            detail=f"here: {refund.status}",
        )
        for refund in ours.refunds
        if refund.accepted_at is not None
        and day_of(refund.accepted_at) == side.day
        and is_at_provider(refund)
        and refund.number not in in_bill
        and refund.number not in side.confirmed
    ]


def is_at_provider(refund: Refund) -> bool:
    """Whether its present number must be known there: not when the money went another way, unless that was because it
    had gone to the merchant there."""
    return refund.returned or ((refund.is_promised or refund.status == "settled") and not refund.went_another_way)


def _refunded_twice(ours: Payment, lines: Sequence[TradeLine]) -> list[Difference]:
    """Cases for which money went, or is going, more than once."""
    found = []
    for refund in ours.refunds:
        # Of a number that the provider has confirmed to be closed a bill may be older: only money that arrived counts.
        # What went back to the merchant is nobody else's.
        moving = [
            one.refund_number
            for one in lines
            if (one.refund_number == refund.number and one.refund_state != "FAIL" and not refund.returned)
            or (one.refund_number in refund.closed_numbers and one.refund_state == "SUCCESS")
        ]
        if is_at_provider(refund) and not refund.returned and refund.number not in moving:
            moving.append(refund.number)
        if moving and refund.live_payout is not None and refund.live_payout.status in ("waiting", "paid"):
            moving.append(refund.live_payout.number)
        if moving and refund.is_paid_outside:
            moving.append("outside")
        if len(moving) > 1:
            found.append(
                Difference(
                    kind="refund-twice",
                    subject=refund.case_id,
                    order_id=ours.order_id,
                    bill_minor=len(moving) * refund.amount.amount_minor,
                    our_minor=refund.amount.amount_minor,
                    happened_at=refund.accepted_at,
                    detail=" + ".join(sorted(moving)),
                )
            )
    return found


def _from_line(kind: Kind, line: TradeLine, our_minor: int | None, *, detail: str = "") -> Difference:
    return Difference(
        kind=kind,
        subject=line.refund_number or line.order_id,
        order_id=line.order_id,
        bill_minor=line.amount_minor,
        our_minor=our_minor,
        happened_at=line.at,
        detail=detail or line.refund_state,
    )


# ── the trade bill and the merchant's account ────────────────────────────────────────────────────────────────────────
class Sum(Fact):
    """How many lines, and what they add up to (fen)."""

    count: int = 0
    amount_minor: int = 0

    def plus(self, amount_minor: int) -> Sum:
        return Sum(count=self.count + 1, amount_minor=self.amount_minor + amount_minor)


@dataclass(frozen=True, slots=True)
class Funds:
    """What comparing with the account gave: differences, how many stand too near to midnight to be judged, and the sums
    of all other movements (commission, withdrawals, transfers …) by the provider's word, `+` for in, `-` for out."""

    differences: list[Difference]
    at_border: int
    others: Mapping[str, Sum]


def compare_funds(trades: Iterable[TradeLine], funds: Iterable[FundLine], day: date) -> Funds:
    """Each payment and refund of the trade bill against its movement of the account, and the other way round."""
    expected: dict[tuple[str, bool], list[TradeLine]] = defaultdict(list)
    for trade in trades:
        if trade.state != "REVOKED" and _moved(trade) != {0}:
            number = trade.refund_id if trade.is_refund else trade.transaction_id
            expected[number, not trade.is_refund].append(trade)
    found: list[Difference] = []
    others: dict[str, Sum] = {}
    for fund in funds:
        waiting = expected.get((fund.number, fund.comes_in))
        if not _is_trade(fund):
            word = f"{'+' if fund.comes_in else '-'}{fund.kind}"
            others[word] = others.get(word, Sum()).plus(fund.amount_minor)
        elif not waiting:
            found.append(_extra(fund))
        elif fund.amount_minor not in _moved(trade := waiting.pop(0)):
            found.append(_other_amount(trade, fund))
    left = [trade for waiting in expected.values() for trade in waiting]
    # One that failed may have moved nothing: the provider closes it when the account stays short.
    found += [_missing(trade) for trade in left if trade.refund_state != "FAIL"]
    judged = [one for one in found if one.kind == "fund-amount" or not _is_at_border(one.happened_at, day)]
    return Funds(judged, len(found) - len(judged), others)


def _is_trade(fund: FundLine) -> bool:
    """Whether the trade bill must have it. 退款关闭 and fees are movements of their own."""
    return (fund.kind == "交易" and fund.comes_in) or (fund.kind == "退款" and not fund.comes_in)


def _moved(trade: TradeLine) -> set[int]:
    """What the account may have moved by. Commission of a refund comes back inside its line, or in a line of its own
    (退还交易手续费)."""
    if not trade.is_refund:
        return {trade.settled_minor}
    return {trade.settled_minor, trade.settled_minor - abs(trade.fee_minor)}


def _is_at_border(at: datetime | None, day: date) -> bool:
    start, end = day_range(day)
    return at is not None and (at < start + BORDER or at >= end - BORDER)


def _missing(trade: TradeLine) -> Difference:
    return _from_line("fund-line-missing", trade, None, detail=trade.refund_id or trade.transaction_id)


def _other_amount(trade: TradeLine, fund: FundLine) -> Difference:
    found = _from_line("fund-amount", trade, None, detail=f"account: {yuan(fund.amount_minor)}, line {fund.line}")
    return found.model_copy(update={"bill_minor": trade.settled_minor, "our_minor": fund.amount_minor})


def _extra(fund: FundLine) -> Difference:
    return Difference(
        kind="fund-line-extra",
        subject=fund.number,
        bill_minor=fund.amount_minor,
        happened_at=fund.at,
        detail=f"{fund.business}/{fund.kind}, {fund.flow_number}",
    )
