"""One message, record or topic that is broken does not hold up the others of its batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import structlog
from pydantic import field_validator

from chassis.engine import WRITTEN_TOGETHER_MAX, Engine
from chassis.failures import HandlerFailed
from chassis.keeping import Keeping
from chassis.memory import MemoryStore
from chassis.projection import BulkResult, Projection, Update
from chassis.record import Aggregate, Heard
from chassis.store import Store, Unstorable
from tests.unit.chassis.jars import (
    FULL,
    JARS,
    T0,
    DropJar,
    Jar,
    JarSeen,
    PutMarbles,
    heard,
    jar_with,
    seconds,
)
from tests.unit.chassis.rig import Clock, Rig, Shaky, Topics, rig


@pytest.fixture
def process() -> Rig:
    return rig(Shaky(MemoryStore(JARS)), JARS)


def put(id: str, marbles: int = 1, *, jar: str = "a", **more: Any) -> Heard:
    return heard(PutMarbles(jar_id=jar, marbles=marbles), id, **more)


async def test_a_handler_that_raises_hurts_nobody_else(process: Rig) -> None:
    outcomes = await asyncio.gather(
        process.engine.hear(put("h1")),
        process.engine.hear(heard(DropJar(jar_id="a"), "broken")),
        process.engine.hear(put("h2", FULL + 1, answers_travel=False)),
        process.engine.hear(put("h3")),
        return_exceptions=True,
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["Decided", "HandlerFailed", "Refusal", "Decided"]
    assert isinstance(outcomes[1], HandlerFailed)
    assert isinstance(outcomes[1].__cause__, ZeroDivisionError)
    assert (await process.jar("a")).marbles == 2


async def test_what_no_store_can_keep_hurts_nobody_else(store: Store, jars: Aggregate[Jar]) -> None:
    """A number beyond 64 bits: MongoDB's driver will not write it, ever."""
    process = rig(store, jars)
    outcomes = await asyncio.gather(
        process.engine.hear(put("h1", jar="b")),
        process.engine.hear(put("monster", 2**70)),
        process.engine.hear(put("h2", jar="c")),
        return_exceptions=True,
    )
    assert not isinstance(outcomes[0], BaseException)
    assert not isinstance(outcomes[2], BaseException)
    assert set(await store.load(["b", "c"])) == {"b", "c"}
    if not isinstance(store, MemoryStore):
        assert isinstance(outcomes[1], HandlerFailed)


async def test_a_record_that_cannot_be_read_hurts_nobody_else(jars: Aggregate[Jar]) -> None:
    store = MemoryStore(jars)
    process = rig(store, jars)
    await rig(store, jars).engine.hear(put("h0", jar="torn"))
    store.documents["torn"]["state"] = {"from": "another version"}
    outcomes = await asyncio.gather(
        process.engine.hear(put("h1", jar="b")), process.engine.hear(put("h2", jar="torn")), return_exceptions=True
    )
    assert not isinstance(outcomes[0], BaseException)
    assert isinstance(outcomes[1], HandlerFailed)


class Picky(Jar):
    """What an older version makes of a jar that a newer one has saved."""

    @field_validator("jar_id")
    @classmethod
    def be_known(cls, id: str) -> str:
        if id.startswith("newer"):
            raise ValueError("a word that is not known yet")
        return id


async def test_records_that_cannot_be_read_do_not_hide_what_is_unsaid_behind_them(
    store: Store, jars: Aggregate[Jar]
) -> None:
    for age in range(5):
        await store.save([jar_with(f"newer-{age}", touched_at=T0 - seconds(100 + age))])
    await store.save([jar_with(f"a{age}", touched_at=T0 - seconds(age)) for age in (50, 60, 70)])
    store._keeping = Keeping(Aggregate(jars.name, Picky))  # type: ignore[attr-defined]
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert [record.id for record in await store.unsaid(T0, 2)] == ["a70", "a60"]
    assert sorted(line["record"] for line in lines) == [f"newer-{age}" for age in range(5)], "each is told once"
    assert [record.id for record in await store.unsaid(T0, 10)] == ["a70", "a60", "a50"]


async def test_a_message_that_no_topic_takes_hurts_nobody_else() -> None:
    topics = Topics(refuses=lambda body: b'"monster"' in body)
    process = rig(MemoryStore(JARS), JARS, topics=topics)
    outcomes = await asyncio.gather(
        process.engine.hear(put("h1", jar="b")),
        process.engine.hear(put("h2", jar="monster")),
        process.engine.hear(put("h3", jar="c")),
        return_exceptions=True,
    )
    assert [isinstance(outcome, BaseException) for outcome in outcomes] == [False, True, False]
    assert [sent.key for sent in topics.sent] == ["b", "c"]


async def test_a_projection_that_cannot_be_kept_hurts_nobody_else() -> None:
    sights, kept = Projection("sights"), list[str]()

    @sights.of(JarSeen)
    def seen(event: JarSeen) -> Sequence[Update]:
        if event.jar_id == "unreadable":
            raise ZeroDivisionError
        return [Update({"_id": event.jar_id}, {"$set": {"total": event.total}}, upsert=True)]

    class Documents:
        async def update_all(self, updates: Sequence[Update]) -> BulkResult:
            if any(update.filter["_id"] == "monster" for update in updates):
                raise Unstorable("monster")
            kept.extend(update.filter["_id"] for update in updates)
            return BulkResult(0, len(updates), frozenset())

    engine = Engine("jars", {}, Topics(), Clock(), projections={sights: Documents()})
    jars = ("a", "monster", "unreadable", "b")
    outcomes = await asyncio.gather(
        *(engine.hear(heard(JarSeen(jar_id=jar, total=1), jar)) for jar in jars), return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "NoneType",
        "HandlerFailed",
        "HandlerFailed",
        "NoneType",
    ]
    assert kept == ["a", "b"]


async def test_what_many_large_events_tell_is_written_in_pieces() -> None:
    """In one piece it takes the database longer than it is waited for, each time anew."""
    shelves, sizes, kept = Projection("shelves"), list[int](), list[str]()

    @shelves.of(JarSeen)
    def seen(event: JarSeen) -> Sequence[Update]:
        return [Update({"_id": f"{event.jar_id}/{n}"}, {"$set": {"n": n}}, upsert=True) for n in range(event.total)]

    class Documents:
        async def update_all(self, updates: Sequence[Update]) -> BulkResult:
            sizes.append(len(updates))
            kept.extend(update.filter["_id"] for update in updates)
            return BulkResult(0, len(updates), frozenset())

    engine = Engine("jars", {}, Topics(), Clock(), projections={shelves: Documents()})
    jars = [f"jar-{number}" for number in range(20)]
    await asyncio.gather(*(engine.hear(heard(JarSeen(jar_id=jar, total=2_000), jar)) for jar in jars))
    assert kept == [f"{jar}/{n}" for jar in jars for n in range(2_000)]
    assert max(sizes) <= WRITTEN_TOGETHER_MAX
