"""Where an operator's command works: on the database and the keys folder that the environment names, as it does for the
services, else on those of the stack that is up."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import typer

from chassis.settings import MONGO_WRONG, is_mongo_address
from tools.stack.control import Stack, StackError
from tools.stack.home import current_home

NOT_DONE = 2
"""The exit code of a command that could not be done."""


def database_and_keys() -> tuple[str, Path]:
    """The address of MongoDB, and the keys folder. Ends the command when neither is known, and when only one is named:
    what one database holds says nothing about the keys of another."""
    url, folder = os.environ.get("TUIDAN_MONGO"), os.environ.get("TUIDAN_KEYS")
    if url and folder:
        return readable(url), Path(folder)
    if url or folder:
        there, missing = ("TUIDAN_MONGO", "TUIDAN_KEYS") if url else ("TUIDAN_KEYS", "TUIDAN_MONGO")
        refuse(f"{there} is set and {missing} is not. Set both, or neither for the stack of this folder")
    home = current_home()
    try:
        return f"mongodb://{Stack(home.root).address('mongo')}", home.keys
    except StackError as problem:
        refuse(f"{problem}. Start it with: tuidan up; or set TUIDAN_MONGO and TUIDAN_KEYS")


def readable(url: str) -> str:
    """An address of MongoDB that was named. Ends the command when the driver could make nothing of it."""
    url = url.strip()
    if not is_mongo_address(url if "://" in url else f"mongodb://{url}"):  # HOST:PORT will do
        refuse(f"MongoDB: {MONGO_WRONG}")
    return url


def kafka_address() -> str:
    """The cluster that the environment names as it does for the services, else that of the stack that is up. Ends the
    command when neither is known."""
    if address := os.environ.get("TUIDAN_KAFKA"):
        return address
    try:
        return Stack(current_home().root).address("broker")
    except StackError as problem:
        refuse(f"{problem}. Name a cluster with --kafka HOST:PORT or TUIDAN_KAFKA")


def refuse(text: str) -> NoReturn:
    """Say why, and end the command."""
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(NOT_DONE)
