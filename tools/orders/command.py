"""`tuidan orders`, as a person types it. Exit codes: 0 done, 1 something was refused, 2 it could not be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import typer

from tools.orders import work
from tools.orders.door import Door
from tools.orders.files import Export
from tools.stack.control import Stack, StackError
from tools.stack.home import current_home

ANSWER_SECONDS = 120.0
PHONE = "13800000000"
"""Where the sandbox sends the codes of who is signed in there: see its `/_ledger/messages`."""


def run(gateway: str, token_file: Path | None, what: Callable[[Door], Awaitable[int]]) -> None:
    """Do `what` at a gateway, by default that of the stack that is up, signed in at its sandbox."""

    async def at_the_door() -> int:
        address, token = gateway, given
        if not address or not token:
            stack = Stack(current_home().root)
            address = address or f"http://{stack.address('gateway')}"
            token = token or await _signed_in(f"http://{stack.address('sandbox')}")
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=address, headers=headers, timeout=ANSWER_SECONDS, trust_env=False
        ) as http:
            return await what(Door(http))

    try:
        given = token_file.read_text("utf-8").strip() if token_file else ""
        code = asyncio.run(at_the_door())
    except StackError as problem:
        say(f"{problem}. Start it with: tuidan up, or name --gateway and --token-file")
        code = work.NOT_DONE
    except (OSError, httpx.HTTPError) as problem:
        say(f"无法登录 · cannot sign in: {problem}")
        code = work.NOT_DONE
    raise typer.Exit(code)


def midnight(day: str) -> str:
    """The beginning of a day, UTC. Raises typer.BadParameter."""
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).isoformat()
    except ValueError as problem:
        raise typer.BadParameter(f"{day!r} is no day like 2023-11-01") from problem


def ask_code(export: Export, amount_minor: int, sent_to: str) -> str:
    """Ask whoever sits there."""
    about = f"{len(export.lines)} orders, {amount_minor / 100:.2f}, export {export.sha256}"
    return str(typer.prompt(f"确认码 · code sent to {sent_to}, for {about}"))


def say(text: str) -> None:
    """To the person."""
    typer.echo(text)


async def _signed_in(sandbox: str) -> str:
    async with httpx.AsyncClient(base_url=sandbox, timeout=ANSWER_SECONDS, trust_env=False) as http:
        body = {"staff_id": "tuidan", "name": "tuidan", "role": "administrator", "phone": PHONE}
        answer = (await http.post("/_login/staff", json=body)).raise_for_status()
        return str(answer.json()["token"])
