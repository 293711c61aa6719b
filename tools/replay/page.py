"""The report as one HTML page that needs nothing from outside."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tools.replay.charts import bars
from tools.replay.matching import REASONS
from tools.replay.outcome import Outcome
from tools.replay.report import BOOKS, yuan
from tools.replay.rows import KINDS

TEMPLATE = "page.html.j2"


def render(outcome: Outcome) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["yuan"] = yuan
    environment.filters["thousands"] = "{:,}".format
    return environment.get_template(TEMPLATE).render(
        outcome=outcome, books=BOOKS, kinds=KINDS, reasons=REASONS, charts=_charts(outcome)
    )


def write(outcome: Outcome, path: Path) -> None:
    """Write the page; its folder is made when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(outcome), encoding="utf-8")


def _charts(outcome: Outcome) -> list[tuple[str, Markup]]:
    months = outcome.months
    labels = [month.month for month in months]
    orders = [month.orders["money"][0] for month in months]
    cases = [month.cases["money"][0] for month in months]
    refunded = [month.cases["money"][1] for month in months]
    notices = [month.notices for month in months]
    return [
        ("每月订单 · orders paid per month", bars(labels, orders, [f"{n:,}" for n in orders], "#2563eb")),
        ("每月退单 · cancellations per month", bars(labels, cases, [f"{n:,}" for n in cases], "#d97706")),
        ("每月退款（元）· refunds per month, yuan", bars(labels, refunded, [_short(n) for n in refunded], "#dc2626")),
        ("每月通知 · notices per month", bars(labels, notices, [f"{n:,}" for n in notices], "#059669")),
    ]


def _short(fen: int) -> str:
    return f"{fen / 100:,.0f}"
