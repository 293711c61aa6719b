"""Staff sign in with password and second factor, stay signed in, and are signed out."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pyotp
import pytest
from structlog.testing import capture_logs

from services.gateway.passwords import factor_step
from services.gateway.sessions import Sessions
from services.gateway.staff import Person
from services.gateway.tokens import LIFE_SECONDS, Kind
from services.gateway.vault import Vault
from tests.unit.gateway.desk import PHONE, Desk, desk
from tests.unit.gateway.world import OWN_KEY, World, expect_problem

Server = tuple[str, subprocess.Popen[bytes]]
NEW = {"name": "王五", "role": "warehouse", "phone": "13900001111"}


@pytest.fixture
async def li(redis: Server) -> AsyncIterator[Desk]:
    async with desk(redis[0]) as made:
        yield made


async def reads(li: Desk, token: str) -> int:
    return (await li.ask("GET", "/admin/v1/orders", token)).status_code


@pytest.mark.real
async def test_who_signs_in_works_for_a_quarter_of_an_hour_and_goes_on_by_refreshing(li: Desk) -> None:
    found = await li.signed_in()
    assert (found["staff_id"], found["role"], found["expires_in"]) == ("li", "administrator", LIFE_SECONDS)
    assert await reads(li, found["access_token"]) == 200
    li.world.now += timedelta(seconds=LIFE_SECONDS)
    expect_problem(await li.ask("GET", "/admin/v1/orders", found["access_token"]), 401, "token-expired")
    body = {"refresh_token": found["refresh_token"]}
    fresh = (await li.ask("POST", "/admin/v1/session/refresh", None, body)).json()
    assert await reads(li, fresh["access_token"]) == 200


@pytest.mark.real
@pytest.mark.parametrize(
    "wrong", [{"password": "x"}, {"code": "000000"}, {"staff_id": "nobody"}], ids=["password", "factor", "name"]
)
async def test_whatever_is_wrong_the_answer_is_the_same(li: Desk, wrong: dict[str, str]) -> None:
    document = expect_problem(await li.sign_in(**wrong), 401, "sign-in-refused")
    other = await li.sign_in(password="something else")
    assert other.json() == document
    entries = list(li.world.database.collections["audit"].documents.values())
    assert [entry["problem"] for entry in entries] == ["sign-in-refused"] * 2
    assert li.password not in str(entries)


@pytest.mark.real
async def test_a_code_of_the_second_factor_works_once(li: Desk) -> None:
    await li.signed_in()
    expect_problem(await li.sign_in(), 401, "sign-in-refused")
    li.world.now += timedelta(seconds=30)
    assert (await li.sign_in()).status_code == 200


@pytest.mark.real
async def test_a_wrong_password_uses_no_code_up(li: Desk) -> None:
    expect_problem(await li.sign_in(password="x"), 401, "sign-in-refused")
    assert (await li.sign_in()).status_code == 200


@pytest.mark.real
async def test_a_refresh_token_shown_twice_ends_the_family(li: Desk) -> None:
    first = await li.signed_in()
    other = await li.signed_in()
    body = {"refresh_token": first["refresh_token"]}
    second = (await li.ask("POST", "/admin/v1/session/refresh", None, body)).json()
    assert await reads(li, second["access_token"]) == 200
    with capture_logs() as logs:
        expect_problem(await li.ask("POST", "/admin/v1/session/refresh", None, body), 401, "session-ended")
    assert [line["event"] for line in logs] == ["a refresh token was used twice, its session is ended"]
    for token in (first["access_token"], second["access_token"]):
        expect_problem(await li.ask("GET", "/admin/v1/orders", token), 401, "session-ended")
    newest = {"refresh_token": second["refresh_token"]}
    expect_problem(await li.ask("POST", "/admin/v1/session/refresh", None, newest), 401, "session-ended")
    assert await reads(li, other["access_token"]) == 200, "another session of the same person goes on"


@pytest.mark.real
async def test_a_forged_refresh_token_opens_and_ends_nothing(li: Desk) -> None:
    found = await li.signed_in()
    id, turn, mark = found["refresh_token"].split(".")
    for forged in (f"{id}.{turn}.{mark[:-1]}", f"{id}.2.{mark}", f"{id}.0.{mark}", f"x.{turn}.{mark}", "x", "..", "."):
        answer = await li.ask("POST", "/admin/v1/session/refresh", None, {"refresh_token": forged})
        expect_problem(answer, 401, "session-ended")
    answer = await li.ask("POST", "/mp/v1/session/refresh", None, {"refresh_token": found["refresh_token"]})
    expect_problem(answer, 401, "session-ended")
    assert await reads(li, found["access_token"]) == 200


@pytest.mark.real
async def test_a_session_lasts_a_working_day(li: Desk) -> None:
    found = await li.signed_in()
    li.world.now += timedelta(hours=12)
    body = {"refresh_token": found["refresh_token"]}
    expect_problem(await li.ask("POST", "/admin/v1/session/refresh", None, body), 401, "session-ended")
    await li.signed_in()
    assert len(li.world.database.collections["sessions"].documents) == 1, "what has run out is forgotten"


@pytest.mark.real
async def test_who_signs_out_is_out_at_once(li: Desk) -> None:
    found = await li.signed_in()
    assert (await li.ask("DELETE", "/admin/v1/session", found["access_token"])).status_code == 204
    expect_problem(await li.ask("GET", "/admin/v1/orders", found["access_token"]), 401, "session-ended")
    body = {"refresh_token": found["refresh_token"]}
    expect_problem(await li.ask("POST", "/admin/v1/session/refresh", None, body), 401, "session-ended")


@pytest.mark.real
async def test_an_account_that_is_shut_is_out_at_once_and_stays_out(li: Desk) -> None:
    boss = (await li.signed_in())["access_token"]
    made = await li.ask("PUT", "/admin/v1/staff/wang", boss, NEW)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    wang = Desk(li.world)
    wang.take(made.json()["password"], made.json()["otpauth"])
    found = (await wang.sign_in(staff_id="wang")).json()
    assert await reads(wang, found["access_token"]) == 200
    assert (await li.ask("PUT", "/admin/v1/staff/wang", boss, {**NEW, "disabled": True})).status_code == 200
    expect_problem(await wang.ask("GET", "/admin/v1/orders", found["access_token"]), 401, "session-ended")
    li.world.now += timedelta(seconds=30)
    expect_problem(await wang.sign_in(staff_id="wang"), 401, "sign-in-refused")


@pytest.mark.real
async def test_another_role_or_other_secrets_sign_out(li: Desk) -> None:
    boss = (await li.signed_in())["access_token"]
    made = (await li.ask("PUT", "/admin/v1/staff/wang", boss, NEW)).json()
    wang = Desk(li.world)
    wang.take(made["password"], made["otpauth"])
    old = (await wang.sign_in(staff_id="wang")).json()["access_token"]
    assert (await li.ask("PUT", "/admin/v1/staff/wang", boss, {**NEW, "role": "finance"})).status_code == 200
    expect_problem(await wang.ask("GET", "/admin/v1/orders", old), 401, "session-ended")
    renewed = (await li.ask("POST", "/admin/v1/staff/wang/secrets", boss)).json()
    expect_problem(await wang.sign_in(staff_id="wang"), 401, "sign-in-refused")
    wang.take(renewed["password"], renewed["otpauth"])
    assert (await wang.sign_in(staff_id="wang")).json()["role"] == "finance"


@pytest.mark.real
async def test_who_signed_in_under_a_role_that_was_taken_away_does_not_go_on_with_it(li: Desk) -> None:
    """A crash between the change of an account and the end of its sessions; the same change again finds nothing to do,
    so it ends none."""
    boss = (await li.signed_in())["access_token"]
    made = (await li.ask("PUT", "/admin/v1/staff/wang", boss, NEW)).json()
    wang = Desk(li.world)
    wang.take(made["password"], made["otpauth"])
    found = (await wang.sign_in(staff_id="wang")).json()
    book = li.world.people.staff
    member = await book.find("wang")
    assert member is not None
    assert await book.change(member, Person(NEW["name"], "finance", NEW["phone"]))
    assert (await li.ask("PUT", "/admin/v1/staff/wang", boss, {**NEW, "role": "finance"})).status_code == 200
    body = {"refresh_token": found["refresh_token"]}
    expect_problem(await wang.ask("POST", "/admin/v1/session/refresh", None, body), 401, "session-ended")
    expect_problem(await wang.ask("GET", "/admin/v1/orders", found["access_token"]), 401, "session-ended")


@pytest.mark.real
async def test_nobody_shuts_the_last_administrator(li: Desk) -> None:
    boss = (await li.signed_in())["access_token"]
    own = {"name": "李四", "role": "administrator", "phone": PHONE}
    for change in ({"disabled": True}, {"role": "finance"}):
        expect_problem(await li.ask("PUT", "/admin/v1/staff/li", boss, {**own, **change}), 409, "not-yourself")
    assert (await li.ask("PUT", "/admin/v1/staff/li", boss, {**own, "name": "李"})).status_code == 200
    assert await reads(li, boss) == 200


@pytest.mark.real
@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "finance"}], ids=["shut", "demoted"])
async def test_of_two_administrators_who_take_away_each_other_one_is_left(
    li: Desk, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    wang, book = Desk(li.world), li.world.people.staff
    await wang.furnish(staff_id="wang")
    tokens = [(await li.signed_in())["access_token"], (await wang.sign_in(staff_id="wang")).json()["access_token"]]
    both, end, ended = asyncio.Barrier(2), li.world.people.sessions.end_all, list[str]()

    async def together(kind: Kind, sub: str) -> None:
        """Both are let in, and each has looked at the other's account, before anything is written."""
        ended.append(sub)
        if len(ended) <= 2:
            async with asyncio.timeout(10):
                await both.wait()
        await end(kind, sub)

    monkeypatch.setattr(Sessions, "end_all", lambda _, *whose: together(*whose))
    own = {"name": "李四", "role": "administrator", "phone": PHONE, **change}
    paths = ("/admin/v1/staff/wang", "/admin/v1/staff/li")
    answers = await asyncio.gather(
        *(li.ask("PUT", path, token, own) for path, token in zip(paths, tokens, strict=True))
    )
    assert sorted(one.status_code for one in answers) in ([200, 409], [409, 409])
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"changed-meanwhile"}
    left = [one.staff_id for one in await book.page("", 5) if one.role == "administrator" and not one.disabled]
    assert left


