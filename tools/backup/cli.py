"""`tuidan backup`, `tuidan restore` and `tuidan drill restore`, as typer knows them."""

from pathlib import Path
from typing import Annotated

import typer

Mongo = Annotated[str, typer.Option(help="MongoDB's address; TUIDAN_MONGO or the stack's when left out.")]


def join(app: typer.Typer, drills: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)
    drills.command(name="restore")(drill)


def backup(
    words: Annotated[list[str], typer.Argument(metavar="[check] FOLDER", help="A new folder; `check`: one that is.")],
    mongo: Mongo = "",
) -> None:
    """Copy all databases, as they are at one moment, into a folder and check it; exit code 0 done, 1 it is damaged or
    the services do not agree with each other, 2 not done."""
    from tools.backup.command import run_backup

    run_backup(words, mongo)


def restore(
    folder: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    mongo: Mongo = "",
    kafka: Annotated[str, typer.Option(help="Kafka's address, or `none`; not for the stack.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Delete what is in the databases now.")] = False,
) -> None:
    """Put a backup back while no service runs; exit codes as of `backup`."""
    from tools.backup.command import run_restore

    run_restore(folder, mongo, kafka, replace=replace)


def drill(
    count: Annotated[int, typer.Option(min=12, help="Orders that are placed and paid before the backup.")] = 120,
    seed: Annotated[int, typer.Option(help="Chooses orders and what becomes of them.")] = 7,
    patience: Annotated[float, typer.Option(min=1, help="Seconds until every case must have ended.")] = 300.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep data and logs.")] = False,
) -> None:
    """Lose the database after a backup and further refunds, put the backup back, let customers cancel again, reconcile,
    and compare with the provider's ledger; exit code 0 nothing was refunded twice, 1 it was, 2 could not be run."""
    from tools.drill.restoring import Loss
    from tools.drill.restoring_command import run_restore_drill

    run_restore_drill(Loss(count, seed, patience), keep=keep)
