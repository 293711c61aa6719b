"""The questions that are asked again and again, for ever, are answered from an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from chassis.mongo import Database
from chassis.record import Heard, Record, hear
from contracts.message import message_id
from tests.unit.chassis.jars import T0, PutMarbles, jar_aggregate

JARS = 50


@pytest.fixture
async def watched(mongo_url: str) -> Any:
    """A store with records, in a database that notes every query it answers."""
    database = Database(mongo_url, "plans")
    aggregate = jar_aggregate()
    store = database.store(aggregate)
    await store.prepare()
    for number in range(JARS):
        wish = Heard(PutMarbles(jar_id=f"jar{number}"), message_id("plans", number), T0)
        await store.save([hear(aggregate, Record(f"jar{number}"), wish).record])
    await database._database.command({"profile": 2})
    yield database, store
    await database._database.command({"profile": 0})
    await database.close()


def stages(plan: Mapping[str, Any]) -> Iterator[str]:
    yield str(plan["stage"])
    for inner in (plan.get("inputStage"), *plan.get("inputStages", ())):
        if inner:
            yield from stages(inner)


@pytest.mark.parametrize("question", ["unsaid", "due"])
async def test_no_question_reads_every_record(watched: Any, question: str) -> None:
    database, store = watched
    await getattr(store, question)(T0 + timedelta(days=1), 10)
    noted = database._database["system.profile"].find({"op": "query", "ns": "plans.jars"}).sort("ts", -1).limit(1)
    (query,) = await noted.to_list(None)
    seen = set(stages(query["execStats"]))
    assert "COLLSCAN" not in seen, seen
    assert "IXSCAN" in seen, seen
