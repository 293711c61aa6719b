"""After the load: wait until every case has ended or visibly waits for a person, and say how far it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tools.drill.doors import Doors
from tools.drill.load import Driven
from tools.replay.knock import Json, UnexpectedAnswerError

SAY_EVERY_SECONDS = 5.0
LOOK_EVERY_SECONDS = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How many cases are open at which step, and how many of them wait for a person; how many have ended, and how."""

    completed: int
    undone: int
    steps: Counter[str]
    waiting: int

    @property
    def open(self) -> int:
        """Open cases, whoever they wait for."""
        return sum(self.steps.values())

    @property
    def ended(self) -> int:
        """Completed or undone."""
        return self.completed + self.undone

    def __str__(self) -> str:
        """One line, Chinese and English."""
        steps = ", ".join(f"{step} {count:,}" for step, count in self.steps.most_common())
        counts = f"完成 completed {self.completed:,} · 撤回 undone {self.undone:,} · 进行中 open {self.open:,}"
        return f"{counts}{f' ({steps})' if steps else ''} · 等待人工 waiting {self.waiting:,}"


async def stand(doors: Doors) -> Standing:
    """How the cases are now."""
    summary = await doors.shop.summary()
    steps: Counter[str] = Counter()
    waiting = 0
    if summary["cases"]["open"]:
        async for case in doors.open_cases():
            steps[str(case["step"])] += 1
            waiting += bool(case["waits_for_a_person"])
    return Standing(int(summary["cases"]["completed"]), int(summary["cases"]["undone"]), steps, waiting)


async def settle(doors: Doors, cases: int, patience: float, say: Say) -> bool:
    """Wait until all `cases` have ended or wait for a person; False when that takes longer than `patience` (s)."""
    clock = doors.pace.clock
    deadline, said_at = clock() + patience, clock()
    while True:
        now = await stand(doors)
        if now.open == now.waiting and now.ended + now.waiting >= cases:
            say(str(now))
            return True
        if clock() >= deadline:
            say(f"{now} — 等待到时 · patience is over")
            return False
        if clock() - said_at >= SAY_EVERY_SECONDS:
            said_at = clock()
            say(str(now))
        await doors.pace.sleep(LOOK_EVERY_SECONDS)


async def tell_progress(doors: Doors, driven: Driven, count: int, say: Say) -> None:
    """Say every few seconds how far the load is, until cancelled."""
    while True:
        await doors.pace.sleep(SAY_EVERY_SECONDS)
        try:
            summary: Json = (await doors.shop.summary())["cases"]
        except UnexpectedAnswerError:
            continue
        ended = f"完成 completed {summary['completed']:,} · 撤回 undone {summary['undone']:,}"
        placed = f"下单 placed {driven.placed:,}/{count:,} · 受理取消 cancelled {len(driven.asked):,}"
        say(f"{placed} · {ended} · 进行中 open {summary['open']:,}")
