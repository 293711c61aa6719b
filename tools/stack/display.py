"""What the stack's commands show on a terminal."""

import json
from dataclasses import asdict

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tools.stack.home import Home
from tools.stack.state import ProgramState, State
from tools.stack.status import Condition, Report

_COLOURS: dict[ProgramState | Condition, str] = {
    "ready": "green",
    "starting": "yellow",
    "waiting": "dim",
    "not ready": "red",
    "down": "red",
}


class UpDisplay:
    """Shows how a stack comes up: a table that changes on a terminal, one line per event elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True) if console.is_terminal else None
        self._said: set[str] = set()

    def __enter__(self) -> "UpDisplay":
        """Begin to show."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave the terminal as it was."""
        if self._live:
            self._live.stop()

    def show(self, state: State) -> None:
        """Show the stack as it is now."""
        if self._live:
            self._live.update(self._table(state))
            return
        for entry in state.programs.values():
            if entry.state == "ready" and entry.name not in self._said:
                self._said.add(entry.name)
                self._console.print(f"{entry.name} is ready on {entry.address}", highlight=False)

    def _table(self, state: State) -> Table:
        table = Table(box=None, show_header=False)
        for entry in state.programs.values():
            table.add_row(entry.name, _coloured(entry.state), entry.address or "")
        return table


def show_addresses(console: Console, state: State) -> None:
    """Say where everything listens."""
    table = Table(box=None, pad_edge=False)
    for title in ("NAME", "ADDRESS"):
        table.add_column(title)
    for entry in state.programs.values():
        scheme = {"mongo": "mongodb://", "redis": "redis://", "broker": ""}.get(entry.name, "http://")
        table.add_row(entry.name, f"{scheme}{entry.address}")
    console.print(table, highlight=False)


def show_report(console: Console, report: Report, home: Home) -> None:
    """Show the status as a table."""
    table = Table(box=None, pad_edge=False)
    for title in ("NAME", "PID", "PORT", "STATE", "UPTIME", "RESTARTS", "MEMORY MB"):
        table.add_column(title, justify="left" if title in ("NAME", "STATE") else "right", no_wrap=True)
    for row in report.rows:
        memory = f"{row.memory_mb:.0f}" if row.memory_mb is not None else "-"
        numbers = (str(row.restarts), memory)
        table.add_row(
            row.name, _or_dash(row.pid), _or_dash(row.port), _coloured(row.state), _span(row.uptime_seconds), *numbers
        )
    table.add_row("total", "", "", "", "", "", f"{report.memory_mb:.0f}", style="bold")
    console.print(table, highlight=False)
    for row in report.rows:
        if row.why:
            console.print(f"{row.name}: {row.why} (log: {home.log(row.name)})", highlight=False, markup=False)
    if report.failure:
        failure = report.failure
        console.print(
            f"The last `up` failed: {failure.name} {failure.why} (log: {home.log(failure.name)})",
            highlight=False,
            markup=False,
        )
    elif report.supervisor_pid is None:
        console.print("The stack is not up. Start it with: tuidan up", highlight=False)


def report_json(report: Report) -> str:
    """Give the status to programs."""
    rows = [asdict(row) | {"port": row.port} for row in report.rows]
    whole = {"ready": report.ready, "supervisor_pid": report.supervisor_pid, "memory_mb": report.memory_mb}
    return json.dumps(
        whole | {"programs": rows, "failure": asdict(report.failure) if report.failure else None}, indent=2
    )


def _coloured(state: ProgramState | Condition) -> str:
    return f"[{_COLOURS[state]}]{state}[/]"


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
