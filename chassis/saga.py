"""A long process as the list a shop owner would write, and the pure functions that walk it.

>>> CANCEL = Saga(
...     "cancel-paid-order", 1,
...     step("hold the stock", inventory.HoldStock, undo=inventory.KeepStock),
...     pivot("refund the payment", refund, patience=timedelta(hours=2)),
...     then("release the stock", inventory.ReleaseStock, with_next=True),
...     then("tell the customer", refund_on_its_way),
...     after_undo("tell the customer why not", refund_failed),
... )

`step` may be refused and has an undo; `pivot` is the point of no return; `then` must succeed, so nobody may refuse it;
`after_undo` is done when everything before the pivot was taken back. Where a line need not wait for the one before it,
both are said at once (`with_next`); the run goes on when both are answered. The list is checked when the module loads.
A run stores the *name* of its step, so a list may grow while runs are under way; a line is never renamed or taken out
while a run may stand there. The version is stored for whoever looks: nothing compares it.

Silence is not an answer: the same command is said again, later and later. Silence before the pivot beyond the step's
patience undoes the silent step too, because it may still happen. At or after the pivot it never guesses: it goes on
asking and says that a person should look.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.message import Command, Event, Message

F = TypeVar("F", bound=BaseModel)

ASK_AGAIN = timedelta(seconds=20)
ASK_AGAIN_MAX = timedelta(minutes=10)
ASK_AGAIN_LATE_MAX = timedelta(hours=4)
PATIENCE = timedelta(minutes=10)

Kind = Literal["step", "pivot", "then", "after-undo"]
Status = Literal["running", "undoing", "done", "undone"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a saga. `say` is a command class, filled from the facts by field name, or a function of the facts
    with the command as its declared return type. `with_next`: the next line's command is said together with it."""

    kind: Kind
    name: str
    say: type[Command] | Callable[[Any], Command]
    undo: type[Command] | None = None
    patience: timedelta = PATIENCE
    with_next: bool = False

    @property
    def command(self) -> type[Command]:
        """The command this line says."""
        if isinstance(self.say, type):
            return self.say
        returned = typing.get_type_hints(self.say).get("return")
        if not (isinstance(returned, type) and issubclass(returned, Command)):
            raise TypeError(f"{self.name}: {self.say.__name__} must declare the command it returns")
        return returned


def step(
    name: str, say: type[Command] | Callable[[Any], Command], *, undo: type[Command], patience: timedelta = PATIENCE
) -> Line:
    """A line before the point of no return: may be refused, can be undone."""
    return Line("step", name, say, undo, patience)


def pivot(name: str, say: type[Command] | Callable[[Any], Command], *, patience: timedelta = PATIENCE) -> Line:
    """The point of no return: granted, everything after it must happen; refused, everything before it is undone."""
    return Line("pivot", name, say, None, patience)


def then(
    name: str,
    say: type[Command] | Callable[[Any], Command],
    *,
    patience: timedelta = PATIENCE,
    with_next: bool = False,
) -> Line:
    """A line after the point of no return: nobody may refuse it. `with_next`: the next line need not wait for it."""
    return Line("then", name, say, None, patience, with_next)


def after_undo(name: str, say: type[Command] | Callable[[Any], Command], *, patience: timedelta = PATIENCE) -> Line:
    """A line for when everything was undone: nobody may refuse it."""
    return Line("after-undo", name, say, None, patience)


class Run(BaseModel):
    """How far one saga has come. Part of the state of the record it belongs to. `refused_by` is the step that was
    refused or stayed silent; `attention_at`: since when a person should look; `ahead`: the name of the next line,
    where its command was said together with this one's, and `ahead_answered`."""

    model_config = ConfigDict(frozen=True)

    saga: str
    version: int
    step: str
    status: Status = "running"
    attempts: int = 1
    entered_at: AwareDatetime
    wake_at: AwareDatetime | None = None
    refused_by: str | None = None
    attention_at: AwareDatetime | None = None
    ahead: str = ""
    ahead_answered: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ("done", "undone")

    def soon(self, at: datetime) -> Run:
        """Asks again in ten minutes, however long it has waited: somebody has just done something about it."""
        soon = at + ASK_AGAIN_MAX
        return self if self.wake_at is None or self.wake_at <= soon else self.model_copy(update={"wake_at": soon})


