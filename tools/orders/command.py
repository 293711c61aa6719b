"""`tuidan orders`, as a person types it. Exit codes: 0 done, 1 something was refused, 2 it could not be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import typer

from tools.front import NotSignedIn, signed_in
from tools.orders import work
from tools.orders.door import Door
from tools.orders.files import Export


def run(gateway: str, token_file: Path | None, what: Callable[[Door], Awaitable[int]]) -> None:
    """Do `what` at a gateway, by default that of the stack that is up, signed in at its sandbox."""

    async def at_the_door() -> int:
        async with signed_in(gateway, token_file) as http:
            return await what(Door(http))

    try:
        code = asyncio.run(at_the_door())
    except NotSignedIn as problem:
        say(f"{problem}")
        code = work.NOT_DONE
    except KeyboardInterrupt:
        say("已中断,可重新执行 · interrupted, run it again")
        code = work.NOT_DONE
    raise typer.Exit(code)


def midnight(day: str) -> str:
    """The beginning of a day, UTC. Raises typer.BadParameter."""
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).isoformat()
    except ValueError as problem:
        raise typer.BadParameter(f"{day!r} is no day like 2023-11-01") from problem


def ask_code(export: Export, amount_minor: int, sent_to: str) -> str:
    """Ask whoever sits there. Raises work.NoCode where nobody does, or nobody wants to."""
    about = f"{len(export.lines)} orders, {amount_minor / 100:.2f}, export {export.sha256}"
    try:
        return str(typer.prompt(f"确认码 · code sent to {sent_to}, for {about}"))
    except typer.Abort as problem:
        raise work.NoCode from problem


def say(text: str) -> None:
    """To the person."""
    typer.echo(text)
