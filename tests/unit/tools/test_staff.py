"""The command that makes a shop's first administrator."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis import clock
from chassis.memory_database import MemoryDatabase
from services.gateway.passwords import Passwords
from services.gateway.staff import NAME, Person, StaffBook
from services.gateway.vault import Vault
from tests.support.mongod import running_mongod
from tools.cli import app
from tools.staff import create, wrong_in


async def test_an_account_is_made_once_and_its_password_fits() -> None:
    database, vault = MemoryDatabase(), Vault("s" * 64)
    person = Person("李", "administrator", "13800138000")
    made = await create(database, vault, "li", person)  # type: ignore[arg-type]
    assert made is not None
    book = StaffBook(database.collection(NAME), vault, Passwords(), clock.now)  # type: ignore[arg-type]
    member = await book.find("li")
    assert member is not None
    assert await Passwords().is_right(member.password, made.password)
    assert book.factor_of(member) in made.address
    assert await create(database, vault, "li", person) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "role", "phone"),
    [
        ("Li", "finance", "13800138000"),
        ("l", "finance", "13800138000"),
        ("li", "boss", "13800138000"),
        ("li", "finance", "x"),
    ],
)
def test_what_is_typed_wrong_is_told(name: str, role: str, phone: str) -> None:
    assert wrong_in(name, role, phone)
    result = CliRunner().invoke(app, ["staff", "create", name, "--role", role, "--phone", phone])
    assert result.exit_code == 2


@pytest.mark.real
def test_the_command_writes_to_the_database_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_mongod() as url:
        (tmp_path / "gateway-secret.txt").write_text("s" * 64)
        monkeypatch.setenv("TUIDAN_MONGO", url)
        monkeypatch.setenv("TUIDAN_KEYS", str(tmp_path))
        arguments = ["staff", "create", "li", "--phone", "13800138000"]
        made = CliRunner().invoke(app, arguments)
        assert made.exit_code == 0, made.output
        assert "otpauth://totp/Tuidan:li?secret=" in made.output
        assert CliRunner().invoke(app, arguments).exit_code == 1
