"""What is stored of the reconciliation of one merchant's day, and what it says and hears. Amounts are fen, times UTC,
days are days in China."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from contracts.message import Intent, Report
from contracts.zone import CHINA
from services.payment.differences import Difference, Kind, Sum
from services.payment.shown import Fact

HOUSE = "house"
# Bills of yesterday are made from 9 o'clock on and should be fetched after 10
# (pay.weixin.qq.com/doc/v3/merchant/4013071254).
READY_AT = time(10, 30)
CAUGHT_UP_DAYS = 7
BILLS_KEPT = timedelta(days=90)

Status = Literal["fetching", "compared", "healing", "done", "unreadable", "failed"]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


# ── what is stored ───────────────────────────────────────────────────────────────────────────────────────────────────
class Other(Sum):
    """Movements of the account that belong to no line of the trade bill; `word` is the provider's, with + or -."""

    word: str


class Sums(Fact):
    """Both sides of a day. `has_account`: the provider showed the fund-flow bill, so it was compared, too. `at_border`:
    lines too near to midnight for their counterpart to be looked for."""

    bill_payments: Sum = Sum()
    our_payments: Sum = Sum()
    bill_refunds: Sum = Sum()
    our_refunds: Sum = Sum()
    has_account: bool = False
    others: tuple[Other, ...] = ()
    at_border: int = 0


class Reconciliation(Fact):
    """`day` is a day in China (2026-11-01), `shop` empty for the house. `run` counts how often somebody started it,
    `tries` failures to get the bills, `rounds` how often the provider was asked about differences. `queue`: differences
    still to be asked about. `found`: how many the last comparison found, of which at most 1,000 are kept; `unasked`:
    how many more the provider is to be asked about, None for a comparison of before that was counted. `confirmed`:
    refunds without a line that the provider has confirmed, and such as we lack that it has closed. `wake_at`: when it
    goes on by itself."""

    reconciliation_id: str
    shop: str
    day: Day
    status: Status = "fetching"
    run: int = 1
    started_by: str
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    tries: int = 0
    rounds: int = 0
    wake_at: AwareDatetime | None = None
    problem: str = ""
    sums: Sums | None = None
    found: int = 0
    unasked: int | None = None
    differences: tuple[Difference, ...] = ()
    last_n: int = 0
    queue: tuple[int, ...] = ()
    confirmed: tuple[str, ...] = ()

    @property
    def is_under_way(self) -> bool:
        return self.status in ("fetching", "compared", "healing")

    @property
    def open_count(self) -> int:
        return sum(one.state == "open" for one in self.differences)


# ── wishes and reports ───────────────────────────────────────────────────────────────────────────────────────────────
class CompareDay(Intent):
    """Fetch both bills and compare them with what we know."""

    wire: ClassVar[str] = "compare-day"
    key: ClassVar[str] = "reconciliation_id"
    reconciliation_id: str
    shop: str
    day: Day
    confirmed: tuple[str, ...] = ()


class Question(Fact):
    """One difference to ask the provider about."""

    n: int
    kind: Kind
    subject: str
    order_id: str
    our_minor: int | None


class AskProvider(Intent):
    """Ask about differences, and let the payments hear the answers. `attempt` is the same for one round of one run."""

    wire: ClassVar[str] = "ask-provider"
    key: ClassVar[str] = "reconciliation_id"
    reconciliation_id: str
    shop: str
    attempt: str
    questions: tuple[Question, ...]


class DayReport(Report):
    """Anything a reconciliation hears."""

    key: ClassVar[str] = "reconciliation_id"
    reconciliation_id: str


class StartReconciliation(DayReport):
    """Somebody wants this day reconciled. `again`: also when it was done before."""

    wire: ClassVar[str] = "start-reconciliation"
    shop: str
    day: Day
    by: str
    again: bool = False


class DayCompared(DayReport):
    """Both bills were read and compared. `found` counts all differences, `differences` are at most 1,000 of them, where
    there are more those first that the provider is to be asked about; `unasked`: how many of these are not among them.
    """

    wire: ClassVar[str] = "day-compared"
    sums: Sums
    found: int
    differences: tuple[Difference, ...]
    unasked: int = 0


class BillsNotThere(DayReport):
    """A bill could not be fetched; `code` is the provider's word for why, or TIMEOUT and the like."""

    wire: ClassVar[str] = "bills-not-there"
    code: str


class BillNotReadable(DayReport):
    """A bill is not what its document says; `why` names bill, line and column."""

    wire: ClassVar[str] = "bill-not-readable"
    why: str


class Reply(Fact):
    """What came of one question. told: the payment has heard the answer; confirmed: the provider has the refund that
    its bill lacks, with our amount, or has closed the one that we lack; against: its answer contradicts us; silent:
    there was none."""

    n: int
    outcome: Literal["told", "confirmed", "against", "silent"]
    remark: str = ""


class ProviderAsked(DayReport):
    """What came of `AskProvider`."""

    wire: ClassVar[str] = "provider-asked"
    replies: tuple[Reply, ...]


class CloseDifference(DayReport):
    """A person has dealt with a difference."""

    wire: ClassVar[str] = "close-difference"
    n: int
    by: str
    remark: str


# ── days ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def id_of(shop: str, day: date) -> str:
    """`house/2026-11-01`. Raises ValueError for a shop that is called like the house."""
    if shop == HOUSE:
        raise ValueError("no shop may be called 'house': that is the one without a name")
    return f"{shop or HOUSE}/{day.isoformat()}"


def ready_at(day: date) -> datetime:
    """When the bills of a day are there (UTC)."""
    return datetime.combine(day + timedelta(days=1), READY_AT, CHINA).astimezone(UTC)


def first_without_bill(at: datetime) -> date:
    """The first day whose bills were not there at this moment: in the small hours, still the day before."""
    today = at.astimezone(CHINA).date()
    yesterday = today - timedelta(days=1)
    return yesterday if ready_at(yesterday) > at else today


def days_due(at: datetime) -> list[date]:
    """The last seven days whose bills are there, oldest first: a service that was down catches up."""
    today = at.astimezone(CHINA).date()
    days = [today - timedelta(days=back) for back in range(CAUGHT_UP_DAYS + 1, 0, -1)]
    return [day for day in days if ready_at(day) <= at][-CAUGHT_UP_DAYS:]
