"""Finding a Java that can run Kafka, and a Maven that can fetch it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from tools.stack.binaries import BinaryMissing

LOWEST_VERSION = 17
ANSWER_LIMIT_SECONDS = 30.0
ADVICE = (
    f"Kafka needs Java {LOWEST_VERSION} or newer, and Maven to fetch it the first time. On Debian and Ubuntu: "
    "apt-get install openjdk-17-jre-headless maven. A command with the option --kafka does without them: "
    "--kafka embedded."
)

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java(environment: Mapping[str, str] = os.environ) -> str:
    """The `java` of JAVA_HOME or of PATH. Raises BinaryMissing with what to do when it is missing or too old."""
    home = environment.get("JAVA_HOME")
    java = shutil.which("java", path=os.path.join(home, "bin") if home else environment.get("PATH", ""))
    if java is None:
        raise BinaryMissing(f"No java was found {'in JAVA_HOME' if home else 'on PATH'}. {ADVICE}")
    version = major_version(_said(java))
    if version is None or version < LOWEST_VERSION:
        raise BinaryMissing(f"{java} is Java {version or 'of an unknown version'}. {ADVICE}")
    return java


def find_maven(environment: Mapping[str, str] = os.environ) -> str:
    """The `mvn` of PATH. Raises BinaryMissing with what to do."""
    maven = shutil.which("mvn", path=environment.get("PATH", ""))
    if maven is None:
        raise BinaryMissing(f"No mvn was found on PATH, and Kafka has not been fetched yet. {ADVICE}")
    return maven


def major_version(said: str) -> int | None:
    """The major version in what `java -version` says: 17 of `openjdk version "17.0.15"`, 8 of `"1.8.0_402"`."""
    found = _VERSION.search(said)
    return int(found[1]) if found else None


def _said(java: str) -> str:
    try:
        answer = subprocess.run(
            [java, "-version"], check=False, capture_output=True, text=True, timeout=ANSWER_LIMIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stderr + answer.stdout
