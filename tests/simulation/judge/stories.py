"""What became of one order, folded from its own events: a second, small reading of the rules, which shares no code with
the order service. Whatever the events say that cannot be, is a problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.evidence import Row

REOPENS = ("look-again", "send-again", "transfer", "settled-outside", "give-back")
"""Choices of a task by which a case that had ended goes on."""


@dataclass(slots=True)
class CaseStory:
    """One cancellation case. `opened_in`: how the order stood when it was accepted; `state_before`: what it goes back
    to, which a payment changes that arrives meanwhile. `refunded` and `because` come with its end; `resumed` counts
    decisions of people that let it go on, `undone` how often it was undone;
    `parcel_left`: the goods were out of the house when it was accepted."""

    case_id: str
    accepted: Row
    opened_in: str
    state_before: str
    status: str = "open"
    refunded: int = 0
    because: str = ""
    resumed: int = 0
    undone: int = 0
    parcel_left: bool = False

    @property
    def amount(self) -> int:
        return int(self.accepted["amount"]["amount_minor"])

    @property
    def pieces(self) -> dict[int, int]:
        """Pieces by line number."""
        return {line["line_no"]: line["quantity"] for line in self.accepted["lines"]}


@dataclass(slots=True)
class ExchangeStory:
    """One exchange: pieces of line `old` for as many in line `new`; each `{line_no, product_id, quantity, …}`."""

    case_id: str
    old: Row
    new: Row
    status: str = "open"


@dataclass(slots=True)
class Story:
    """One order. `lines`: by line number the line as placed, or as an exchange made it. `state`: as the order service
    names states, `not-placed` before anything was placed. `cancelled`: pieces by line number that completed cases gave
    back; `exchanged` and `moved`: pieces, and fen with them, that went over into another line. `short`: there was too
    little of it."""

    order_id: str
    state: str = "not-placed"
    lines: dict[int, Row] = field(default_factory=dict)
    total: int = 0
    paid: int | None = None
    cancelled: dict[int, int] = field(default_factory=dict)
    exchanged: dict[int, int] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    cases: dict[str, CaseStory] = field(default_factory=dict)
    exchanges: dict[str, ExchangeStory] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_the_house: bool = False
    short: bool = False
    as_placed: Row = field(default_factory=dict)

    @property
    def open_case(self) -> CaseStory | None:
        return next((case for case in self.cases.values() if case.status == "open"), None)

    @property
    def nothing_left(self) -> bool:
        """Whether every piece was given back."""
        return all(self.left(no) == 0 for no in self.lines)

    @property
    def open_exchange(self) -> ExchangeStory | None:
        """Pieces are being exchanged, or the old ones are still to go back."""
        return next((one for one in self.exchanges.values() if one.status == "open"), None)

    def left(self, line_no: int) -> int:
        """Pieces of a line that were neither given back nor exchanged."""
        gone = self.cancelled.get(line_no, 0) + self.exchanged.get(line_no, 0)
        return int(self.lines[line_no]["quantity"]) - gone

    def worth(self, line_no: int) -> int:
        """What was paid for a line, without what went over into another one."""
        return int(self.lines[line_no]["paid_minor"]) - self.moved.get(line_no, 0)

    @property
    def given_back(self) -> dict[int, int]:
        """Fen by line number that completed cases gave back with its pieces."""
        back: dict[int, int] = {}
        for case in self.cases.values():
            for line in case.accepted["lines"] if case.status == "completed" else ():
                back[line["line_no"]] = back.get(line["line_no"], 0) + line["amount_minor"]
        return back

    # ── what its events do ───────────────────────────────────────────────────────────────────────────────────────────
    def placed(self, body: Row) -> None:
        if self.state != "not-placed":
            if body != self.as_placed:  # whoever writes the command twice is answered twice
                self._wrong("placed twice")
            return
        self.state, self.as_placed = "pending-payment", body
        self.lines = {line["line_no"]: line for line in body["lines"]}
        self.total = body["total"]["amount_minor"]

    def not_placed(self, body: Row) -> None:
        if body["reason"] == "out-of-stock" and self.state == "pending-payment":
            self.state = "cancelled"
            self.short = True

    def was_paid(self, body: Row) -> None:
        if self.paid is not None:
            self._wrong("paid twice")
        self.paid = body["amount"]["amount_minor"]
        case = self.open_case
        if self.state == "pending-payment":
            self.state = "paid"
        if case is not None and case.state_before == "pending-payment":
            case.state_before = "paid"

    def moves(self, wanted: str, then: str) -> Callable[[Row], None]:
        def move(_: Row) -> None:
            case = self.open_case
            if case is not None:
                self._wrong(f"{then} while {case.case_id} is open")
            self._exchange_is_over(then)
            if self.state != wanted:
                self._wrong(f"{then} while {self.state}")
            self.state = then
            self.left_the_house = True

        return move

    def accepted(self, body: Row) -> None:
        known = self.cases.get(body["case_id"])
        if known is not None:
            # A second request met the open case, which may wait for its parcel by now.
            waits_for = body["waits_for"] if self.left_the_house and body["waits_for"] == "parcel" else None
            met = known.accepted if waits_for is None else {**known.accepted, "waits_for": waits_for}
            if known.status != "open" or met != body:
                self._wrong(f"{known.case_id} accepted again while {known.status}")
            return
        standing = self.open_case
        if standing is not None:
            self._wrong(f"{body['case_id']} accepted while {standing.case_id} is open")
        self._exchange_is_over(f"{body['case_id']} accepted")
        if body["case_id"] != f"{self.order_id}-c{len(self.cases) + 1}":
            self._wrong(f"{body['case_id']} is case {len(self.cases) + 1}")
        # Without goods: money that came too late or went back by hand, whatever has become of the goods.
        if body["lines"] and self.state not in ("pending-payment", "paid", "shipped"):
            self._wrong(f"{body['case_id']} accepted while {self.state}")
        # What went back by hand may be heard of before the payment: its own word may be lost, and is asked for then.
        if body["reason"]["code"] == "late-payment" and self.paid is None:
            self._wrong(f"{body['case_id']} gives back money of an order that nobody paid")
        left = bool(body["lines"]) and self.state == "shipped"
        self.cases[body["case_id"]] = CaseStory(body["case_id"], body, self.state, self.state, parcel_left=left)
        if body["lines"]:
            self.state = "cancelling"

    def completed(self, body: Row) -> None:
        case = self._ending(body, "completed")
        if case is None:
            return
        case.refunded = body["refunded"]["amount_minor"]
        for line in body["lines"]:
            self.cancelled[line["line_no"]] = self.cancelled.get(line["line_no"], 0) + line["quantity"]
        self.state = "cancelled" if self.nothing_left else case.state_before

    def undone(self, body: Row) -> None:
        known = self.cases.get(body["case_id"])
        if known is not None and known.status == "undone" and known.because == body["because"] == "withdrawn":
            return  # taken back twice
        case = self._ending(body, "undone")
        if case is not None:
            case.because = body["because"]
            case.undone += 1
            self.state = case.state_before

    def _ending(self, body: Row, status: str) -> CaseStory | None:
        case = self.cases.get(body["case_id"])
        if case is None:
            self._wrong(f"{body['case_id']} {status}, but it was never accepted")
            return None
        if case.status != "open":
            self._wrong(f"{case.case_id} {status} after it was {case.status}")
        case.status = status
        return case

    def resolved(self, body: Row) -> None:
        case = self.cases.get(body["task_id"].rpartition("-t")[0])
        if case is None or body["choice"] not in REOPENS:
            return
        if case.status == "completed":
            self._wrong(f"{case.case_id} goes on after it was completed")
        case.status = "open"
        case.resumed += 1

    # ── exchanges ────────────────────────────────────────────────────────────────────────────────────────────────────
    def exchange_begun(self, body: Row) -> None:
        known = self.exchanges.get(body["case_id"])
        if known is not None:
            return  # the same request once more
        self._exchange_is_over(f"{body['case_id']} begun")
        if self.state != "paid" or self.open_case is not None:
            self._wrong(f"{body['case_id']} begun while {self.state}, case {self.open_case and self.open_case.case_id}")
        if body["old"]["quantity"] > self.left(body["old"]["line_no"]) or body["new"]["line_no"] in self.lines:
            self._wrong(f"{body['case_id']} exchanges what is not there")
        self.exchanges[body["case_id"]] = ExchangeStory(body["case_id"], body["old"], body["new"])

    def exchange_ended(self, status: str) -> Callable[[Row], None]:
        def end(body: Row) -> None:
            known = self.exchanges.get(body["case_id"])
            if known is None or known.status != "open":
                self._wrong(f"{body['case_id']} {status}, but it was {known and known.status}")
                return
            known.status = status
            if status == "done":
                if (body["old"], body["new"]) != (known.old, known.new):
                    self._wrong(f"{body['case_id']} exchanged other goods than it began with")
                old, new = body["old"], body["new"]
                self.exchanged[old["line_no"]] = self.exchanged.get(old["line_no"], 0) + old["quantity"]
                self.moved[old["line_no"]] = self.moved.get(old["line_no"], 0) + old["amount_minor"]
                self.lines[new["line_no"]] = new

        return end

    def _exchange_is_over(self, what: str) -> None:
        if self.open_exchange is not None:
            self._wrong(f"{what} while {self.open_exchange.case_id} is under way")

    def _wrong(self, what: str) -> None:
        self.problems.append(what)


def told(order_id: str, events: Sequence[tuple[str, Row]]) -> Story:
    """The story that these events tell, oldest first."""
    story = Story(order_id)
    heard: dict[str, Callable[[Any], None]] = {
        "order-placed.v1": story.placed,
        "order-not-placed.v1": story.not_placed,
        "order-paid.v1": story.was_paid,
        "order-shipped.v1": story.moves("paid", "shipped"),
        "order-delivered.v1": story.moves("shipped", "delivered"),
        "order-completed.v1": story.moves("delivered", "completed"),
        "cancellation-accepted.v1": story.accepted,
        "cancellation-completed.v1": story.completed,
        "cancellation-undone.v1": story.undone,
        "task-resolved.v1": story.resolved,
        "exchange-begun.v1": story.exchange_begun,
        "goods-exchanged.v1": story.exchange_ended("done"),
        "exchange-refused.v1": story.exchange_ended("refused"),
    }
    for wire, body in events:
        if wire in heard and body:
            heard[wire](body)
    return story
