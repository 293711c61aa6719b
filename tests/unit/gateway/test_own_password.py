"""A member of staff changes the own password."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.gateway.lockout import FREE_FOR_ACCOUNT
from tests.unit.gateway.desk import HERE, Desk, desk
from tests.unit.gateway.world import expect_problem

Server = tuple[str, subprocess.Popen[bytes]]
PATH = "/admin/v1/session/password"
NEW = "seven blue teapots"

pytestmark = pytest.mark.real


@pytest.fixture
async def li(redis: Server) -> AsyncIterator[Desk]:
    async with desk(redis[0]) as made:
        yield made


async def change(li: Desk, token: str, new: str = NEW, address: str = HERE, **other: str) -> httpx.Response:
    """Try it, with the next code of the second factor."""
    li.world.now += timedelta(seconds=30)
    body = {"password": li.password, "code": li.code(), "new_password": new, **other}
    return await li.ask("POST", PATH, token, body, address)


async def reads(li: Desk, token: str) -> int:
    return (await li.ask("GET", "/admin/v1/orders", token)).status_code


async def test_the_new_one_counts_and_everybody_else_is_signed_out(li: Desk) -> None:
    other, mine = await li.signed_in("192.0.2.1"), await li.signed_in()
    assert (await change(li, mine["access_token"])).json() == {"staff_id": "li"}
    assert await reads(li, mine["access_token"]) == 200
    expect_problem(await li.ask("GET", "/admin/v1/orders", other["access_token"]), 401, "session-ended")
    body = {"refresh_token": other["refresh_token"]}
    expect_problem(await li.ask("POST", "/admin/v1/session/refresh", None, body), 401, "session-ended")
    li.world.now += timedelta(seconds=30)
    expect_problem(await li.sign_in(), 401, "sign-in-refused")
    li.password = NEW
    assert (await li.sign_in()).status_code == 200


def when_others_are_out(li: Desk, monkeypatch: pytest.MonkeyPatch, then: Callable[[], Awaitable[object]]) -> None:
    """Something that happens as soon as the other sessions have ended, before the new password is stored."""
    through, waiting = li.world.line.through, [then]

    async def crossed(what: str, work: Callable[[], Any]) -> Any:
        result = await through(what, work)
        if what == "write sessions" and waiting:
            await waiting.pop()()
        return result

    monkeypatch.setattr(li.world.line, "through", crossed)


async def test_a_crash_half_way_leaves_nobody_signed_in_by_the_old_one(
    li: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, mine = await li.signed_in("192.0.2.1"), await li.signed_in()

    async def crash() -> None:
        li.world.line.away.add("write staff")

    when_others_are_out(li, monkeypatch, crash)
    assert (await change(li, mine["access_token"])).status_code == 503
    assert await reads(li, other["access_token"]) == 401


async def test_whoever_signs_in_by_the_old_one_in_the_same_moment_is_out(
    li: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mine = await li.signed_in("192.0.2.1"), await li.signed_in()
    late = []

    async def sign_in() -> None:
        late.append(await li.world.people.sessions.open("staff", "li", {}))

    when_others_are_out(li, monkeypatch, sign_in)
    assert (await change(li, mine["access_token"])).status_code == 200
    assert not await li.world.people.sessions.is_alive(late[0].session)


@pytest.mark.parametrize("wrong", [{"password": "x"}, {"code": "000000"}], ids=["password", "factor"])
async def test_with_the_wrong_one_nothing_changes(li: Desk, wrong: dict[str, str]) -> None:
    other, mine = await li.signed_in("192.0.2.1"), await li.signed_in()
    expect_problem(await change(li, mine["access_token"], **wrong), 403, "password-refused")
    assert [await reads(li, one["access_token"]) for one in (other, mine)] == [200, 200]
    assert (await li.signed_in())["staff_id"] == "li"


async def test_a_code_works_once(li: Desk) -> None:
    mine = await li.signed_in()
    code = li.code()
    li.world.now += timedelta(seconds=1)
    body = {"password": li.password, "code": code, "new_password": NEW}
    expect_problem(await li.ask("POST", PATH, mine["access_token"], body), 403, "password-refused")


async def test_guesses_with_a_stolen_token_are_counted_and_locked(li: Desk) -> None:
    mine = await li.signed_in()
    stranger, body = "203.0.113.9", {}
    for number in range(FREE_FOR_ACCOUNT):
        body = {"password": f"guess-{number}", "code": "000000", "new_password": NEW}
        expect_problem(await li.ask("POST", PATH, mine["access_token"], body, stranger), 403, "password-refused")
    refused = await li.ask("POST", PATH, mine["access_token"], body, stranger)
    assert expect_problem(refused, 429, "sign-in-locked")["retry_after"] >= 1
    assert (await change(li, mine["access_token"])).status_code == 200, "at the usual desk it still goes"


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("short", "invalid-request"),
        ("x" * 129, "invalid-request"),
        ("aaaaaaaaaaaab", "password-too-simple"),
        ("my name is Li, hello", "password-too-simple"),
    ],
)
async def test_one_that_is_too_simple_is_refused_and_counts_as_no_try(li: Desk, new: str, code: str) -> None:
    mine = await li.signed_in()
    for _ in range(FREE_FOR_ACCOUNT + 2):
        answer = await change(li, mine["access_token"], new)
        expect_problem(answer, 422, code)
        assert new not in answer.text
    expect_problem(await change(li, mine["access_token"], li.password), 422, "password-too-simple")
    assert (await change(li, mine["access_token"])).status_code == 200


async def test_it_stands_in_the_trail_without_a_password(li: Desk) -> None:
    mine = await li.signed_in()
    old = li.password
    await change(li, mine["access_token"], password="wrong one, 4711")
    await change(li, mine["access_token"])
    entries = (await li.ask("GET", "/admin/v1/audit?staff=li&limit=2", mine["access_token"])).json()["entries"]
    assert [(one["route"], one["outcome"], one["address"]) for one in entries] == [
        (PATH, "done", HERE),
        (PATH, "refused", HERE),
    ]
    assert [entries[0][name]["account"]["version"] for name in ("before", "after")] == [1, 2]
    kept = str({name: one.documents for name, one in li.world.database.collections.items()})
    for secret in (old, NEW, "wrong one, 4711"):
        assert secret not in kept


async def test_whoever_has_no_account_has_no_password(li: Desk) -> None:
    body = {"password": li.password, "code": li.code(), "new_password": NEW}
    answer = await li.ask("POST", PATH, li.world.token("nobody", "staff"), body)
    expect_problem(answer, 403, "password-refused")


async def test_what_somebody_else_changed_meanwhile_stays(li: Desk) -> None:
    mine = await li.signed_in()
    staff = li.world.people.staff
    before = staff.set_password

    async def meanwhile(member: object, password: str) -> bool:
        found = await staff.find("li")
        assert found is not None
        assert await staff.renew(found) is not None
        return await before(member, password)  # type: ignore[arg-type]

    staff.set_password = meanwhile  # type: ignore[method-assign]
    expect_problem(await change(li, mine["access_token"]), 409, "changed-meanwhile")