class Saga(Generic[F]):
    """The list. Raises ValueError when it is not a list that can be walked."""

    def __init__(self, name: str, version: int, facts: type[F], *lines: Line) -> None:
        self.name = name
        self.version = version
        self.facts = facts
        self.forward = [line for line in lines if line.kind != "after-undo"]
        self.backward = [line for line in lines if line.kind == "after-undo"]
        self._check(lines)

    def _check(self, lines: Sequence[Line]) -> None:
        order = {"step": 0, "pivot": 1, "then": 2, "after-undo": 3}
        ranks = [order[line.kind] for line in lines]
        if ranks != sorted(ranks):
            raise ValueError(f"{self.name}: lines must come as step, pivot, then, after_undo")
        if sum(line.kind == "pivot" for line in lines) != 1:
            raise ValueError(f"{self.name}: exactly one pivot is needed")
        names = [line.name for line in lines]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two lines have the same name")
        for line, following in zip(lines, [*lines[1:], None], strict=True):
            if line.with_next and (following is None or following.kind != "then" or following.with_next):
                raise ValueError(f"{self.name}: what {line.name!r} is said with must be one more `then`")
        bare = [command for line in lines for command in (line.say, line.undo) if isinstance(command, type)]
        for command in bare:
            if bare.count(command) > 1:
                raise ValueError(f"{self.name}: the answers to two {command.__name__} cannot be told apart")
        for line in lines:
            self._check_line(line)

    def _check_line(self, line: Line) -> None:
        if line.kind == "step" and line.undo is None:
            raise ValueError(f"{self.name}: {line.name!r} has no undo")
        commands = [line.command, *([line.undo] if line.undo else [])]
        for command in commands:
            if command.yes is None:
                raise ValueError(f"{self.name}: nobody answers {command.__name__}")
        may_be_refused = [line.undo] if line.kind in ("step", "pivot") else [line.command]
        for firm in may_be_refused:
            if firm is not None and firm.no is not None:
                raise ValueError(f"{self.name}: {line.name!r} may not be refused, but {firm.__name__} can be")
        bare: list[type[Command]] = [line.undo] if line.undo else []
        if isinstance(line.say, type):
            bare.append(line.say)
        for filled in bare:
            missing = {field for field, info in filled.model_fields.items() if info.is_required()} - self._fact_names()
            if missing:
                raise ValueError(f"{self.name}: {line.name!r} finds no fact for {sorted(missing)} of {filled.__name__}")

    def _fact_names(self) -> set[str]:
        return set(self.facts.model_fields) | set(self.facts.model_computed_fields)

    def line(self, name: str) -> Line:
        """The line of that name. Raises KeyError when the list has none."""
        for line in (*self.forward, *self.backward):
            if line.name == name:
                return line
        raise KeyError(f"{self.name} has no line {name!r}")

    def knows(self, run: Run) -> bool:
        """Whether the run stands at a line of this list. It does not while a newer version of the service, with a
        longer list, runs beside this one: then it is left to the newer one, which asks again for what this one hears.
        """
        return any(line.name == run.step for line in (*self.forward, *self.backward))

    def start(self, facts: F, at: datetime, from_step: str | None = None) -> tuple[Run, list[Message]]:
        """Begin, at the first line or at `from_step` (a case that comes over from another road)."""
        first = self.forward[0] if from_step is None else self.line(from_step)
        run = Run(saga=self.name, version=self.version, step=first.name, entered_at=at)
        return self._enter(run, first, facts, at)

    def hear(self, run: Run, message: Event, facts: F, at: datetime) -> tuple[Run, list[Message]]:
        """Walk on if `message` answers the current line; otherwise nothing changes (late, repeated, not ours)."""
        if run.ended or not self.knows(run):
            return run, []
        line = self.line(run.step)
        said = self._say(line, facts, undoing=run.status == "undoing")
        if said.is_granted_by(message):
            return self._walk_on(run, line, facts, at)
        if said.is_refused_by(message):
            return self._turn_back(run, line, facts, at, undo_this=False)
        ahead = self._silent_ahead(run, line)
        if ahead is not None and self._say(ahead, facts, undoing=False).is_granted_by(message):
            return run.model_copy(update={"ahead_answered": True}), []
        return run, []

    def wake(self, run: Run, facts: F, at: datetime) -> tuple[Run, list[Message]]:
        """The deadline of the current line has come: ask again, or turn back, or call a person."""
        if run.ended or not self.knows(run):
            return run, []
        if run.wake_at is None or run.wake_at > at:
            return run, []
        line = self.line(run.step)
        late = at - run.entered_at >= line.patience
        if late and line.kind == "step" and run.status == "running":
            return self._turn_back(run, line, facts, at, undo_this=True)
        attention = run.attention_at or (at if late else None)
        again = run.model_copy(
            update={
                "attempts": run.attempts + 1,
                "wake_at": at + _pause(run.attempts + 1, line, at - run.entered_at if late else timedelta(0)),
                "attention_at": attention,
            }
        )
        says: list[Message] = [self._say(line, facts, undoing=run.status == "undoing")]
        ahead = self._silent_ahead(run, line)
        return again, [*says, self._say(ahead, facts, undoing=False)] if ahead is not None else says

    def _walk_on(self, run: Run, line: Line, facts: F, at: datetime) -> tuple[Run, list[Message]]:
        if run.status == "undoing":
            return self._next_back(run, line, facts, at)
        left = self._after(line)
        said = bool(left) and left[0].name == run.ahead
        if said and run.ahead_answered:
            left, said = left[1:], False
        if not left:
            return self._end(run, "done"), []
        return self._enter(run, left[0], facts, at, said=said)

    def _turn_back(self, run: Run, line: Line, facts: F, at: datetime, *, undo_this: bool) -> tuple[Run, list[Message]]:
        back = run.model_copy(update={"status": "undoing", "refused_by": line.name})
        if undo_this:
            return self._enter(back, line, facts, at)
        return self._next_back(back, line, facts, at)

    def _next_back(self, run: Run, line: Line, facts: F, at: datetime) -> tuple[Run, list[Message]]:
        if line.kind == "after-undo":
            left = self.backward[self.backward.index(line) + 1 :]
        else:
            before = reversed(self.forward[: self.forward.index(line)])
            left = [*(earlier for earlier in before if earlier.undo is not None), *self.backward]
        if not left:
            return self._end(run, "undone"), []
        return self._enter(run, left[0], facts, at)

    def _enter(self, run: Run, line: Line, facts: F, at: datetime, *, said: bool = False) -> tuple[Run, list[Message]]:
        """`said`: its command was said together with the line before."""
        following = self._after(line)[:1] if line.with_next else []
        entered = run.model_copy(
            update={
                "step": line.name,
                "attempts": 1,
                "entered_at": at,
                "wake_at": at + _pause(1, line),
                "attention_at": None,
                "ahead": following[0].name if following else "",
                "ahead_answered": False,
            }
        )
        begun = [*([] if said else [line]), *following]
        return entered, [self._say(one, facts, undoing=run.status == "undoing") for one in begun]

    def _end(self, run: Run, status: Status) -> Run:
        return run.model_copy(update={"status": status, "wake_at": None, "attention_at": None, "ahead": ""})

    def _after(self, line: Line) -> list[Line]:
        return self.forward[self.forward.index(line) + 1 :]

    def _silent_ahead(self, run: Run, line: Line) -> Line | None:
        """The line that was said together with this one and is not answered; none where this list has another there."""
        if not run.ahead or run.ahead_answered:
            return None
        return next((one for one in self._after(line)[:1] if one.name == run.ahead), None)

    def _say(self, line: Line, facts: F, *, undoing: bool) -> Command:
        say = line.undo if undoing and line.kind == "step" and line.undo else line.say
        if isinstance(say, type):
            command: type[Command] = say
            return command(
                **{name: getattr(facts, name) for name in command.model_fields if name in self._fact_names()}
            )
        return say(facts)


def _pause(attempts: int, line: Line, waited: timedelta = timedelta(0)) -> timedelta:
    """How long to wait before asking again: doubling, up to ten minutes; where patience is days, up to a 48th of it.
    `waited`: how long already, once patience is over and a person was called: then a twelfth of it, up to four hours,
    so that thousands of such cases neither keep the services busy nor let their orders grow."""
    doublings: int = 2 ** min(attempts - 1, 12)
    longest = max(ASK_AGAIN_MAX, line.patience / 48, min(waited / 12, ASK_AGAIN_LATE_MAX))
    return min(longest, ASK_AGAIN * doublings)
