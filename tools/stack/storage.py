"""Kafka's folder before each start: `python -m tools.stack.storage …` writes its settings, and formats it once."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tools.stack.kafka import CLUSTER_ID, java_command, properties

FORMATTED = "meta.properties"
"""Kafka writes this file last: where it is missing, formatting was never finished."""


def main() -> None:
    """Leaves with Kafka's own exit code when the folder could not be formatted."""
    parser = argparse.ArgumentParser(description="Prepare the folder of a local Kafka (run by the stack).")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--java", required=True)
    parser.add_argument("--jars", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--controller-port", type=int, required=True)
    options = parser.parse_args()
    data, settings = options.folder / "log", options.folder / "server.properties"
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.write_text(properties(data, options.port, options.controller_port), encoding="utf-8")
    if not (data / FORMATTED).exists():
        tool = ("format", "--ignore-formatted", "--cluster-id", CLUSTER_ID, "--config", str(settings))
        command = java_command(options.java, options.jars, "kafka.tools.StorageTool", *tool)
        sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
