"""A real Redis for tests, on a socket of its own."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.stack.binaries import find_redis


@dataclass
class RedisServer:
    """A server that may be stopped and started again, empty."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder / 'redis'}"

    def start(self) -> None:
        """Returns when it listens."""
        program = find_redis(self.folder)
        socket = str(self.folder / "redis")
        command = [program, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if b"accept connections" in line:
                return
        raise AssertionError("redis-server ended instead of listening")

    def stop(self) -> None:
        """As a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A server that has not been started yet."""
    with tempfile.TemporaryDirectory(prefix="tuidan-redis-") as folder:
        server = RedisServer(Path(folder))
        try:
            yield server
        finally:
            server.stop()
