"""What the report counts, and the lag that a killed process cannot take along."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from rich.console import Console

from sandbox.faults import Shares
from tests.unit.tools.drill.given import Books, at, case_id, money, order_page, payment_page
from tools.drill.figures import retries, roads, trouble
from tools.drill.judge import judge
from tools.drill.lag import NAME, Lag
from tools.drill.report import Outcome, print_report


def _moment(order_id: str, what: str, **detail: str) -> dict[str, Any]:
    return {"case_id": case_id(order_id), "what": what, "detail": detail}


def test_roads_are_counted_from_the_timelines() -> None:
    books = Books()
    told = [
        _moment("sent", "refund-attempted", outcome="unknown"),
        _moment("sent", "refund-attempted", outcome="unknown"),
        _moment("sent", "refund-rerouted"),
        {"case_id": "sent-c2", "what": "refund-attempted", "detail": {"outcome": "abnormal"}},
    ]
    books.orders["sent"] = order_page("sent", "completed", timeline=tuple(told))
    counted = {english: count for (_, english), count in roads(books.evidence()).items()}
    assert counted == {
        "accepted at once": 1,
        "outcome unknown for a while": 1,
        "parked, the balance was short": 0,
        "closed, next number": 0,
        "abnormal, another bank card": 0,
        "by merchant transfer": 1,
        "failed after acceptance, order given back": 0,
        "completed": 2,
        "undone": 1,
        "waiting for a person": 1,
    }


def test_trouble_is_what_the_seed_holds_and_a_short_balance() -> None:
    books = Books()
    books.money.append(money("refund-refused", "done", code="NOT_ENOUGH"))
    books.payments["done"] = payment_page("done", "settled", attempts=3)
    evidence = books.evidence()
    calm = trouble(evidence, Shares(), at(59))
    assert (calm.numbers, calm.troubled, calm.kinds) == (4, 1, Counter({"short-balance": 1}))
    stormy = trouble(evidence, Shares(mix={"slow": 1.0}), at(59))
    assert (stormy.troubled, stormy.share, stormy.kinds) == (4, 1.0, Counter({"slow": 4, "short-balance": 1}))
    assert retries(evidence) == 3


def test_who_came_after_the_storm_met_no_seeded_trouble() -> None:
    books = Books()
    books.money.append(money("refund-accepted", "done", 2, second=30))
    found = trouble(books.evidence(), Shares(mix={"slow": 1.0}), at(20))
    assert (found.numbers, found.troubled) == (5, 4)


@pytest.mark.parametrize(("broken", "verdict"), [(False, "✓ 演练通过"), (True, "✗ 演练未通过")])
def test_the_report_says_everything_and_the_verdict(broken: bool, verdict: str) -> None:
    books = Books()
    if broken:
        books.failures.append("order 9: nobody answers")
    evidence = books.evidence()
    text = io.StringIO()
    outcome = Outcome(7, 4, Shares(), at(0), evidence, judge(evidence), 10.0, 3, 2.0, {"payment": Lag()})
    print_report(outcome, Console(file=text, width=160))
    said = text.getvalue()
    assert outcome.good is not broken
    assert verdict in said
    assert ("order 9: nobody answers" in said) is broken
    for figure in ("payment 2", "0.3", "40.00", "8.00", "the three books agree to the fen"):
        assert figure in said


def _metrics(*measured: float) -> str:
    registry = CollectorRegistry()
    lag = Histogram(NAME, "lag", registry=registry, buckets=(0.001, 0.01, 0.1))
    Histogram("tuidan_other_seconds", "other", registry=registry).observe(99)
    for seconds in measured:
        lag.observe(seconds)
    return generate_latest(registry).decode()


def test_a_quantile_is_found_inside_its_bucket() -> None:
    lag = Lag()
    assert lag.quantile(0.99) is None
    lag.add(_metrics(*[0.0005] * 90, *[0.005] * 10))
    assert lag.quantile(0.5) == pytest.approx(0.001 * 50 / 90)
    assert lag.quantile(0.95) == pytest.approx(0.001 + 0.009 * 0.5)
    lag.add(_metrics(*[5.0] * 200))
    assert lag.quantile(0.99) == pytest.approx(0.1), "beyond the last bound nothing more is known"


def test_what_a_killed_process_had_measured_still_counts() -> None:
    lag = Lag()
    lag.add(_metrics(0.0005, 0.0005))
    lag.add(_metrics(0.0005, 0.0005, 0.05))
    lag.add(_metrics(0.05))
    lag.add(_metrics(0.05, 0.05))
    assert lag.total == {0.001: 2.0, 0.01: 2.0, 0.1: 5.0, float("inf"): 5.0}
