"""Notify does not start with a key file that is missing or broken, and says which, before it waits for anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chassis.personal import make_first_keys
from services.notify.main import service
from tests.unit.notify.outside import settings


@pytest.fixture
def folder(keys: Path, tmp_path: Path) -> Path:
    """A keys folder of its own, with everything in it."""
    copied = shutil.copytree(keys, tmp_path / "keys")
    make_first_keys(copied)
    return copied


def _said(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        service(settings("http://nowhere", folder))
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("TUIDAN_KEYS: ")
    assert said.count("\n") == 1, "one line, and no trace"
    return said


@pytest.mark.parametrize(
    "name",
    [
        *("appid.txt", "appsecret.txt", "templates.json", "sms-templates.json"),
        *("sms-tencent-id.txt", "sms-tencent-key.txt", "sms-alibaba-id.txt", "sms-alibaba-key.txt"),
    ],
)
def test_a_file_that_is_missing_is_named(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (folder / name).unlink()
    assert f"cannot read {name}" in _said(folder, capsys)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("templates.json", "", "templates.json: Invalid JSON"),
        ("templates.json", '{"refund-arrived": {"template_id": "a"}}', "templates.json: refund-arrived: fields: "),
        ("sms-templates.json", '{"sign_name": "a"', "sms-templates.json: Invalid JSON"),
        ("sms-templates.json", '{"sign_name": "a", "templates": {}}', "sms-templates.json: tencent_sdk_app_id: "),
    ],
)
def test_a_list_of_templates_that_is_none_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, why: str
) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    assert why in _said(folder, capsys)


def test_the_app_that_customers_open_is_the_one_that_is_needed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "appid.txt").rename(folder / "sub-appid.txt")
    assert service(settings("http://nowhere", folder)).name == "notify"
    (folder / "sub-appid.txt").unlink()
    assert "cannot read appid.txt" in _said(folder, capsys)


def test_the_service_is_made_with_all_of_them_there(folder: Path) -> None:
    assert service(settings("http://nowhere", folder)).name == "notify"
