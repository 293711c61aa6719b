"""A wrong environment stops the start with one line that names the variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chassis.settings import HttpSettings, KeySettings, ServiceSettings, load, read_key

GOOD = {"TUIDAN_HTTP_PORT": "8080", "TUIDAN_KAFKA": "localhost:9092", "TUIDAN_MONGO": "mongodb://localhost"}


class SigningSettings(HttpSettings, KeySettings):
    """A service with keys."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("TUIDAN_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_what_is_set_is_read_and_the_rest_has_defaults() -> None:
    settings = load(ServiceSettings)
    assert (settings.http_port, settings.kafka, settings.mongo) == (8080, "localhost:9092", "mongodb://localhost")
    assert (settings.mongo_driver, settings.log_level, settings.http_host) == ("motor", "INFO", "127.0.0.1")
    with pytest.raises(ValueError, match="frozen"):
        settings.http_port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_variable_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SystemExit) as caught:
        load(ServiceSettings)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: Field required")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TUIDAN_HTTP_PORT", "eighty", "valid integer"),
        ("TUIDAN_HTTP_PORT", "70000", "less than or equal to 65535"),
        ("TUIDAN_MONGO", "localhost:27017", "MongoDB connection string"),
        ("TUIDAN_MONGO_DRIVER", "mongoengine", "'motor' or 'pymongo'"),
        ("TUIDAN_LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("TUIDAN_STOP_SECONDS", "0", "how long a graceful stop may take"),
        ("TUIDAN_SWEEP_AFTER_SECONDS", "-1", "longer than any call to a provider"),
    ],
)
def test_a_wrong_variable_is_named_with_what_it_is_for(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        load(ServiceSettings)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
    assert says in line


def test_every_wrong_variable_has_its_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in GOOD:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TUIDAN_LOG_LEVEL", "LOUD")
    with pytest.raises(SystemExit):
        load(ServiceSettings)
    named = {line.split(":")[0] for line in capsys.readouterr().err.splitlines()}
    assert named == {*GOOD, "TUIDAN_LOG_LEVEL"}


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TUIDAN_MONGO", "mongo://shop:hunter2@db")
    with pytest.raises(SystemExit):
        load(ServiceSettings)
    assert "hunter2" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "address",
    [
        "mongodb://shop:hunter2@4@db",
        "mongodb://shop:hunter2/4@db",
        "mongodb://shop:hunter2:4@db",
        "mongodb://shop:hunter2%4@db",
        "mongodb://",
        "mongodb://db:port",
    ],
)
def test_an_address_that_the_driver_cannot_read_is_said_in_a_line(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUIDAN_MONGO", address)
    with pytest.raises(SystemExit) as caught:
        load(ServiceSettings)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("TUIDAN_MONGO: ")
    assert "%40" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "address",
    [
        "mongodb://shop:hunter2%404@a,b:1/?replicaSet=rs0&nobodyKnows=1",
        "mongodb://shop@[::1]:27017/admin",
        "mongodb://%2Ftmp%2Fmongodb.sock",
        "mongodb://db",
        "mongodb+srv://shop:a!$&'()*+,;=~b@db.shop.example/?tls=true",
    ],
)
def test_an_address_that_the_driver_can_read_is_taken_as_it_is(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIDAN_MONGO", address)
    assert load(ServiceSettings).mongo == address


@pytest.mark.parametrize("end", ["\n", "/\n", "/?replicaSet=rs0\r\n"])
def test_an_address_from_a_file_may_end_in_a_line_feed(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """`kubectl create secret --from-file` takes a file as it is, and every editor ends it so."""
    for name, value in (GOOD | {"TUIDAN_MONGO": f"mongodb://shop:hunter2@db:27017{end}"}).items():
        monkeypatch.setenv(name, value)
    assert load(ServiceSettings).mongo == f"mongodb://shop:hunter2@db:27017{end}".strip()


def test_keys_are_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(SigningSettings)
    assert capsys.readouterr().err.startswith("TUIDAN_KEYS: Field required (folder with key files)")

    monkeypatch.setenv("TUIDAN_KEYS", str(tmp_path))
    (tmp_path / "api-key").write_text("s3cret\n", encoding="utf-8")
    keys = load(SigningSettings).keys
    assert read_key(keys, "api-key") == "s3cret"
    with pytest.raises(SystemExit) as caught:
        read_key(keys, "other-key")
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"TUIDAN_KEYS: cannot read other-key in {tmp_path}: No such file or directory\n"
