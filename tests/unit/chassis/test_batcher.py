"""Whatever arrives while one batch is under way forms the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chassis.batcher import Batcher, Shared
from tests.support.waiting import give_way


class Work:
    """Remembers its batches; waits for `gate`; odd outcomes on demand."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, items: Sequence[int]) -> list[int | BaseException]:
        self.batches.append(list(items))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.gate.wait()
        self.at_once -= 1
        if 666 in items:
            raise OSError("the whole batch failed")
        return [ValueError(f"item {item}") if item < 0 else item * 10 for item in items]


async def test_batches_form_while_one_is_under_way() -> None:
    work = Work()
    batcher: Batcher[int, int] = Batcher(work, size_max=4)
    first = asyncio.create_task(batcher.submit(0))
    await give_way()
    rest = [asyncio.create_task(batcher.submit(number)) for number in range(1, 11)]
    await give_way()
    assert work.batches == [[0]]
    work.gate.set()
    assert await asyncio.gather(first, *rest) == [number * 10 for number in range(11)]
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert work.most_at_once == 1


async def test_what_comes_alone_goes_alone_and_at_once() -> None:
    work = Work()
    work.gate.set()
    batcher: Batcher[int, int] = Batcher(work)
    assert [await batcher.submit(number) for number in range(3)] == [0, 10, 20]
    assert work.batches == [[0], [1], [2]]


async def test_each_gets_its_own_outcome_or_error() -> None:
    work = Work()
    work.gate.set()
    batcher: Batcher[int, int] = Batcher(work)
    outcomes = await asyncio.gather(*map(batcher.submit, (1, -2, 3, -4)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["10", "item -2", "30", "item -4"]


async def test_a_batch_that_fails_fails_for_all_of_it_and_for_nobody_else() -> None:
    work = Work()
    batcher: Batcher[int, int] = Batcher(work, size_max=2)
    tasks = [asyncio.create_task(batcher.submit(item)) for item in (1, 666, 2, 3)]
    await give_way()
    work.gate.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OSError, OSError, int, int]
    assert await batcher.submit(5) == 50


async def test_whoever_gives_up_waiting_holds_up_nobody() -> None:
    work = Work()
    batcher: Batcher[int, int] = Batcher(work)
    impatient, patient = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
    await give_way()
    impatient.cancel()
    work.gate.set()
    assert await patient == 20
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert work.batches == [[1, 2]], "what was taken up is done all the same"


async def test_who_asks_while_an_answer_is_under_way_is_answered_by_a_later_look() -> None:
    looks = 0
    gate = asyncio.Event()

    async def look() -> int:
        nonlocal looks
        looks += 1
        answer = looks
        await gate.wait()
        return answer

    shared = Shared(look)
    first = asyncio.create_task(shared.now())
    await give_way()
    rest = [asyncio.create_task(shared.now()) for _ in range(5)]
    await give_way()
    gate.set()
    assert await asyncio.gather(first, *rest) == [1, 2, 2, 2, 2, 2]


async def test_an_answer_that_fails_fails_for_those_who_shared_it_only() -> None:
    answers: list[int | Exception] = [OSError("away"), 7]

    async def look() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    shared = Shared(look)
    failed = await asyncio.gather(shared.now(), shared.now(), return_exceptions=True)
    assert [type(outcome) for outcome in failed] == [OSError, OSError]
    assert await shared.now() == 7
