"""The loop of the simulation: its time, its actors, their deaths, and looks that cost nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.simulation import schedules
from tests.simulation.loop import ACTOR, Actor, Quiet, Sight, SimLoop


def new_loop(seed: int = 1) -> SimLoop:
    return SimLoop(schedules.Random(random.Random(seed)))  # type: ignore[abstract]


def live(loop: SimLoop, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return loop.run_until_complete(loop.start(Actor("test", Sight()), work()))


def test_time_passes_only_when_nothing_can_run() -> None:
    loop = new_loop()

    async def work() -> list[float]:
        seen = [loop.time()]
        await asyncio.sleep(0)
        seen.append(loop.time())
        await asyncio.sleep(86_400)
        seen.append(loop.time())
        return seen

    assert live(loop, work) == [0.0, 0.0, 86_400.0]


def test_a_time_out_is_virtual_too() -> None:
    loop = new_loop()

    async def work() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await loop.create_future()
        return loop.time()

    assert live(loop, work) == 3_600.0


def test_within_an_actor_order_is_kept_and_between_actors_it_is_drawn() -> None:
    def orders(seed: int) -> list[str]:
        loop, seen = new_loop(seed), []

        async def steps(count: int) -> None:
            for number in range(count):
                seen.append(f"{ACTOR.get().name}{number}")
                await asyncio.sleep(0)

        async def work() -> None:
            await asyncio.gather(*(loop.start(Actor(name, Sight()), steps(4)) for name in "ab"))

        live(loop, work)
        return seen

    found = [orders(seed) for seed in range(20)]
    assert all([one for one in order if one[0] == "a"] == ["a0", "a1", "a2", "a3"] for order in found)
    assert len({tuple(order) for order in found}) > 5
    assert orders(7) == orders(7)


def test_the_killed_do_nothing_more_not_even_at_their_end() -> None:
    loop, seen = new_loop(), []

    async def victim() -> None:
        try:
            await asyncio.sleep(10)
            seen.append("woke")
        finally:
            seen.append("finally")

    async def work() -> None:
        actor = Actor("victim", Sight())
        kept.append(loop.start(actor, victim()))
        await asyncio.sleep(1)
        loop.kill(actor)
        await asyncio.sleep(100)

    kept: list[Any] = []
    live(loop, work)
    assert seen == []
    with pytest.raises(RuntimeError):
        kept[0].get_coro().throw(RuntimeError)  # so that nothing is left of it for the collector


def test_an_answer_that_reaches_the_killed_ends_nothing_of_theirs() -> None:
    loop, seen = new_loop(), []
    actor = Actor("victim", Sight())

    async def victim(answer: asyncio.Future[None]) -> None:
        try:
            await answer
        finally:
            seen.append("finally")

    async def work() -> None:
        answers = [loop.create_future() for _ in range(2)]
        for answer in answers:
            loop.start(actor, victim(answer))
        await asyncio.sleep(1)
        answers[0].set_result(None)  # on its way when the process dies
        loop.kill(actor)
        answers[1].set_result(None)  # comes afterwards
        del answers, answer
        await asyncio.sleep(1)
        assert seen == [], "a coroutine that nobody holds any more is closed"

    live(loop, work)


def test_the_frozen_wait_and_go_on() -> None:
    loop, seen = new_loop(), []

    async def sleeper() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            seen.append(loop.time())

    async def work() -> None:
        actor = Actor("sleeper", Sight())
        done = loop.start(actor, sleeper())
        await asyncio.sleep(1.5)
        loop.freeze(actor)
        await asyncio.sleep(10)
        loop.thaw(actor)
        await done

    live(loop, work)
    assert seen == [1.0, 11.5, 12.5]


def test_who_only_looks_looks_again_after_a_change_and_when_something_is_due() -> None:
    loop, looks = new_loop(), []
    due: list[float] = [5_000.0]
    sight = Sight(lambda: next((at for at in due if at > loop.now), None))
    loop.sights.append(sight)

    async def looking() -> None:
        while True:
            await loop.poll(1.0)
            looks.append(loop.time())

    async def work() -> None:
        loop.start(Actor("looker", sight), looking())
        await asyncio.sleep(100.5)
        loop.changed(sight)
        await asyncio.sleep(10_000)

    live(loop, work)
    # It begins with a look, is parked, and looks once after the change, and once when something is due.
    assert looks == [1.0, 101.0, 5_000.0]


def test_a_loop_that_looks_for_one_thing_looks_when_there_is_some() -> None:
    loop = new_loop()
    rings: list[float] = []
    sight = Sight(lambda: min(rings, default=None), {"timers": lambda: min(rings, default=None)})
    loop.sights.append(sight)
    looks: dict[str, list[float]] = {"timers": [], "flush": []}

    async def every(name: str) -> None:
        while True:
            await loop.poll(1.0)
            looks[name].append(loop.now)
            if name == "timers":
                rings[:] = [at for at in rings if at > loop.now]

    async def work() -> None:
        actor = Actor("looker", sight)
        for name in looks:
            loop.create_task(every(name), name=name, context=actor.context())
        await asyncio.sleep(10.5)
        loop.changed(sight)
        await asyncio.sleep(10.0)
        rings.append(100.5)
        await asyncio.sleep(1_000.0)
        loop.kill(actor)
        rings.append(2_000.0)
        await asyncio.sleep(1_000.0)

    live(loop, work)
    assert looks["timers"] == [101.0], "it looks for nothing else"
    assert looks["flush"] == [1.0, 11.0, 101.0], "who may see anything looks after every change"


def test_waiting_for_what_never_comes_is_told() -> None:
    loop = new_loop()

    async def work() -> None:
        await loop.create_future()

    with pytest.raises(Quiet):
        live(loop, work)


def test_priorities_let_one_run_until_they_change() -> None:
    rng = random.Random(3)
    actors = [Actor(name, Sight()) for name in "abc"]
    scheduler = schedules.Priorities(rng, 0)
    first = scheduler.pick(actors)
    assert {scheduler.pick(actors) for _ in range(50)} == {first}
    changing = schedules.Priorities(random.Random(3), schedules.STEPS_EXPECTED)
    assert len({changing.pick(actors) for _ in range(50)}) > 1