@pytest.mark.real
async def test_one_administrator_takes_away_another_who_then_takes_away_nobody(li: Desk) -> None:
    wang, book = Desk(li.world), li.world.people.staff
    await wang.furnish(staff_id="wang")
    boss = (await li.signed_in())["access_token"]
    own = {"name": "王五", "role": "finance", "phone": PHONE}
    assert (await li.ask("PUT", "/admin/v1/staff/wang", boss, own)).status_code == 200
    assert not await book.answers_for_it("wang")
    assert await book.answers_for_it("li")


@pytest.mark.real
async def test_accounts_are_listed_with_their_phones_masked_and_kept_with_them_sealed(li: Desk) -> None:
    boss = (await li.signed_in())["access_token"]
    await li.ask("PUT", "/admin/v1/staff/wang", boss, NEW)
    first = (await li.ask("GET", "/admin/v1/staff?limit=1", boss)).json()
    assert [one["staff_id"] for one in first["staff"]] == ["li"]
    second = (await li.ask("GET", f"/admin/v1/staff?after={first['next']}", boss)).json()
    assert [one["phone"] for one in second["staff"]] == ["139****1111"]
    expect_problem(await li.ask("GET", "/admin/v1/staff/nobody", boss), 404, "unknown-staff")
    kept = str({name: one.documents for name, one in li.world.database.collections.items()})
    for secret in (PHONE, NEW["phone"], li.password, li.factor):
        assert secret not in kept


