"""The stack's commands, as a person types them; `tools.cli` only lists them."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from tools.stack.control import StackError, down, up
from tools.stack.display import UpDisplay, report_json, show_addresses, show_report
from tools.stack.home import SUPERVISOR, Home, current_home
from tools.stack.layout import Kafka, tuidan_plan
from tools.stack.logs import bytes_of, follow, lines_since
from tools.stack.state import read_state, supervisor_lives
from tools.stack.status import has_real_kafka, known_names, look

LINES_OF_ONE = 200
LINES_OF_EACH = 10


def run_up(kafka: Kafka = "embedded") -> None:
    """Start everything, or say that it is up."""
    home, console, began = current_home(), Console(), time.monotonic()
    try:
        with _in_words(home), UpDisplay(console) as display:
            plan = partial(tuidan_plan, broker=kafka) if kafka != "embedded" else None
            stack = up(home.root, plan=plan, progress=display.show)
    except KeyboardInterrupt:
        if supervisor_lives(home):  # another `up` has started it, or this one was interrupted while it took it down
            _refuse("Interrupted. What runs there goes on: see tuidan status, stop it with tuidan down", code=130)
        _refuse("Interrupted: everything that had been started is stopped again.", code=130)
    if stack.already_up:
        if kafka == "native" and not has_real_kafka(home):
            _refuse("The stack is up with the broker in memory, not with Apache Kafka. Stop it first: tuidan down")
        console.print("The stack is up already.")
    else:
        console.print(f"Everything is ready after {time.monotonic() - began:.1f} s.", highlight=False)
    if state := read_state(home):
        show_addresses(console, state)
    console.print(f"Logs: tuidan logs [NAME] [-f]   (files in {home.log('*').parent})", highlight=False, markup=False)


def run_down() -> None:
    """Stop everything, or say that nothing is up."""
    home = current_home()
    try:
        with _in_words(home):
            found = down(home.root)
    except KeyboardInterrupt:
        _refuse("Interrupted. What was told to stop goes on stopping: see tuidan status", code=130)
    print("Everything is stopped." if found else "The stack is not up.")


def run_status(*, as_json: bool) -> None:
    """Show how everything is; the exit code is 0 only when everything is ready."""
    home = current_home()
    with _in_words(home):
        report = look(home)
    if as_json:
        print(report_json(report))
    else:
        show_report(Console(), report, home)
    raise typer.Exit(0 if report.ready else 1)


def run_logs(name: str | None, *, and_follow: bool) -> None:
    """Print the end of one log, or of all of them, and what is added if wanted."""
    home = current_home()
    names = (*known_names(home), SUPERVISOR)
    if name is not None and name not in names:
        _refuse(f"There is no log called {name}. There are: {', '.join(names)}")
    files = {each: home.log(each) for each in ([name] if name else names)}
    with _in_words(home):
        is_there = any(file.exists() for file in files.values())
    if not is_there:
        _refuse("Nothing has been logged yet. Start the stack with: tuidan up")
    with suppress(KeyboardInterrupt):  # this is how one says "enough"
        _print_logs(files, and_follow=and_follow)


def _print_logs(files: dict[str, Path], *, and_follow: bool) -> None:
    width = max(map(len, files)) if len(files) > 1 else 0
    ends = {each: bytes_of(file) for each, file in files.items()}  # what comes while these are printed is added
    for each, file in files.items():
        for line in lines_since(file, 0, LINES_OF_EACH if width else LINES_OF_ONE, ends[each]):
            print(_labelled(each, line, width))
    for each, line in follow(files, ends) if and_follow else ():
        print(_labelled(each, line, width), flush=True)


def _labelled(name: str, line: str, width: int) -> str:
    return f"{name:<{width}} | {line}" if width else line


@contextmanager
def _in_words(home: Home) -> Iterator[None]:
    """What keeps a stack's folder from being used is said, with exit code 1."""
    try:
        yield
    except StackError as error:
        _refuse(str(error))
    except OSError as problem:
        _refuse(f"{home.root} cannot be read or written: {problem}")


def _refuse(text: str, code: int = 1) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(code)
