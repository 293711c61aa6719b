"""Starting processes that cannot outlive the supervisor, and ending exactly those that were started here."""

import asyncio
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
SAME_PROCESS_SECONDS = 2.0
"""Start times are computed from the machine's, which is told in whole seconds. A reused pid is older than that."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
KILL_LIMIT_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for good: its id and when it began, because ids are used again. `created`: seconds after the machine's
    start, which `boot` names; so a clock that is set right changes nothing. Without `boot`, as older versions wrote it,
    it is seconds of that clock."""

    pid: int
    created: float
    boot: str = ""

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Describe a process that exists now."""
        return cls(pid, _since_boot(psutil.Process(pid)), _boot())


def find(identity: Identity | None) -> psutil.Process | None:
    """Return the living process with this identity, if it still is one."""
    if identity is None or identity.boot not in ("", _boot()):
        return None
    try:
        process = psutil.Process(identity.pid)
        created = _since_boot(process) if identity.boot else process.create_time()
        same = abs(created - identity.created) < SAME_PROCESS_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def _since_boot(process: psutil.Process) -> float:
    # psutil adds the time of the start, as the clock has it now; taken off again, what the kernel has written is left.
    return float(process.create_time() - psutil.boot_time())


def _boot() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        return f"{psutil.boot_time():.0f}"


def end(identities: Iterable[Identity | None], grace: float) -> None:
    """End processes that are not our children: ask, wait, then kill."""
    living = [identity for identity in identities if identity is not None]
    for identity in living:
        if process := find(identity):
            with suppress(psutil.Error):
                process.terminate()
    for identity in wait_gone(living, grace):
        if process := find(identity):
            with suppress(psutil.Error):
                process.kill()
    wait_gone(living, KILL_LIMIT_SECONDS)


def wait_gone(identities: Iterable[Identity], limit: float) -> list[Identity]:
    """Wait until the processes are gone; return those that are not.

    A zombie counts as gone: in a container nobody may ever collect it, and it holds no port, lock or file.
    """
    deadline = time.monotonic() + limit
    while (living := [identity for identity in identities if find(identity)]) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_SECONDS)
    return living


@dataclass(frozen=True, slots=True)
class Child:
    """A process we started and have to wait for."""

    process: subprocess.Popen[bytes]
    identity: Identity
    exited: asyncio.Future[int]

    async def end(self) -> int:
        """Wait for its end; return its exit code."""
        # Not `await self.exited`: cancelling whoever waits would cancel the future for everybody else.
        await asyncio.wait({self.exited})
        return self.exited.result()

    async def stop(self, grace: float) -> bool:
        """Ask it to stop, wait, kill it if need be. Tells whether it went by itself."""
        if not self.exited.done():
            self.process.send_signal(signal.SIGTERM)
            await asyncio.wait({self.exited}, timeout=grace)
        if self.exited.done():
            return True
        self.process.kill()
        await self.end()
        return False


class Children:
    """Starts processes and learns of their ends, without a thread.

    Threads are avoided on purpose: Linux ends a child "with its parent" when the parent's *thread* ends, and running
    code between fork and exec is only safe in a process that has no other threads.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: set[Child] = set()
        self._loop.add_signal_handler(signal.SIGCHLD, self._collect)

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
        """Start a process whose output goes to the end of `log`. Raises OSError when it cannot be executed."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 (there are no threads, see above)
            )
        child = Child(process, Identity.of(process.pid), self._loop.create_future())
        self._running.add(child)
        return child

    def _collect(self) -> None:
        for child in list(self._running):
            if (code := child.process.poll()) is not None:
                self._running.discard(child)
                if not child.exited.done():
                    child.exited.set_result(code)


def die_with(parent: int) -> Callable[[], None]:
    """For `preexec_fn`: make the kernel kill the new process when `parent` ends, even by `kill -9`."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def tie() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the tie was made
            os._exit(1)

    return tie


def ending(code: int) -> str:
    """Say how a process ended."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
