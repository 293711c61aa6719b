"""A real MongoDB for tests: started once, on a free port, with its data in a folder that goes away."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tools.stack.binaries import find_mongod

START_SECONDS = 45.0
STOP_SECONDS = 20.0


class MongoDidNotStart(Exception):
    """The server ended, or did not listen in time; the end of its log says why."""


@contextlib.contextmanager
def running_mongod(*words: str) -> Iterator[str]:
    """The address (`mongodb://127.0.0.1:<port>`) of a server that lives as long as the block; standalone, unless
    `words` for its command line make it another one."""
    with tempfile.TemporaryDirectory(prefix="tuidan-mongod-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        data = home / "data"
        data.mkdir()
        port = _free_port()
        command = [
            find_mongod(Path(tempfile.gettempdir()) / "tuidan-tests-bin"),
            *("--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(port)),
            *(
                "--wiredTigerCacheSizeGB",
                "0.25",
                "--nounixsocket",
                "--setParameter",
                "diagnosticDataCollectionEnabled=0",
            ),
            *words,
        ]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            try:
                _wait_until_listening(process, port, home / "log")
                yield f"mongodb://127.0.0.1:{port}"
            finally:
                _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)  # why: nothing tells from outside when a server begins to listen
    raise MongoDidNotStart(log.read_text(errors="replace")[-2_000:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
