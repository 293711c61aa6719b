"""An order, its lines, its cancellation cases, and the rules about them. Pure: no clock, no I/O."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from chassis.saga import Run
from contracts.message import CaseId, CustomerId, Money, OrderId, RefundNumber, Report
from contracts.notify import Addressee
from contracts.order import Actor, CancelledLine, Contact, PricedLine, Reason
from contracts.payment import OUTSIDE_ROUTE, RefusalReason
from services.order.exchange import Exchange
from services.order.policies import Ruling, Verdict
from services.order.questionnaire import Rating
from services.order.reason import ReasonWords
from services.order.returned import Parcel
from services.order.taken import Taken

OrderState = Literal["pending-payment", "paid", "shipped", "delivered", "completed", "cancelling", "cancelled"]
Road = Literal[
    "unpaid",
    "paid",
    "no-money",
    "late-payment",
    "resumed",
    "given-back",
    "made-outside",
    "made-outside-in-part",
    "rejected",
    "returned",
    "refund-returned",
    "returned-free",
]

NOBODY_PAID = Actor(kind="system", id="not-paid-in-time")
"""Who cancels an order that nobody pays (`order/expiring.py`)."""
TIMELINE_MAX = 300
REQUESTS_MAX = 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Line(PricedLine):
    """One line and what has left it: `cancelled` pieces for `refunded_minor` fen, and `exchanged` ones that took
    `moved_minor` fen with them into a line of their own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cancelled: int = 0
    refunded_minor: int = 0
    exchanged: int = 0
    moved_minor: int = 0

    @property
    def gone(self) -> int:
        """Pieces that have left the line."""
        return self.cancelled + self.exchanged

    @property
    def left(self) -> int:
        """Pieces that are neither cancelled nor exchanged."""
        return self.quantity - self.gone

    def share(self, pieces: int) -> int:
        """What `pieces` more of this line are worth, in fen. Cumulative, so that any way of cancelling a line piece
        by piece adds up to exactly what was paid for it."""
        upto = self.paid_minor * (self.gone + pieces) // self.quantity
        return upto - self.refunded_minor - self.moved_minor

    def give_back(self, given: CancelledLine) -> Line:
        """The line after a case has given these pieces back."""
        return self.model_copy(
            update={
                "cancelled": self.cancelled + given.quantity,
                "refunded_minor": self.refunded_minor + given.amount_minor,
            }
        )


class RefundFacts(_Part):
    """What is known of a case's refund. `payer_minor`: what of it the customer gets in money, fen; `confirm_by`: until
    then the customer must confirm a transfer; `received_minor`: what reached the customer. `former`: the numbers
    it went under before, of which old answers may still come."""

    number: RefundNumber
    former: tuple[RefundNumber, ...] = ()
    amount: Money
    route: str = ""
    accepted_at: AwareDatetime | None = None
    payer_minor: int | None = None
    confirm_by: AwareDatetime | None = None
    settled_at: AwareDatetime | None = None
    received_minor: int | None = None

    @property
    def another_way(self) -> Literal["", "by-transfer", "outside"]:
        """Which other way than it came the money goes back; empty: the same."""
        return "outside" if self.route == OUTSIDE_ROUTE else "by-transfer" if self.confirm_by else ""


class Request(_Part):
    """A request that led to a case or met it."""

    id: str
    fingerprint: str


