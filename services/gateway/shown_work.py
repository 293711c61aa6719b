"""What is shown of cases that need somebody and of commands for many tasks, for the OpenAPI document; see
`shown_orders`."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel

from contracts.message import Fen
from services.gateway.finding import State
from services.gateway.operators import WorkList
from services.gateway.shown_cases import Amount, CaseStatus, InWords, Road, StaffsCase, TaskKind


class WorkTask(BaseModel):
    """An open task of a case; `choices` are the commands for it."""

    task_id: str
    kind: TaskKind
    zh: str
    en: str
    choices: list[str]
    raised_at: AwareDatetime
    facts: dict[str, str]


class DecisionFits(BaseModel):
    """A second person's yes or no."""

    command: Literal["decide"]


class CardFits(BaseModel):
    """Another bank card for the refund."""

    command: Literal["name-bank-card"]
    task_id: str


class CommandFits(BaseModel):
    """What can be said about the entry, and the choice of which task it means."""

    command: Literal["try-again", "other-route", "settled-outside", "give-up", "take-over", "done"]
    task_id: str
    choice: str


_Tasks = list[WorkTask]
_Commands = list[DecisionFits | CommandFits | CardFits]


class CaseInList(StaffsCase):
    """A case that needs somebody: in which list, since when and how long. `attempts`, `next_try_at`: of the refund
    where the provider is the one who is tried, else of the case's step."""

    list: WorkList
    since: AwareDatetime
    age_seconds: int
    tasks: _Tasks
    commands: _Commands


class CasesPage(BaseModel):
    """There is more as long as there is a `next`. Of a `list`: its entries, the longest wait first."""

    cases: list[StaffsCase] | list[CaseInList]
    next: str | None


class Standing(BaseModel):
    """How things stand about a task. `task`: open, or done with its choice."""

    order: State
    case: CaseStatus
    road: Road
    task: str


class BulkTask(BaseModel):
    """One task of a bulk command: what the command means for it, or why it is refused. `before`: as it stood when this
    was planned; `after`: once it is done."""

    task_id: str
    order_id: str
    case_id: str
    kind: TaskKind | Literal[""]
    choice: str
    refusal: str
    amount_minor: Fen
    currency: str
    before: Standing | None
    after: Standing | None = None
    outcome: Literal["would-be-done", "done", "refused"]
    in_words: InWords


class BulkShown(BaseModel):
    """What a bulk command did, or would do: the tasks as they were named, how many are not refused, and the money of
    their cases per currency. `more`: the list goes on."""

    dry_run: bool
    digest: str
    more: bool
    tasks: list[BulkTask]
    count: int
    refused: int
    sums: list[Amount]
