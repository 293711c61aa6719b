"""`contracts/asyncapi.yaml` is fresh, complete, and AsyncAPI 3.0 in the eyes of those who define it."""

from __future__ import annotations

import json
import lzma
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from contracts import CATALOGUE
from contracts.message import Command
from tools.catalogue import asyncapi

ROOT = Path(__file__).resolve().parents[2]
# Where `make test` puts the official parser when there is npm.
PARSER = ROOT / ".venv" / "asyncapi"
# The official JSON Schema of AsyncAPI 3.0.0; where it is from and under which licence: official/README.md.
OFFICIAL = Path(__file__).parent / "official" / "asyncapi-3.0.0.json.xz"

HINTS = {"asyncapi-latest-version"}  # 3.0 is meant: that is what code generators read today


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(asyncapi.PATH.read_text("utf-8"))
    return found


def official_errors(document: dict[str, Any]) -> list[str]:
    schema = json.loads(lzma.decompress(OFFICIAL.read_bytes()))
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)]


def parsed(path: Path) -> dict[str, Any]:
    """What the official parser says; skips aloud where it cannot be asked."""
    if shutil.which("node") is None or not (PARSER / "node_modules").is_dir():
        pytest.skip(
            "SKIPPED: the official AsyncAPI parser was not asked (no node, or `make test` could not install it)"
        )
    done = subprocess.run(
        ["node", "parse.mjs", str(path)], cwd=PARSER, capture_output=True, text=True, timeout=50, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_is_fresh() -> None:
    assert asyncapi.PATH.read_text("utf-8") == asyncapi.rendered(asyncapi.document()), "run `make schemas`"


def test_it_fits_the_official_schema(document: dict[str, Any]) -> None:
    assert official_errors(document) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"asyncapi": "4.0.0"},
        {"info": {"title": "no version"}},
        {"operations": {"x": {"action": "shout", "channel": {"$ref": "#/channels/order.events"}}}},
        {"channels": {"x": {"messages": []}}},
    ],
)
def test_the_official_schema_sees_a_broken_document(document: dict[str, Any], broken: dict[str, Any]) -> None:
    assert official_errors(document | broken) != []


def test_the_official_parser_reads_it(document: dict[str, Any]) -> None:
    said = parsed(asyncapi.PATH)
    assert [finding for finding in said["found"] if finding["code"] not in HINTS] == []
    assert said["readable"]
    assert (said["operations"], said["messages"]) == (len(document["operations"]), len(CATALOGUE))


def test_the_official_parser_sees_a_reference_to_nothing(document: dict[str, Any], tmp_path: Path) -> None:
    lost = {"x": {"action": "send", "channel": {"$ref": "#/channels/nowhere"}}}
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(document | {"operations": lost}), "utf-8")
    assert not parsed(broken)["readable"]


def test_the_copied_schema_is_the_one_the_parser_uses() -> None:
    package = PARSER / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
    if not package.exists():
        pytest.skip("SKIPPED: the official AsyncAPI package is not installed; its schema was not compared")
    assert lzma.decompress(OFFICIAL.read_bytes()) == package.read_bytes()


def test_every_message_is_said_and_every_command_heard_with_its_answers(document: dict[str, Any]) -> None:
    said: set[str] = set()
    heard: dict[str, set[str]] = {}
    for operation in document["operations"].values():
        wires = {reference["$ref"].rsplit("/", 1)[-1] for reference in operation["messages"]}
        if operation["action"] == "send":
            said |= wires
        elif "reply" in operation:
            answers = {reference["$ref"].rsplit("/", 1)[-1] for reference in operation["reply"]["messages"]}
            heard |= dict.fromkeys(wires, answers)
    assert said == set(CATALOGUE)
    for wire, message in CATALOGUE.items():
        if issubclass(message, Command):
            assert heard[wire] == {answer.wire for answer in (message.yes, message.no) if answer}


def test_every_channel_is_a_topic_and_every_message_names_its_key(document: dict[str, Any]) -> None:
    topics = {message.topic.name for message in CATALOGUE.values() if message.topic}
    assert {channel["address"] for channel in document["channels"].values()} == topics
    for wire, message in document["components"]["messages"].items():
        assert CATALOGUE[wire].key in message["bindings"]["kafka"]["key"]["description"]
