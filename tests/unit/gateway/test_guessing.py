"""Who guesses passwords, from one address or from thousands, at a hundred tries a second."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.gateway.limits import connect
from services.gateway.lockout import FREE_FOR_ACCOUNT, FREE_FOR_ADDRESS, LONGEST_SECONDS
from services.gateway.passwords import WAITING_MAX
from tests.unit.gateway.desk import HERE, Desk, desk
from tests.unit.gateway.world import expect_problem

Server = tuple[str, subprocess.Popen[bytes]]
ELSEWHERE = "192.0.2.9"

pytestmark = pytest.mark.real


@pytest.fixture
async def li(redis: Server) -> AsyncIterator[Desk]:
    async with desk(redis[0]) as made:
        yield made


def address(number: int) -> str:
    return f"203.0.{number // 250}.{number % 250 + 1}"


async def guess(li: Desk, tries: int, *, from_everywhere: bool = True, **other: str) -> int:
    """A hundred tries a second; how many of them were looked at."""
    looked_at = 0
    for number in range(tries):
        li.world.now += timedelta(milliseconds=10)
        where = address(number) if from_everywhere else ELSEWHERE
        answer = await li.sign_in(where, **{"password": f"guess-{number}", "code": "000000", **other})
        assert answer.status_code in {401, 429}
        looked_at += answer.status_code == 401
    return looked_at


async def test_one_account_guessed_from_everywhere_is_locked_and_counted(li: Desk) -> None:
    assert await guess(li, 330) == FREE_FOR_ACCOUNT + 2, "five free, then one after 1 s and one after 2 s more"
    entries = li.world.database.collections["audit"].documents.values()
    assert len(entries) == FREE_FOR_ACCOUNT + 2, "what was not looked at is not written down"


async def test_many_accounts_guessed_from_one_address_are_locked_and_counted(li: Desk) -> None:
    looked_at = 0
    for number in range(330):
        looked_at += await guess(li, 1, from_everywhere=False, staff_id=f"name{number}")
    assert looked_at == FREE_FOR_ADDRESS + 2
    assert (await li.sign_in(HERE)).status_code == 200, "another address is not concerned"


async def test_a_name_nobody_has_is_locked_like_one_that_somebody_has(li: Desk) -> None:
    assert await guess(li, 330, staff_id="nobody") == FREE_FOR_ACCOUNT + 2
    strange = await li.sign_in(password="x", staff_id="nobody")
    await guess(li, 330)
    real = await li.sign_in(password="x")
    assert expect_problem(strange, 429, "sign-in-locked").keys() == expect_problem(real, 429, "sign-in-locked").keys()


async def test_the_honest_one_gets_in_at_the_usual_desk_while_strangers_guess(li: Desk) -> None:
    await li.signed_in(HERE)
    wait = 0
    for number in range(60):  # patient strangers: each comes when the wait of the one before is over
        li.world.now += timedelta(seconds=wait)
        wait = (await li.sign_in(address(number), password="x")).json().get("retry_after", 0)
    assert wait > 60
    assert (await li.sign_in(ELSEWHERE)).status_code == 429
    li.world.now += timedelta(seconds=30)
    assert (await li.sign_in(HERE)).status_code == 200


async def test_the_honest_one_gets_in_later_from_anywhere(li: Desk) -> None:
    await guess(li, 1_000)
    refused = expect_problem(await li.sign_in(ELSEWHERE), 429, "sign-in-locked")
    assert 0 < refused["retry_after"] <= LONGEST_SECONDS
    li.world.now += timedelta(seconds=refused["retry_after"] - 1)
    still = expect_problem(await li.sign_in(ELSEWHERE), 429, "sign-in-locked")
    assert still["retry_after"] == 1, "asking meanwhile makes nobody wait longer"
    li.world.now += timedelta(seconds=1)
    assert (await li.sign_in(ELSEWHERE)).status_code == 200
    assert (await li.sign_in(ELSEWHERE, password="x")).status_code == 401, "the count began anew"


async def test_no_wait_is_longer_than_a_quarter_of_an_hour_however_long_it_goes_on(li: Desk) -> None:
    waits = []
    for _ in range(40):
        answer = await li.sign_in(ELSEWHERE, password="x")
        waits.append(answer.json().get("retry_after", 0))
        li.world.now += timedelta(seconds=waits[-1])
    assert max(waits) == LONGEST_SECONDS
    assert (await li.sign_in(ELSEWHERE)).status_code == 200


async def test_a_thousand_at_once_are_a_thousand(li: Desk, redis: Server) -> None:
    lockout = li.world.people.lockout
    tries = [lockout.enter("li", ELSEWHERE, known=False) for _ in range(60)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert {str(one) for one in outcomes} == {"None", "sign-in-locked"}
    let_in = outcomes.count(None)
    assert let_in == FREE_FOR_ACCOUNT
    client = connect(redis[0], 5.0)
    keys = [str(key) for key in await client.keys("*")]
    assert keys
    assert not [key for key in keys if "li" in key.split(":")[-1:] or ELSEWHERE in key], "names are not in Redis"
    await client.aclose(close_connection_pool=True)


async def test_an_own_account_does_not_unlock_the_address_for_guessing_at_others(li: Desk) -> None:
    looked_at = 0
    for number in range(60):
        if number % 5 == 0:
            li.world.now += timedelta(seconds=30)
            await li.sign_in(ELSEWHERE)
        looked_at += await guess(li, 1, from_everywhere=False, staff_id=f"name{number}")
    assert looked_at < FREE_FOR_ADDRESS + 8


async def test_the_typing_errors_of_an_office_do_not_add_up(li: Desk) -> None:
    for _ in range(FREE_FOR_ADDRESS + 10):
        assert (await li.sign_in(HERE, password="typed-wrong")).status_code == 401
        await li.signed_in(HERE)  # half a minute later
        li.world.now += timedelta(hours=23)


async def test_who_has_waited_and_signs_in_leaves_no_wait_to_the_next_one(li: Desk) -> None:
    for number in range(FREE_FOR_ADDRESS + 3):
        answer = await li.sign_in(HERE, staff_id=f"name{number}", password="x")
        li.world.now += timedelta(seconds=answer.json().get("retry_after", 0))
    li.world.now += timedelta(seconds=LONGEST_SECONDS)
    await li.signed_in(HERE)
    colleague = await li.sign_in(HERE, staff_id="colleague", password="x")
    assert colleague.status_code == 401, "the wait that the good one began is over with it"
    again = await li.sign_in(HERE, staff_id="colleague", password="x")
    assert again.status_code == 429, "the tries before it still count"


async def test_the_addresses_of_one_ipv6_network_are_one_address(li: Desk) -> None:
    """Whoever has IPv6 has 2^64 addresses to guess from."""
    looked_at = 0
    for number in range(60):
        li.world.now += timedelta(milliseconds=10)
        where = f"2001:db8:7:1:{number:x}::{number + 1:x}"
        answer = await li.sign_in(where, staff_id=f"name{number}", password="spring-2026", code="000000")
        looked_at += answer.status_code == 401
    assert looked_at == FREE_FOR_ADDRESS
    other = await li.sign_in("2001:db8:7:2::1", staff_id="name99", password="x", code="000000")
    assert other.status_code == 401, "the network beside it is not concerned"


async def test_strangers_who_keep_all_hands_full_lock_nobody_out(li: Desk) -> None:
    """What is refused before anybody looks at the password is no guess, and leaves no wait behind."""
    token = (await li.signed_in(HERE))["access_token"]
    li.world.people.passwords._waiting = WAITING_MAX
    change = {"password": li.password, "code": "000000", "new_password": "correct horse battery"}
    for _ in range(FREE_FOR_ADDRESS):
        expect_problem(await li.sign_in(HERE), 503, "sign-in-busy")
        expect_problem(await li.sign_in(HERE, staff_id="nobody"), 503, "sign-in-busy")
        expect_problem(await li.ask("POST", "/admin/v1/session/password", token, change), 503, "sign-in-busy")
    li.world.people.passwords._waiting = 0
    await li.signed_in(HERE)


async def test_strangers_who_keep_all_hands_full_get_no_guess_more(li: Desk) -> None:
    looked_at = 0
    for number in range(60):
        li.world.people.passwords._waiting = WAITING_MAX
        await li.sign_in(address(number), password="x")
        li.world.people.passwords._waiting = 0
        looked_at += await guess(li, 1)
    assert looked_at == FREE_FOR_ACCOUNT