@pytest.mark.real
async def test_while_the_database_is_away_no_member_of_staff_gets_in_and_customers_do(li: Desk) -> None:
    token = (await li.signed_in())["access_token"]
    li.world.line.away |= {"read sessions", "read staff"}
    expect_problem(await li.ask("GET", "/admin/v1/orders", token), 503, "not-ready")
    expect_problem(await li.sign_in(), 503, "not-ready")
    assert (await li.world.ask("GET", "/mp/v1/orders", li.world.token())).status_code == 200


@pytest.mark.real
async def test_nobody_signs_in_while_the_trail_cannot_be_written(li: Desk) -> None:
    li.world.line.away |= {"write audit"}
    expect_problem(await li.sign_in(), 503, "not-ready")
    assert not li.world.database.collections["sessions"].documents


async def test_without_redis_nobody_signs_in_and_whoever_is_signed_in_stays_so(world: World) -> None:
    li = Desk(world)
    await li.furnish()
    opened = await world.people.sessions.open("staff", "li", {"role": "administrator"})
    expect_problem(await li.sign_in(), 503, "sign-in-not-available")
    assert await reads(li, opened.access) == 200
    fresh = await li.ask("POST", "/admin/v1/session/refresh", None, {"refresh_token": opened.refresh})
    assert fresh.status_code == 200


OPERATORS: list[Any] = [
    {"$gt": ""},
    {"$ne": None},
    ["li"],
    None,
    1,
    True,
    "",
    "x" * 100_000,
    "li\x00",
    "\u202eli",
    "ｌｉ",
]


