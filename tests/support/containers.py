"""Kafka, a MongoDB replica set and Redis in containers, from the images and with the settings of `docker-compose.yml`.
Image names come from the environment as there."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
USUAL_HOST = "unix:///var/run/docker.sock"
KAFKA_PORT = 9092
REDIS_PORT = 6379
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def why_no_engine() -> str | None:
    """Why containers cannot be tried here; None: they can."""
    host = os.environ.get("DOCKER_HOST", USUAL_HOST)
    try:
        if host.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as door:  # the library leaves its socket open when nobody answers
                door.connect(host.removeprefix("unix://"))
        client = docker.from_env()
        try:
            client.ping()
        finally:
            client.close()
    except (DockerException, OSError) as problem:
        return f"no container engine answers ({str(problem)[:120]})"
    return None


def filled_in(text: str) -> str:
    """A value of the compose file with its variables replaced, as compose does it."""
    return _VARIABLE.sub(lambda found: os.environ.get(found[1]) or found[2], text)


def part(name: str) -> dict[str, Any]:
    """One service of the compose file."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return services[name]


def image(name: str) -> str:
    """The image of one service of the compose file."""
    return filled_in(part(name)["image"])


@contextmanager
def kafka_container(port: int) -> Iterator[str]:
    """A Kafka that clients reach at `localhost:<port>`; it may take some seconds to answer."""
    environment = {name: str(value) for name, value in part("kafka")["environment"].items()}
    environment["KAFKA_ADVERTISED_LISTENERS"] = f"PLAINTEXT://localhost:{port}"
    container = DockerContainer(image("kafka")).with_envs(**environment).with_bind_ports(KAFKA_PORT, port)
    with container:
        yield f"localhost:{port}"


@contextmanager
def redis_container(port: int) -> Iterator[tuple[str, DockerContainer]]:
    """A Redis, and its container to stop and start."""
    container = DockerContainer(image("redis")).with_command(["--save", "", "--appendonly", "no"])
    with container.with_bind_ports(REDIS_PORT, port):
        yield f"redis://localhost:{port}/0", container


@contextmanager
def mongo_set(ports: list[int]) -> Iterator[dict[int, DockerContainer]]:
    """Servers that will be a replica set, by port. Each has the same port inside and outside, so that one address is
    right for its fellows and for clients."""
    with ExitStack() as running:
        servers = {}
        for port in ports:
            words = ["--replSet", "rs0", "--port", str(port), "--wiredTigerCacheSizeGB", "0.25"]
            server = DockerContainer(image("mongo"), network_mode="host").with_command(words)
            servers[port] = running.enter_context(server)
        yield servers
