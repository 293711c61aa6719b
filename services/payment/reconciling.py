"""Does what a reconciliation wants done outside: fetches the bills, compares page by page, asks the provider; and
starts the days that are due. All may be done twice (a crash, two replicas): only records are written."""

from __future__ import annotations

import asyncio
from collections import Counter as Occurrences
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import date
from typing import Literal, Protocol

import structlog
from prometheus_client import Counter

from chassis.engine import Engine
from chassis.failures import HandlerFailed
from chassis.record import Heard
from contracts.message import Report, message_id
from contracts.payment import trade_number
from services.payment.bills import (
    FundLine,
    TradeKind,
    TradeLine,
    UnreadableBill,
    day_range,
    read_fund_bill,
    read_trade_bill,
)
from services.payment.books import Books, Tally
from services.payment.calling import NoAnswer, Refused
from services.payment.differences import DIFFERENCES_MAX, Difference, Funds, Side, compare_funds, compare_order
from services.payment.outside import PaymentQueried, RefundShown
from services.payment.reconciliation_record import (
    HOUSE,
    AskProvider,
    BillNotReadable,
    BillsNotThere,
    CompareDay,
    DayCompared,
    Other,
    ProviderAsked,
    Question,
    Reply,
    StartReconciliation,
    days_due,
    id_of,
)
from services.payment.shown import ProviderRefund, Trade

PAGE = 500
PAGES_BETWEEN_WORDS = 20
# The provider takes 150 calls a second from a merchant, and customers come first.
QUESTIONS_AT_ONCE = 4
# Nothing happened on that day (pay.weixin.qq.com/doc/v3/merchant/4013071254).
NOTHING_HAPPENED = "NO_STATEMENT_EXIST"
# Nobody shows a sub-merchant's account to its service provider: then the trade bill alone is compared.
NOT_SHOWN = frozenset({"NO_AUTH"})
# The bill of refunds from what was topped up is not in every list of kinds that the provider's documents give.
NOT_OFFERED = NOT_SHOWN | {"PARAM_ERROR", "INVALID_REQUEST"}
# A refund that stands in the bill, which is never written anew, may have been closed since: then it moved nothing.
BILL_ONLY = frozenset({"refund-not-ours", "refund-not-accepted-here"})

DIFFERENCES = Counter("tuidan_reconciliation_differences_total", "Differences found, each time one is found", ["kind"])
NOT_DONE = Counter("tuidan_reconciliation_not_done_total", "Comparisons that could not be made", ["why"])

log = structlog.get_logger()


class Provider(Protocol):
    """What is asked of the provider in the name of one merchant. Every call may raise Refused or NoAnswer."""

    async def trade_bill(self, day: date, kind: TradeKind, /) -> bytes: ...

    async def fund_flow_bill(self, day: date, account: Literal["BASIC"], /) -> bytes: ...

    async def query_payment(self, out_trade_no: str, /) -> Trade: ...

    async def query_refund(self, out_refund_no: str, /) -> ProviderRefund: ...


class Merchants(Protocol):
    """Every merchant account, by shop."""

    def of(self, shop: str, /) -> Provider: ...


