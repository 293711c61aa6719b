"""`deploy/k8s/try`: everything that the manifests are for, once, on a cluster that runs: up from nothing, under a load
pods deleted at random, everything rolled, everything on two, judged by the sandbox's ledger and the other two books."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from rich.console import Console

from tools.drill.course import Course, run
from tools.drill.doors import Doors
from tools.drill.judge import Evidence
from tools.drill.killing import figures_agree, stock_agrees
from tools.drill.plan import shares
from tools.drill.report import Outcome
from tools.kubernetes.cluster import Cluster, ClusterFailed
from tools.kubernetes.forwarding import Forward
from tools.kubernetes.knocking import NAME as KNOCKER
from tools.kubernetes.knocking import Knocked, begin_knocking, knocked
from tools.kubernetes.preparing import apply, built, forget
from tools.kubernetes.trouble import SERVERS, SERVICES, Troubles, Witnessed
from tools.replay.judge.sides import Check
from tools.replay.knock import Pace

NAMESPACE = "tuidan-demo"
USUAL_PORTS = {"gateway": 8088, "sandbox": 9708, "order": 8188, "payment": 8288}
READY_SECONDS = 600.0
GONE_SECONDS = 180.0
CASES_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """`rate` orders a second for `minutes`, `troubled` of their refunds in trouble at the provider; `calm`: seconds
    before and after the trouble in the cluster. `load`: see `preparing.Images`."""

    minutes: float
    rate: float
    seed: int
    troubled: float = 0.05
    calm: float = 20.0
    build: bool = True
    keep: bool = False
    load: str = ""


@dataclass(slots=True)
class Tried:
    """Everything that the report speaks of. `seconds`: of each step. `ready`: of the first pods, from nothing."""

    outcome: Outcome
    witnessed: Witnessed
    knocks: list[Knocked]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether everything held."""
        return self.outcome.good and not self.witnessed.broken and self.witnessed.complete


class InCluster:
    """The stack that is drilled, as `tools.drill.course.Place` wants it."""

    def __init__(self, cluster: Cluster, forward: Forward) -> None:
        self._cluster, self._forward = cluster, forward

    def address(self, name: str) -> str:
        """Where a service answers on this machine."""
        return self._forward.addresses[name]

    def restarts(self, name: str) -> int:
        """How often containers of the pods that are there were started again."""
        return sum(pod.restarts for pod in self._cluster.pods(name))

    def pid(self, name: str) -> int:
        """Processes of a cluster have no number here."""
        raise ClusterFailed(f"{name} runs in a cluster: it has no process id here")

    def wait_ready(self, name: str, *, restarts: int = 0, timeout: float = 180) -> None:
        """Wait until every pod of it is ready."""

        def all_ready() -> bool:
            found = [pod for pod in self._cluster.pods(name) if not pod.leaving]
            return bool(found) and all(pod.ready for pod in found)

        self._cluster.wait_for(all_ready, f"{name} is ready", timeout)


async def attempt(wanted: Wanted, console: Console, pace: Pace) -> Tried:
    """All of it. Raises ClusterFailed, ContainersFailed, UnexpectedAnswerError or TimeoutError when it cannot go on."""
    cluster, seconds = Cluster(NAMESPACE), dict[str, float]()

    def timed(what: str, work: Callable[[], object]) -> None:
        began = time.monotonic()
        work()
        seconds[what] = time.monotonic() - began
        _say(console, f"{what}: {seconds[what]:.1f} s")

    with ExitStack() as left:
        began = time.monotonic()
        images = built(build=wanted.build, load=wanted.load)
        _say(console, f"images tuidan/*:{images.version} after {time.monotonic() - began:.1f} s")
        left.callback(forget, images)
        _expect_nothing(cluster)  # before it may be removed: it could be a shop
        if not wanted.keep:
            left.callback(_remove, cluster, console)
        timed("apply", lambda: apply(cluster, images))
        timed("from there to all ready", lambda: _wait_all(cluster))
        begin_knocking(cluster, images.version)
        forward = left.enter_context(Forward(cluster, KNOCKER, USUAL_PORTS))
        troubles = Troubles(cluster, wanted.seed, wanted.calm, lambda text: _say(console, text))
        troubles.look()
        outcome = await _under_load(wanted, InCluster(cluster, forward), troubles, console, pace)
        troubles.look()
        return Tried(outcome, troubles.seen, knocked(cluster), seconds)


async def _under_load(wanted: Wanted, place: InCluster, troubles: Troubles, console: Console, pace: Pace) -> Outcome:
    count = max(1, round(wanted.rate * wanted.minutes * 60))
    course = Course(
        programs=(*SERVICES, *SERVERS),
        seed=wanted.seed,
        count=count,
        shares=shares(wanted.seed, wanted.troubled),
        patience=CASES_SECONDS,
        apart=1 / wanted.rate,
    )

    async def more(doors: Doors, evidence: Evidence) -> list[Check]:
        return [_all_done(troubles.seen), await stock_agrees(doors), await figures_agree(doors, evidence, pace)]

    return await run(place, course, console, pace, lambda _doors, _seen: (troubles.come(), troubles.watch()), more)


def _all_done(seen: Witnessed) -> Check:
    check = Check(("删除、滚动、扩容都已完成", "every pod that was deleted was replaced, all was rolled and doubled"))
    check.compared = len(seen.struck) + len(seen.rolled)
    check.differences += seen.broken
    check.differences += [f"{one.victim.name}: never replaced" for one in seen.struck if one.recovered_in is None]
    if not seen.complete:
        check.differences.append("the load was over before everything was done: ask for more minutes")
    return check


def _expect_nothing(cluster: Cluster) -> None:
    if cluster("get", "namespace", NAMESPACE, "--ignore-not-found", "--output", "name").strip():
        raise ClusterFailed(f"there is a namespace {NAMESPACE} already: kubectl delete namespace {NAMESPACE}")


def _wait_all(cluster: Cluster) -> None:
    wanted = {*SERVICES, *SERVERS, "sandbox"}
    cluster.wait_for(
        lambda: wanted <= {pod.app for pod in cluster.pods() if pod.ready}, "everybody is ready", READY_SECONDS
    )


def _remove(cluster: Cluster, console: Console) -> None:
    began = time.monotonic()
    cluster("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s", seconds=GONE_SECONDS + 20)
    _say(console, f"removed: {time.monotonic() - began:.1f} s")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)
