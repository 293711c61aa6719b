"""Where the databases of a backup are when no server was named: in this folder's stack, whose MongoDB is started alone
while the stack is down."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tools.backup.taking import BackupRefused
from tools.stack.binaries import BinaryMissing
from tools.stack.control import Stack, StackError
from tools.stack.home import Home
from tools.stack.layout import mongo_program
from tools.stack.logs import lines_since
from tools.stack.plan import fill_in
from tools.stack.ports import LOOPBACK
from tools.stack.processes import die_with
from tools.stack.state import claimed, supervisor_lives

START_SECONDS = 60.0
STOP_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.05


@contextmanager
def stack_mongo(home: Home, *, may_be_up: bool) -> Iterator[str]:
    """The address of the stack's MongoDB. While the stack is down it is started alone, and nobody can start the stack
    meanwhile. Raises BackupRefused."""
    if supervisor_lives(home):
        if not may_be_up:
            raise BackupRefused(f"The stack in {home.root} is up. Stop it first: tuidan down")
        try:
            yield f"mongodb://{Stack(home.root).address('mongo')}"
        except StackError as problem:
            raise BackupRefused(f"{problem}. See: tuidan status") from problem
        return
    home.make()
    with claimed(home) as claim:
        if claim is None:
            raise BackupRefused(f"The stack in {home.root} is being started. Stop it first: tuidan down")
        with _alone(home) as url:
            yield url


def forget_topics(home: Home) -> None:
    """A real Kafka's log of this stack is of another time than what was put back: it begins empty. The broker in memory
    forgets by itself. Raises BackupRefused."""
    log = home.data("broker")
    try:
        shutil.rmtree(log)
    except FileNotFoundError:
        pass
    except OSError as problem:
        raise BackupRefused(
            f"What Kafka has kept cannot be deleted and would be heard: {problem}. Delete {log}, then run the restore "
            "again"
        ) from problem


@contextmanager
def _alone(home: Home) -> Iterator[str]:
    home.data("mongo").mkdir(mode=0o700, parents=True, exist_ok=True)
    port = _free_port()
    address, log = f"{LOOPBACK}:{port}", home.log("mongo")
    try:
        command = [fill_in(part, {"mongo": address}) for part in mongo_program(home).command]
    except BinaryMissing as missing:
        raise BackupRefused(str(missing)) from missing
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Left alone it would hold the stack's data, and nobody would know of it.
            preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 (the command has no other threads yet)
        )
    try:
        _wait(process, port, home, start)
        yield f"mongodb://{address}/?directConnection=true"
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, home: Home, start: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
            return
        except OSError:
            time.sleep(LOOK_EVERY_SECONDS)
    said = "\n  ".join(lines_since(home.log("mongo"), start, 3))
    raise BackupRefused(f"MongoDB could not be started on {home.data('mongo')}:\n  {said}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
