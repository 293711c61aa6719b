"""Somebody inside the cluster who asks the shop all the time: how many requests go wrong, the longest time without a
good answer, as the cluster's own balancing gives them out. What is asked from outside goes through one pod's door."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tools.kubernetes.cluster import Cluster

NAME = "knocker"
EVERY_SECONDS = 0.2
_SECURE = {
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
_SCRIPT = f"""
import json, time, urllib.error, urllib.request
def ask(url, headers={{}}, body=None):
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        return json.load(answer)
who = {{"customer_id": "knocker", "name": "knocker", "phone": "13800000000", "group": "drill", "scope": []}}
token = None
while True:
    began, what = time.time(), "ok"
    try:
        if token is None:
            body = json.dumps(who).encode()
            token = ask("http://sandbox:8080/_login/customer", {{"Content-Type": "application/json"}}, body)["token"]
        ask("http://gateway:8080/mp/v1/orders", {{"Authorization": "Bearer " + token}})
    except urllib.error.HTTPError as refused:
        what = str(refused.code)
        token = None if refused.code == 401 else token
    except Exception as trouble:
        what = type(trouble).__name__
    print(json.dumps([began, time.time(), what]), flush=True)
    time.sleep(max(0, {EVERY_SECONDS} - (time.time() - began)))
"""


@dataclass(frozen=True, slots=True)
class Knocked:
    """One request: when it was sent and answered (seconds since 1970), and how: `ok`, a status, or an error's name."""

    sent: float
    answered: float
    what: str

    @property
    def good(self) -> bool:
        """Whether the shop answered as it should."""
        return self.what == "ok"


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
    """Start to ask."""
    cluster("apply", "--filename", "-", given="\n---\n".join(map(json.dumps, _manifests(version))))


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
                    "command": ["python3", "-c", _SCRIPT],
                    "resources": {"limits": {"memory": "64Mi"}},
                    "securityContext": _SECURE,
                }
            ],
        },
    }
    doors = [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": name}}} for name in ("gateway", "sandbox")]
    way = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
            "policyTypes": ["Egress"],
            "egress": [{"to": doors, "ports": [{"port": 8080}]}],
        },
    }
    return [way, pod]
