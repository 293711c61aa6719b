"""What operators add to the `tuidan` command: cases that stand still, dead letters, the messages
of one order, the drills of a rolling restart, of a server that is away and of a cluster, and keys as a cluster takes
them."""

from __future__ import annotations

import typer

from tools.cases.cli import cases
from tools.dead.cli import dead
from tools.drill.cli import away, rolling
from tools.kubernetes import cli as kubernetes
from tools.trace.cli import trace


def add_operating(app: typer.Typer, drills: typer.Typer, keys: typer.Typer) -> None:
    """Hang the commands in."""
    app.add_typer(cases, name="cases")
    app.add_typer(dead, name="dead")
    app.command()(trace)
    drills.command()(rolling)
    drills.command()(away)
    kubernetes.join(drills, keys)
