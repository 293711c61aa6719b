"""kustomize and kube-score: built from the versions and hashes of deploy/k8s/tools/go.sum, kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "k8s"
OVERLAYS = ("local", "production", "production-on-cpu")
RECIPE = KUBERNETES / "tools"
BUILD = "make kubernetes-tools"


class ToolFailed(Exception):
    """A program could not be run, or refused what it was given; says what it said."""


def folder() -> Path:
    """Where the two programs of this recipe are, once they were built."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", tempfile.gettempdir())) / ".cache"
    recipe = b"".join((RECIPE / name).read_bytes() for name in ("go.mod", "go.sum"))
    return Path(caches) / "tuidan" / f"kubernetes-tools-{hashlib.sha256(recipe).hexdigest()[:12]}"


def build() -> str:
    """Build what is missing; returns what came of it, in a sentence. Raises ToolFailed when Go refuses."""
    if all((folder() / name).exists() for name in ("kustomize", "kube-score")):
        return f"kustomize and kube-score are in {folder()}"
    go = shutil.which("go")
    if go is None:
        return "SKIPPED: kustomize and kube-score were not built: there is no go on PATH"
    half = folder().with_name(f"{folder().name}.{os.getpid()}")
    try:
        run([go, "build", "-o", f"{half}{os.sep}", "tool"], RECIPE)
        shutil.rmtree(folder(), ignore_errors=True)
        half.replace(folder())
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return f"kustomize and kube-score were built into {folder()}"


def renderer() -> list[str] | None:
    """The command that renders a folder: our own kustomize, else the one in kubectl; None where there is neither."""
    if (own := folder() / "kustomize").exists():
        return [str(own), "build"]
    return ["kubectl", "kustomize"] if shutil.which("kubectl") else None


def rendered(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay. Raises ToolFailed; `renderer()` must have found one."""
    command = renderer()
    if command is None:
        raise ToolFailed(f"neither kustomize nor kubectl is here; with Go: {BUILD}")
    text = run([*command, str(KUBERNETES / "overlays" / overlay)])
    quick = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [found for found in yaml.load_all(text, quick) if found is not None]


def linted(objects: Sequence[dict[str, Any]], ignored: Sequence[str], version: str) -> list[str] | None:
    """What kube-score finds; None where it was not built."""
    score = folder() / "kube-score"
    if not score.exists():
        return None
    options = ["--output-format", "json", "--kubernetes-version", f"v{version}", "--ignore-container-cpu-limit"]
    command = [str(score), "score", *options, *(f"--ignore-test={name}" for name in ignored), "-"]
    done = subprocess.run(command, input=yaml.safe_dump_all(objects), capture_output=True, text=True, check=False)
    try:
        shown = json.loads(done.stdout)
    except ValueError as problem:
        raise ToolFailed(f"kube-score: {(done.stderr or done.stdout)[-500:]}") from problem
    return list(_complaints(shown))


def _complaints(shown: Sequence[dict[str, Any]]) -> list[str]:
    """Everything that is not fully right (its grades: 1 critical, 5 a warning, 7 nearly, 10 right)."""
    return [
        f"{scored['object_name']}: {check['check']['name']}: "
        + "; ".join(comment["summary"] for comment in check["comments"] or ())
        for scored in shown
        for check in scored["checks"]
        if not check["skipped"] and check["grade"] < RIGHT
    ]


RIGHT = 10


def run(command: Sequence[str], where: Path = ROOT) -> str:
    """What a program printed. Raises ToolFailed when it refuses."""
    try:
        done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    except OSError as problem:
        raise ToolFailed(f"{command[0]} cannot be called: {problem}") from problem
    if done.returncode:
        raise ToolFailed(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
