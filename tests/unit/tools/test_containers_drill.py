"""What the drill in containers says when the engine is away, refuses, or keeps it waiting."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tools.cli import app
from tools.containers.compose import Compose, ContainersFailed, wait_for, why_no_compose


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called docker, to be written by the test; there is no other."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return tmp_path / "docker"


def says(docker: Path, script: str) -> None:
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)


def test_without_docker_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "docker cannot be called" in (why_no_compose() or "")
    done = CliRunner().invoke(app, ["drill", "containers"])
    assert done.exit_code == 2
    assert "The drill in containers was not run: docker cannot be called" in done.output


def test_an_engine_that_does_not_answer_is_told(docker: Path) -> None:
    says(docker, 'echo "Cannot connect to the engine" >&2; exit 1')
    assert why_no_compose() == "`docker info` says: Cannot connect to the engine"


def test_an_engine_without_compose_is_told(docker: Path) -> None:
    says(docker, '[ "$1" = info ] && exit 0; echo "compose is not a docker command" >&2; exit 1')
    assert why_no_compose() == "`docker compose version` says: compose is not a docker command"
    says(docker, "exit 0")
    assert why_no_compose() is None


def test_a_command_that_fails_is_shown_with_the_end_of_what_it_said(docker: Path) -> None:
    says(docker, 'echo "$@"; seq 30 >&2; exit 17')
    with pytest.raises(ContainersFailed) as failed:
        Compose("trial", {})("up")
    lines = str(failed.value).splitlines()
    assert lines[0] == ("`docker compose --project-name trial --env-file deploy/demo.env up` ended with 17:")
    assert lines[1:] == [str(number) for number in range(16, 31)]


def test_what_does_not_start_is_shown_with_what_the_servers_said_last(docker: Path) -> None:
    says(docker, 'case "$*" in *logs*) echo "$@"; echo "mongo-1 | read-only directory: /data/db";; *) exit 1;; esac')
    with pytest.raises(ContainersFailed) as failed:
        Compose("trial", {}).up("kafka", "mongo")
    text = str(failed.value)
    assert "up --detach` ended with 1" in text
    assert "logs --no-color --tail 4 kafka mongo" in text
    assert text.endswith("mongo-1 | read-only directory: /data/db")


def test_a_command_that_does_not_end_is_not_waited_for(docker: Path) -> None:
    says(docker, "exec sleep 60")
    with pytest.raises(ContainersFailed, match=r"down` took longer than 0 s"):
        Compose("trial", {})("down", seconds=0.1)


def test_settings_reach_compose_and_processor_time_is_read(docker: Path) -> None:
    says(
        docker,
        'case "$1" in exec) echo "1 (python3 (x)) S 0 1 1 0 -1 4194560 9 0 0 0 250 75 0 0 20 0";; *) echo $PORT;; esac',
    )
    compose = Compose("trial", {"PORT": "8123"})
    assert compose("config") == "8123\n"
    assert compose.cpu_seconds("c") == 3.25


def test_a_drill_never_works_on_what_the_shell_names(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For compose the environment comes before the file with the drill's settings: the stand-in would take up what a
    shop's payments wait for."""
    for name in ("TUIDAN_MONGO", "TUIDAN_KAFKA", "TUIDAN_REDIS", "TUIDAN_SECRETS", "TUIDAN_ENV_FILE", "KAFKA_IMAGE"):
        monkeypatch.setenv(name, "of-a-shop")
    monkeypatch.setenv("TUIDAN_IMAGES", "mirror/")
    says(docker, "env | grep -E '^(TUIDAN_|KAFKA_)' | sort")
    assert Compose("trial", {"TUIDAN_VERSION": "7"})("up").split() == [
        "KAFKA_IMAGE=of-a-shop",
        "TUIDAN_IMAGES=mirror/",
        "TUIDAN_VERSION=7",
    ]


def test_when_each_service_was_first_ready_is_seen_from_inside(docker: Path) -> None:
    says(docker, """case "$*" in *exec*gateway*order*) echo '{"order": 12.5, "payment": 13.0}';; esac""")
    compose = Compose("trial", {})
    assert compose.first_ready(("order", "payment"), 9) == {"order": 12.5, "payment": 13.0}
    with pytest.raises(ContainersFailed, match="notify: not ready within 9 s"):
        compose.first_ready(("order", "notify"), 9)


def test_when_something_was_started_is_read_from_the_engine(docker: Path) -> None:
    says(
        docker,
        """echo '[{"State": {"StartedAt": "2026-11-28T08:30:00.123456789Z", "Health": {"Status": "healthy"}}}]'""",
    )
    compose = Compose("trial", {})
    assert compose.started_at("c") == 1_795_854_600.123456
    assert compose.is_healthy("c")


def test_what_does_not_come_is_named() -> None:
    wait_for(lambda: True, "nothing", 0)
    with pytest.raises(ContainersFailed, match="order is ready: not within 0 s"):
        wait_for(lambda: False, "order is ready", 0)
