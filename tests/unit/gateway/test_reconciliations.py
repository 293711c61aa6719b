"""Only those who answer for money reach the reconciliations."""

from __future__ import annotations

import pytest

from services.gateway.auth import MONEY, RIGHTS, Right
from tests.unit.gateway.world import World, expect_problem, filled

MINE = [right for right in RIGHTS if right.path.startswith("/admin/v1/reconciliations")]
EVERY = pytest.mark.parametrize("right", MINE, ids=[f"{one.method} {one.path}" for one in MINE])


@EVERY
@pytest.mark.parametrize("role", sorted(MONEY))
async def test_these_roles_get_through(world: World, right: Right, role: str) -> None:
    method, path, body = filled(right)
    assert (await world.ask(method, path, world.token("s1", "staff", role=role), body)).status_code == 200
    assert [seen.service for seen in world.fake.seen] == ["payment"]


@EVERY
async def test_other_staff_does_not(world: World, right: Right) -> None:
    method, path, body = filled(right)
    answer = await world.ask(method, path, world.token("s1", "staff", role="support"), body)
    expect_problem(answer, 403, "not-allowed")
    assert world.fake.seen == []


async def test_who_it_was_comes_from_the_token(world: World) -> None:
    token = world.token("s1", "staff", role="finance")
    await world.ask("POST", "/admin/v1/reconciliations/2026-02-27?shop=tea", token)
    await world.ask("POST", "/admin/v1/reconciliations/tea/2026-02-27/differences/3/close", token, {"remark": "ok"})
    started, closed = world.fake.seen
    assert started.target == "/reconciliations/2026-02-27?shop=tea&by=s1"
    assert closed.target == "/reconciliations/tea/2026-02-27/differences/3/close"
    assert closed.json == {"by": "s1", "remark": "ok"}


@pytest.mark.parametrize(
    "path", ["/2026-2-27", "/tomorrow", "/2026-02-27?shop=Tea", "/tea/2026-02-27/differences/0/close"]
)
async def test_what_makes_no_sense_stays_outside(world: World, path: str) -> None:
    token = world.token("s1", "staff", role="finance")
    answer = await world.ask("POST", f"/admin/v1/reconciliations{path}", token, {"remark": "ok"})
    assert answer.status_code == 422
    assert world.fake.seen == []
