"""What `make` does with a `.venv` that came with another place or another Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a `.venv` in which everything is newer than what it was made from."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / ".installed").touch()
    return tmp_path


def tuidan(project: Path, python: str) -> None:
    """The command as pip puts it there: its first line names the Python that it is for."""
    command = project / ".venv" / "bin" / "tuidan"
    command.write_text(f"#!{python}\nprint('the command was run')\n")
    command.chmod(0o755)


def make(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # `make test` runs us
    return subprocess.run(["make", *words], cwd=project, env=quiet, capture_output=True, text=True, check=False)


def test_the_command_is_run(project: Path) -> None:
    tuidan(project, sys.executable)
    done = make(project, "status")
    assert (done.returncode, done.stdout) == (0, "the command was run\n"), done.stderr


@pytest.mark.parametrize("target", ["up", "down", "status", "demo"])
def test_a_project_that_was_moved_is_told_what_to_do(target: str, project: Path) -> None:
    tuidan(project, "/before/the/move/.venv/bin/python")
    done = make(project, target)
    assert done.returncode != 0
    assert ".venv was made for /before/the/move/.venv/bin/python, which is gone" in done.stderr
    assert "rm -r .venv" in done.stderr


def test_a_venv_whose_python_is_gone_is_made_anew(project: Path) -> None:
    venv = project / ".venv"
    (venv / ".installed").unlink()
    (venv / "bin" / "python3").symlink_to("/usr/bin/a-python-that-was-removed")
    (venv / "bin" / "python").symlink_to("python3")
    without_pip = project / "python"  # what comes after this step wants the network
    without_pip.write_text(
        f'#!/bin/sh\n[ "$2" = venv ] && shift 2 && set -- -m venv --without-pip "$@"\nexec {sys.executable} "$@"\n'
    )
    without_pip.chmod(0o755)
    make(project, "install", f"PYTHON={without_pip}")
    assert subprocess.run([venv / "bin" / "python", "-c", ""], check=False).returncode == 0
