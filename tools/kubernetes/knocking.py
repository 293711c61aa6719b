"""Somebody inside the cluster who asks the shop all the time: how many requests go wrong, the longest time without a
good answer, as the cluster's own balancing gives them out. What is asked from outside goes through one pod's door."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.inside import DOORS, OK

NAME = "knocker"
_SECURE = {
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True, slots=True)
class Knocked:
    """One request: when it was sent and answered (seconds since 1970), and how: `ok`, a status, or an error's name."""

    sent: float
    answered: float
    what: str

    @property
    def good(self) -> bool:
        """Whether the shop answered as it should."""
        return self.what == OK


@dataclass(frozen=True, slots=True)
class Gaps:
    """What came out of a time: requests, how many of them went wrong and how, the longest time (s) from one good answer
    to the next, the slowest good answer (s)."""

    asked: int
    wrong: Mapping[str, int]
    longest: float
    slowest: float


def gaps(knocks: Sequence[Knocked], begin: float, end: float) -> Gaps:
    """Of the requests sent between two moments."""
    within = [one for one in knocks if begin <= one.sent < end]
    wrong: dict[str, int] = {}
    for one in within:
        if not one.good:
            wrong[one.what] = wrong.get(one.what, 0) + 1
    answered = [begin, *(one.answered for one in within if one.good), end] if within else [begin, begin]
    longest = max(after - before for before, after in pairwise(answered))
    return Gaps(len(within), wrong, longest, max((one.answered - one.sent for one in within if one.good), default=0.0))


def begin_knocking(cluster: Cluster, version: str) -> None:
    """Start to ask, and wait until the ways through it are open."""
    cluster("apply", "--filename", "-", given="\n---\n".join(map(json.dumps, _manifests(version))))
    cluster("wait", f"pod/{NAME}", "--for=condition=Ready", "--timeout=100s")


def knocked(cluster: Cluster) -> list[Knocked]:
    """Everything that was asked so far."""
    lines = cluster("logs", f"pod/{NAME}", "--tail", "-1").splitlines()
    return [Knocked(*json.loads(line)) for line in lines if line.startswith("[")]


def _manifests(version: str) -> list[dict[str, Any]]:
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "tuidan"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": NAME,
                    "image": f"tuidan/operator:{version}",
                    "readinessProbe": {"tcpSocket": {"port": DOORS["gateway"]}, "periodSeconds": 1},
                    "command": ["python3", "-m", "tools.kubernetes.inside"],
                    "resources": {"limits": {"memory": "128Mi"}},
                    "securityContext": _SECURE,
                }
            ],
        },
    }
    return [*_ways(labels), pod]


def _ways(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """It may go to each door, and each of them may let it in."""

    def policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": name, "labels": labels}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}

    def chosen(*names: str) -> dict[str, Any]:
        return {"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": list(names)}]}

    ports = [{"port": 8080}]
    out: dict[str, Any] = {"podSelector": chosen(NAME), "policyTypes": ["Egress"]}
    out["egress"] = [{"to": [{"podSelector": chosen(*DOORS)}], "ports": ports}]
    into: dict[str, Any] = {"podSelector": chosen(*DOORS), "policyTypes": ["Ingress"]}
    into["ingress"] = [{"from": [{"podSelector": chosen(NAME)}], "ports": ports}]
    return [policy(f"{NAME}-out", out), policy(f"{NAME}-in", into)]
