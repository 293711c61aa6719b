"""`tuidan drill kubernetes`, as a person types it (deploy/k8s/try)."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict

import typer
from rich.console import Console
from rich.table import Table

from tools.containers.compose import ContainersFailed, why_no_compose
from tools.drill.kill_report import case_table
from tools.drill.report import new_table, print_report
from tools.kubernetes.cluster import why_no_cluster
from tools.kubernetes.knocking import gaps
from tools.kubernetes.trial import Tried, Wanted, attempt
from tools.own_stack import refusing
from tools.place import refuse
from tools.replay.knock import Pace

PATIENT = Pace(patience=600.0, quiet=600.0)
"""On a small machine a cluster is busy with itself when pods come and go: a request waits for that."""
WIDTH = 70


def run_trial(wanted: Wanted) -> None:
    """Exit code 0: everything held; 1: something did not; 2: it could not be run."""
    if why_not := why_no_cluster() or why_no_compose():
        refuse(f"The trial was not run: {why_not}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends us so must not leave everything behind
    console = Console()
    try:
        with refusing("drill", "Interrupted: the namespace is removed again."):
            tried = asyncio.run(attempt(wanted, console, PATIENT))
    except ContainersFailed as problem:
        refuse(f"{problem}")
    tables = (_pods(tried), _blows(tried), _rolled(tried), _phases(tried))
    print_report(tried.outcome, console, *tables, case_table(tried.outcome.evidence, tried.outcome.shares))
    raise typer.Exit(0 if tried.good else 1)


def _wide(name: tuple[str, str], *columns: str) -> Table:
    """Wide enough for its title."""
    table = new_table(name, *columns)
    table.min_width = WIDTH
    return table


def _pods(tried: Tried) -> Table:
    """From a container's start to its pod's readiness; the cluster tells whole seconds."""
    table = _wide(("容器启动到就绪", "start to ready, s"), "", "次数 pods", "最短 least", "最长 most")
    taken: dict[str, list[float]] = defaultdict(list)
    for pod in tried.witnessed.pods.values():
        if pod.start_to_ready is not None:
            taken[pod.app].append(pod.start_to_ready)
    for app, times in sorted(taken.items()):
        table.add_row(app, str(len(times)), f"{min(times):.0f}", f"{max(times):.0f}")
    return table


def _blows(tried: Tried) -> Table:
    table = _wide(("删除 Pod", "pods deleted, seconds until another was ready"), "", "", "")
    for one in tried.witnessed.struck:
        recovered = "-" if one.recovered_in is None else f"{one.recovered_in:.1f}"
        table.add_row(one.blow.app, one.blow.how, recovered)
    return table


def _rolled(tried: Tried) -> Table:
    table = _wide(("滚动更新", "rolling update, s (the longer of two)"), "", "")
    for name, seconds in tried.witnessed.rolled.items():
        table.add_row(name, f"{seconds:.1f}")
    return table


def _phases(tried: Tried) -> Table:
    """What somebody inside the cluster saw of the shop."""
    columns = ("时长 s", "请求\nrequests", "失败\nwrong", "最长间隔 s\nlongest gap", "最慢 s\nslowest")
    table = _wide(("集群内每 0.2 秒一问", "asked from inside, five times a second"), "", *columns)
    for phase in tried.witnessed.phases:
        found = gaps(tried.knocks, phase.begin, phase.end)
        row = (phase.seconds, found.asked, sum(found.wrong.values()))
        kinds = "".join(f"\n  {count} × {what}" for what, count in sorted(found.wrong.items()))
        seconds = (f"{found.longest:.1f}", f"{found.slowest:.1f}")
        table.add_row(phase.name + kinds, *(f"{value:.0f}" for value in row), *seconds)
    return table
