"""Every row of the table of bad luck is tried by a test that there is, and names figures and alerts that there are."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.support.metrics import ROOT, registered
from tests.support.promql import metrics_in

TEXT = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
TABLE = TEXT[TEXT.index("\n## Bad luck\n") + 1 :].split("\n## ", 1)[0]
ROWS = [re.split(r" \| ", line.strip("| ")) for line in TABLE.splitlines() if line.startswith("| ")][1:]
TRIED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ALERTS = frozenset(
    rule["alert"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
)

each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])


@each
def test_a_row_is_tried(row: list[str]) -> None:
    assert len(row) == 6
    named = TRIED.findall(row[5])
    assert named
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {test}"


@each
def test_a_row_names_what_there_is(row: list[str]) -> None:
    there = {series for metric in registered().values() for series in metric.series}
    assert metrics_in(row[1]) <= there
    for names in re.findall(r"\balerts? ((?:[A-Z]\w+(?:, )?)+)", row[1]):
        assert set(re.findall(r"\w+", names)) <= ALERTS, names


def test_there_is_a_row_for_each_that_the_services_stand_on() -> None:
    happened = " ".join(row[0] for row in ROWS)
    assert all(word in happened for word in ("Kafka", "topic", "MongoDB", "Redis", "key", "secret", "clock"))
