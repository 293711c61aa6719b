"""The process that runs all others: `python -m tools.stack.supervisor --home FOLDER --lock DESCRIPTOR`.

It is started by `up`, detaches itself, and lives until `down` or until something could not be started. It uses no
threads and no libraries of the servers it runs, so that it is the last thing to break.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from tools.stack.home import SUPERVISOR, Home
from tools.stack.keeper import House, Keeper, ProgramFailed
from tools.stack.plan import Plan
from tools.stack.ports import LOOPBACK, Ports
from tools.stack.processes import Children, Identity
from tools.stack.state import Entry, Failure, State

SAVE_AGAIN_SECONDS = 1.0

log = logging.getLogger("supervisor")


class Supervisor:
    """Starts everything in order, keeps it running, and stops it in the opposite order."""

    def __init__(self, home: Home, plan: Plan, state: State) -> None:
        self._home = home
        self._stop_grace = plan.stop_grace
        self._state = state
        self._ports = Ports()
        self._stop = asyncio.Event()
        self._save_again: asyncio.TimerHandle | None = None
        self._house = House(home, Children(), self._save)
        self._keepers = {
            program.name: Keeper(program, state.programs.setdefault(program.name, Entry(program.name)), self._house)
            for program in plan
        }
        for keeper in self._keepers.values():
            for name in keeper.program.restart_with:
                self._keepers[name].dependants.append(keeper)

    async def run(self) -> bool:
        """Run until told to stop (True) or until something cannot be started (False)."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop.set)
        try:
            self._choose_ports()
            await self._keep_running()
        except ProgramFailed as failed:
            self._state.failure = failed.failure
        except Exception as error:  # why: it becomes the failure that `up` shows; everything is stopped below
            log.exception("the supervisor itself has failed")
            self._state.failure = Failure(SUPERVISOR, f"failed: {error}", ())
        if self._state.failure:
            log.error("%s %s", self._state.failure.name, self._state.failure.why)
        await self._stop_all()
        self._ports.release()
        return self._state.failure is None

    def _choose_ports(self) -> None:
        usual: dict[str, int] = {}
        for name, keeper in self._keepers.items():
            if keeper.program.port is not None:
                usual[name] = keeper.program.port
            usual.update(keeper.program.side_ports)
        for name, port in self._ports.choose(usual).items():
            self._house.addresses[name] = f"{LOOPBACK}:{port}"
            if name in self._keepers:
                self._state.programs[name].address = self._house.addresses[name]
            if port != usual[name]:
                log.info("%s uses port %d because %d is taken", name, port, usual[name])
        self._save()

    async def _keep_running(self) -> None:
        """Return when told to stop; raise when a program cannot be started."""
        keepers = self._keepers
        running = [
            asyncio.create_task(keeper.run([keepers[name] for name in keeper.program.after]))
            for keeper in keepers.values()
        ]
        all_ready = asyncio.create_task(self._all_ready())
        stop = asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait({*running, all_ready, stop}, return_when=asyncio.FIRST_COMPLETED)
            if done == {all_ready}:
                self._state.phase = "up"
                self._save()
                log.info("everything is ready")
                done, _ = await asyncio.wait({*running, stop}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stop}:
                task.result()
        finally:
            for task in (*running, all_ready, stop):
                task.cancel()
            await asyncio.wait({*running, all_ready, stop})

    async def _all_ready(self) -> None:
        for keeper in self._keepers.values():
            await keeper.ready.wait()

    async def _stop_all(self) -> None:
        """Stop in waves: a program goes when nothing that needs it is left."""
        self._state.phase = "stopping"
        self._save()
        for keeper in self._keepers.values():
            keeper.dependants.clear()
        left = dict(self._keepers)
        while left:
            needed = {name for keeper in left.values() for name in keeper.program.after}
            wave = [left.pop(name) for name in list(left) if name not in needed]
            await asyncio.gather(*(keeper.stop(self._stop_grace) for keeper in wave))

    def _save(self) -> None:
        """Tell everybody. A disk that is full must not take along what runs: it is told once there is room again."""
        if self._save_again is not None:
            self._save_again.cancel()
            self._save_again = None
        try:
            self._state.save(self._home)
        except OSError as problem:
            log.error("the state cannot be written: %s", problem)
            self._save_again = asyncio.get_running_loop().call_later(SAVE_AGAIN_SECONDS, self._save)


async def _run(home: Home) -> int:
    state = State(Identity.of(os.getpid()))
    state.save(home)
    log.info("supervisor started, pid %d", os.getpid())
    went_well = await Supervisor(home, Plan.load(home.plan), state).run()
    log.info("everything is stopped")
    if went_well:
        home.state.unlink(missing_ok=True)
        return 0
    state.phase = "failed"
    state.save(home)
    return 1


def main() -> None:
    """Detach and run."""
    parser = argparse.ArgumentParser(description="Run the programs of a stack (started by `tuidan up`).")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--lock", type=int, required=True, help="descriptor that holds the folder's lock")
    options = parser.parse_args()
    os.set_inheritable(options.lock, False)  # the claim is the supervisor's own; its children must not prolong it
    # `up` made us the leader of a session; the second fork leaves no parent that would have to wait for us.
    if os.fork():
        os._exit(0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    sys.exit(asyncio.run(_run(Home(options.home))))


if __name__ == "__main__":
    main()
