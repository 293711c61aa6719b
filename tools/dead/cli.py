"""`tuidan dead …`: what it can be told."""

from __future__ import annotations

from typing import Annotated

import typer

dead = typer.Typer(help="Dead letters: records that nobody could handle.", no_args_is_help=True)

Kafka = Annotated[str, typer.Option(help="HOST:PORT; TUIDAN_KAFKA, else that of the stack, when left out.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@dead.command(name="list")
def list_letters(
    topics: Annotated[list[str] | None, typer.Option("--topic", help="Only of this topic; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were replayed.")] = False,
    as_json: AsJson = False,
    kafka: Kafka = "",
) -> None:
    """List the dead letters that were not replayed, the oldest first, with their error; exit code 0 none, 1 some, 2 it
    could not be asked."""
    from tools.dead import command

    command.run(
        kafka,
        lambda office: command.show_list(office, topics or [], typer.echo, everything=everything, as_json=as_json),
    )


@dead.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="As listed, like payment.commands.dead:0:17.")],
    as_json: AsJson = False,
    kafka: Kafka = "",
) -> None:
    """Show one dead letter: why it died, its headers, its body without personal data, and when it was replayed."""
    from tools.dead import command

    command.run(kafka, lambda office: command.show_one(office, letter, typer.echo, as_json=as_json))


@dead.command()
def replay(
    letters: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="As listed.")] = None,
    topic: Annotated[str, typer.Option("--all-of-topic", help="Every letter of this topic not replayed yet.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before.")] = False,
    kafka: Kafka = "",
) -> None:
    """Put records back on the topics where they died, once their cause is mended; whoever handled one before changes
    nothing. Exit code 0 done, 1 something was left, 2 it could not be done."""
    from tools.dead import command

    if bool(letters) == bool(topic):
        raise typer.BadParameter("give either IDs or --all-of-topic TOPIC")

    def confirmed(question: str) -> bool:
        return yes or bool(typer.confirm(question))

    command.run(
        kafka,
        lambda office: command.replay(
            office, letters or [], topic, typer.echo, confirmed, dry_run=dry_run, again=again
        ),
    )
