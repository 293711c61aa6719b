"""The stage of the stories: the embedded stack with every process real, one for the whole run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.shop import Shop, shop_at
from tools.stack import Stack, down, up


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole system, started once."""
    home = tmp_path_factory.mktemp("stack")
    started = up(home)
    yield started
    down(home)


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    """A new shop with tea and cups."""
    async with shop_at(f"http://{stack.address('gateway')}", f"http://{stack.address('sandbox')}") as opened:
        await opened.no_trouble()
        await opened.opens(tea=100, cup=100)
        yield opened
        await opened.no_trouble()
