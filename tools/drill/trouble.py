"""What goes wrong while the load runs: the merchant's money runs short now and then, services are killed. Both follow
the drill's plan, and both end with the load."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from tools.drill.doors import PLENTY_MINOR, Provider
from tools.drill.judge import Kill
from tools.drill.plan import Blow, Spell
from tools.replay.knock import Pace
from tools.stack import StackError


class Processes(Protocol):
    """Where the services run (`tools.stack.Stack`)."""

    def pid(self, name: str) -> int:
        """The process id a service has now. Raises StackError when it does not run."""

    def wait_ready(self, name: str, *, restarts: int = 0, timeout: float = 180) -> None:
        """Wait until a service is ready. Raises StackError when it is not in time."""


async def bring_weather(spells: Iterable[Spell], provider: Provider, pace: Pace) -> None:
    """Let the merchant's money run short and top it up again, until cancelled; then there is plenty."""
    try:
        for spell in spells:
            await pace.sleep(spell.fair)
            await provider.balance(spell.left_minor)
            await pace.sleep(spell.short)
            await provider.balance(PLENTY_MINOR)
    finally:
        await provider.balance(PLENTY_MINOR)


async def strike(blows: Iterable[Blow], processes: Processes, pace: Pace, kills: list[Kill]) -> None:
    """`kill -9` one service after the other, until cancelled. One that has not come back from its last kill at its
    moment is left alone: it could be kept down for ever."""
    began = due = pace.clock()
    for blow in blows:
        due += blow.after
        await pace.sleep(max(0.0, due - pace.clock()))
        with suppress(StackError, ProcessLookupError):
            await asyncio.to_thread(processes.wait_ready, blow.service, timeout=0)
            pid = processes.pid(blow.service)
            os.kill(pid, signal.SIGKILL)
            kills.append(Kill(pace.clock() - began, blow.service, pid))
