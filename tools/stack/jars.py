"""Kafka's jars: named in deploy/kafka/pom.xml, fetched once by Maven into a folder that a user's stacks share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from tools.stack.binaries import BinaryMissing
from tools.stack.java import find_java, find_maven

RECIPE = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
FETCH_LIMIT_SECONDS = 600.0
_POM = {"": "http://maven.apache.org/POM/4.0.0"}
_LINES_SHOWN = 8


def kafka_version(recipe: Path = RECIPE) -> str:
    """Which Kafka the recipe names. Raises BinaryMissing when there is no recipe, as in an installation without it."""
    try:
        version = ElementTree.parse(recipe / "pom.xml").findtext("version", namespaces=_POM)
    except (OSError, ElementTree.ParseError) as problem:
        raise BinaryMissing(f"Kafka's list of jars cannot be read: {problem}") from problem
    return version or "unknown"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the jars are kept."""
    caches = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", tempfile.gettempdir())) / ".cache"
    return Path(caches) / "tuidan" / f"kafka-{kafka_version()}"


def fetch_command(maven: str, recipe: Path, folder: Path) -> list[str]:
    """How Maven copies every jar of the recipe into a folder."""
    goal = ("dependency:copy-dependencies", f"-DoutputDirectory={folder}")
    return [maven, "--batch-mode", "--quiet", "--file", str(recipe / "pom.xml"), *goal]


def kafka_jars(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder with Kafka's jars, fetched now if need be. Raises BinaryMissing with what to do."""
    folder = cache_folder(environment)
    if not folder.is_dir():
        _fetch(find_maven(environment), folder)
    return folder


def why_no_kafka(environment: Mapping[str, str] = os.environ) -> str | None:
    """What is missing for a native Kafka, in a sentence; None when it can be had. Fetches nothing."""
    try:
        find_java(environment)
        if not cache_folder(environment).is_dir():
            find_maven(environment)
    except BinaryMissing as missing:
        return str(missing)
    return None


def _fetch(maven: str, folder: Path) -> None:
    sys.stderr.write(f"Kafka is fetched into {folder}, once: 54 MB, {FETCH_LIMIT_SECONDS / 60:.0f} minutes at most …\n")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, then one step: two stacks may fetch at once, and nobody ever finds half of the jars.
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        command = fetch_command(maven, RECIPE, partial)
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=FETCH_LIMIT_SECONDS)
        if done.returncode:
            raise BinaryMissing(f"Maven could not fetch Kafka:\n{_end_of(done.stdout + done.stderr)}")
        with suppress(OSError):  # somebody else was quicker
            partial.rename(folder)
    except subprocess.TimeoutExpired as late:
        raise BinaryMissing(f"Maven did not fetch Kafka within {late.timeout:.0f} s") from late
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _end_of(said: str) -> str:
    return "\n".join([line for line in said.splitlines() if line.strip()][-_LINES_SHOWN:])
