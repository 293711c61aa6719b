"""docs/api.md, pasted block by block into a shell beside a stack of its own, as a reader does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.document import Came, Comparison, Shell, Step, read_answer, status_of, steps
from tools.stack import Stack

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "api.md"


@pytest.mark.timeout(600)
def test_every_block_of_the_document_works_when_it_is_pasted(day_stack: Stack, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TUIDAN_HOME": str(day_stack.home),
        "GATEWAY": f"http://{day_stack.address('gateway')}",
        "SANDBOX": f"http://{day_stack.address('sandbox')}",
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
