"""Stacks made of fake programs: real processes and a real supervisor, but nothing heavy."""

import json
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.stack import Program, down
from tools.stack.home import Home
from tools.stack.ports import LOOPBACK, Ports
from tools.stack.processes import Identity
from tools.stack.state import read_state

FAKE_PROGRAM = Path(__file__).with_name("fake_program.py")
USUAL_PORT = 21_000

MakeFake = Callable[..., Program]
Ask = Callable[[str], dict[str, Any]]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for one stack, which is stopped in the end whatever the test did."""
    folder = tmp_path / "stack"
    yield folder
    down(folder)


@pytest.fixture
def fake(home: Path) -> MakeFake:
    """Make a program of the plan that runs the stand-in."""
    known: list[str] = []

    def make(name: str, *options: str, own_address: bool = False, **more: Any) -> Program:
        known.append(name)
        command = (sys.executable, "-E", "-S", str(FAKE_PROGRAM), "--name", name, *options)
        if own_address:
            file = str(home / f"{name}.address")
            return Program(name, (*command, "--address-file", file), check="http", address_file=file, **more)
        more.setdefault("port", USUAL_PORT + len(known))
        return Program(name, (*command, "--port", f"{{{name}.port}}"), check="http", **more)

    return make


@pytest.fixture
def ask() -> Ask:
    """Ask a fake program who it is."""

    def get(address: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    return get


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    ports = Ports()
    port = ports.choose({"somebody": USUAL_PORT + 500})["somebody"]
    with socket.create_server((LOOPBACK, port)):
        ports.release()
        yield port


@pytest.fixture
def processes(home: Path) -> Callable[[], list[Identity]]:
    """Every process the stack has now, the supervisor first."""

    def running() -> list[Identity]:
        state = read_state(Home(home))
        assert state is not None
        return [state.supervisor, *(entry.process for entry in state.programs.values() if entry.process)]

    return running
