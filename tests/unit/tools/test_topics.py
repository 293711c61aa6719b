"""The list of topics: what it may say, that it is the contracts', and where a cluster differs from it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts import CATALOGUE
from tools.cli import app
from tools.stack import Plan, up
from tools.topics.drift import ABSENT, Difference, Found, differences
from tools.topics.listing import CLEANUP, IN_SYNC, PATH, RETENTION, Listed, ListUnreadable, of_contracts, read, unlike

DAY_MS = 86_400_000
MakeFake = Callable[..., Any]


def _changed(tmp_path: Path, old: str, new: str) -> Path:
    """A copy of the list in which something reads otherwise."""
    text = PATH.read_text("utf-8")
    assert old in text
    copy = tmp_path / "topics.yaml"
    copy.write_text(text.replace(old, new), "utf-8")
    return copy


def test_the_topics_are_those_of_the_contracts_with_their_dead_letters() -> None:
    names = [topic.name for topic in read()]
    assert sorted(names) == of_contracts(CATALOGUE.values())
    assert {"order.commands", "order.events", "payment.commands.dead"} <= set(names)
    assert unlike(CATALOGUE.values()) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  order.events: {", "  order.event: {", "lacks order.events, which the contracts have"),
        ("  order.events: {", "  order.event: {", "has order.event, which no message travels on"),
        ("cleanup.policy: delete", "cleanup.policy: compact", "order.events must have cleanup.policy delete"),
        ("min.insync.replicas: 2", "min.insync.replicas: 1", "payment.commands needs min.insync.replicas 2"),
        ("retention_days: 90", "retention_days: 1", "order.events.dead must be kept as long as order.events"),
        ("copies: 3", "copies: many", "topics.yaml: 1 validation error"),
        ("copies: 3", "copies: 3\ncolour: red", "Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_list_that_fits_no_more_is_told(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in "\n".join(unlike(CATALOGUE.values(), _changed(tmp_path, old, new)))


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ListUnreadable, match="No such file"):
        read(tmp_path / "topics.yaml")


@pytest.mark.parametrize(
    "content",
    [
        b"\x96\xff",
        b"",
        b"copies: 3\nsettings: {min.insync.replicas: two}\ntopics: {a: {partitions: 1, retention_days: 1}}",
    ],
)
def test_what_is_no_list_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "topics.yaml").write_bytes(content)
    with pytest.raises(ListUnreadable, match=r"topics\.yaml: "):
        read(tmp_path / "topics.yaml")


def test_settings_read_as_kafka_gives_them_back() -> None:
    (topic,) = (each for each in read() if each.name == "order.events")
    assert topic == Listed(
        "order.events",
        12,
        3,
        {
            CLEANUP: "delete",
            IN_SYNC: "2",
            RETENTION: str(30 * DAY_MS),
            "unclean.leader.election.enable": "false",
        },
    )


@pytest.mark.parametrize(("copies", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_one_copy_may_always_be_away(copies: int, in_sync: str) -> None:
    assert {(topic.copies, topic.settings[IN_SYNC]) for topic in read(copies=copies)} == {(copies, in_sync)}


def _as_listed(topic: Listed) -> Found:
    return Found(topic.partitions, topic.copies, {**topic.settings, "segment.bytes": "1073741824"})


def test_differences_are_named_by_topic_and_setting_with_what_repairs_them() -> None:
    listed = read()
    found = {topic.name: _as_listed(topic) for topic in listed}
    assert differences(listed, found) == []
    del found["order.commands"]
    found["order.events"] = Found(6, 1, {**found["order.events"].settings, RETENTION: "60000"})
    assert differences(listed, found) == [
        Difference("order.commands", "topic", "there", ABSENT, "create"),
        Difference("order.events", "partitions", "12", "6", "hand"),
        Difference("order.events", "copies", "3", "1", "hand"),
        Difference("order.events", RETENTION, str(30 * DAY_MS), "60000", "mend"),
    ]


@pytest.mark.parametrize("word", ["create", "check"])
def test_a_kafka_that_does_not_answer_is_told(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.topics.cluster.ANSWER_SECONDS", 0.5)
    with socket.socket() as nobody:  # bound and not listening: connections are refused
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        done = CliRunner().invoke(app, ["topics", word, "--kafka", address])
    assert done.exit_code == 2
    assert f"no Kafka answers at {address} within 0.5 s" in done.output


def test_without_a_cluster_one_is_told_how_to_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUIDAN_KAFKA", raising=False)
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["topics", "check"])
    assert (done.exit_code, "Name a cluster with --kafka HOST:PORT or TUIDAN_KAFKA" in done.output) == (2, True)


@pytest.mark.parametrize("word", ["check", "create"])
def test_the_broker_in_memory_is_not_said_to_be_silent(
    word: str, home: Path, fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers, but nothing about settings."""
    monkeypatch.setenv("TUIDAN_HOME", str(home))
    monkeypatch.delenv("TUIDAN_KAFKA", raising=False)
    monkeypatch.setattr("tools.topics.cluster.ANSWER_SECONDS", 0.2)
    up(home, plan=Plan((fake("broker", own_address=True),)))
    done = CliRunner().invoke(app, ["topics", word])
    assert (done.exit_code, "no Kafka answers" in done.output) == (2, False), done.output
    assert "tuidan up --kafka native" in done.output