class Case(_Part):
    """One cancellation. `state_before`: what the order goes back to when the case is undone. `transfer_when`: refusals
    after which its money goes as a merchant transfer. `decisions`: what people decided about it, or was tried anew.
    `wish` and `proof`: the last such decision about its refund, `resumed`: the last one that was followed. `found`: a
    refund that was made by hand. `words`: how its reason read when it was opened; `solution`: what the wish said is
    done about it."""

    case_id: CaseId
    road: Road
    status: Literal["open", "completed", "undone"] = "open"
    requests: tuple[Request, ...] = ()
    lines: tuple[CancelledLine, ...]
    amount: Money
    whole: bool
    reason: Reason
    words: ReasonWords | None = None
    solution: str = ""
    by: Actor
    state_before: OrderState
    run: Run
    accepted_at: AwareDatetime
    occurred_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    reference: str = ""
    refund: RefundFacts | None = None
    refusal: str = ""
    transfer_when: tuple[RefusalReason, ...] = ()
    decisions: int = 0
    resumed: int = 0
    wish: Literal["look-again", "send-again", "transfer", "settled-outside"] | None = None
    proof: str = ""
    decided_by: str = ""
    found: RefundNumber | None = None
    ruling: Ruling | None = None
    verdict: Verdict | None = None
    rating: Rating | None = None
    parcel: Parcel | None = None

    @property
    def nobody_paid(self) -> bool:
        """It began by itself because the order's time to be paid was over."""
        return self.by == NOBODY_PAID

    @property
    def told_for_nothing(self) -> bool:
        """Nobody paid, and it is the wish of the customer or of nobody: no short message is paid for it."""
        return self.nobody_paid or (self.by.kind == "customer" and self.road == "unpaid")

    @property
    def waits(self) -> bool:
        """It has not begun yet: nothing has moved, and it can be taken back."""
        ruling = self.ruling
        return self.status == "open" and ruling is not None and bool(ruling.waits_for) and not ruling.over

    @property
    def waits_for_a_person(self) -> bool:
        """Nothing more happens to it by itself."""
        somebody = self.waits and self.ruling is not None and self.ruling.waits_for != "undo-window"
        return somebody or (self.status == "open" and self.run.ended)

    def met_by(self, request_id: str) -> Request | None:
        """The request of that id, if it led to this case or met it."""
        return next((request for request in self.requests if request.id == request_id), None)


class Task(_Part):
    """Something a person has to do. `zh` and `en` say what is true now and what can be done; `choices` are the commands
    for it."""

    task_id: str
    case_id: CaseId
    kind: str
    zh: str
    en: str
    choices: tuple[str, ...] = ()
    raised_at: AwareDatetime
    done_at: AwareDatetime | None = None
    done_by: str = ""
    note: str = ""
    choice: str = ""
    facts: dict[str, str] = {}


class Erased(_Part):
    """That nobody knows any more whose order it was. `digest`: of the state that was erased, which alone may be put
    back; `export_id`: where it is."""

    at: AwareDatetime
    digest: str
    export_id: str
    by: Actor
    reason: str = ""


class Moment(_Part):
    """One line of the timeline: `what` is a code (`paid`, `refund-accepted`, …), `detail` its facts."""

    at: AwareDatetime
    what: str
    case_id: CaseId | None = None
    detail: dict[str, str] = {}


