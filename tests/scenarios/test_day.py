"""`tuidan drill day` on a stack of its own: the story holds, and a ledger that tells another one is found."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chassis import clock
from tools.drill.day import CHAPTERS, STAFF, begun, play, verdict
from tools.drill.day.account import first_account
from tools.drill.day.command import PACE
from tools.drill.day.telling import Teller
from tools.stack import Stack
from tools.stack.home import Home

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(600)


async def test_the_ledgers_agree_with_what_people_saw_until_somebody_pays_behind_their_backs(
    day_stack: Stack, seed: int
) -> None:
    said: list[str] = []
    addresses = day_stack.address("gateway"), day_stack.address("sandbox")
    async with begun(*addresses, seed, Teller(said.append, clock.now), PACE, first_account(day_stack)) as day:
        await play(day)
        told = "\n".join(said)
        print(told)
        assert day.left_out == {}, "on a new stack everything can be played"
        assert {check.name[1]: check.differences for check in await verdict(day) if not check.agrees} == {}
        assert all(chapter.title.zh in told and chapter.title.en in told for chapter in CHAPTERS)
        assert all(name in told for name in STAFF.values())
        kept = next(order for order, one in day.orders.items() if not one.back_minor and order != day.shipped)
        wish = {"out_trade_no": kept, "amount_minor": 1}
        await day.sandbox("POST", "/_control/platform/refunds", wish)
        wrong = {check.name[1] for check in await verdict(day) if not check.agrees}
    # The services hear of it from the platform, and may have told the customer by then, who expects no message.
    assert wrong - {"every message reached a phone exactly once"} == {
        "every customer got back what was promised, and nothing else",
        "no money moved for what was taken back or refused",
    }


def test_with_a_wrong_ledger_the_command_fails_and_says_which(day_stack: Stack) -> None:
    _spoil(Home(day_stack.home).data("sandbox"))
    command = [sys.executable, "-m", "tools.cli", "drill", "day", "--lang", "zh"]
    environment = {**os.environ, "TUIDAN_HOME": str(day_stack.home)}
    played = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=400
    )
    assert played.returncode == 1, played.stdout + played.stderr
    *violations, result = [line for line in played.stdout.splitlines() if line.startswith("✗")]
    assert violations
    assert all(line.startswith("✗ 沙箱自查") for line in violations), played.stdout
    assert result.startswith("✗ 演练未通过")
    assert "── 9 · 打烊 ──" in played.stdout


def _spoil(folder: Path) -> None:
    """A balance that is not the sum of its lines: the ledger itself takes no change."""
    with closing(sqlite3.connect(folder / "sandbox.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE ledger_balance SET balance_minor = balance_minor + 1")
