"""`tuidan keys`, as an operator types it, on a real database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis.mongo import Database
from chassis.personal import Ring
from services.order.handlers import ORDERS
from tests.support.fixtures import mongo_url
from tests.unit.order import told
from tools.cli import app

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
