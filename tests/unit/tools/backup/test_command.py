"""`tuidan backup` and `tuidan restore`, as typed in a folder whose stack is down, and where they refuse."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from tests.unit.tools.backup.made import books, made
from tools.backup import command
from tools.backup.folder import Manifest, read_manifest
from tools.backup.groups import Groups
from tools.cli import app
from tools.stack.home import Home
from tools.stack.state import claimed


def say(*words: str | Path) -> tuple[int, str]:
    """Type a command: its exit code and what it said."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.output


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("TUIDAN_MONGO", "TUIDAN_KAFKA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.mark.real
def test_there_and_back_while_the_stack_is_down(home: Home, tmp_path: Path) -> None:
    made(tmp_path / "old")
    (home.data("broker") / "log").mkdir(parents=True)
    code, said = say("restore", tmp_path / "old")
    assert (code, "3 documents in 3 collections are back" in said) == (0, True), said
    assert "tuidan reconcile DAY   for each day since 2026-11-01" in said
    assert not home.data("broker").exists(), "what its topics hold must not be heard"
    assert "is not empty" in say("restore", tmp_path / "old")[1]
    code, said = say("backup", tmp_path / "new")
    assert (code, "the services agree with each other" in said) == (0, True), said
    assert read_manifest(tmp_path / "new").parts[0].documents == 1
    assert say("restore", tmp_path / "new", "--replace")[0] == 0


KILLED = """
import os, signal, sys
import psutil
from pathlib import Path
from tools.backup.place import stack_mongo
from tools.stack.home import Home

with stack_mongo(Home(Path(sys.argv[1])), may_be_up=False):
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.real
def test_a_command_that_is_killed_leaves_no_server_on_the_stacks_data(home: Home) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(home.root)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGTERM, done.stderr
    (pid,) = map(int, done.stdout.split())
    try:
        psutil.wait_procs([psutil.Process(pid)], timeout=10)
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        pass  # gone already


@pytest.mark.real
def test_a_backup_whose_services_do_not_agree_is_said(home: Home, tmp_path: Path) -> None:
    made(tmp_path / "old", books(payments=[]))
    code, said = say("restore", tmp_path / "old")
    assert (code, "2 differences between the services" in said) == (1, True), said


def test_nothing_is_put_back_under_a_stack_that_is_up(home: Home, tmp_path: Path) -> None:
    made(tmp_path / "old")
    home.make()
    with claimed(home):
        code, said = say("restore", tmp_path / "old")
    assert (code, "Stop it first: tuidan down" in said) == (2, True), said


def test_with_a_server_of_ones_own_the_topics_must_be_named(home: Home, tmp_path: Path) -> None:
    made(tmp_path / "old")
    code, said = say("restore", tmp_path / "old", "--mongo", "mongodb://127.0.0.1:1")
    assert (code, "--kafka HOST:PORT" in said) == (2, True), said


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_kafka_without_its_server_is_left_alone(
    by: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its services have not heard yet is theirs: only the stack's database would be of another time."""
    moved: list[str] = []

    def go_to_the_end(groups: object) -> int:
        moved.append("every group")
        return 7

    monkeypatch.setattr(Groups, "with_members", lambda groups: [])
    monkeypatch.setattr(Groups, "go_to_the_end", go_to_the_end)
    monkeypatch.setattr(command, "stack_mongo", lambda home, may_be_up: nullcontext("mongodb://127.0.0.1:1"))
    monkeypatch.setattr(command, "put", put_back)
    made(tmp_path / "old")
    if by == "environment":
        monkeypatch.setenv("TUIDAN_KAFKA", "shop:9092")
    code, said = say("restore", tmp_path / "old", *(("--kafka", "shop:9092") if by == "option" else ()))
    assert (code, moved) == (2, []), said
    assert "no MongoDB is" in said


def test_a_kafka_that_cannot_be_emptied_is_named_and_the_restore_is_not_done(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left where it is, its records of another time would be heard."""
    monkeypatch.setattr(command, "stack_mongo", lambda home, may_be_up: nullcontext("mongodb://127.0.0.1:1"))
    monkeypatch.setattr(command, "put", put_back)
    made(tmp_path / "old")
    (tmp_path / "disk").mkdir()
    home.data("broker").parent.mkdir(parents=True)
    home.data("broker").symlink_to(tmp_path / "disk")  # which `rmtree` refuses, whoever calls it
    code, said = say("restore", tmp_path / "old")
    assert (code, f"Delete {home.data('broker')}, then run the restore again" in said) == (2, True), said
    assert "are back" not in said
    home.data("broker").unlink()
    assert say("restore", tmp_path / "old")[0] == 0


async def put_back(server: object, folder: Path, say: object, *, replace: bool, last: Callable[[], object]) -> Manifest:
    last()
    return read_manifest(folder)


def test_a_folder_must_be_named(home: Home) -> None:
    assert say("backup")[0] == 2
