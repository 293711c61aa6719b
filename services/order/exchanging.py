"""Exchanging goods inside a paid order for another variant at the same price. The list is the business rule. Pure.

While an exchange is under way it has the order to itself: nothing is shipped, no case opens, no second exchange begins.
That is what keeps goods from being sold twice: every other process counts pieces by line, and only here lines change.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from chassis.record import Refusal
from chassis.saga import Run, Saga, pivot, then
from contracts import inventory
from contracts.alternative import AlternativeTaken
from contracts.exchange import ExchangeBegun, ExchangeGoods, ExchangeNotBegun, ExchangeRefused, GoodsExchanged
from contracts.inventory import StockLine, StockNotSwapped
from contracts.message import CaseId, Event, Message, OrderId
from contracts.order import CancelledLine, PricedLine
from services.order import resolving
from services.order.exchange import FIRST_STEP, Exchange
from services.order.instead import TAKEN_MAX, in_the_way, told
from services.order.model import Line, Order
from services.order.offer import Product
from services.order.pricing import moved_into
from services.order.taken import Taken
from services.order.variants import ReadyToExchange, is_variant

Decision = tuple[Order, list[Message]]

_REFUSALS = {"out-of-stock": "new-goods-short"}


class Swap(BaseModel):
    """Everything the list below needs to know. `lines`: the old pieces, as whoever releases them wants them."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    case_id: CaseId
    old: StockLine
    new: StockLine
    lines: tuple[StockLine, ...]

    @classmethod
    def of(cls, order: Order, exchange: Exchange) -> Swap:
        """The facts of `exchange`."""
        old = _pieces(exchange.old)
        return cls(
            order_id=order.order_id,
            case_id=exchange.exchange_id,
            old=old,
            new=_pieces(exchange.new),
            lines=(old,),
        )


EXCHANGE_GOODS = Saga(
    "exchange-goods",
    1,
    Swap,
    pivot(FIRST_STEP, inventory.SwapStock),
    then("release the old goods", inventory.ReleaseStock),
)
"""Between the two the order's line is swapped, in the very save that hears of the first."""


# ── beginning ────────────────────────────────────────────────────────────────────────────────────────────────────────
def begin(order: Order | None, ready: ReadyToExchange, at: datetime) -> Decision:
    """Begin, or meet the exchange that the same request began. Raises Refusal."""
    asked = ready.asked
    if order is None or (asked.by.kind == "customer" and asked.by.id != order.customer_id):
        raise _refusal(asked, "unknown-order")
    known = next((one for one in order.exchanges if one.request == asked.request_id), None)
    if known is not None and known.fingerprint == asked.fingerprint:
        return order, [_begun(order, known)]
    if known is not None or any(one.request == asked.request_id for one in order.alternatives):
        raise _refusal(asked, "idempotency-key-reused")
    because = hindrance(order)
    if because:
        raise _refusal(asked, because)
    line, product = _line(order, asked), _variant(order, ready)
    old = CancelledLine(
        line_no=line.line_no,
        product_id=line.product_id,
        category=line.category,
        quantity=asked.quantity,
        amount_minor=line.share(asked.quantity),
    )
    exchange = Exchange(
        exchange_id=CaseId(f"{order.order_id}-x{len(order.exchanges) + 1}"),
        request=asked.request_id,
        fingerprint=asked.fingerprint,
        old=old,
        new=_new_line(order, line, product, asked.quantity),
        by=asked.by,
        run=Run(saga=EXCHANGE_GOODS.name, version=EXCHANGE_GOODS.version, step="", entered_at=at),
        begun_at=at,
    )
    run, says = EXCHANGE_GOODS.start(Swap.of(order, exchange), at)
    exchange = exchange.model_copy(update={"run": run})
    after = order.with_exchange(exchange)
    after = after.noting(at, "exchange-begun", exchange.exchange_id, **_words(order, exchange))
    return after, [_begun(after, exchange), *says]


def hindrance(order: Order) -> str:
    """Why nothing can be exchanged now, whatever it is; empty when something can. A task by which a person may open a
    case speaks of the goods as they are: it comes first."""
    if any(task.done_at is None and set(task.choices) - {"done"} for task in order.tasks):
        return in_the_way(order) or "with-a-person"
    if max(len(order.exchanges), len(order.alternatives)) >= TAKEN_MAX:
        return in_the_way(order) or "too-many-alternatives"
    return in_the_way(order)


def _line(order: Order, asked: ExchangeGoods) -> Line:
    line = next((line for line in order.lines if line.line_no == asked.line_no), None)
    if line is None:
        raise _refusal(asked, "unknown-line")
    if asked.quantity > line.left:
        raise _refusal(asked, "not-so-many-left", left=line.left)
    return line


