"""`tuidan cases`, as a person types it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
import typer
from rich.console import Console

from chassis import clock
from tools.cases import showing
from tools.cases.finding import Unknown, WorkList, find, listed, one_case
from tools.cases.showing import Lang
from tools.front import Json, NotSignedIn, Refused, asked, signed_in

DONE, SOME, NOT_DONE = 0, 1, 2
PIPED_WIDTH = 200
Say = Callable[[str], None]
Http = httpx.AsyncClient


def run(gateway: str, token_file: Path | None, what: Callable[[Http], Awaitable[int]]) -> None:
    """Do `what` at a gateway, and leave with its exit code; 2 with words when it could not be done."""

    async def at_the_door() -> int:
        async with signed_in(gateway, token_file) as http:
            return await what(http)

    try:
        code = asyncio.run(at_the_door())
    except (NotSignedIn, Refused, Unknown) as problem:
        code = _cannot(f"{problem}")
    except httpx.TransportError as problem:
        code = _cannot(f"网关没有响应,可重新执行 · the gateway does not answer, run it again: {problem}")
    raise typer.Exit(code)


async def show_list(http: Http, name: WorkList, console: Console, *, as_json: bool) -> int:
    """Print a work list; 1 when a case stands in it."""
    entries = await listed(http, name)
    if as_json:
        print_json(entries)
    elif entries:
        console.print(showing.table(name, entries, clock.now()))
        console.print("tuidan cases show CASE · tuidan cases retry CASE --dry-run", highlight=False)
    else:
        console.print("没有 · none", highlight=False)
    return SOME if entries else DONE


async def show_one(http: Http, name: str, say: Say, lang: Lang, *, as_json: bool) -> int:
    """Tell an order's story, or that of one of its cases."""
    found = await find(http, name)
    if as_json:
        print_json(found.order)
        return DONE
    for line in showing.story(found.order, found.cases, found.open_tasks, clock.now(), lang):
        say(line)
    return DONE


async def retry(http: Http, name: str, note: str, say: Say, *, dry_run: bool) -> int:
    """Say `try-again` about a case's open tasks, after a dry run of the very same; 1 where something is refused."""
    found = await find(http, name)
    case = one_case(found)
    tasks = [task["task_id"] for task in found.open_tasks]
    if not tasks:
        say(_why_nothing(case))
        return SOME
    wish: Json = {"command": "try-again", "note": note, "task_ids": tasks}
    shown = await asked(http, "POST", "/tasks/resolutions", {**wish, "dry_run": True}, key=f"cases-dry-{name}"[:128])
    _tell(shown["tasks"], say)
    if dry_run or not shown["count"]:
        return SOME if shown["refused"] else DONE
    # Made from what was shown: sent twice it is the same command, and after a change it is another one.
    key, digest = f"cases-retry-{shown['digest']}", shown["digest"]
    done = await asked(http, "POST", "/tasks/resolutions", {**wish, "digest": digest}, key=key)
    _tell(done["tasks"], say)
    return SOME if done["refused"] else DONE


def wide() -> Console:
    """A console; where its output is piped, one in which no column has to be folded."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)


def print_json(document: object) -> None:
    """For programs."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def _tell(tasks: Sequence[Json], say: Say) -> None:
    for task in tasks:
        said = f"{task['refusal']}: " if task["refusal"] else f"{task['choice']}: "
        say(f"{task['task_id']} {task['outcome']}  {said}{showing.said(task['in_words'], 'both')}")


def _why_nothing(case: Json) -> str:
    if case["status"] != "open":
        return f"取消单已结束 · the case has ended ({case['status']}), there is nothing to try again"
    if case["waits_for"]:
        return f"取消单在等待 · the case waits for {case['waits_for']}, there is nothing to try again"
    when = showing.next_try(case["next_try_at"], clock.now())
    return (
        f"没有待办,系统会自动再试 · nobody is asked about this case: its step “{case['step']}” is tried again by "
        f"itself, {when}. Look at the service that should answer: tuidan trace {case['order_id']}"
    )


def _cannot(text: str) -> int:
    typer.echo(text, err=True)
    return NOT_DONE