class Reconciler:
    """Performs the wishes of reconciliations."""

    def __init__(self, engine: Engine, merchants: Merchants, books: Books) -> None:
        self._engine = engine
        self._merchants = merchants
        self._books = books
        self._slots = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    def join(self) -> None:
        """Become the performer of their wishes."""
        self._engine.perform(CompareDay, self.compare_day)
        self._engine.perform(AskProvider, self.ask_provider)

    def _provider(self, shop: str) -> Provider:
        try:
            return self._merchants.of(shop)
        except LookupError as problem:
            raise NoAnswer("NO_MERCHANT_ACCOUNT", shop) from problem

    # ── compare ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def compare_day(self, wish: CompareDay, _: int) -> DayCompared | BillsNotThere | BillNotReadable:
        """Fetch the bills, compare them with our payments and with each other."""
        id, day = wish.reconciliation_id, date.fromisoformat(wish.day)
        try:
            provider = self._provider(wish.shop)
            trade_bill = await _fetched(provider.trade_bill(day, "ALL"))
            topped_up = await _fetched(provider.trade_bill(day, "RECHARGE_REFUND"), NOT_OFFERED)
            fund_bill = await _fetched(provider.fund_flow_bill(day, "BASIC"), NOT_SHOWN)
        except (NoAnswer, Refused) as trouble:
            NOT_DONE.labels("not-there").inc()
            log.warning("the bills of a day are not there", reconciliation=id, code=trouble.code)
            return BillsNotThere(reconciliation_id=id, code=trouble.code)
        try:
            trades, funds = await asyncio.to_thread(_read, trade_bill, topped_up, fund_bill)
        except UnreadableBill as problem:
            NOT_DONE.labels("unreadable").inc()
            log.error("a bill cannot be read", reconciliation=id, problem=str(problem))
            return BillNotReadable(reconciliation_id=id, why=str(problem))
        return await self._compare(wish, day, trades, funds)

    async def _compare(
        self, wish: CompareDay, day: date, trades: Sequence[TradeLine], funds: Sequence[FundLine] | None
    ) -> DayCompared:
        by_order: defaultdict[str, list[TradeLine]] = defaultdict(list)
        for line in trades:
            by_order[line.order_id].append(line)
        side = Side(wish.shop, day, frozenset(wish.confirmed))
        ids = sorted({*by_order, *await self._books.ids_of(wish.shop, *day_range(day))})
        found: list[Difference] = []
        tally = Tally(side, trades)
        for page, start in enumerate(range(0, len(ids), PAGE), start=1):
            chunk = ids[start : start + PAGE]
            ours = {str(payment.order_id): payment for payment in await self._books.payments(chunk)}
            for id in chunk:
                found += compare_order(ours.get(id), by_order.get(id, ()), side)
            tally.add(ours.values())
            if page % PAGES_BETWEEN_WORDS == 0:
                log.info("comparing", reconciliation=wish.reconciliation_id, orders=start + len(chunk), of=len(ids))
        sums = tally.sums()
        if funds is not None:
            account = await asyncio.to_thread(compare_funds, trades, funds, day)
            found += account.differences
            more = {"has_account": True, "others": _others(account), "at_border": account.at_border}
            sums = sums.model_copy(update=more)
        found = _distinct(found)
        _tell(wish.reconciliation_id, found, orders=len(ids))
        is_cut = len(found) > DIFFERENCES_MAX
        found.sort(key=lambda one: (not one.row.loud, is_cut and not one.is_to_heal))
        return DayCompared(
            reconciliation_id=wish.reconciliation_id,
            sums=sums,
            found=len(found),
            differences=tuple(found[:DIFFERENCES_MAX]),
            unasked=sum(one.is_to_heal for one in found[DIFFERENCES_MAX:]),
        )

    # ── ask ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def ask_provider(self, wish: AskProvider, _: int) -> ProviderAsked:
        """Ask about each difference, four at a time, and let the payment hear what is there."""
        try:
            provider = self._provider(wish.shop)
        except NoAnswer as trouble:
            silent = tuple(Reply(n=one.n, outcome="silent", remark=trouble.code) for one in wish.questions)
            return ProviderAsked(reconciliation_id=wish.reconciliation_id, replies=silent)
        cause = f"reconcile/{wish.reconciliation_id}/{wish.attempt}"
        log.info("asking the provider", reconciliation=wish.reconciliation_id, questions=len(wish.questions))
        replies = await asyncio.gather(*(self._ask(provider, question, cause) for question in wish.questions))
        return ProviderAsked(reconciliation_id=wish.reconciliation_id, replies=tuple(replies))

    async def _ask(self, provider: Provider, question: Question, cause: str) -> Reply:
        try:
            async with self._slots:
                if question.kind == "payment-not-known-here":
                    return await self._ask_payment(provider, question, cause)
                return await self._ask_refund(provider, question, cause)
        except NoAnswer as trouble:
            return Reply(n=question.n, outcome="silent", remark=f"no answer: {trouble.code}")
        except Refused as refusal:
            outcome: Literal["against", "silent"] = "against" if refusal.http == 404 else "silent"
            return Reply(n=question.n, outcome=outcome, remark=f"the provider says {refusal.code}")
        except HandlerFailed as problem:
            log.exception("a payment could not hear the provider's answer", subject=question.subject)
            return Reply(n=question.n, outcome="silent", remark=f"not understood here: {problem}"[:200])

    async def _ask_payment(self, provider: Provider, question: Question, cause: str) -> Reply:
        trade = await provider.query_payment(trade_number(question.order_id))
        await self._tell(
            PaymentQueried.model_validate({"order_id": question.order_id, "trade": trade}), cause, question
        )
        return Reply(n=question.n, outcome="told", remark=f"the provider says {trade.trade_state}")

    async def _ask_refund(self, provider: Provider, question: Question, cause: str) -> Reply:
        shown = await provider.query_refund(question.subject)
        report = {"order_id": question.order_id, "number": question.subject, "refund": shown, "by": "answer"}
        await self._tell(RefundShown.model_validate(report), cause, question)
        remark = f"the provider says {shown.status}, {shown.amount.refund} fen"
        if shown.status == "CLOSED" and question.kind in BILL_ONLY:
            return Reply(n=question.n, outcome="confirmed", remark=remark)
        if question.kind != "refund-not-in-bill":
            return Reply(n=question.n, outcome="told", remark=remark)
        agrees = (shown.out_trade_no, shown.amount.refund) == (question.order_id, question.our_minor)
        is_there = agrees and shown.status != "CLOSED"
        return Reply(n=question.n, outcome="confirmed" if is_there else "against", remark=remark)

    async def _tell(self, report: Report, cause: str, question: Question) -> None:
        heard = Heard(report, message_id(cause, question.subject), self._engine.clock(), answers_travel=False)
        await self._engine.hear(heard)


