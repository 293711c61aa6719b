"""A day at the shop on a stack of its own: `docs/api.md` pasted block by block, and `tuidan drill day`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from chassis import clock
from services.payment.bills import CHINA
from tests.support.document import Came, Comparison, Shell, Step, read_answer, status_of, steps
from tools.stack import Stack, down, up

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
