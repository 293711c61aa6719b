"""`tuidan topics`: a list of what it can do, as `tools/cli.py` is."""

from pathlib import Path
from typing import Annotated

import typer

topics = typer.Typer(help="The topics of a real Kafka.", no_args_is_help=True)

Kafka = Annotated[str, typer.Option(help="HOST:PORT; TUIDAN_KAFKA or the stack that is up when left out.")]
Copies = Annotated[int | None, typer.Option(min=1, max=9, help="Brokers each partition lies on; 1 where there is one.")]
TopicList = Annotated[Path | None, typer.Option("--list", help="Another list than deploy/topics.yaml.")]


@topics.command(name="create")
def create_topics(
    kafka: Kafka = "",
    copies: Copies = None,
    file: TopicList = None,
    mend: Annotated[bool, typer.Option("--mend", help="Also set what is set otherwise than listed.")] = False,
) -> None:
    """Make the topics that are missing, as deploy/topics.yaml lists them; what exists is touched with --mend only. Exit
    code 0 they are there, 2 it could not be done."""
    from tools.topics.command import run_create

    run_create(kafka, copies, file, mend=mend)


@topics.command(name="check")
def check_topics(kafka: Kafka = "", copies: Copies = None, file: TopicList = None) -> None:
    """Show where a cluster differs from deploy/topics.yaml, by topic and setting; exit code 0 nowhere, 1 somewhere, 2
    it could not be asked."""
    from tools.topics.command import run_check

    run_check(kafka, copies, file)