class Nightly:
    """Starts the days that are due, for every shop. Whoever comes first starts a day; the record's id and the message's
    id make a second start nothing."""

    def __init__(self, engine: Engine, shops: Callable[[], Iterable[str]]) -> None:
        self._engine = engine
        self._shops = shops
        self._started: set[str] = set()

    async def start_due(self) -> None:
        """To be called every minute or so."""
        at = self._engine.clock()
        shops = [shop for shop in self._shops() if self._has_a_name_of_its_own(shop)]
        due = {id_of(shop, day): (shop, day) for day in days_due(at) for shop in shops}
        self._started &= due.keys()
        for id, (shop, day) in due.items():
            if id in self._started:
                continue
            wish = StartReconciliation(reconciliation_id=id, shop=shop, day=day.isoformat(), by="nightly")
            heard = Heard(wish, message_id(f"reconciliation/{id}", "nightly"), at, answers_travel=False)
            try:
                await self._engine.hear(heard)
            except HandlerFailed as problem:  # its record is damaged: the days behind it, and other shops, go on
                log.error("a day cannot be started", reconciliation=id, problem=str(problem)[:200])
            self._started.add(id)

    @staticmethod
    def _has_a_name_of_its_own(shop: str) -> bool:
        if shop == HOUSE:
            log.error("a shop called like the house is not reconciled: rename its folder", shop=shop)
        return shop != HOUSE


async def _fetched(call: Awaitable[bytes], hidden: Collection[str] = ()) -> bytes | None:
    """The bill; empty when nothing happened on that day, None when the provider does not show it to us at all, which
    the codes `hidden` say."""
    try:
        return await call
    except Refused as refusal:
        if refusal.code == NOTHING_HAPPENED:
            return b""
        if refusal.code in hidden:
            return None
        raise


def _read(
    trade_bill: bytes | None, topped_up: bytes | None, fund_bill: bytes | None
) -> tuple[list[TradeLine], list[FundLine] | None]:
    """The lines of both trade bills, each refund once, and those of the account, None where it is not shown."""
    try:
        trades = read_trade_bill(trade_bill or b"")
    except UnreadableBill as problem:
        raise UnreadableBill(problem.line, problem.column, problem.why, bill="trade bill") from problem
    try:
        more = read_trade_bill(topped_up or b"", "RECHARGE_REFUND")
    except UnreadableBill as problem:
        raise UnreadableBill(problem.line, problem.column, problem.why, bill="RECHARGE_REFUND bill") from problem
    known = {one.refund_number for one in trades if one.is_refund}
    trades += [one for one in more if one.refund_number not in known]
    try:
        return trades, None if fund_bill is None else read_fund_bill(fund_bill)
    except UnreadableBill as problem:
        raise UnreadableBill(problem.line, problem.column, problem.why, bill="fund-flow bill") from problem


def _distinct(found: Sequence[Difference]) -> list[Difference]:
    """Each once: what nothing tells apart, as equal lines of a bill, is one difference to whoever deals with it."""
    many = Occurrences(one.identity for one in found)
    once: dict[object, Difference] = {}
    for one in found:
        told = f"{one.detail} ({many[one.identity]}×)"
        once.setdefault(one.identity, one if many[one.identity] == 1 else one.model_copy(update={"detail": told}))
    return list(once.values())


def _others(account: Funds) -> tuple[Other, ...]:
    return tuple(
        Other(word=word, count=one.count, amount_minor=one.amount_minor) for word, one in sorted(account.others.items())
    )


def _tell(id: str, found: Sequence[Difference], *, orders: int) -> None:
    for one in found:
        DIFFERENCES.labels(one.kind).inc()
        if one.row.loud:
            log.error("money may be lost", reconciliation=id, kind=one.kind, order=one.order_id, detail=one.detail)
    log.info("a day is compared", reconciliation=id, orders=orders, differences=len(found))
