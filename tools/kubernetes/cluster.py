"""One namespace of a cluster, through kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.stack import StackError

LOOK_EVERY_SECONDS = 0.5
KUBECTL_SECONDS = 120.0
ANSWER = "--request-timeout=30s"
_LINES_SHOWN = 15


class ClusterFailed(StackError):
    """kubectl refused, or something did not come in time; the text says which and why."""


def why_no_cluster() -> str | None:
    """Why nothing can be tried here; None: a cluster answers."""
    try:
        done = subprocess.run(("kubectl", "version", ANSWER), capture_output=True, text=True, check=False)
    except OSError as problem:
        return f"kubectl cannot be called: {problem}"
    if done.returncode:
        return f"no cluster answers (KUBECONFIG names one): {(done.stderr or done.stdout).strip()[-200:]}"
    return None


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod as the cluster shows it. Times are seconds since 1970, whole ones; None: not yet. `app`: whose it is;
    `restarts`: of its container; `leaving`: told to go."""

    uid: str
    name: str
    app: str
    ready: bool
    leaving: bool
    restarts: int
    made_at: float
    started_at: float | None
    ready_at: float | None

    @property
    def start_to_ready(self) -> float | None:
        """Seconds from its container's start to its readiness; None for one that has not come so far, or whose
        container was started again later."""
        if self.started_at is None or self.ready_at is None or self.ready_at < self.started_at:
            return None
        return self.ready_at - self.started_at


def pod(shown: Mapping[str, Any]) -> Pod:
    """From an item of `kubectl get pods --output json`."""
    metadata, status = shown["metadata"], shown.get("status", {})
    container = (status.get("containerStatuses") or [{}])[0]
    readiness: Mapping[str, Any] = next((row for row in status.get("conditions", ()) if row["type"] == "Ready"), {})
    is_ready = readiness.get("status") == "True"
    return Pod(
        uid=metadata["uid"],
        name=metadata["name"],
        app=metadata["labels"].get("app.kubernetes.io/name", ""),
        ready=is_ready,
        leaving="deletionTimestamp" in metadata,
        restarts=int(container.get("restartCount", 0)),
        made_at=_seconds(metadata["creationTimestamp"]) or 0.0,
        started_at=_seconds(container.get("state", {}).get("running", {}).get("startedAt")),
        ready_at=_seconds(readiness.get("lastTransitionTime")) if is_ready else None,
    )


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


class Cluster:
    """The namespace. Every method raises ClusterFailed."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def __call__(self, *words: str, given: str | None = None, seconds: float = KUBECTL_SECONDS) -> str:
        """Run `kubectl WORDS` in the namespace, with `given` as its input; returns what it printed."""
        command = ("kubectl", "--namespace", self.namespace, *words)
        try:
            done = subprocess.run(
                command, input=given, env=os.environ, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise ClusterFailed(f"`{' '.join(command)}` took longer than {seconds:.0f} s") from late
        except OSError as problem:
            raise ClusterFailed(f"kubectl cannot be called: {problem}") from problem
        if done.returncode:
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_LINES_SHOWN:])
            raise ClusterFailed(f"`{' '.join(command)}` ended with {done.returncode}:\n{said}")
        return done.stdout

    def pods(self, app: str = "") -> list[Pod]:
        """The pods of one app, or all."""
        which = ("--selector", f"app.kubernetes.io/name={app}") if app else ()
        return [pod(row) for row in json.loads(self("get", "pods", "--output", "json", ANSWER, *which))["items"]]

    def standing(self, app: str) -> list[Pod]:
        """Its pods that are ready and stay."""
        return [one for one in self.pods(app) if one.ready and not one.leaving]

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> float:
        """Look until it is so; returns how long that took. Raises ClusterFailed when it is not in time."""
        began = time.monotonic()
        while not self._holds(condition):
            if time.monotonic() - began > seconds:
                raise ClusterFailed(f"{what}: not within {seconds:.0f} s")
            time.sleep(LOOK_EVERY_SECONDS)
        return time.monotonic() - began

    def _holds(self, condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except ClusterFailed:  # why: an API server that is slow for a moment is asked again until the time is up
            return False
