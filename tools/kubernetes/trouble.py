"""What goes on in the cluster while orders come: pods are deleted at random, all is rolled, all is doubled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple, get_args

from tools.kubernetes.cluster import Cluster, ClusterFailed, Pod

SERVICES = ("order", "payment", "inventory", "notify", "analytics", "gateway")
SERVERS = ("kafka", "mongo", "redis")
RECOVERY_SECONDS = 180.0
GRACE_SECONDS = 1
"""Of who is killed: over before preStop is, so the container gets SIGKILL with everything in its hands."""
SAMPLE_SECONDS = 2.0

How = Literal["killed", "deleted"]
Say = Callable[[str], None]


class Blow(NamedTuple):
    """One pod of `app` is deleted: told to go, or killed before it hears of it (`GRACE_SECONDS`)."""

    app: str
    how: How


@dataclass(slots=True)
class Struck:
    """`recovered_in`: seconds until another pod was ready; None: never."""

    blow: Blow
    victim: Pod
    recovered_in: float | None = None


@dataclass(slots=True)
class Phase:
    """A stretch of the trial, seconds since 1970; `end` is 0 while it lasts."""

    name: str
    begin: float
    end: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


@dataclass(slots=True)
class Witnessed:
    """What was seen. `pods`: the last sight of each pod that ever was, by uid. `rolled`: seconds by deployment.
    `broken`: a sentence for each thing that was not as it must be."""

    phases: list[Phase] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    rolled: dict[str, float] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    complete: bool = False
    broken: list[str] = field(default_factory=list)


def blows(seed: int) -> Iterator[Blow]:
    """Every service is killed once and told to go once, every server is killed once, in an order of the seed."""
    dice = Random(f"{seed}/pods")
    planned = [Blow(app, how) for app in SERVICES for how in get_args(How)] + [Blow(app, "killed") for app in SERVERS]
    dice.shuffle(planned)
    yield from planned


class Troubles:
    """All of it, in order; what it saw is in `seen`."""

    def __init__(self, cluster: Cluster, seed: int, calm: float, say: Say) -> None:
        self._cluster, self._seed, self._calm, self._say = cluster, seed, calm, say
        self.seen = Witnessed()

    async def come(self) -> None:
        """Until everything was done, or it is cancelled. What the cluster refuses is noted, and ends it."""
        try:
            phases = (
                ("calm", self._calm_down),
                ("pods deleted", self._delete),
                ("rolling update, one of each", self._roll),
                ("scaled to two", self._double),
                ("rolling update, two of each", self._roll),
                ("calm, two of each", self._calm_down),
            )
            for name, work in phases:
                self._say(f"── {name}")
                phase = Phase(name, time.time())
                self.seen.phases.append(phase)
                try:
                    await asyncio.to_thread(work)
                finally:
                    phase.end = time.time()
            self.seen.complete = True
        except ClusterFailed as problem:
            self.seen.broken.append(str(problem))

    async def watch(self) -> None:
        """Note every pod that there is, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(SAMPLE_SECONDS)

    def look(self) -> None:
        """Note the pods that there are now."""
        try:
            now = self._cluster.pods()
        except ClusterFailed:  # why: the next look sees the same pods
            return
        for pod in now:
            before = self.seen.pods.get(pod.uid)
            if before is None or before.start_to_ready is None:  # the first readiness counts
                self.seen.pods[pod.uid] = pod

    def _calm_down(self) -> None:
        time.sleep(self._calm)

    def _delete(self) -> None:
        for blow in blows(self._seed):
            self._cluster.wait_for(self._all_well, "everybody is ready", RECOVERY_SECONDS)
            victim = self._cluster.standing(blow.app)[0]
            struck = Struck(blow, victim)
            self.seen.struck.append(struck)
            self._strike(struck)
            self._say(f"{blow.how} {victim.name}: another is ready after {struck.recovered_in or 0:.1f} s")
        self._cluster.wait_for(self._all_well, "everybody is ready", RECOVERY_SECONDS)

    def _all_well(self) -> bool:
        return {*SERVICES, *SERVERS} <= {pod.app for pod in self._cluster.pods() if pod.ready and not pod.leaving}

    def _strike(self, struck: Struck) -> None:
        app, how = struck.blow
        grace = (f"--grace-period={GRACE_SECONDS}",) if how == "killed" else ()
        self._cluster("delete", "pod", struck.victim.name, "--wait=false", *grace)

        def replaced() -> bool:
            # A StatefulSet's next pod has the same name.
            return any(pod.uid != struck.victim.uid for pod in self._cluster.standing(app))

        struck.recovered_in = self._cluster.wait_for(replaced, f"{app} is ready again", RECOVERY_SECONDS)

    def _roll(self) -> None:
        for name in SERVICES:
            began = time.monotonic()
            self._cluster("rollout", "restart", f"deployment/{name}")
            self._cluster("rollout", "status", f"deployment/{name}", "--timeout=180s", seconds=200)
            taken = time.monotonic() - began
            self.seen.rolled[name] = max(taken, self.seen.rolled.get(name, 0.0))
            self._say(f"rolled {name} in {taken:.1f} s")

    def _double(self) -> None:
        names = [f"deployment/{name}" for name in SERVICES]
        self._cluster("scale", "--replicas=2", *names)
        for name in names:
            self._cluster("rollout", "status", name, "--timeout=180s", seconds=200)
