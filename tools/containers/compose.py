"""`docker compose` and `docker`, as the drill in containers calls them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = "deploy/demo.env"
OURS = "TUIDAN_"
IMAGES = ("TUIDAN_IMAGES", "TUIDAN_VERSION")
PROBE = ("python3", "-IS", "/app/chassis/probe.py")
WATCH = """
import json, sys, time, urllib.request
until, left, seen = time.time() + float(sys.argv[1]), set(sys.argv[2:]), {}
while left and time.time() < until:
    time.sleep(0.05)
    for name in sorted(left):
        try:
            urllib.request.urlopen(f"http://{name}:8080/ready", timeout=2).close()
        except OSError:
            continue
        seen[name] = time.time()
        left.remove(name)
print(json.dumps(seen))
"""
"""Run in one container, it sees when each service first says that it is ready. Looks from outside, by `docker exec`,
take a good part of the processor that the services need to start."""
LOOK_EVERY_SECONDS = 0.2
TICKS_PER_SECOND = 100
"""Of the times in /proc: the same on every machine that runs containers."""
_LINES_SHOWN = 15
_LINES_EACH = 4


class ContainersFailed(Exception):
    """A command of the engine went wrong, or something did not come in time; the text says which and why."""


def why_no_compose() -> str | None:
    """Why nothing can be tried here; None: an engine answers, and compose is there."""
    for command in (("docker", "info"), ("docker", "compose", "version")):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as problem:
            return f"docker cannot be called: {problem}"
        if done.returncode:
            return f"`{' '.join(command)}` says: {(done.stderr or done.stdout).strip()[-200:]}"
    return None


class Compose:
    """One project of the compose file; `settings` are what the file takes from the environment. Of our own variables
    nothing else is taken but images: a shop's `TUIDAN_MONGO` would come before what the drill says, and be worked on.
    Every method raises ContainersFailed."""

    def __init__(self, project: str, settings: Mapping[str, str]) -> None:
        self._project = project
        here = {name: value for name, value in os.environ.items() if not name.startswith(OURS) or name in IMAGES}
        self._environment = {**here, **settings}

    def __call__(self, *words: str, seconds: float = 1_800.0) -> str:
        """Run `docker compose WORDS`; returns what it printed."""
        begin = ("docker", "compose", "--project-name", self._project, "--env-file", SETTINGS)
        return self._run((*begin, *words), seconds)

    def up(self, *beside: str) -> None:
        """Start everything. What `beside` logged last is shown when something does not start: whoever waited for them
        does not say why they are not there."""
        try:
            self("up", "--detach")
        except ContainersFailed as problem:
            last_words = self("logs", "--no-color", "--tail", str(_LINES_EACH), *beside)
            raise ContainersFailed(f"{problem}\nThey said last:\n{last_words.rstrip()}") from problem

    def containers(self, service: str) -> list[str]:
        """Ids of a service's containers, running or not."""
        return self("ps", "--all", "--quiet", service).split()

    def signal(self, container: str, name: str) -> None:
        """Send a signal to a container."""
        self._run(("docker", "kill", "--signal", name, container))

    def start(self, container: str) -> None:
        """Start it again."""
        self._run(("docker", "start", container))

    def inspected(self, container: str) -> dict[str, Any]:
        """What the engine knows about a container."""
        found: list[dict[str, Any]] = json.loads(self._run(("docker", "inspect", container)))
        return found[0]

    def size_mb(self, image: str) -> float:
        """What an image weighs, its base included."""
        return int(self._run(("docker", "image", "inspect", "--format", "{{.Size}}", image))) / 1e6

    def started_at(self, container: str) -> float:
        """When it was last started, seconds since 1970."""
        text: str = self.inspected(container)["State"]["StartedAt"]
        return datetime.fromisoformat(text).timestamp()  # to the nanosecond; Python leaves out what it cannot hold

    def cpu_seconds(self, container: str) -> float:
        """How much of a processor its service has used since it was started."""
        fields = self._run(("docker", "exec", container, "cat", "/proc/1/stat")).rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND  # user and system time, proc(5) 14 and 15

    def first_ready(self, services: Sequence[str], seconds: float) -> dict[str, float]:
        """When each service first said that it is ready, seconds since 1970, as the gateway's container sees it."""
        words = ("exec", "--no-TTY", "gateway", "python3", "-IS", "-c", WATCH, str(seconds), *services)
        seen: dict[str, float] = json.loads(self(*words, seconds=seconds + 60))
        if missing := set(services) - set(seen):
            raise ContainersFailed(f"{', '.join(sorted(missing))}: not ready within {seconds:.0f} s")
        return seen

    def is_ready(self, container: str) -> bool:
        """Whether the service in it says that it is ready."""
        done = subprocess.run(("docker", "exec", container, *PROBE), capture_output=True, check=False)
        return done.returncode == 0

    def is_healthy(self, container: str) -> bool:
        """Whether the engine's own health check says so."""
        return bool(self.inspected(container)["State"].get("Health", {}).get("Status") == "healthy")

    def _run(self, command: Sequence[str], seconds: float = 120.0) -> str:
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise ContainersFailed(f"`{' '.join(command)}` took longer than {seconds:.0f} s") from late
        if done.returncode:
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_LINES_SHOWN:])
            raise ContainersFailed(f"`{' '.join(command)}` ended with {done.returncode}:\n{said}")
        return done.stdout


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Look until it is so. Raises ContainersFailed when it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ContainersFailed(f"{what}: not within {seconds:.0f} s")
        time.sleep(LOOK_EVERY_SECONDS)
