"""The dashboards are whole, ask for what there is, and say in which unit they show it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.metrics import ROOT, registered
from tests.support.promql import labels_in, metrics_in

FOLDER = ROOT / "deploy/grafana"
FILES = sorted((FOLDER / "dashboards").glob("*.json"))
BOARDS: dict[str, dict[str, Any]] = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
UNITS = frozenset({"short", "s", "bytes", "percentunit", "currencyCNY", "opm", "reqps", "mps"})
"""Grafana's words (grafana/data, valueFormats/categories.ts): a number, seconds, bytes, a share of 1, yuan, a minute's
operations, a second's requests and messages."""
GIVEN = frozenset({"le", "job", "instance", "service"})

each = pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{name}: {panel['title']}" for name, panel in PANELS])


def test_there_are_three() -> None:
    assert set(BOARDS) == {"tuidan-cases-money", "tuidan-messages-services", "tuidan-providers-notices"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_whole(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == name
    assert board["title"].startswith("Tuidan")
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(at["x"] >= 0 and at["x"] + at["w"] <= 24 for at in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)


@each
def test_a_panel_asks_for_what_there_is(name: str, panel: dict[str, Any]) -> None:
    there = {series: metric for metric in registered().values() for series in metric.series}
    assert panel["type"] in {"stat", "timeseries"}
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
        named = metrics_in(target["expr"])
        assert named <= set(there), named - set(there)
        labels = {label for series in named for label in there[series].labels} | GIVEN
        assert labels_in(target["expr"]) <= labels, target["expr"]
        shown = {part.split("}}")[0].strip() for part in target["legendFormat"].split("{{")[1:]}
        assert shown <= labels_in(target["expr"]), "a legend names a label that the question does not keep"


@each
def test_money_is_shown_in_yuan_and_time_in_seconds(name: str, panel: dict[str, Any]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        if "_fen" in target["expr"]:
            assert unit == "currencyCNY"
            assert target["expr"].endswith("/ 100")
        elif "_seconds" in target["expr"] and "cpu" not in target["expr"]:
            assert unit == "s"


RARE = {
    "tuidan_dead_letters_total": {"topic": "order.commands", "error": "Unreadable"},
    "tuidan_payment_attention_total": {"what": "strange-refund"},
    "tuidan_payment_callbacks_total": {"family": "refund", "outcome": "forged"},
    "tuidan_reconciliation_differences_total": {"kind": "refund-twice"},
    "tuidan_reconciliation_not_done_total": {"why": "unreadable"},
}
"""What may happen once in a month, and then somebody looks."""


def test_what_happens_for_the_first_time_is_shown(tmp_path: Path) -> None:
    """A counter's series begins to exist with its first event, which `increase` alone does not see; the one beside it
    says when that was."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here")
    tests = []
    for metric, labels in RARE.items():
        written = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        named = f'{{{written}, instance="a"}}'
        series = [
            {"series": f"{metric}{named}", "values": "_x9 1x30 2x30"},
            {"series": f"{metric.removesuffix('_total')}_created{named}", "values": "_x9 530x61"},
        ]
        asked = {one["expr"] for _, panel in PANELS for one in panel["targets"] if f"increase({metric}" in one["expr"]}
        assert asked, metric
        for expr in asked:
            kept = re.findall(r"sum by \((\w+)\)", expr)
            shown = "{" + ", ".join(f'{name}="{labels[name]}"' for name in kept) + "}"
            moments = [
                {"expr": expr, "eval_time": f"{minute}m", "exp_samples": [{"labels": shown, "value": value}]}
                for minute, value in ((20, 1), (50, 2))
            ]
            tests.append({"interval": "1m", "input_series": series, "promql_expr_test": moments})
    file = tmp_path / "shown.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_is_shown_somewhere_or_watched() -> None:
    """A figure that nobody ever looks at need not be counted."""
    alerts = (ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8")
    asked = [target["expr"] for _, panel in PANELS for target in panel["targets"]]
    looked_at = metrics_in(alerts) | {one for expr in asked for one in metrics_in(expr)}
    unseen = {name for name, metric in registered().items() if not metric.series & looked_at}
    assert unseen <= {"tuidan_stock_recounts_total"}


def test_grafana_finds_the_files() -> None:
    provider = yaml.safe_load((FOLDER / "provisioning/dashboards/tuidan.yaml").read_text("utf-8"))["providers"][0]
    source = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yaml").read_text("utf-8"))["datasources"][0]
    assert (source["uid"], source["type"]) == ("prometheus", "prometheus")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    mounts = {Path(one.split(":")[1]): one.split(":")[0] for one in compose["services"]["grafana"]["volumes"]}
    assert mounts[Path(provider["options"]["path"])] == "./deploy/grafana/dashboards"
    assert mounts[Path("/etc/grafana/provisioning")] == "./deploy/grafana/provisioning"
