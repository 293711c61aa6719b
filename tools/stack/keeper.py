"""Keeping one program running: start, wait until ready, and start again whenever it ends."""

import asyncio
import logging
import os
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from tools.stack.home import Home
from tools.stack.logs import lines_since
from tools.stack.plan import Program, fill_in
from tools.stack.probes import ask
from tools.stack.processes import Child, Children, ending
from tools.stack.state import Entry, Failure

ASK_EVERY_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 30.0
"""A program that lived this long is healthy again: the next restart begins with the short pause."""
RESTART_GRACE_SECONDS = 5.0
FAILURE_LINES = 15

log = logging.getLogger("supervisor")


class ProgramFailed(Exception):
    """A program could not be started for the first time."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.name} {failure.why}")
        self.failure = failure


@dataclass(slots=True)
class House:
    """What all keepers share."""

    home: Home
    children: Children
    changed: Callable[[], None]
    addresses: dict[str, str] = field(default_factory=dict)


class Keeper:
    """Keeps one program running on the same port with the same data."""

    def __init__(self, program: Program, entry: Entry, house: House) -> None:
        self.program = program
        self.ready = asyncio.Event()
        self.dependants: list[Keeper] = []
        """Programs to restart when this one ends, because it comes back under another address."""
        self._entry = entry
        self._house = house
        self._child: Child | None = None
        self._has_been_ready = False
        self._told_to_restart = False
        self._restarting: asyncio.Task[bool] | None = None
        self._log_start = 0

    async def run(self, needs: Sequence["Keeper"]) -> None:
        """Run the program for ever. Raises `ProgramFailed` when it has never become ready."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            while not all(need.ready.is_set() for need in needs):
                for need in needs:
                    await need.ready.wait()
            began = monotonic()
            why = await self._live()
            self._note_end()
            if self._told_to_restart:
                self._told_to_restart = False
                log.info("%s was stopped because what it needs has moved; starting it again", self.program.name)
            elif not self._has_been_ready:
                raise ProgramFailed(self._failure(why))
            else:
                if monotonic() - began > STEADY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                log.warning("%s %s; starting it again in %.1f s", self.program.name, why, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._entry.restarts += 1

    def restart(self) -> None:
        """Stop the program now; `run` starts it again when everything it needs is ready."""
        if self._child is not None and not self._told_to_restart:
            self._told_to_restart = True
            self._restarting = asyncio.create_task(self._child.stop(RESTART_GRACE_SECONDS))

    async def stop(self, grace: float) -> None:
        """Stop the program for good, after `run` was cancelled."""
        if self._child is not None and not await self._child.stop(grace):
            log.warning("%s did not stop within %g s and was killed", self.program.name, grace)
        self._child = None
        self._note_end()

    async def _live(self) -> str:
        """Run the program once, from its preparation to its end; say how it ended."""
        file = self._house.home.log(self.program.name)
        self._log_start = file.stat().st_size if file.exists() else 0
        try:
            if self.program.prepare and (code := await self._start(self.program.prepare, file).end()):
                return f"could not be prepared: {shlex.join(self.program.prepare)} {ending(code)}"
            self._forget_address()
            child = self._start(self.program.command, file)
        except OSError as error:
            return f"could not be executed: {error}"
        log.info("%s started, pid %d", self.program.name, child.identity.pid)
        await self._until_ready(child)
        return ending(await child.end())

    def _start(self, command: Sequence[str], file: Path) -> Child:
        addresses = self._house.addresses
        environment = dict(os.environ) | {name: fill_in(text, addresses) for name, text in self.program.env.items()}
        self._child = self._house.children.start([fill_in(part, addresses) for part in command], environment, file)
        self._entry.process = self._child.identity
        self._entry.state = "starting"
        self._house.changed()
        return self._child

    async def _until_ready(self, child: Child) -> None:
        """Ask until the program is ready or has ended; at its very first start there is a limit."""
        began = monotonic()
        while not child.exited.done():
            why_not = await self._ask() or await self._furnish()
            if child.exited.done():
                return
            if why_not is None:
                self._note_ready(monotonic() - began)
                return
            if not self._has_been_ready and monotonic() - began > self.program.start_limit:
                raise ProgramFailed(
                    self._failure(f"was not ready within {self.program.start_limit:g} s: {why_not}"),
                )
            await asyncio.wait({child.exited}, timeout=ASK_EVERY_SECONDS)

    async def _ask(self) -> str | None:
        self._read_address()
        address = self._house.addresses.get(self.program.name)
        if address is None:
            return "it has not yet said where it listens"
        return await ask(self.program.check, address, self.program.path)

    async def _furnish(self) -> str | None:
        if self._has_been_ready or not self.program.furnish:
            return None
        command = [fill_in(part, self._house.addresses) for part in self.program.furnish]
        log_file = self._house.home.log(self.program.name)
        code = await self._house.children.start(command, os.environ, log_file).end()
        return f"{shlex.join(command)} {ending(code)}" if code else None

    def _forget_address(self) -> None:
        if self.program.address_file:
            Path(self.program.address_file).unlink(missing_ok=True)
            self._house.addresses.pop(self.program.name, None)

    def _read_address(self) -> None:
        if self.program.address_file:
            with suppress(FileNotFoundError):
                text = Path(self.program.address_file).read_text(encoding="utf-8")
                self._house.addresses[self.program.name] = text.strip()

    def _note_ready(self, seconds: float) -> None:
        self._has_been_ready = True
        self._entry.state = "ready"
        self._entry.address = self._house.addresses[self.program.name]
        self.ready.set()
        self._house.changed()
        log.info("%s is ready on %s after %.1f s", self.program.name, self._entry.address, seconds)

    def _note_end(self) -> None:
        self._child = None
        self._entry.process = None
        self._entry.state = "down"
        self.ready.clear()
        for dependant in self.dependants:
            dependant.restart()
        self._house.changed()

    def _failure(self, why: str) -> Failure:
        lines = lines_since(self._house.home.log(self.program.name), self._log_start, FAILURE_LINES)
        return Failure(self.program.name, why, tuple(lines))
