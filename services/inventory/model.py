"""What a reservation knows and the rules of moving stock. Nothing here does I/O.

A reservation counts pieces per order line; a *movement* is one line of the stock ledger, made from (who, line, cause).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from contracts.inventory import StockHoldRefused, StockLine, StockNotTakenAgain
from contracts.message import CaseId, Fen, Intent, OrderId, ProductId, Quantity, Report, message_id

Why = Literal["reserve", "short", "release", "take-again", "swap", "dispatch", "take-back"]
"""`swap` sets aside what an exchange puts in place of other goods. `short` gives back what was taken for an order, or
taken again for a case, that cannot be had in full."""

ReservationStatus = Literal["not-asked", "reserving", "reserved", "short", "withdrawn", "dispatching", "dispatched"]
"""`not-asked`: only a case was heard of so far. `withdrawn`: released before it was ever asked for, so it never will
be reserved."""

CaseStatus = Literal[
    "held",
    "refused",
    "kept",
    "withdrawn",
    "wanted",
    "releasing",
    "released",
    "taking-again",
    "taken-again",
    "coming-back",
    "came-back",
]
"""`refused`: its hold was refused, for good. `withdrawn`: kept before its hold was seen. `wanted`: to be released as
soon as it is known whether the order got its stock. `taken-again`: what it had released belongs to the order again;
`released` again when too little was left on the shelf. `came-back`: its parcel had left and is back."""

HoldRefusal = Literal["already-dispatched", "not-reserved", "withdrawn"]
TakeRefusal = Literal["out-of-stock", "not-released"]


class _State(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReservedLine(_State):
    """One order line. Pieces: `quantity` was asked for, `released` went back to the shelf, `dispatched` left, of
    which `returned` came back."""

    line_no: int
    product_id: ProductId
    quantity: int
    released: int = 0
    dispatched: int = 0
    returned: int = 0

    @property
    def left(self) -> int:
        """Pieces that are neither back on the shelf nor gone."""
        return self.quantity - self.released - self.dispatched


class HoldingCase(_State):
    """A cancellation case as the stock knows it. `lines` are the pieces it holds, gives back or gave back."""

    status: CaseStatus
    lines: tuple[StockLine, ...] = ()
    refusal: HoldRefusal | None = None


class Swap(_State):
    """An exchange as the stock knows it: what `new` line would stand for the pieces its case holds. `refused`: why it
    was refused for good."""

    status: Literal["taking", "done", "refused"]
    new: StockLine
    refusal: str = ""


class Reservation(_State):
    """One order's claim on stock. What a case holds is written with the case only; what is free follows from it.
    `short`: the products that could not be had. `dispatches_refused` counts refusals, each of which is remembered.
    `not_taken`: attempts to take a case's pieces again that found too little or nothing to take, each refused for
    good. `swaps`: exchanges, under the ids of the cases that hold their old pieces."""

    order_id: OrderId
    status: ReservationStatus
    lines: tuple[ReservedLine, ...] = ()
    short: tuple[ProductId, ...] = ()
    cases: dict[CaseId, HoldingCase] = Field(default_factory=dict)
    dispatches_refused: int = 0
    not_taken: tuple[StockNotTakenAgain, ...] = ()
    swaps: dict[CaseId, Swap] = Field(default_factory=dict)

    def with_case(self, case_id: CaseId, case: HoldingCase) -> Reservation:
        """The same with one case put in."""
        return self.model_copy(update={"cases": {**self.cases, case_id: case}})

    @property
    def gone(self) -> int:
        """Pieces that left the house."""
        return sum(line.dispatched for line in self.lines)

    def noting(self, refused: StockNotTakenAgain) -> Reservation:
        """The same with one more refusal to remember."""
        return self.model_copy(update={"not_taken": (*self.not_taken, refused)})

    def not_taken_at(self, case_id: CaseId, attempt: int) -> StockNotTakenAgain | None:
        """How this attempt to take the case's pieces again was refused; None when it was not."""
        return next((one for one in self.not_taken if (one.case_id, one.attempt) == (case_id, attempt)), None)

    def promised(self, *, but: CaseId | None = None, status: CaseStatus | None = None) -> dict[int, int]:
        """Pieces per line number that cases hold or are giving back (or only one of these), without the case `but`."""
        found: dict[int, int] = {}
        for case_id, case in self.cases.items():
            claims = case.status in ("held", "releasing") if status is None else case.status == status
            if claims and case_id != but:
                for line in case.lines:
                    found[line.line_no] = found.get(line.line_no, 0) + line.quantity
        return found

    def unpromised(self, *, but: CaseId | None = None) -> tuple[StockLine, ...]:
        """What is set aside and no case claims, not counting the case `but`: lines with at least one piece."""
        if self.status not in ("reserved", "dispatching"):
            return ()
        promised = self.promised(but=but)
        return tuple(
            StockLine(line_no=line.line_no, product_id=line.product_id, quantity=free)
            for line in self.lines
            if (free := line.left - promised.get(line.line_no, 0)) > 0
        )

    def covers(self, asked: Iterable[StockLine]) -> bool:
        """Whether all of `asked` (each line once) is set aside and claimed by no case."""
        return bool(self.lines) and self.within(asked) == tuple(asked)

    def within(self, asked: Iterable[StockLine], *, for_case: CaseId | None = None) -> tuple[StockLine, ...]:
        """As much of `asked` (each line once) as `for_case` can have; a parcel under way leaves nothing."""
        if self.status != "reserved":
            return ()
        free = {(line.line_no, line.product_id): line.quantity for line in self.unpromised(but=for_case)}
        return tuple(
            line.model_copy(update={"quantity": pieces})
            for line in asked
            if (pieces := min(line.quantity, free.get((line.line_no, line.product_id), 0))) > 0
        )

    def has_sent(self, asked: Iterable[StockLine]) -> bool:
        """Whether all of `asked` (each line once) have left and neither came back nor are due."""
        due = self.promised(status="coming-back")
        out = {(line.line_no, line.product_id): line.dispatched - line.returned for line in self.lines}
        return all(one.quantity + due.get(one.line_no, 0) <= out.get((one.line_no, one.product_id), 0) for one in asked)

    def counted(
        self, moved: Iterable[StockLine], *, into: Literal["released", "dispatched", "returned"]
    ) -> Reservation:
        """The same with `moved` (each line once) added to what was released or dispatched, or came back."""
        return self._counted({line.line_no: line.quantity for line in moved}, into)

    def uncounted(self, moved: Iterable[StockLine]) -> Reservation:
        """The same with `moved` (each line once) taken off what was released."""
        return self._counted({line.line_no: -line.quantity for line in moved}, "released")

    def _counted(self, pieces: Mapping[int, int], into: Literal["released", "dispatched", "returned"]) -> Reservation:
        lines = tuple(
            line.model_copy(update={into: getattr(line, into) + pieces[line.line_no]})
            if line.line_no in pieces
            else line
            for line in self.lines
        )
        return self.model_copy(update={"lines": lines})


