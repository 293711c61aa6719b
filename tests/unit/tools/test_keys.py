"""`tuidan keys`, as an operator types it, on a real database."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis.mongo import Database
from chassis.personal import Ring, make_first_keys
from chassis.projection import Update
from services.order.handlers import ORDERS
from tests.support.fixtures import mongo_url
from tests.unit.order import told
from tools import keys
from tools.cli import app
from tools.stack import Stack

__all__ = ["mongo_url"]


def say(*words: str) -> tuple[int, str]:
    """Type a command: its exit code and what it said."""
    result = CliRunner().invoke(app, ["keys", *words])
    return result.exit_code, result.output


@pytest.mark.real
def test_keys_are_made_rotated_and_counted(tmp_path: Path, mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setenv("TUIDAN_MONGO", mongo_url)
    monkeypatch.setenv("TUIDAN_KEYS", str(tmp_path))
    assert say("rotate-personal")[0] == 2, "no key is there yet"
    code, words = say("make-personal", str(tmp_path))
    assert (code, "personal keys 1" in words) == (0, True)

    async def keep() -> None:
        database = Database(mongo_url, "tuidan_order", ring=Ring(tmp_path))
        record = told.paid_order().record
        await database.store(ORDERS).save([replace(record, fresh=record.journal)])
        await database.close()

    asyncio.run(keep())
    assert say("personal") == (0, "orders     personal-1.key     1\n")
    (tmp_path / "personal-2.key").write_text((tmp_path / "personal-1.key").read_text())
    assert say("personal")[0] == 1, "a newer key is there and not in use"
    code, words = say("rotate-personal", "--resume")
    assert (code, "personal-2.key" in words) == (0, True)
    assert say("personal") == (0, "orders     personal-2.key     1\n")
    assert say("rotate-personal")[0] == 0
    assert say("personal") == (0, "orders     personal-3.key     1\n")
    for old in ("personal-1.key", "personal-2.key"):
        (tmp_path / old).unlink()
    assert say("personal")[0] == 0

    async def tear() -> None:
        database = Database(mongo_url, "tuidan_order")
        await database.collection(ORDERS.name).update_all([Update({}, {"$set": {"state.state": "torn"}})])
        await database.close()

    asyncio.run(tear())
    code, words = say("rotate-personal")
    assert (code, "1 records cannot be read" in words, "Done" in words) == (2, True, False), words


@pytest.mark.parametrize(("named", "missing"), [("TUIDAN_MONGO", "TUIDAN_KEYS"), ("TUIDAN_KEYS", "TUIDAN_MONGO")])
@pytest.mark.parametrize(
    "words", [("keys", "personal"), ("keys", "rotate-personal"), ("staff", "create", "li", "--phone", "13800138000")]
)
def test_a_database_is_not_taken_with_the_keys_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, missing: str, words: tuple[str, ...]
) -> None:
    """That nothing is under a key here says nothing about the shop whose address alone was named."""
    monkeypatch.setattr(Stack, "address", lambda stack, name: "127.0.0.1:1")
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path))
    monkeypatch.setenv(named, str(tmp_path) if named == "TUIDAN_KEYS" else "mongodb://127.0.0.1:1")
    result = CliRunner().invoke(app, list(words))
    assert (result.exit_code, f"{named} is set and {missing} is not" in result.output) == (2, True), result.output


def test_a_folder_in_which_no_key_can_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As keys are mounted into containers."""
    monkeypatch.setenv("TUIDAN_MONGO", "mongodb://127.0.0.1:1")
    monkeypatch.setenv("TUIDAN_KEYS", str(tmp_path))
    make_first_keys(tmp_path)

    def read_only(folder: Path) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(folder))

    monkeypatch.setattr(keys, "add_key", read_only)
    code, words = say("rotate-personal")
    assert (code, "Read-only file system" in words) == (2, True), words


@pytest.mark.parametrize(
    "words",
    [("keys", "personal"), ("staff", "create", "li", "--phone", "13800138000"), ("backup", "new"), ("restore", "b")],
)
def test_a_password_that_was_not_escaped_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUIDAN_MONGO", "mongodb://shop:hunter2@4@127.0.0.1:1")
    monkeypatch.setenv("TUIDAN_KEYS", str(tmp_path))
    monkeypatch.setenv("TUIDAN_KAFKA", "127.0.0.1:1")
    result = CliRunner().invoke(app, list(words))
    assert (result.exit_code, "%40" in result.output, "hunter2" in result.output) == (2, True, False), result.output