@pytest.mark.parametrize("value", OPERATORS, ids=[str(one)[:12] for one in OPERATORS])
@pytest.mark.parametrize("field", ["staff_id", "password", "code"])
async def test_operators_and_strange_text_open_nothing(world: World, field: str, value: Any) -> None:
    li = Desk(world)
    await li.furnish()
    answer = await li.sign_in(**{field: value})
    allowed = field == "password" and isinstance(value, str) and 0 < len(value) < 100
    assert answer.status_code == (503 if allowed else 422), "503: Redis is away here"
    assert li.password not in answer.text
    assert all("staff" not in crossed for crossed in world.line.crossed[1:] if not allowed)


@pytest.mark.parametrize("value", OPERATORS, ids=[str(one)[:12] for one in OPERATORS])
async def test_operators_in_other_fields_are_refused(world: World, value: Any) -> None:
    boss = world.token("s1", "staff", role="administrator")
    for change in ("role", "phone", "disabled"):
        if (change, value) == ("disabled", True):
            continue
        answer = await world.ask("PUT", "/admin/v1/staff/wang", boss, {**NEW, change: value})
        expect_problem(answer, 422, "invalid-request")
    for path in ("/admin/v1/session/refresh", "/mp/v1/session/refresh"):
        answer = await world.ask("POST", path, None, {"refresh_token": value})
        assert answer.status_code in {401, 422}
    assert not world.database.collections["staff"].documents


async def test_a_phone_is_no_secret_key_and_a_seal_of_another_key_is_told(world: World) -> None:
    sealed = Vault("a" * 32).seal(PHONE)
    assert PHONE not in sealed
    assert Vault("a" * 32).unseal(sealed) == PHONE
    with pytest.raises(ValueError, match="another gateway-secret"):
        Vault("b" * 32).unseal(sealed)
    with pytest.raises(ValueError, match="shorter"):
        Vault("short")


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "94287082"), (1111111109, "07081804"), (1234567890, "89005924"), (20000000000, "65353130")],
)
def test_the_second_factor_is_that_of_rfc_6238(seconds: int, code: str) -> None:
    # Appendix B, SHA-1, eight digits; an authenticator shows the last six.
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    at = datetime.fromtimestamp(seconds, UTC)
    assert factor_step(secret, code[-6:], at) == seconds // 30
    assert pyotp.TOTP(secret, digits=8).at(seconds) == code
    assert factor_step(secret, code[-6:], at + timedelta(seconds=30)) == seconds // 30
    assert factor_step(secret, code[-6:], at + timedelta(seconds=90)) is None
    assert factor_step(secret, "x" * 6, at) is None


async def test_a_token_of_our_own_key_that_somebody_else_claims_to_have_made_is_none(world: World) -> None:
    until = int(world.now.timestamp()) + 60
    claims = {"sub": "li", "kind": "staff", "role": "administrator", "aud": "tuidan", "exp": until}
    for issuer in ("tuidan-sandbox", "somebody", ["tuidan-gateway"], None):
        given = {**claims, "iss": issuer} if issuer else claims
        # The library refuses to write an issuer that is no text, so the list is written by hand.
        token = jwt.api_jws.encode(json.dumps(given).encode(), OWN_KEY, "EdDSA")
        expect_problem(await world.ask("GET", "/admin/v1/staff", token), 401, "token-invalid")


@pytest.mark.real
async def test_a_role_that_was_changed_while_the_database_failed_signs_out_when_the_change_is_repeated(
    li: Desk,
) -> None:
    boss = (await li.signed_in())["access_token"]
    made = (await li.ask("PUT", "/admin/v1/staff/wang", boss, {**NEW, "role": "administrator"})).json()
    wang = Desk(li.world)
    wang.take(made["password"], made["otpauth"])
    old = (await wang.sign_in(staff_id="wang")).json()
    li.world.line.away.add("write sessions")
    assert (await li.ask("PUT", "/admin/v1/staff/wang", boss, NEW)).status_code == 503
    li.world.line.away.clear()
    assert (await li.ask("PUT", "/admin/v1/staff/wang", boss, NEW)).status_code == 200
    expect_problem(await wang.ask("GET", "/admin/v1/staff", old["access_token"]), 401, "session-ended")
    fresh = await wang.ask("POST", "/admin/v1/session/refresh", None, {"refresh_token": old["refresh_token"]})
    expect_problem(fresh, 401, "session-ended")
