"""What a person hears who has typed a gateway that is none, or named a file without a token: words and the exit code of
what could not be done, whatever the command; of some of them 1 means that there is something to do."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tools.cli import app

DAY, SHOP = "2026-11-01", "https://shop.example"
COMMANDS = (
    ["cases", "stuck"],
    ["cases", "retry", "o1-c1"],
    ["orders", "export", "--before", DAY, "--out", "exports"],
    ["reconcile", DAY],
)
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.fixture(autouse=True)
def _no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path / "stack"))


def refused(command: list[str], gateway: str, token: Path) -> str:
    done = CliRunner().invoke(app, [*command, "--gateway", gateway, "--token-file", str(token)])
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    return done.output


@every_command
@pytest.mark.parametrize("address", ["127.0.0.1:8080", "http://127.0.0.1:abc", "https://", "shop.example", "ftp://x"])
def test_what_is_no_address_is_said(command: list[str], address: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    assert f"no address like http://127.0.0.1:8080: {address}" in refused(command, address, tmp_path / "token")


@every_command
@pytest.mark.parametrize("content", [b"", b"\n", b"eyJ.secret\nsecond", b"\x96\xff", "钥匙".encode()])
def test_a_file_without_a_token_is_named_and_not_shown(command: list[str], content: bytes, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(content)
    said = refused(command, SHOP, tmp_path / "token")
    assert f"cannot sign in: {tmp_path / 'token'}" in said
    assert "secret" not in said
    assert "tuidan up" not in said


@every_command
def test_a_token_file_that_is_not_there_is_named(command: list[str], tmp_path: Path) -> None:
    assert f"cannot sign in: {tmp_path / 'none'}: No such file" in refused(command, SHOP, tmp_path / "none")


@pytest.mark.parametrize("option", ["--gateway", "--sandbox"])
def test_a_replay_does_not_wait_for_what_is_no_address(option: str) -> None:
    done = CliRunner().invoke(app, ["replay", "--gateway", "http://127.0.0.1:1", option, "127.0.0.1:8080"])
    assert (done.exit_code, "no address like" in done.output) == (1, True), done.output


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (404, ["nothing here"], '404: ["nothing here"]'),
        (429, {"retry_after": "soon"}, '{"retry_after":"soon"}'),
        (200, None, "200: null"),
        (200, {"hello": "world"}, "this is no answer of Tuidan, it has no"),
    ],
)
@every_command
def test_json_of_another_server_is_shown(
    command: list[str], status: int, said: object, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=json.dumps(said, separators=(",", ":")))

    for client in ("Client", "AsyncClient"):
        real = getattr(httpx, client)
        monkeypatch.setattr(httpx, client, partial(real, transport=httpx.MockTransport(answer)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("secret\n")
    assert words in refused(command, SHOP, tmp_path / "token")
