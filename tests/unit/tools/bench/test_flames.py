"""Pictures are drawn where they are wanted, and what keeps them from being drawn is said."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.support.waiting import until
from tools.bench import flames
from tools.bench.flames import NoFlames, drawn, painter
from tools.stack.control import Stack

PAINTER = f"""#!{sys.executable}
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
place, pid = (sys.argv[sys.argv.index(name) + 1] for name in ("--output", "--pid"))
open(place + ".began", "w").close()
if pid == "13":
    sys.exit("Error: Permission Denied: Try running again with elevated permissions")
signal.sigwait([signal.SIGINT])
open(place, "w").write(f'<svg><text id="title" x="1">{{sys.argv[0]}}</text>{{pid}}</svg>')
"""


class Two:
    """A stack of two processes."""

    def pid(self, name: str) -> int:
        return {"order": 12, "payment": 13}[name]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    place = tmp_path / "py-spy"
    place.write_text(PAINTER)
    place.chmod(0o755)
    monkeypatch.setattr(flames, "painter", lambda: str(place))
    return cast(Stack, Two())


def test_nothing_is_drawn_unless_it_is_wanted(stack: Stack, tmp_path: Path) -> None:
    with drawn(stack, ["order", "payment"], None):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["py-spy"]


async def test_each_process_has_a_picture_of_what_it_did_meanwhile(stack: Stack, tmp_path: Path) -> None:
    picture = tmp_path / "new" / "folder" / "order.svg"
    with drawn(stack, ["order"], picture.parent):
        await until(picture.with_suffix(".svg.began").exists)
        assert not picture.exists()
    assert picture.read_text() == '<svg><text id="title" x="1">order under load</text>12</svg>'


async def test_what_could_not_be_drawn_is_said_with_the_reason(stack: Stack, tmp_path: Path) -> None:
    with (
        pytest.raises(NoFlames, match=r"payment: Error: Permission Denied"),
        drawn(stack, ["order", "payment"], tmp_path),
    ):
        await until(lambda: len(list(tmp_path.glob("*.began"))) == 2)
    assert (tmp_path / "order.svg").exists(), "the other one is there"


def test_without_py_spy_there_is_nothing_to_draw_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(NoFlames, match="pip install py-spy"):
        painter()
