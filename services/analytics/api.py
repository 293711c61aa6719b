"""Figures over HTTP, for the gateway and for other systems inside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter

from chassis.problem import Problem
from services.analytics.model import BREAKDOWNS, Figure
from services.analytics.views import Figures, Row


def router(figures: Figures) -> APIRouter:
    """`GET /figures/{figure}?by=` answers `{"by", "rows"}`; an unknown `by` is a 422 that lists the known ones."""
    routes = APIRouter(prefix="/figures", tags=["figures"])
    views: dict[Figure, Callable[[str], Awaitable[list[Row]]]] = {
        "orders": figures.orders,
        "cancellations": figures.cancellations,
        "refunds": figures.refunds,
        "refund-attempts": figures.refund_attempts,
        "stock-returns": figures.stock_returns,
        "ratings": figures.ratings,
        "saved-orders": figures.saved_orders,
    }

    @routes.get("/notices")
    async def notices() -> dict[str, Any]:
        return {"by_outcome": await figures.notices()}

    @routes.get("/{figure}")
    async def rows(figure: str, by: str = "") -> dict[str, Any]:
        known = next((name for name in views if name == figure), None)
        if known is None:
            raise _unknown_figure(figure, [*views, "notices"])
        if by not in BREAKDOWNS[known]:
            raise _unknown_breakdown(known, by)
        return {"by": by, "rows": await views[known](by)}

    return routes


def _unknown_figure(figure: str, allowed: list[str]) -> Problem:
    names = ", ".join(allowed)
    return Problem(
        404,
        "unknown-figure",
        f"没有名为 {figure[:40]!r} 的报表,可用的有:{names}。",
        f"There is no figure {figure[:40]!r}. These exist: {names}.",
        allowed=allowed,
    )


def _unknown_breakdown(figure: Figure, by: str) -> Problem:
    allowed = list(BREAKDOWNS[figure])
    names = ", ".join(allowed)
    return Problem(
        422,
        "unknown-breakdown",
        f"{figure} 不能按 {by[:40]!r} 统计,参数 by 可以是:{names}。",
        f"{figure} cannot be broken down by {by[:40]!r}. Use one of these for `by`: {names}.",
        allowed=allowed,
    )
