"""What the gateway keeps, in a real MongoDB, by both drivers."""

from __future__ import annotations

import pytest

from chassis.mongo import Database
from services.gateway.passwords import Passwords
from services.gateway.sessions import Sessions
from services.gateway.staff import Person, StaffBook
from services.gateway.tokens import Unauthorized
from services.gateway.trail import Deed, Trail
from services.gateway.vault import Vault
from tests.support.fixtures import database, mongo_driver, mongo_url
from tests.unit.gateway.world import CHEAP, NOW, World

__all__ = ["database", "mongo_driver", "mongo_url"]

pytestmark = [pytest.mark.real, pytest.mark.parametrize("mongo_driver", ["motor", "pymongo"])]
VAULT = Vault("s" * 64)


async def test_sessions_turn_once_and_end(database: Database, world: World) -> None:
    signer = world.people.sessions._signer
    sessions = Sessions(database.collection("sessions"), signer, VAULT, lambda: NOW)
    await sessions.prepare()
    first = await sessions.open("staff", "li", {"role": "finance"})
    second = await sessions.refresh("staff", first.refresh)
    assert await sessions.is_alive(first.session)
    with pytest.raises(Unauthorized):
        await sessions.refresh("staff", first.refresh)
    with pytest.raises(Unauthorized):
        await sessions.refresh("staff", second.refresh)
    assert not await sessions.is_alive(first.session)
    other = await sessions.open("staff", "li", {"role": "finance"})
    await sessions.end_all("staff", "li")
    assert not await sessions.is_alive(other.session)


async def test_accounts_are_changed_by_one_at_a_time_and_steps_are_taken_once(database: Database) -> None:
    book = StaffBook(database.collection("staff"), VAULT, Passwords(CHEAP), lambda: NOW)
    person = Person("李", "finance", "13800138000")
    assert await book.add("li", person)
    assert await book.add("li", person) is None
    member = await book.find("li")
    assert member is not None
    assert [await book.use_step(member, step) for step in (5, 5, 4, 6)] == [True, False, False, True]
    assert [await book.change(member, person) for _ in range(2)] == [True, False]
    assert await book.renew(member) is None
    assert [one.staff_id for one in await book.page("", 5)] == ["li"]


async def test_the_trail_is_completed_once(database: Database) -> None:
    trail = Trail(database.collection("audit"), lambda: NOW)
    await trail.prepare()
    body = '{"$where": "1", "a.b": {"$gt": ""}}'
    id = await trail.intend(Deed("s1", "finance", "POST", "/r", "/r", "$q=1", ("o1",), "::1", "r1", body))
    await trail.done(id, 200)
    await trail.done(id, 500)
    found = await trail.page(staff="s1", subject="o1", after="", limit=1)
    assert [(entry["status"], entry["body"]) for entry in found["entries"]] == [(200, body)]
    assert found["next"] == id
    assert (await trail.page(staff=None, subject=None, after=id, limit=1))["entries"] == []
