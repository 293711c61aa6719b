"""Objects against the schemas of the API server, which take no field that they do not name. The schemas of Kubernetes'
own kinds are those in the package kubernetes-validate; its own `validate` reads two megabytes anew for every object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tools.manifests.rendering import KUBERNETES

VERSION = "1.34"
"""Of Kubernetes: the newest whose schemas the package brings."""
FOREIGN = KUBERNETES / "schemas"
"""Kinds that are not Kubernetes' own, as the custom resource definitions of their makers."""
_OWN = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}.0-local-strict"

Manifest = Mapping[str, Any]


def wrong(found: Manifest) -> Iterator[str]:
    """Everything that is wrong with one object."""
    version, kind = str(found.get("apiVersion")), str(found.get("kind"))
    name = f"{kind}/{found.get('metadata', {}).get('name')}"
    validator = _validator(version, kind)
    if validator is None:
        yield f"{name}: there is no schema for {kind} of {version}"
        return
    for error in validator.iter_errors(found):
        yield f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message}"


@cache
def _validator(version: str, kind: str) -> Draft202012Validator | None:
    if foreign := _foreign().get((version, kind)):
        return Draft202012Validator(foreign)
    # apps/v1 is apps-v1 there, networking.k8s.io/v1 networking-v1, v1 v1.
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    try:
        schema = json.loads((_OWN / f"{kind.lower()}-{name}.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    return Draft202012Validator(schema, registry=_definitions() if "$ref" in json.dumps(schema) else Registry())


@cache
def _definitions() -> Registry[Any]:
    return Resource.from_contents(json.loads((_OWN / "_definitions.json").read_text("utf-8"))) @ Registry()


@cache
def _foreign() -> dict[tuple[str, str], Manifest]:
    schemas = {}
    for path in FOREIGN.glob("*.yaml"):
        spec = yaml.safe_load(path.read_text("utf-8"))["spec"]
        for version in spec["versions"]:
            schema = _closed(version["schema"]["openAPIV3Schema"])
            # What every object has beside its own is not written in such a schema.
            schema["properties"]["metadata"] = {"type": "object"}
            schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return schemas


def _closed(schema: Any) -> Any:
    """The same schema, taking no field that it does not name, as a server does that validates strictly."""
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        closed["properties"] = {key: _closed(value) for key, value in schema["properties"].items()}
        if "x-kubernetes-preserve-unknown-fields" not in schema:
            closed.setdefault("additionalProperties", False)
    return closed
