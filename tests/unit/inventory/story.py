"""One order's reservation as it hears one message after the other, and the pieces its intents would move."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count

from chassis.journal import Said
from chassis.record import Heard, Record, hear
from contracts.inventory import (
    DispatchStock,
    HoldStock,
    KeepStock,
    ReleaseStock,
    ReserveStock,
    StockLine,
    TakeStockAgain,
)
from contracts.message import CATALOGUE, CaseId, Message, OrderId, ProductId, Quantity, message_id
from services.inventory.handlers import RESERVATIONS
from services.inventory.model import Movement, MoveStock, Reservation, StockMoved, movements

ORDER = OrderId("o-1")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def lines(*pieces: tuple[int, str, Quantity]) -> tuple[StockLine, ...]:
    """Lines from (line number, product, quantity)."""
    return tuple(
        StockLine(line_no=line_no, product_id=ProductId(product), quantity=quantity)
        for line_no, product, quantity in pieces
    )


TWO_LINES = lines((1, "tea", 5), (2, "cup", 2))


def reserve(asked: tuple[StockLine, ...] = TWO_LINES) -> ReserveStock:
    return ReserveStock(order_id=ORDER, lines=asked)


def hold(case: str, asked: tuple[StockLine, ...] = TWO_LINES) -> HoldStock:
    return HoldStock(order_id=ORDER, case_id=CaseId(case), lines=asked)


def keep(case: str) -> KeepStock:
    return KeepStock(order_id=ORDER, case_id=CaseId(case))


def release(case: str, asked: tuple[StockLine, ...] = TWO_LINES) -> ReleaseStock:
    return ReleaseStock(order_id=ORDER, case_id=CaseId(case), lines=asked)


def take_again(case: str, attempt: int = 1) -> TakeStockAgain:
    return TakeStockAgain(order_id=ORDER, case_id=CaseId(case), attempt=attempt)


def dispatch() -> DispatchStock:
    return DispatchStock(order_id=ORDER)


class Story:
    """`hears` and `performs` return what was said, as messages. `moved` holds every movement that was performed. What
    is heard is addressed to `order`, whatever order it was made for."""

    def __init__(self, order: OrderId = ORDER) -> None:
        self.order = order
        self.record: Record[Reservation] = Record(order)
        self.moved: list[Movement] = []
        self._ids = count(1)
        self._at = BEGIN

    @property
    def state(self) -> Reservation:
        assert self.record.state is not None
        return self.record.state

    def hears(self, message: Message, id: str | None = None) -> list[Message]:
        """Hear a command, with a new id unless one is given."""
        return self._hear(message.model_copy(update={"order_id": self.order}), id or f"m{next(self._ids)}", None)

    def wishes(self) -> list[tuple[Said, MoveStock]]:
        """Intents that have not been performed yet."""
        waiting = [said for said in self.record.still_to_say() if said.topic is None]
        return [(said, MoveStock.model_validate_json(said.body)) for said in waiting]

    def performs(self, *refused: int) -> list[Message]:
        """Perform the oldest intent, except for the lines in `refused`, and hear its report."""
        said, wish = self.wishes()[0]
        self.moved += [movement for movement in movements(wish) if movement.line_no not in refused]
        report = StockMoved(order_id=wish.order_id, why=wish.why, case_id=wish.case_id, turn=wish.turn, refused=refused)
        return self.reports(said, report)

    def reports(self, said: Said, report: StockMoved) -> list[Message]:
        """Hear what came of an intent; another performer's report of it, heard before, is only answered again."""
        return self._hear(report, message_id(said.id, "report"), said.id)

    def performs_all(self) -> list[Message]:
        """Perform everything that waits and what it leads to."""
        says: list[Message] = []
        while self.wishes():
            says += self.performs()
        return says

    def reserved(self) -> Story:
        """Go to where the stock is set aside."""
        self.hears(reserve())
        self.performs()
        return self

    def pieces(self) -> dict[str, dict[str, int]]:
        """What was moved in sum, by product and place, without zeros."""
        found: dict[str, Counter[str]] = {}
        for movement in self.moved:
            places = found.setdefault(movement.product_id, Counter())
            for place, amount in movement.amounts.fields().items():
                places[place] += amount
        return {
            product: {place: amount for place, amount in places.items() if amount} for product, places in found.items()
        }

    def _hear(self, message: Message, id: str, settles: str | None) -> list[Message]:
        self._at += timedelta(seconds=1)
        decided = hear(RESERVATIONS, self.record, Heard(message, id, self._at, settles=settles))
        self.record = decided.record
        return [_read(said) for said in decided.says]


def _read(said: Said) -> Message:
    kinds: dict[str, type[Message]] = {**CATALOGUE, MoveStock.wire: MoveStock}
    return kinds[said.wire].model_validate_json(said.body)
