"""`tuidan backup` and `tuidan restore`, as typer knows them."""

from pathlib import Path
from typing import Annotated

import typer

Mongo = Annotated[str, typer.Option(help="MongoDB's address; TUIDAN_MONGO or the stack's when left out.")]


def join(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


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