class StockReceipt(_State):
    """Pieces that came in; counted once, whatever is said about it later."""

    receipt_id: str
    product_id: ProductId
    quantity: Quantity
    status: Literal["receiving", "received"]


class Product(_State):
    """A product as it is on sale. `offers_minor`: unit prices in minor units, list price first."""

    product_id: ProductId
    name: str
    category: str
    offers_minor: tuple[Fen, ...]
    currency: str
    revision: int
    variant_of: str = ""


class MoveStock(Intent):
    """Move the balances for lines of an order: all of them, except that `reserve`, `take-again` and `swap` may find too
    little for some. `turn` tells apart what can happen more than once to an order or case: the attempt at taking again,
    or the pieces that had left before a dispatch; 0 for the first dispatch and for what happens once."""

    wire = "move-stock"
    key = "order_id"
    order_id: OrderId
    why: Why
    case_id: CaseId | None = None
    turn: int = 0
    lines: tuple[StockLine, ...]


class StockMoved(Report):
    """The balances were moved, except for the line numbers in `refused` (only ever of those that may find too
    little)."""

    wire = "stock-moved"
    key = "order_id"
    order_id: OrderId
    why: Why
    case_id: CaseId | None = None
    turn: int = 0
    refused: tuple[int, ...] = ()


class TakeIn(Intent):
    """Add received pieces to a product's balance."""

    wire = "take-in"
    key = "receipt_id"
    receipt_id: str
    product_id: ProductId
    quantity: Quantity


