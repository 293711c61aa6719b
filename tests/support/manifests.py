"""The manifests of deploy/k8s, rendered once, as tests look into them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from tools.manifests.rendering import ROOT, rendered

Manifest = dict[str, Any]

SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/main.py"))
KIND = "kind"
NAME = "app.kubernetes.io/name"


@cache
def objects(overlay: str) -> list[Manifest]:
    """Everything that an overlay makes."""
    return rendered(overlay)


def of(overlay: str, kind: str) -> dict[str, Manifest]:
    """Everything of one kind, by name."""
    return {one["metadata"]["name"]: one for one in objects(overlay) if one[KIND] == kind}


def pods(overlay: str) -> Iterator[tuple[str, Manifest]]:
    """Each pod that an overlay makes: whose, and its spec."""
    for one in objects(overlay):
        if one[KIND] in ("Deployment", "StatefulSet", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]
