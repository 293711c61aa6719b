"""Every alert asks for what there is, is tried by promtool's tests, and leads to a paragraph that helps."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any, get_args

import pytest
import yaml

from services.payment.differences import KINDS
from services.payment.outside import Worry
from tests.support.metrics import ROOT, registered
from tests.support.promql import labels_in, metrics_in

FOLDER = ROOT / "deploy/prometheus"
RUNBOOK = re.compile(r"docs/operating\.md#([a-z0-9-]+)")
PARTS = ("You see", "It means", "Type")
GIVEN = frozenset({"le", "job", "instance", "service"})
"""Labels that Prometheus itself puts on a series (see prometheus.yml)."""


def _read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


ALERTS = [rule for group in _read("alerts.yaml")["groups"] for rule in group["rules"]]
TRIED = [test for one in _read("alerts.test.yaml")["tests"] for test in one["alert_rule_test"]]
each = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


@each
def test_an_alert_asks_only_for_what_there_is(alert: dict[str, Any]) -> None:
    named = metrics_in(alert["expr"])
    there = {series: metric for metric in registered().values() for series in metric.series}
    assert named <= set(there), named - set(there)
    assert named or re.search(r"\bup\b", alert["expr"])
    labels = {label for series in named for label in there[series].labels}
    assert labels_in(alert["expr"]) <= labels | GIVEN


@each
def test_an_alert_is_seen_to_come_and_to_stay_away(alert: dict[str, Any]) -> None:
    outcomes = {bool(test["exp_alerts"]) for test in TRIED if test["alertname"] == alert["alert"]}
    assert outcomes == {True, False}


def paragraph(heading: str) -> str:
    """What stands under a heading of the third order, up to the next heading."""
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    found = re.search(rf"^### {heading}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/operating.md has no heading {heading}"
    return found[1]


@each
def test_an_alert_leads_to_a_paragraph_that_helps(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    place = RUNBOOK.fullmatch(alert["annotations"]["runbook"])
    assert place is not None
    assert place[1] == alert["alert"].lower(), "the name of an alert is its heading"
    said = re.findall(r"^- \*\*(.+?)\*\*: (.+)", paragraph(alert["alert"]), re.MULTILINE)
    assert [part for part, _ in said] == list(PARTS)
    assert all(len(words) > 20 for _, words in said)


def test_a_paragraph_has_an_alert() -> None:
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    watching = text[text.index("\n## Watching\n") :]
    section = re.split(r"^## ", watching[len("\n## ") :], flags=re.MULTILINE)[0]
    headings = set(re.findall(r"^### (\w+)$", section, re.MULTILINE))
    assert headings == {alert["alert"] for alert in ALERTS} | {"Traces"}
    named = set(re.findall(r"`(tuidan_[a-z_]+)", section))
    known = set(registered()) | {series for metric in registered().values() for series in metric.series}
    assert named <= known, named - known


def section(heading: str) -> str:
    """What stands under a heading of the second order."""
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    return text[text.index(f"\n## {heading}\n") + 1 :].split("\n## ", 1)[0]


def test_each_word_that_an_alert_may_name_is_explained() -> None:
    """Whoever is called at night with `closed-refund-moved` reads what it is, and what not to do."""
    rows = re.findall(r"^\| (`.+?) \| (.+) \| (.+) \|$", section("Payments that need attention"), re.MULTILINE)
    words = [word for names, *_ in rows for word in re.findall(r"`([a-z-]+)`", names)]
    assert sorted(words) == sorted((*get_args(Worry), "what"))
    assert all(len(meaning) > 20 and len(do) > 10 for _, meaning, do in rows[1:])


def test_each_code_of_a_failing_gateway_is_explained() -> None:
    table = (ROOT / "docs/api/errors.md").read_text(encoding="utf-8")
    away = re.findall(r"^\| `([a-z-]+)` \| [^|]*\b503\b", table, re.MULTILINE)
    assert len(away) > 5
    assert [code for code in away if f"`{code}`" not in paragraph("GatewayFails")] == []


def test_each_kind_of_difference_is_explained() -> None:
    known = section("Reconciliation")
    assert {kind for kind in KINDS if f"`{kind}`" not in known} == set()


def test_each_service_that_is_asked_is_missed_when_it_is_gone() -> None:
    (job,) = _read("prometheus.yml")["scrape_configs"]
    (gone,) = (alert["expr"] for alert in ALERTS if alert["alert"] == "ServiceGone")
    (names,) = (found["names"] for found in job["dns_sd_configs"])
    assert re.findall(r'absent\(up\{job="tuidan", service="(\w+)"\} == 1\), "service", "\1"', gone) == names


def test_prometheus_reads_the_alerts() -> None:
    assert _read("prometheus.yml")["rule_files"] == ["alerts.yaml"]


@pytest.mark.timeout(300)  # days of evaluations, on a machine that does other things as well
def test_prometheus_itself_agrees() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here")
    done = subprocess.run([str(FOLDER / "check")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