class Order(_Part):
    """An order. Amounts in fen, times UTC. `placing` and `dispatching` are the runs of its two short processes,
    `erasing` that of forgetting its customer everywhere. `hidden_at`: the customer took it out of the list. While
    it knows of no payment it asks at `ask_payment_at` whether there was one; `payment_asked`: how often it did.
    `pay_until`: unpaid then, it ends by itself."""

    order_id: OrderId
    shop: str = ""
    customer_id: CustomerId
    customer_group: str
    contact: Contact
    currency: str
    lines: tuple[Line, ...]
    total_minor: int
    state: OrderState = "pending-payment"
    paid: Money | None = None
    transaction_id: str = ""
    placed_at: AwareDatetime
    occurred_at: AwareDatetime
    reference: str = ""
    coupon: str = ""
    carrier: str = ""
    tracking_number: str = ""
    fingerprint: str
    payment_asked: int = 0
    ask_payment_at: AwareDatetime | None = None
    pay_until: AwareDatetime | None = None
    placing: Run | None = None
    dispatching: Run | None = None
    hidden_at: AwareDatetime | None = None
    erased: Erased | None = None
    erasing: Run | None = None
    cases: tuple[Case, ...] = ()
    tasks: tuple[Task, ...] = ()
    timeline: tuple[Moment, ...] = ()
    deliver_after: AwareDatetime | None = None
    alternatives: tuple[Taken, ...] = ()
    exchanges: tuple[Exchange, ...] = ()

    @property
    def wake_at(self) -> datetime | None:
        """When the earliest of its runs wants to be woken, or it wants to ask for its payment."""
        windows = [case.ruling.until for case in self.cases if case.ruling is not None and case.waits]
        times = [self.ask_payment_at, self.expires_at, *windows, *(run.wake_at for run in self.runs)]
        return min((at for at in times if at is not None), default=None)

    @property
    def expires_at(self) -> datetime | None:
        """When it ends unless it is paid before; None where it waits for no payment, and while a case is open, which
        knows more."""
        return self.pay_until if self.state == "pending-payment" and self.open_case is None else None

    @property
    def runs(self) -> list[Run]:
        """All its processes, under way or ended."""
        short = [run for run in (self.placing, self.dispatching, self.erasing) if run is not None]
        return [*short, *(case.run for case in self.cases), *(one.run for one in self.exchanges)]

    @property
    def erased_at(self) -> datetime | None:
        """Since when nobody knows any more whose order it was."""
        return self.erased.at if self.erased is not None else None

    @property
    def open_case(self) -> Case | None:
        """The one case that is open, if any."""
        return next((case for case in self.cases if case.status == "open"), None)

    @property
    def open_exchange(self) -> Exchange | None:
        """The one exchange that is under way, if any; while it is, no case is open and nothing is shipped."""
        return next((one for one in self.exchanges if one.status == "open"), None)

    @property
    def addressee(self) -> Addressee:
        """The customer, as notify wants to know them."""
        return Addressee(customer_id=self.customer_id, **self.contact.model_dump())

    @property
    def cancelled_minor(self) -> int:
        """What completed cases were about, in fen, however their money went."""
        return sum(case.amount.amount_minor for case in self.cases if case.status == "completed")

    @property
    def refunded_minor(self) -> int:
        """What completed cases have given back, in fen."""
        return sum(
            case.refund.amount.amount_minor
            for case in self.cases
            if case.status == "completed" and case.refund is not None
        )

    def case(self, case_id: str) -> Case | None:
        """The case of that id."""
        return next((case for case in self.cases if case.case_id == case_id), None)

    def task(self, task_id: str) -> Task | None:
        """The task of that id."""
        return next((task for task in self.tasks if task.task_id == task_id), None)

    def with_case(self, case: Case) -> Order:
        """The order with this case put in or replaced."""
        others = [known for known in self.cases if known.case_id != case.case_id]
        position = next((i for i, known in enumerate(self.cases) if known.case_id == case.case_id), len(others))
        return self.model_copy(update={"cases": (*others[:position], case, *others[position:])})

    def with_exchange(self, exchange: Exchange) -> Order:
        """The order with this exchange put in or replaced; its ids are in order."""
        others = tuple(known for known in self.exchanges if known.exchange_id != exchange.exchange_id)
        return self.model_copy(update={"exchanges": (*others, exchange)})

    def noting(self, at: datetime, what: str, case_id: CaseId | None = None, **detail: str) -> Order:
        """The order with one more line in its timeline."""
        return self.with_moment(Moment(at=at, what=what, case_id=case_id, detail=detail))

    def with_moment(self, moment: Moment) -> Order:
        """The order with this line added to its timeline. When that is full the oldest line goes that only says that
        somebody was asked again: a case that waits for days would crowd out all that has happened to the order."""
        lines = (*self.timeline, moment)
        if len(lines) > TIMELINE_MAX:
            out = next((place for place, one in enumerate(lines) if one.what == "asked-again"), 0)
            lines = (*lines[:out], *lines[out + 1 :])
        return self.model_copy(update={"timeline": lines})


class TaskDone(Report):
    """A member of staff has dealt with a task."""

    wire: ClassVar[str] = "task-done"
    order_id: OrderId
    task_id: str
    by: Actor
    note: str
