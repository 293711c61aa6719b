"""``python -m sandbox keys DIR`` makes key files; ``python -m sandbox serve`` runs the stand-in."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from sandbox.app import create_app, world_of
from sandbox.keyfiles import MissingKeysError
from sandbox.keys import make_keys
from sandbox.script import ScriptError, read_script_file
from sandbox.settings import SandboxSettings


def parser() -> argparse.ArgumentParser:
    """The command line."""
    commands = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    actions = commands.add_subparsers(dest="action", required=True)
    keys = actions.add_parser("keys", help="make the key files that are missing in DIR")
    keys.add_argument("dir", type=Path, metavar="DIR")
    keys.add_argument("--merchant", action="append", default=[], metavar="NAME", help="one more merchant; repeatable")
    keys.add_argument("--sub-mchid", action="append", default=[], help="one a service provider acts for; repeatable")
    serve = actions.add_parser("serve", help="run the stand-in; other settings come from SANDBOX_* variables")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=9700)
    serve.add_argument("--data", type=Path, default=None, help="folder of the SQLite file; memory without it")
    serve.add_argument("--keys", type=Path, required=True, help="folder of the key files; missing ones are made")
    serve.add_argument("--faults", type=Path, default=None, metavar="FILE", help="a fault script (YAML)")
    serve.add_argument("--speed", type=float, default=None, help="business seconds in one real second")
    serve.add_argument("--log-level", default="warning")
    return commands


def settings_of(asked: argparse.Namespace) -> SandboxSettings:
    """The settings of the environment, with what the command line says in their place."""
    given: dict[str, Any] = {"keys_dir": asked.keys, "data_dir": asked.data, "clock_speed": asked.speed}
    return SandboxSettings(**{name: value for name, value in given.items() if value is not None})


def serve(asked: argparse.Namespace) -> None:
    """Run until it is told to stop; ScriptError or OSError when the fault script is no good."""
    plan = None if asked.faults is None else read_script_file(asked.faults)
    make_keys(asked.keys)
    app = create_app(settings_of(asked))
    if plan is not None:
        plan.load(world_of(app).faults)
    sys.stdout.write(f"listening on http://{asked.host}:{asked.port}, keys in {asked.keys.resolve()}\n")
    sys.stdout.flush()
    uvicorn.run(app, host=asked.host, port=asked.port, log_level=asked.log_level, access_log=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the two commands; without ``arguments`` those of the process."""
    asked = parser().parse_args(arguments)
    if asked.action == "keys":
        try:
            make_keys(asked.dir, tuple(asked.merchant), tuple(asked.sub_mchid))
        except (OSError, ValueError, MissingKeysError) as problem:
            parser().exit(2, f"the keys in {asked.dir} cannot be made: {problem}\n")
        return
    try:
        serve(asked)
    except (ScriptError, OSError) as problem:
        sys.exit(f"{asked.faults}: {problem}" if isinstance(problem, ScriptError) else str(problem))


if __name__ == "__main__":
    main()
