"""Before a trial: images under names that nobody else has, the manifests with these images, keys for everybody."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tools.containers.compose import ROOT, Compose
from tools.handing_out import READ_BY, hand_out
from tools.kubernetes.cluster import Cluster, ClusterFailed
from tools.kubernetes.secrets import secrets

OVERLAY = ROOT / "deploy" / "k8s" / "overlays" / "local"
OURS = ("order", "payment", "inventory", "notify", "analytics", "gateway", "operator", "sandbox")
SERVERS = {"apache/kafka": "KAFKA_IMAGE", "mongo": "MONGO_IMAGE", "redis": "REDIS_IMAGE"}
"""Images of others, and the variables that name another one, as for docker-compose.yml."""
_PROJECT = "tuidan-try"


@dataclass(frozen=True, slots=True)
class Images:
    """`version`: the tag of ours. `named`: images of others that were named by the environment. `load`: a command that
    brings `{image}` to the nodes, for a cluster that does not see this machine's images."""

    version: str
    named: Mapping[str, str]
    load: str = ""


def built(*, build: bool, load: str) -> Images:
    """Build our images, or take those that are there, and give them a tag that says what is in them: a node keeps the
    image that it has under a name. Raises ContainersFailed or ClusterFailed."""
    if build:
        Compose(_PROJECT, {"TUIDAN_VERSION": "dev", "TUIDAN_IMAGES": "tuidan/"})("--profile", "demo", "build")
    named = {image: os.environ[variable] for image, variable in SERVERS.items() if os.environ.get(variable)}
    ids = [_docker("image", "inspect", "--format", "{{.Id}}", f"tuidan/{name}:dev").strip() for name in OURS]
    version = f"try-{_digest(ids)}"
    for name in OURS:
        _docker("tag", f"tuidan/{name}:dev", f"tuidan/{name}:{version}")
        if load:
            _run(shlex.split(load.format(image=f"tuidan/{name}:{version}")))
    return Images(version, named, load)


def forget(images: Images) -> None:
    """Take the tags away again."""
    for name in OURS:
        _docker("rmi", "--no-prune", f"tuidan/{name}:{images.version}")


def kustomization(images: Images) -> str:
    """The overlay `local` with these images, to be written beside it."""
    ours = [{"name": f"tuidan/{name}", "newTag": images.version} for name in OURS]
    others = [{"name": image, **_split(wanted)} for image, wanted in images.named.items()]
    whole = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../local"],
        "images": ours + others,
    }
    return yaml.safe_dump(whole, sort_keys=False)


def apply(cluster: Cluster, images: Images) -> None:
    """Bring everything into the cluster, keys included."""
    with TemporaryDirectory(prefix=".try-", dir=OVERLAY.parent) as beside:
        Path(beside, "kustomization.yaml").write_text(kustomization(images), "utf-8")
        cluster("apply", "--kustomize", beside)
    with TemporaryDirectory(prefix="tuidan-keys-") as folder:
        made = "\n---\n".join(yaml.safe_dump(one) for one in _keys(Path(folder)))
        cluster("apply", "--server-side", "--filename", "-", given=made)


def _keys(folder: Path) -> list[object]:
    from chassis.personal import make_first_keys
    from sandbox.keys import make_keys

    make_keys(folder / "sandbox")
    make_first_keys(folder / "sandbox")
    for service in READ_BY:
        hand_out(service, folder / "sandbox", folder / service)
    return list(secrets(folder))


def _split(image: str) -> dict[str, str]:
    name, _, tag = image.rpartition(":")
    return {"newName": name, "newTag": tag} if name and "/" not in tag else {"newName": image}


def _digest(ids: list[str]) -> str:
    import hashlib

    return hashlib.sha256("".join(ids).encode()).hexdigest()[:12]


def _docker(*words: str) -> str:
    return _run(("docker", *words))


def _run(command: tuple[str, ...] | list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as problem:
        raise ClusterFailed(f"{command[0]} cannot be called: {problem}") from problem
    if done.returncode:
        raise ClusterFailed(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout
