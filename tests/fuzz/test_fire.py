"""A part of `make fuzz`, with a fresh seed each time: a tour of requests that mean something, and some five hundred
made from the OpenAPI document."""

from __future__ import annotations

import secrets

import pytest

from tests.fuzz.__main__ import run
from tests.fuzz.town import town

CASES = 500

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.filterwarnings("ignore")  # schemathesis warns of its own strategies; findings are what counts here
def test_no_fault_of_ours_and_no_answer_that_is_not_described() -> None:
    seed = secrets.randbelow(2**31)
    with town() as place:
        report = run(place, CASES, seed)
    said = "\n".join(map(str, report.findings.values()))
    assert not report.findings, f"python -m tests.fuzz --cases {CASES} --seed {seed}\n{said}"
    assert report.cases >= CASES * 0.8
    print(f"{report.cases} cases from seed {seed}")
