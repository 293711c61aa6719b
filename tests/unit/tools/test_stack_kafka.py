"""Kafka as a process of the stack: what it is told, which topics it gets, and what is said where it cannot be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.stack import java, layout
from tools.stack.binaries import BinaryMissing
from tools.stack.home import Home
from tools.stack.jars import RECIPE, cache_folder, fetch_command, kafka_jars, kafka_version, why_no_kafka
from tools.stack.java import find_java, find_maven, major_version
from tools.stack.kafka import CONTROLLER, kafka_program, properties
from tools.stack.layout import SERVICES, choose_kafka, tuidan_plan
from tools.stack.plan import Plan, fill_in

DEBIAN = 'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)'


def _program(folder: Path, name: str, says: str = "") -> Path:
    """An executable that says something on its error output, as `java -version` does."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\ncat >&2 <<'TEXT'\n{says}\nTEXT\n")
    file.chmod(0o755)
    return file


def _path(folder: Path) -> dict[str, str]:
    return {"PATH": str(folder), "HOME": str(folder)}


@pytest.mark.parametrize(
    ("said", "version"),
    [(DEBIAN, 17), ('java version "1.8.0_402"', 8), ('openjdk version "24" 2025-03-18', 24), ("no java here", None)],
)
def test_the_version_of_java_is_read_from_what_it_says(said: str, version: int | None) -> None:
    assert major_version(said) == version


def test_a_new_enough_java_is_found_on_the_path_or_in_its_home(tmp_path: Path) -> None:
    found = _program(tmp_path / "bin", "java", DEBIAN)
    os.environ.setdefault("PATH", "")
    assert find_java({"PATH": f"{found.parent}:{os.environ['PATH']}"}) == str(found)
    assert find_java({"JAVA_HOME": str(tmp_path), "PATH": "/nowhere"}) == str(found)


def test_without_java_one_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        BinaryMissing, match=r"No java was found on PATH\. Kafka needs Java 17 .* apt-get install"
    ) as no:
        find_java(_path(tmp_path))
    # `drill away` and some benchmarks say this, too, and have no such option.
    assert "A command with the option --kafka does without them: --kafka embedded" in str(no.value)
    with pytest.raises(BinaryMissing, match="No java was found in JAVA_HOME"):
        find_java({"JAVA_HOME": str(tmp_path), **_path(tmp_path)})


def test_a_java_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = _program(tmp_path / "bin", "java", 'java version "1.8.0_402"')
    with pytest.raises(BinaryMissing, match=rf"{old} is Java 8\. Kafka needs"):
        find_java(_path(old.parent))


def test_maven_is_needed_only_until_kafka_has_been_fetched(tmp_path: Path) -> None:
    path = _path(_program(tmp_path / "bin", "java", DEBIAN).parent)
    with pytest.raises(BinaryMissing, match="No mvn was found on PATH, and Kafka has not been fetched yet"):
        find_maven(path)
    assert "mvn" in (why_no_kafka(path) or "")
    cache_folder(path).mkdir(parents=True)
    assert why_no_kafka(path) is None
    assert kafka_jars(path) == cache_folder(path)


def test_what_maven_says_is_shown_and_no_half_is_kept(tmp_path: Path) -> None:
    maven = _program(tmp_path / "bin", "mvn", "the network is away")
    maven.write_text("#!/bin/sh\necho the network is away\nexit 1\n")
    with pytest.raises(BinaryMissing, match="Maven could not fetch Kafka:\nthe network is away"):
        kafka_jars(_path(maven.parent))
    assert list((maven.parent / ".cache" / "tuidan").iterdir()) == []


def test_the_jars_are_those_of_the_recipe(tmp_path: Path) -> None:
    assert kafka_version() == "4.1.0"
    pom = (RECIPE / "pom.xml").read_text("utf-8")
    assert pom.count(f"<version>{kafka_version()}</version>") == 3, "the recipe, kafka_2.13 and kafka-tools agree"
    command = fetch_command("mvn", RECIPE, tmp_path)
    assert command[0] == "mvn"
    assert command[-2:] == ["dependency:copy-dependencies", f"-DoutputDirectory={tmp_path}"]
    with pytest.raises(BinaryMissing, match="list of jars cannot be read"):
        kafka_version(tmp_path)


def test_kafka_makes_no_topic_by_itself_and_keeps_its_data() -> None:
    text = properties(Path("/data/log"), 9092, 9093)
    lines = dict(line.split("=", 1) for line in text.splitlines())
    assert lines["auto.create.topics.enable"] == "false"
    assert lines["log.dirs"] == "/data/log"
    assert lines["group.initial.rebalance.delay.ms"] == "0"
    assert lines["controller.quorum.voters"] == "1@127.0.0.1:9093"
    assert all("127.0.0.1" in part for part in lines["listeners"].split(",")), "nobody else's machine may reach it"


def test_kafka_is_prepared_and_furnished_on_its_ports(tmp_path: Path) -> None:
    program = kafka_program(Home(tmp_path), "/usr/bin/java", Path("/jars"))
    addresses = {"broker": "127.0.0.1:29092", CONTROLLER: "127.0.0.1:29093"}
    prepare, furnish = (
        " ".join(fill_in(part, addresses) for part in each) for each in (program.prepare, program.furnish)
    )
    assert "--port 29092 --controller-port 29093" in prepare
    assert furnish.endswith("tools.cli topics create --kafka 127.0.0.1:29092 --copies 1")
    assert program.command[-2] == "kafka.Kafka"
    assert {"-Xmx512m", "-XX:+UseSerialGC", "/jars/*"} <= set(program.command)


def _native(home: Home, monkeypatch: pytest.MonkeyPatch, instances: int) -> Plan:
    monkeypatch.setattr(layout, "find_java", lambda: "java")
    monkeypatch.setattr(layout, "kafka_jars", lambda: Path("/jars"))
    return tuidan_plan(home, "native", instances)


def test_instances_share_groups_and_databases_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _native(Home(tmp_path), monkeypatch, 2)
    programs = {program.name: program for program in plan}
    assert [f"{name}-2" in programs for name in SERVICES] == [True] * len(SERVICES)
    assert len({program.port for program in plan}) == len(plan.programs)
    first, second = programs["payment"].env, programs["payment-2"].env
    assert second["TUIDAN_HTTP_PORT"] == "{payment-2.port}"
    assert second["TUIDAN_CALLBACK_URL"] == "http://{gateway-2.address}"
    assert programs["gateway-2"].env["TUIDAN_ORDER_URL"] == "http://{order-2.address}"
    same = ("TUIDAN_KAFKA", "TUIDAN_MONGO", "TUIDAN_REDIS", "TUIDAN_PROVIDER_URL")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    assert programs["payment"].command == programs["payment-2"].command
    assert programs["payment"].restart_with == (), "a real Kafka comes back where it was"
    assert "TUIDAN_KAFKA_FETCH_WAIT_MS" not in first


def test_the_embedded_broker_refuses_several_instances(tmp_path: Path) -> None:
    with pytest.raises(BinaryMissing, match="one member per group"):
        tuidan_plan(Home(tmp_path), "embedded", 2)


def test_which_kafka_it_is_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_kafka("native") == ("native", None)
    assert choose_kafka("embedded") == ("embedded", None)
    monkeypatch.setattr(layout, "why_no_kafka", lambda: None)
    assert choose_kafka("auto") == ("native", None)
    monkeypatch.setattr(layout, "why_no_kafka", lambda: java.ADVICE)
    assert choose_kafka("auto") == ("embedded", java.ADVICE)
