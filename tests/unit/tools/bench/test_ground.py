"""Orders that are there beforehand: none unless wanted, and a database that falls behind is asked again."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from chassis.store import StoreUnavailable
from tools.bench import ground
from tools.bench.ground import STORE_TRIES, store
from tools.seed.orders import Plan
from tools.stack import Stack, StackError


class Somewhere:
    home = Path("/somewhere")

    def address(self, name: str) -> str:
        return f"{name}:1"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was to be stored, each time it was asked for; the database is away for the first three times."""
    counts: list[int] = []

    async def seed_orders(url: str, plan: Plan, console: Console) -> tuple[int, int]:
        assert url == "mongodb://mongo:1"
        counts.append(plan.count)
        if len(counts) <= 3:
            raise StoreUnavailable("timed out")
        return 0, plan.count

    monkeypatch.setattr(ground, "seed_orders", seed_orders)
    return counts


async def test_nothing_is_stored_unless_it_is_wanted(asked: list[int]) -> None:
    await store(cast(Stack, Somewhere()), 0, Console(quiet=True))
    assert asked == []


async def test_a_database_that_falls_behind_is_asked_again(asked: list[int]) -> None:
    await store(cast(Stack, Somewhere()), 70, Console(quiet=True))
    assert asked == [70] * 4


async def test_one_that_never_answers_is_given_up(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "STORE_TRIES", 2)
    assert STORE_TRIES > 2
    with pytest.raises(StackError, match="could not be stored: timed out"):
        await store(cast(Stack, Somewhere()), 70, Console(quiet=True))
    assert len(asked) == 2
