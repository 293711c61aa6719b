"""`tuidan cases …`: what it can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tools.cases.finding import WorkList
from tools.cases.showing import Lang

cases = typer.Typer(help="Cancellations that stand still: see them, set them going.", no_args_is_help=True)

Gateway = Annotated[str, typer.Option(help="Address of the gateway; that of the stack that is up when left out.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with your token; signed in at the stack's sandbox without.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@cases.command()
def stuck(
    which: Annotated[WorkList, typer.Option("--list", help="Another list of what needs somebody.")] = "stuck",
    as_json: AsJson = False,
    gateway: Gateway = "",
    token_file: TokenFile = None,
) -> None:
    """List the cases that have been without an answer for long, the longest wait first; exit code 0 none, 1 some, 2 it
    could not be asked."""
    from tools.cases import command

    command.run(gateway, token_file, lambda http: command.show_list(http, which, command.wide(), as_json=as_json))


@cases.command()
def show(
    name: Annotated[str, typer.Argument(metavar="CASE_OR_ORDER")],
    lang: Annotated[Lang, typer.Option(help="The story's language.")] = "both",
    as_json: AsJson = False,
    gateway: Gateway = "",
    token_file: TokenFile = None,
) -> None:
    """Tell in plain words how a case, or an order with its cases, stands and what has happened to it."""
    from tools.cases import command

    command.run(gateway, token_file, lambda http: command.show_one(http, name, typer.echo, lang, as_json=as_json))


@cases.command()
def retry(
    name: Annotated[str, typer.Argument(metavar="CASE")],
    note: Annotated[str, typer.Option(help="Why; kept with the task.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    gateway: Gateway = "",
    token_file: TokenFile = None,
) -> None:
    """Try a case again that asks for it: first shown, then done as it was shown, never twice; exit code 0 done, 1
    something was refused or there is nothing to try again, 2 it could not be done."""
    from tools.cases import command

    command.run(gateway, token_file, lambda http: command.retry(http, name, note, typer.echo, dry_run=dry_run))
