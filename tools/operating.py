"""What operators add to the `tuidan` command: cases that stand still, dead letters, the messages
of one order, and the drill of a rolling restart."""

from __future__ import annotations

import typer

from tools.cases.cli import cases
from tools.dead.cli import dead
from tools.drill.cli import rolling
from tools.trace.cli import trace


def add_operating(app: typer.Typer, drills: typer.Typer) -> None:
    """Hang the commands in."""
    app.add_typer(cases, name="cases")
    app.add_typer(dead, name="dead")
    app.command()(trace)
    drills.command()(rolling)
