"""``python -m sandbox keys DIR`` makes key files; ``python -m sandbox serve`` runs the stand-in."""

import argparse
from pathlib import Path

import uvicorn

from sandbox.app import create_app
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings


def parser() -> argparse.ArgumentParser:
    """The command line."""
    commands = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    actions = commands.add_subparsers(dest="action", required=True)
    keys = actions.add_parser("keys", help="make the key files that are missing in DIR")
    keys.add_argument("dir", type=Path, metavar="DIR")
    serve = actions.add_parser("serve", help="run the stand-in; other settings come from SANDBOX_* variables")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=9700)
    serve.add_argument("--data", type=Path, default=None, help="folder of the SQLite file; memory without it")
    serve.add_argument("--keys", type=Path, required=True, help="folder of the key files; missing ones are made")
    serve.add_argument("--log-level", default="warning")
    return commands


def main() -> None:
    """Run one of the two commands."""
    asked = parser().parse_args()
    if asked.action == "keys":
        make_keys(asked.dir)
        return
    make_keys(asked.keys)
    given = {"keys_dir": asked.keys} | ({"data_dir": asked.data} if asked.data is not None else {})
    app = create_app(SandboxSettings(**given))
    uvicorn.run(app, host=asked.host, port=asked.port, log_level=asked.log_level, access_log=False)


if __name__ == "__main__":
    main()
