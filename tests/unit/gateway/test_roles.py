"""The whole table, every route by every role: who gets through, and who leaves a trace without getting through."""

from __future__ import annotations

import pytest

from services.gateway.auth import CUSTOMER, RIGHTS, STAFF, Right
from services.gateway.roles import EVERYBODY, WORDS
from tests.unit.gateway.world import World, expect_problem, filled, is_own

FOR_STAFF = [right for right in RIGHTS if "staff" in right.may]
ROLES = sorted({*WORDS, "nobody-yet", "Administrator"})

NEVER = {
    "customer-service": {
        "/admin/v1/tasks/{task_id}/resolution",
        "/admin/v1/tasks/resolutions",
        "/admin/v1/coupons/{code}",
        "/admin/v1/stock-receipts",
    },
    "finance": {"/admin/v1/orders/{order_id}/cancellation", "/admin/v1/orders/{order_id}/ship", "/admin/v1/products"},
    "warehouse": {
        "/admin/v1/orders/{order_id}/cancellation",
        "/admin/v1/cases/{case_id}/bank-card",
        "/admin/v1/tasks/resolutions",
    },
    "supervisor": {"/admin/v1/staff", "/admin/v1/staff/{staff_id}", "/admin/v1/staff/{staff_id}/secrets"},
}
"""What these roles must never be given in passing."""


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("right", FOR_STAFF, ids=[f"{one.method} {one.path}" for one in FOR_STAFF])
async def test_every_route_by_every_role(world: World, right: Right, role: str) -> None:
    method, path, body = filled(right)
    answer = await world.ask(method, path, world.token("s1", "staff", role=role), body)
    if role in right.roles:
        assert answer.status_code not in {401, 403}
        assert bool(world.fake.seen) != is_own(right)
        return
    expect_problem(answer, 403, "not-allowed")
    assert not world.fake.seen
    entries = world.database.collections["audit"].documents.values()
    assert [(entry["role"], entry["status"]) for entry in entries] == ([(role, 403)] if right.is_deed else [])


def test_every_row_for_staff_names_its_roles_and_no_other_row_does() -> None:
    for right in RIGHTS:
        assert bool(right.roles) == bool(right.may & STAFF), f"{right.method} {right.path}: say who may call it"
        assert right.roles <= EVERYBODY
        assert not right.may & CUSTOMER or right.path.startswith("/mp/v1/")


def test_money_goods_and_accounts_are_in_different_hands() -> None:
    for role, paths in NEVER.items():
        mine = {right.path for right in RIGHTS if right.path in paths}
        assert mine == paths, "a route that is gone guards nothing"
        assert not [right for right in RIGHTS if right.path in paths and role in right.roles]


async def test_nobody_makes_a_tenth_role_by_writing_it_into_a_token(world: World) -> None:
    for role in ("root", "supervisor ", "SUPERVISOR", "*"):
        expect_problem(
            await world.ask("GET", "/admin/v1/orders", world.token("s1", "staff", role=role)), 403, "not-allowed"
        )