class TakenIn(Report):
    """The received pieces are in the balance."""

    wire = "taken-in"
    key = "receipt_id"
    receipt_id: str


class Amounts(NamedTuple):
    """Pieces of one product by where they are, or the signed change of them."""

    available: int = 0
    reserved: int = 0
    sold: int = 0
    received: int = 0

    @classmethod
    def read(cls, document: Mapping[str, int]) -> Amounts:
        """From a document with (some of) these fields."""
        return cls(*(int(document.get(name, 0)) for name in cls._fields))

    def fields(self) -> dict[str, int]:
        """Those that are not zero, by name."""
        return {name: amount for name, amount in zip(self._fields, self, strict=True) if amount}

    def minus(self, other: Amounts) -> Amounts:
        """The difference, place by place."""
        return Amounts(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


class Movement(NamedTuple):
    """One line of the ledger to be. `firm`: what it takes was set aside before, so it cannot be refused."""

    id: str
    product_id: str
    owner: str
    line_no: int
    cause: str
    amounts: Amounts
    firm: bool


_CHANGES: dict[Why, Amounts] = {
    "reserve": Amounts(available=-1, reserved=+1),
    "short": Amounts(available=+1, reserved=-1),
    "release": Amounts(available=+1, reserved=-1),
    "take-again": Amounts(available=-1, reserved=+1),
    "swap": Amounts(available=-1, reserved=+1),
    "dispatch": Amounts(reserved=-1, sold=+1),
    "take-back": Amounts(available=+1, sold=-1),
}

MAY_FIND_TOO_LITTLE: tuple[Why, ...] = ("reserve", "take-again", "swap")


def movement_id(owner: str, line_no: int, cause: str) -> str:
    """The id of the movement of one line of an order or receipt for one cause: the same whoever makes it."""
    return message_id(json.dumps([owner, line_no, cause]), "movement")


def movements(wish: MoveStock) -> list[Movement]:
    """One movement per line, in the order of the lines."""
    cause = _cause(wish)
    change = _CHANGES[wish.why]
    return [
        Movement(
            id=movement_id(wish.order_id, line.line_no, cause),
            product_id=line.product_id,
            owner=wish.order_id,
            line_no=line.line_no,
            cause=cause,
            amounts=Amounts(*(line.quantity * sign for sign in change)),
            firm=wish.why not in MAY_FIND_TOO_LITTLE,
        )
        for line in wish.lines
    ]


def _cause(wish: MoveStock) -> str:
    """Different for any two wishes of one order, as `release:c-1` and `take-again:c-1:2` are."""
    parts = [wish.why, *([wish.case_id] if wish.case_id is not None else []), *([str(wish.turn)] if wish.turn else [])]
    return ":".join(parts)


def receipt_movement(wish: TakeIn) -> Movement:
    """The one movement of a receipt."""
    amounts = Amounts(available=wish.quantity, received=wish.quantity)
    id = movement_id(wish.receipt_id, 1, "receive")
    return Movement(id, wish.product_id, wish.receipt_id, 1, "receive", amounts, firm=True)


def merged(lines: Iterable[StockLine]) -> tuple[StockLine, ...]:
    """Each line number once. Raises ValueError when one number stands for two products."""
    found: dict[int, StockLine] = {}
    for line in lines:
        known = found.get(line.line_no)
        if known is not None and known.product_id != line.product_id:
            raise ValueError(f"line {line.line_no} is of {known.product_id} and of {line.product_id}")
        quantity = line.quantity + (known.quantity if known else 0)
        found[line.line_no] = line.model_copy(update={"quantity": quantity})
    return tuple(found.values())


def hold_refused(reservation: Reservation, case_id: CaseId, reason: HoldRefusal) -> StockHoldRefused:
    """The answer to a hold that is not granted."""
    return StockHoldRefused(order_id=reservation.order_id, case_id=case_id, reason=reason)


def take_refused(
    reservation: Reservation, case_id: CaseId, attempt: int, reason: TakeRefusal, short: tuple[ProductId, ...] = ()
) -> StockNotTakenAgain:
    """The answer to an attempt to take again that is not granted."""
    return StockNotTakenAgain(
        order_id=reservation.order_id, case_id=case_id, attempt=attempt, reason=reason, short=short
    )
