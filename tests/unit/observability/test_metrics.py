"""Every metric by the same rules, and docs/metrics.md says of each what the code says."""

from __future__ import annotations

import re

import pytest

from tests.support.metrics import ROOT, Metric, registered

UNITS = ("seconds", "fen", "messages", "cases", "products", "streams", "days")
SWITCHES = ("_ready", "_short")
"""1 or 0."""

BOUNDED = frozenset(
    {
        *("call", "channel", "code", "error", "family", "group", "intent", "kind", "method", "outcome", "part"),
        *(
            "partition",
            "provider",
            "result",
            "route",
            "service",
            "shop",
            "state",
            "status",
            "to",
            "topic",
            "what",
            "why",
        ),
        "wire",
    }
)
"""Labels whose values are words of the code, of its configuration, or a bounded number of a provider's."""

ROW = re.compile(r"^\| `(tuidan_\w+)` \| (\w+) \| ([^|]*) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("metric", registered().values(), ids=lambda metric: metric.name)
def test_a_metric_keeps_the_rules(metric: Metric) -> None:
    assert re.fullmatch(r"tuidan(_[a-z0-9]+)+", metric.name)
    assert len(metric.help) > 10
    assert set(metric.labels) <= BOUNDED, "a label must be known to be bounded: BOUNDED above lists those that are"
    if metric.kind == "counter":
        assert metric.name.endswith("_total")
    else:
        assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert metric.name.endswith(tuple(f"_{unit}" for unit in UNITS) + (SWITCHES if metric.kind == "gauge" else ()))


def test_the_list_of_metrics_is_true_and_whole() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    listed = {
        name: Metric(name, kind, tuple(re.findall(r"`(\w+)`", labels)), help)
        for name, kind, labels, help in ROW.findall(text)
    }
    assert listed == registered(), "left: the rows of docs/metrics.md; right: what the code registers"
    assert text.count("\n| `tuidan_") == len(listed), "a row that is not read, or two of one name"


def test_everything_that_is_promised_is_measured() -> None:
    """Issue by issue somebody relies on these names."""
    assert {
        "tuidan_consumer_lag_messages",
        "tuidan_unsaid_oldest_seconds",
        "tuidan_open_cases",
        "tuidan_open_case_oldest_seconds",
        "tuidan_payment_refunds_total",
        "tuidan_payment_parked_fen",
        "tuidan_provider_seconds",
        "tuidan_provider_answers_total",
        "tuidan_notify_notices_total",
        "tuidan_gateway_answers_total",
        "tuidan_gateway_request_seconds",
    } <= set(registered())