def _variant(order: Order, ready: ReadyToExchange) -> Product:
    """The wanted product, if it is another variant of the line's at the price that was paid for it."""
    asked, line = ready.asked, _line(order, ready.asked)
    products = {product.product_id: product for product in ready.products}
    old, new = products.get(line.product_id), products.get(asked.product_id)
    if old is None or new is None or not is_variant(old, new):
        raise _refusal(asked, "not-a-variant")
    if new.currency != order.currency or line.unit_price_minor not in new.offers_minor:
        raise _refusal(asked, "not-at-this-price")
    return new


def _new_line(order: Order, line: Line, product: Product, pieces: int) -> PricedLine:
    return moved_into(
        line,
        pieces,
        line_no=max(known.line_no for known in order.lines) + 1,
        product=product,
    )


# ── going on ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def hear_answer(order: Order, exchange: Exchange, message: Event, at: datetime) -> Decision:
    """Inventory answered. An answer that the exchange does not wait for changes nothing."""
    run, says = EXCHANGE_GOODS.hear(exchange.run, message, Swap.of(order, exchange), at)
    if run is exchange.run:
        return order, []
    walked = exchange.model_copy(update={"run": run})
    if isinstance(message, StockNotSwapped):
        refusal = _REFUSALS.get(message.reason, "old-goods-gone")
        return _end(order, walked.model_copy(update={"status": "refused", "refusal": refusal}), at)
    if run.ended:
        return _end(order, walked.model_copy(update={"status": "done"}), at)
    after, events = _swap(order, walked, at)
    return after, [*events, *says]


def wake(order: Order, exchange: Exchange, at: datetime) -> Decision:
    """The deadline of its step has come: ask again."""
    run, says = EXCHANGE_GOODS.wake(exchange.run, Swap.of(order, exchange), at)
    if run is exchange.run:
        return order, []
    after = order.with_exchange(exchange.model_copy(update={"run": run}))
    return after.noting(at, "asked-again", exchange.exchange_id, step=run.step, attempt=str(run.attempts)), says


def _swap(order: Order, exchange: Exchange, at: datetime) -> Decision:
    """The new goods are the order's: its line is swapped, and the order counts as saved."""
    old = exchange.old
    lines = tuple(_without(line, old) if line.line_no == old.line_no else line for line in order.lines)
    taken = Taken(request=exchange.request, fingerprint=exchange.fingerprint, kind="exchange", taken_at=at)
    update = {
        "lines": (*lines, Line.model_validate(exchange.new.model_dump())),
        "alternatives": (*order.alternatives, taken),
    }
    after = order.with_exchange(exchange).model_copy(update=update)
    after = after.noting(at, "goods-exchanged", exchange.exchange_id, **_words(order, exchange))
    event = GoodsExchanged(
        order_id=order.order_id,
        case_id=exchange.exchange_id,
        customer_id=order.customer_id,
        customer_group=order.customer_group,
        old=old,
        new=exchange.new,
        exchanged_at=at,
        occurred_at=order.occurred_at,
    )
    kept: AlternativeTaken = told(after, taken, len(after.alternatives))
    return after, [event, kept]


def _without(line: Line, moved: CancelledLine) -> Line:
    """The line after these pieces have left it."""
    exchanged, minor = line.exchanged + moved.quantity, line.moved_minor + moved.amount_minor
    return line.model_copy(update={"exchanged": exchanged, "moved_minor": minor})


def _end(order: Order, exchange: Exchange, at: datetime) -> Decision:
    """It is over. Refunds made by hand that were found meanwhile come first of all that waited for that."""
    ended = exchange.model_copy(update={"ended_at": at, "found": ()})
    after = order.with_exchange(ended)
    says: list[Message] = []
    if ended.status == "refused":
        after = after.noting(
            at, "exchange-refused", ended.exchange_id, refusal=ended.refusal, **_words(order, exchange)
        )
        event = ExchangeRefused(
            order_id=order.order_id, case_id=ended.exchange_id, because=ended.refusal, refused_at=at
        )
        says.append(event)
    else:
        after = after.noting(at, "exchange-completed", ended.exchange_id, **_words(order, exchange))
    for found in exchange.found:
        after, more = resolving.refund_found(after, found, at)
        says.extend(more)
    return after, says


def _pieces(line: CancelledLine | PricedLine) -> StockLine:
    return StockLine(line_no=line.line_no, product_id=line.product_id, quantity=line.quantity)


def _words(order: Order, exchange: Exchange) -> dict[str, str]:
    old = next(line.name for line in order.lines if line.line_no == exchange.old.line_no)
    return {"old": old, "new": exchange.new.name, "pieces": str(exchange.old.quantity)}


def _begun(order: Order, exchange: Exchange) -> ExchangeBegun:
    return ExchangeBegun(
        order_id=order.order_id,
        case_id=exchange.exchange_id,
        old=exchange.old,
        new=exchange.new,
        by=exchange.by,
        begun_at=exchange.begun_at,
    )


def _refusal(asked: ExchangeGoods, reason: str, *, left: int | None = None) -> Refusal:
    return Refusal(ExchangeNotBegun(order_id=asked.order_id, reason=reason, left=left))
