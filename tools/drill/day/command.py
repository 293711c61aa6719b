"""`tuidan drill day`, as a person types it: the story, the verdict, an exit code."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import typer
from rich.console import Console

from chassis import clock
from tools.drill.day import begun, play, verdict
from tools.drill.day.account import first_account
from tools.drill.day.telling import Language, Teller
from tools.drill.report import print_verdict
from tools.own_stack import FAILED, on_own_stack, refusing
from tools.replay.knock import Pace
from tools.stack import Stack, up
from tools.stack.display import UpDisplay
from tools.stack.home import Home, current_home
from tools.stack.state import read_state, supervisor_lives

PACE = Pace(patience=60.0)


def run_day(seed: int, language: Language, *, keep: bool) -> None:
    """Play a day on the stack that is up, else on one of its own, which keeps deleted orders for no day. Leaves with
    exit code 0 when the ledgers agree with the story, 1 when they do not, 2 when the day could not be played."""
    console, home = Console(), current_home()
    _say(console, f"种子 · seed {seed}: --seed {seed}")
    if _is_up(home):
        with refusing("drill", "Interrupted: the stack goes on, and the rules are what they were."):
            good = asyncio.run(live(Stack(home.root), seed, language, console))
        if not good:
            raise typer.Exit(FAILED)
        return
    os.environ.setdefault("TUIDAN_RETENTION_DAYS", "0")  # for the services of the drill's own stack
    on_own_stack(lambda root, _: asyncio.run(live(_started(root, console), seed, language, console)), keep=keep)


async def live(stack: Stack, seed: int, language: Language, console: Console) -> bool:
    """Play the day and print it; whether the ledgers agree with it."""
    teller = Teller(lambda text: _say(console, text), clock.now, language)
    addresses = stack.address("gateway"), stack.address("sandbox")
    async with begun(*addresses, seed, teller, PACE, first_account(stack)) as day:
        await play(day)
        checks = await verdict(day)
    for (method, path), why in day.left_out.items():
        teller.note(type(why)(f"{method} {path}:{why.zh}", f"{method} {path}: {why.en}"))
    print_verdict(checks, console)
    return all(check.agrees for check in checks)


def _started(root: Path, console: Console) -> Stack:
    with UpDisplay(console) as display:
        return up(root, progress=display.show)


def _is_up(home: Home) -> bool:
    try:
        state = read_state(home)
        return state is not None and state.phase == "up" and supervisor_lives(home)
    except PermissionError:  # somebody else's
        return False


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
