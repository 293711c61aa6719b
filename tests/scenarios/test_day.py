"""A day at the shop on a stack of its own: `docs/api.md` pasted block by block, and `tuidan drill day`."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from chassis import clock
from services.payment.bills import CHINA
from tests.support.document import Came, Comparison, Shell, Step, read_answer, status_of, steps
from tools.drill.day import CHAPTERS, STAFF, begun, play, verdict
from tools.drill.day.account import first_account
from tools.drill.day.command import PACE
from tools.drill.day.telling import Teller
from tools.stack import Stack, down, up
from tools.stack.home import Home

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "api.md"
NEAR_MIDNIGHT = timedelta(minutes=10)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole system, which keeps deleted orders for no day."""
    home = tmp_path_factory.mktemp("day")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TUIDAN_RETENTION_DAYS", "0")
        started = up(home)
    yield started
    down(home)


def test_every_block_of_the_document_works_when_it_is_pasted(opened: Stack, tmp_path: Path) -> None:
    if _near_midnight(clock.now()):
        pytest.skip("the day is about to change in China: the bill of a day needs payments of that day")
    environment = {
        **os.environ,
        "TUIDAN_HOME": str(opened.home),
        "GATEWAY": f"http://{opened.address('gateway')}",
        "SANDBOX": f"http://{opened.address('sandbox')}",
    }
    shell, comparison = Shell(ROOT, tmp_path, environment), Comparison()
    try:
        for step in steps(DOCUMENT.read_text("utf-8")):
            wrong = _wrong(step, shell.paste(step.shell), comparison)
            assert not wrong, f"docs/api.md:{step.line}\n{step.shell}\n" + "\n".join(wrong)
    finally:
        shell.close()


async def test_the_ledgers_agree_with_what_people_saw_until_somebody_pays_behind_their_backs(
    opened: Stack, seed: int
) -> None:
    said: list[str] = []
    addresses = opened.address("gateway"), opened.address("sandbox")
    async with begun(*addresses, seed, Teller(said.append, clock.now), PACE, first_account(opened)) as day:
        await play(day)
        told = "\n".join(said)
        print(told)
        assert {check.name[1]: check.differences for check in await verdict(day) if not check.agrees} == {}
        assert all(chapter.title.zh in told and chapter.title.en in told for chapter in CHAPTERS)
        assert all(name in told for name in STAFF.values())
        kept = next(order for order, one in day.orders.items() if not one.back_minor and order != day.shipped)
        wish = {"out_trade_no": kept, "amount_minor": 1}
        await day.sandbox("POST", "/_control/platform/refunds", wish)
        wrong = {check.name[1] for check in await verdict(day) if not check.agrees}
    assert wrong == {
        "every customer got back what was promised, and nothing else",
        "no money moved for what was taken back or refused",
    }


def test_with_a_wrong_ledger_the_command_fails_and_says_which(opened: Stack) -> None:
    _spoil(Home(opened.home).data("sandbox"))
    command = [sys.executable, "-m", "tools.cli", "drill", "day", "--lang", "zh"]
    environment = {**os.environ, "TUIDAN_HOME": str(opened.home)}
    played = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert played.returncode == 1, played.stdout + played.stderr
    assert "✗ 沙箱自查" in played.stdout
    assert played.stdout.count("✗") == 3, "that line, its mark in the table, and the verdict"
    assert "── 8 · 打烊 ──" in played.stdout


def _spoil(folder: Path) -> None:
    """A balance that is not the sum of its lines: the ledger itself takes no change."""
    with closing(sqlite3.connect(folder / "sandbox.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE ledger_balance SET balance_minor = balance_minor + 1")


def _wrong(step: Step, came: Came, comparison: Comparison) -> list[str]:
    """Everything that is not as the document says; the status of the answer is that of the step's last request."""
    found = [f"exit code {came.code}"] if came.code else []
    found += [line for line in came.text.splitlines() if line.startswith("never: ")]
    *before, last = [request.status for request in came.requests] or [0]
    wanted = status_of(step.answer or "")
    found += [f"status {status} on the way" for status in before if status >= 400]
    if last >= 400 if wanted is None else last != wanted:
        found.append(f"status {last}, {wanted or 'less than 400'} is stated")
    try:
        if step.answer and step.is_json:
            found += comparison.differences(read_answer(step.answer), came.document)
        elif step.answer and not comparison.same_text(step.answer.strip(), came.text.strip()):
            found.append("another text came")
    except ValueError as problem:
        found.append(str(problem))
    return [*found, f"it printed:\n{came.text}"] if found else []


def _near_midnight(at: datetime) -> bool:
    local = at.astimezone(CHINA)
    midnight = datetime.combine(local.date(), time.min, CHINA)
    return local - midnight < NEAR_MIDNIGHT or midnight + timedelta(days=1) - local < NEAR_MIDNIGHT
