"""An event loop without a clock and without a selector: time stands still while anything can run, then jumps to the
next timer. Several *actors* (one per simulated process) share it. Within an actor callbacks run in their order, as in a
real process; which actor runs next is the scheduler's choice, drawn from the seed.

Actors die (`kill -9`: nothing of theirs runs again, not even a `finally`) and freeze (SIGSTOP: everything of theirs
waits, timers included).

A *poll* is a timer that only looks whether there is something to do. Polls of an actor whose last look began after the
last change are parked until something changes, or until the time that `Sight.wakes` names: a night in which nothing
happens costs nothing. Of some loops it is known what they look for (`due` of a `Sight`): they are parked until there is
some.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

EPOCH = 1_767_225_600.0
"""Where virtual time begins: 2026-01-01 00:00 UTC, in Unix seconds."""


class Quiet(Exception):
    """Nothing will ever happen again, and somebody still waits."""


When = Callable[[], float | None]
"""When something is due (virtual seconds; None: never, as far as is known now)."""


class Sight:
    """What the polls of one service look at: `changes` counts whatever a poll could see, `wakes` says when something is
    due by itself; `due` says it of what the loops of a name look for, which look for nothing else."""

    def __init__(self, wakes: When = lambda: None, due: Mapping[str, When] | None = None) -> None:
        self.changes = 0
        self.parked: list[Poll] = []
        self.waiting: dict[str, list[Poll]] = {name: [] for name in due or {}}
        self.groups = [(self.parked, wakes), *((self.waiting[name], when) for name, when in (due or {}).items())]

    def forget(self, actor: Actor) -> None:
        """Nobody of this actor looks any more."""
        for polls, _ in self.groups:
            polls[:] = [poll for poll in polls if poll.actor is not actor]


@dataclass(eq=False, slots=True)
class Actor:
    """One process, or one connection. `skew`: how far its wall clock is ahead (s); `version`: which code it runs, where
    two are under way (see `rolling`)."""

    name: str
    sight: Sight
    ready: deque[asyncio.Handle] = field(default_factory=deque)
    alive: bool = True
    frozen: bool = False
    listed: bool = False
    priority: float = 0.0
    skew: float = 0.0
    version: int = 1
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def context(self) -> contextvars.Context:
        """A context whose tasks and callbacks belong to this actor."""
        context = contextvars.Context()
        context.run(ACTOR.set, self)
        return context


NOBODY = Actor("nobody", Sight())
ACTOR: contextvars.ContextVar[Actor] = contextvars.ContextVar("actor", default=NOBODY)


@dataclass(eq=False, slots=True)
class Poll:
    """A wait of somebody who will only look, since `since`, every `seconds`."""

    actor: Actor
    seconds: float
    since: float
    waiter: asyncio.Future[None]


class Scheduler(Protocol):
    """Chooses which actor runs next."""

    def pick(self, listed: list[Actor]) -> int: ...


class SimLoop(asyncio.AbstractEventLoop):
    """See above. `steps` counts the turns actors had."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.now = 0.0
        self.steps = 0
        self.problems: list[dict[str, Any]] = []
        self.sights: list[Sight] = []
        self.limit = float("inf")
        self._listed: list[Actor] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = 0
        self._running = False
        self._closed = False
        self._looked: dict[asyncio.Task[Any] | None, int] = {}
        self._buried: list[asyncio.Handle] = []

    # ── what asyncio asks of a loop ──────────────────────────────────────────────────────────────────────────────────
    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enlist(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # those of a killed actor never end
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """There are no threads: the work is done at once."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as problem:  # why: it is the caller's, as from a thread
            done.set_exception(problem)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.problems.append(context)

    async def shutdown_asyncgens(self) -> None:
        return None

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def run_until_complete(self, main: Any) -> Any:
        """Run until `main` is done. Raises Quiet when it never will be."""
        task = asyncio.ensure_future(main, loop=self)
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        self._running = True
        try:
            while not task.done():
                self._turn()
        finally:
            self._running = False
            asyncio._set_running_loop(before)
        return task.result()

    def _turn(self) -> None:
        if not self._listed:
            self._jump()
            return
        self.steps += 1
        index = self.scheduler.pick(self._listed)
        actor = self._listed[index]
        self._listed[index] = self._listed[-1]
        self._listed.pop()
        actor.listed = False
        ready = actor.ready
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
                if not actor.alive or actor.frozen:
                    return
        if ready and not actor.listed:
            self._list(actor)

    def _enlist(self, handle: asyncio.Handle) -> None:
        actor = handle._context.get(ACTOR, NOBODY)  # type: ignore[attr-defined]
        if not actor.alive:
            self._buried.append(handle)  # who let go of it would close its coroutine, and run every `finally` there
            return
        actor.ready.append(handle)
        if not actor.listed and not actor.frozen:
            self._list(actor)

    def _list(self, actor: Actor) -> None:
        actor.listed = True
        self._listed.append(actor)

    def _jump(self) -> None:
        """Nobody can run: go to the next timer, or to the next look at what becomes due by itself."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        self._wake_parked(timers[0][0] if timers else float("inf"))
        if not timers or timers[0][0] > self.limit:
            raise Quiet("nothing is left to happen")
        self.now = max(self.now, timers[0][0])
        while timers and timers[0][0] <= self.now:
            handle = heapq.heappop(timers)[2]
            if not handle._cancelled:
                self._enlist(handle)

    def _wake_parked(self, before: float) -> None:
        """Wake the polls for which something is due first, if that is before the next timer."""
        first: list[list[Poll]] = []
        for sight in self.sights:
            for polls, due in sight.groups:
                when = due() if polls else None
                if when is not None and when <= before:
                    first = [*first, polls] if when == before else [polls]
                    before = when
        for polls in first:
            self._unpark(polls, max(before, self.now))

    # ── polls ────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def poll(self, seconds: float) -> None:
        """Wait about so long before looking again; longer while nothing can have changed since the last look began."""
        actor, looker = ACTOR.get(), asyncio.current_task(self)
        poll = Poll(actor, seconds, self.now, self.create_future())
        sight = actor.sight
        if looker is not None and (name := looker.get_name()) in sight.waiting:
            sight.waiting[name].append(poll)
        elif self._looked.get(looker) == sight.changes:
            sight.parked.append(poll)
        else:
            self._set(poll, self.now + seconds)
        await poll.waiter
        self._looked[looker] = actor.sight.changes

    def _set(self, poll: Poll, when: float) -> None:
        self.call_at(when, _release, poll.waiter, context=poll.actor.context())

    def _unpark(self, polls: list[Poll], when: float) -> None:
        for poll in polls:
            self._set(poll, _next_look(poll, when))
        polls.clear()

    def changed(self, sight: Sight) -> None:
        """Something that a poll on this sight could see has changed."""
        sight.changes += 1
        if sight.parked:
            self._unpark(sight.parked, self.now)

    # ── life and death ───────────────────────────────────────────────────────────────────────────────────────────────
    def start(self, actor: Actor, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something as this actor."""
        return self.create_task(work, name=actor.name, context=actor.context())

    def kill(self, actor: Actor) -> None:
        """Nothing of this actor runs any more."""
        actor.alive = False
        self._buried.extend(actor.ready)
        actor.ready.clear()
        actor.sight.forget(actor)

    def freeze(self, actor: Actor) -> None:
        """Nothing of this actor runs until it is thawed."""
        actor.frozen = True
        if actor.listed:
            self._listed.remove(actor)
            actor.listed = False

    def thaw(self, actor: Actor) -> None:
        """It goes on where it stood; what became due meanwhile comes at once."""
        actor.frozen = False
        if actor.alive and actor.ready and not actor.listed:
            self._list(actor)


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _next_look(poll: Poll, now: float) -> float:
    """The first look of its rhythm that is not before `now`."""
    rounds = max(1, -(-(now - poll.since) // poll.seconds))
    return float(poll.since + rounds * poll.seconds)
