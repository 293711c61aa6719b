"""What is inside the images: one service each, nothing that builds, no secret, little weight."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import PurePosixPath
from typing import Any

import docker
import pytest

from tests.support.containers import ROOT, filled_in, image

SERVICES = ("order", "payment", "inventory", "notify", "analytics", "gateway")
OURS = (*SERVICES, "sandbox", "topics")
SIZE_MAX_MB = 200
LOOK = """
import importlib.util as u, json, os, pathlib
files = [str(p) for p in pathlib.Path('/app').rglob('*') if p.is_file()]
found = [name for name in ('pip', 'pytest', 'mypy', 'yaml', 'confluent_kafka') if u.find_spec(name)]
secrets = os.listdir('/run/secrets/tuidan')
print(json.dumps({'files': files, 'user': os.getuid(), 'packages': found, 'secrets': secrets}))
"""


@pytest.fixture(scope="session")
def engine() -> docker.DockerClient:
    """The engine, with every image of ours built as compose builds it."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("SKIPPED: images were not looked into: docker compose is not here")
    subprocess.run(["docker", "compose", "--profile", "demo", "build", "--quiet"], cwd=ROOT, check=True)
    return docker.from_env()


def inside(engine: docker.DockerClient, name: str) -> dict[str, Any]:
    """What `LOOK` sees in an image."""
    said: bytes = engine.containers.run(image(name), ["-c", LOOK], entrypoint="python3", remove=True, network="none")
    found: dict[str, Any] = json.loads(said)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_contracts_chassis_and_one_service(engine: docker.DockerClient, service: str) -> None:
    found = inside(engine, service)
    places = {PurePosixPath(file).relative_to("/app").parts[:2] for file in found["files"]}
    assert {place[0] for place in places} == {"contracts", "chassis", "services"}
    assert {place[1] for place in places if place[0] == "services"} == {service}
    assert f"/app/services/{service}/main.py" in found["files"]
    assert not [file for file in found["files"] if not file.endswith((".py", ".pyc"))]
    assert found["packages"] == []
    assert found["secrets"] == []
    assert found["user"] == 10001


def test_the_stand_in_holds_no_code_of_the_shop(engine: docker.DockerClient) -> None:
    found = inside(engine, "sandbox")
    assert {PurePosixPath(file).relative_to("/app").parts[0] for file in found["files"]} == {"sandbox", "probe.py"}
    assert found["user"] == 10001


@pytest.mark.parametrize("name", OURS)
def test_an_image_is_light(engine: docker.DockerClient, name: str) -> None:
    base = filled_in("${PYTHON_IMAGE:-python:3.11-slim-bookworm}")
    size, under = (engine.images.get(each).attrs["Size"] for each in (image(name), base))
    print(f"{name}: {(size - under) / 1e6:.0f} MB on a base of {under / 1e6:.0f} MB")
    assert (size - under) / 1e6 <= SIZE_MAX_MB


def test_without_a_name_no_image_is_built(engine: docker.DockerClient) -> None:
    base = f"PYTHON_IMAGE={os.environ.get('PYTHON_IMAGE') or 'python:3.11-slim-bookworm'}"
    command = ["docker", "build", "--quiet", "--file", "deploy/Dockerfile", "--build-arg", base, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "SERVICE=order|payment" in done.stdout + done.stderr
