"""`tuidan drill rolling` and `tuidan drill away`: what they can be told."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def rolling(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long orders keep coming.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Chooses orders and trouble.")] = 7,
    kafka: Annotated[
        Literal["auto", "native", "embedded"], typer.Option(help="auto: Apache Kafka where there is Java.")
    ] = "auto",
    pause: Annotated[float, typer.Option(min=0, help="Seconds from one that is back to the next.")] = 1.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Orders per second.")] = 3.0,
    instances: Annotated[int, typer.Option(min=1, max=5, help="Of every service; on Apache Kafka only.")] = 2,
    troubled: Annotated[float, typer.Option(min=0, max=0.9, help="Share of refunds with trouble.")] = 0.1,
    patience: Annotated[float, typer.Option(min=1, help="Seconds until every case must have ended.")] = 600.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep data and logs.")] = False,
) -> None:
    """Restart each instance of each service in turn, gracefully, round by round, under a steady load; the order service
    comes back as tomorrow's, with a longer list. Then compare all books; exit code 0 agrees, 1 differs, 2 could not be
    run."""
    from tools.drill.command import run_rolling_drill
    from tools.drill.killing import Raid

    raid = Raid("native", minutes, seed, pause, rate, instances, troubled, patience)
    run_rolling_drill(raid, kafka, keep=keep)


def away(
    server: Annotated[Literal["broker", "mongo", "redis"], typer.Argument(help="Which server.")],
    seconds: Annotated[float, typer.Option(min=1, help="How long it is away.")] = 600.0,
    seed: Annotated[int, typer.Option(help="Chooses orders and trouble.")] = 7,
    rate: Annotated[float, typer.Option(min=0.01, help="Orders per second.")] = 0.3,
    instances: Annotated[int, typer.Option(min=1, max=5, help="Of every service.")] = 1,
    troubled: Annotated[float, typer.Option(min=0, max=0.9, help="Share of refunds with trouble.")] = 0.1,
    patience: Annotated[float, typer.Option(min=1, help="Seconds until every case must have ended.")] = 600.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep data and logs.")] = False,
) -> None:
    """Take Kafka, MongoDB or Redis away for so many seconds while orders come, and bring it back; nothing else
    restarts. Then compare all books; exit code 0 agrees, 1 differs, 2 could not be run. Needs Java."""
    from tools.drill.command import run_kill_drill
    from tools.drill.killing import absence

    run_kill_drill(absence(server, seconds, seed, rate, instances, troubled, patience), "native", keep=keep)
