"""What a person sees who types the commands."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from tools.cli import app
from tools.stack import Plan, Program, Stack, commands, control, logs, up
from tools.stack.home import Home
from tools.stack.layout import NAMES

MakeFake = Callable[..., Program]

runner = CliRunner()


@pytest.fixture(autouse=True)
def _here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIDAN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "160")


def planned(monkeypatch: pytest.MonkeyPatch, *programs: Program) -> None:
    monkeypatch.setattr(control, "tuidan_plan", lambda home: Plan(programs))


def test_up_status_down(home: Path, fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(monkeypatch, fake("store"), fake("shop"))
    shown = runner.invoke(app, ["up"])
    assert shown.exit_code == 0, shown.output
    stack = Stack(home)
    assert f"shop is ready on {stack.address('shop')}" in shown.output
    assert "Everything is ready" in shown.output
    assert f"http://{stack.address('store')}" in shown.output
    again = runner.invoke(app, ["up"])
    assert again.exit_code == 0
    assert "The stack is up already." in again.output

    table = runner.invoke(app, ["status"])
    assert table.exit_code == 0, table.output
    assert str(stack.pid("store")) in table.output
    machine = runner.invoke(app, ["status", "--json"])
    assert machine.exit_code == 0
    report = json.loads(machine.output)
    assert report["ready"]
    assert [row["name"] for row in report["programs"]] == ["store", "shop"]
    assert report["memory_mb"] > sum(row["memory_mb"] for row in report["programs"]) > 0

    assert "Everything is stopped." in runner.invoke(app, ["down"]).output
    assert "The stack is not up." in runner.invoke(app, ["down"]).output
    after = runner.invoke(app, ["status"])
    assert after.exit_code == 1
    assert "Start it with: tuidan up" in after.output


def test_a_real_kafka_is_not_said_to_be_up_where_the_other_broker_is(
    fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever measures has to know on what."""
    planned(monkeypatch, fake("broker", own_address=True))
    assert runner.invoke(app, ["up"]).exit_code == 0
    refused = runner.invoke(app, ["up", "--kafka", "native"])
    assert (refused.exit_code, "broker in memory" in refused.output) == (1, True), refused.output
    assert runner.invoke(app, ["down"]).exit_code == 0
    planned(monkeypatch, fake("broker"))
    assert runner.invoke(app, ["up"]).exit_code == 0
    assert runner.invoke(app, ["up", "--kafka", "native"]).exit_code == 0


def test_a_failed_up_says_why_and_status_remembers(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(monkeypatch, fake("shop", "--fail"))
    shown = runner.invoke(app, ["up"])
    assert shown.exit_code == 1
    assert "shop ended with exit code 3" in shown.output
    assert "the configuration is wrong" in shown.output
    assert "The last `up` failed: shop ended with exit code 3" in runner.invoke(app, ["status"]).output


def test_status_before_any_up_names_everything() -> None:
    report = runner.invoke(app, ["status", "--json"])
    assert report.exit_code == 1
    assert [row["name"] for row in json.loads(report.output)["programs"]] == list(NAMES)


@pytest.mark.parametrize("command", ["status", "down", "logs", "up"])
def test_a_stack_that_only_somebody_else_may_see_is_not_said_to_be_down(
    command: str, home: Path, fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(monkeypatch, fake("store"))

    def denied(self: Path, *_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    for name in ("read_text", "stat", "mkdir", "exists"):  # whoever runs the tests may be allowed everything
        monkeypatch.setattr(Path, name, denied)
    shown = runner.invoke(app, [command])
    monkeypatch.undo()
    assert shown.exit_code == 1
    assert isinstance(shown.exception, SystemExit)
    assert shown.output.startswith(f"{home} cannot be read or written: [Errno 13] Permission denied")


def test_who_interrupts_a_second_up_is_told_that_the_first_goes_on(
    home: Path, fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(monkeypatch, fake("store"))
    up(home, plan=Plan((fake("store"),)))

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(control, "_watch", interrupted)
    shown = runner.invoke(app, ["up"])
    assert shown.exit_code == 130
    assert "stopped again" not in shown.output
    assert "tuidan down" in shown.output
    assert Stack(home).pid("store")


def test_logs_of_one_of_all_and_of_nobody(home: Path, fake: MakeFake) -> None:
    assert "Nothing has been logged yet" in runner.invoke(app, ["logs"]).output
    up(home, plan=Plan((fake("store"), fake("shop"))))
    assert runner.invoke(app, ["logs", "shop"]).output == "shop listens\n"
    together = runner.invoke(app, ["logs"]).output
    assert "store      | store listens\n" in together
    assert "supervisor | " in together
    unknown = runner.invoke(app, ["logs", "shpo"])
    assert unknown.exit_code == 1
    assert "There is no log called shpo. There are: store, shop, supervisor" in unknown.output


def test_what_is_logged_while_the_end_of_a_log_is_printed_is_shown_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Home(home)
    place.make()
    files = {name: place.log(name) for name in ("shop", "store")}

    def log(line: str) -> None:
        for file in files.values():
            with file.open("a") as stream:
                stream.write(f"{line}\n")

    def print_and_log(line: str, **_: object) -> None:
        shown.append(line)
        if len(shown) == 1:
            log("meanwhile")

    def enough(seconds: float) -> NoReturn:
        raise KeyboardInterrupt

    shown: list[str] = []
    log("before")
    monkeypatch.setattr(commands, "print", print_and_log, raising=False)
    monkeypatch.setattr(logs, "time", SimpleNamespace(sleep=enough))
    with pytest.raises(KeyboardInterrupt):
        commands._print_logs(files, and_follow=True)
    assert sorted(shown) == ["shop  | before", "shop  | meanwhile", "store | before", "store | meanwhile"]


def test_who_interrupts_down_is_told_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(home: Path) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "down", interrupted)
    shown = runner.invoke(app, ["down"])
    assert (shown.exit_code, "Aborted" in shown.output) == (130, False), shown.output
    assert "tuidan status" in shown.output
