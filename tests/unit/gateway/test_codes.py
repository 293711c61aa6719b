"""Confirmation codes: sent to the acting member of staff, good once, for exactly one thing."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.gateway.codes import LASTS_SECONDS, PER_HOUR, SPACING_SECONDS, TAKEN, TRIES
from services.gateway.limits import connect
from tests.unit.gateway.desk import PHONE, Desk, desk
from tests.unit.gateway.world import CANCELLATION, World, expect_problem

Server = tuple[str, subprocess.Popen[bytes]]
MATTER = {"action": "cancel-order", "order_id": "o1", "amount_minor": 2100}
CANCEL = "/admin/v1/orders/o1/cancellation"
SENT = ("notify", "POST", "/confirmations")


class Till(Desk):
    """A desk whose codes arrive."""

    token = ""

    async def asks(self, **other: Any) -> str:
        """Ask for a code, a minute after the last one; the digits that were sent."""
        self.world.now += timedelta(seconds=SPACING_SECONDS)
        self.token = (await self.signed_in())["access_token"]
        answer = await self.ask("POST", "/admin/v1/codes", self.token, {**MATTER, **other})
        assert answer.status_code == 202, answer.text
        assert answer.json()["sent_to"] == "138****8000"
        sent = self.world.fake.seen[-1]
        assert (sent.service, sent.method, sent.target) == SENT
        assert sent.json["phone"] == PHONE
        assert sent.json["code"] not in answer.text
        return str(sent.json["code"])

    async def cancels(self, code: str, amount: int = 2100, path: str = CANCEL, key: str = "k") -> httpx.Response:
        """Cancel with a code."""
        body = {**CANCELLATION, "code": code, "amount_minor": amount}
        return await self.world.ask("POST", path, self.token, body, key=key)


@pytest.fixture
async def till(redis: Server) -> AsyncIterator[Till]:
    async with desk(redis[0]) as made:
        found = Till(made.world)
        found.password, found.factor = made.password, made.factor
        found.world.fake.answers[SENT] = httpx.Response(202, json={"provider": "sms-tencent"})
        yield found


def wrong_for(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


@pytest.mark.real
async def test_a_code_confirms_exactly_what_it_was_asked_for(till: Till) -> None:
    code = await till.asks()
    before = len(till.world.fake.seen)
    refused = [
        await till.cancels(code, amount=2101),
        await till.cancels(code, path="/admin/v1/orders/o2/cancellation"),
        await till.cancels(wrong_for(code)),
    ]
    for answer in refused:
        expect_problem(answer, 403, "code-wrong")
    assert len(till.world.fake.seen) == before, "nothing reached the order service"
    assert (await till.cancels(code)).status_code == 200
    told = till.world.fake.seen[-1].json
    assert told["confirmed"] is True
    assert "code" not in told
    assert "amount_minor" not in told


@pytest.mark.real
async def test_a_code_is_for_one_action_and_one_person(till: Till) -> None:
    code = await till.asks(action="delete-order")
    expect_problem(await till.cancels(code), 403, "code-wrong")
    code = await till.asks()
    till.token = till.world.token("somebody", "staff", phone="13900001111")
    expect_problem(await till.cancels(code), 403, "code-wrong")


@pytest.mark.real
async def test_a_code_works_once_but_the_same_request_may_be_repeated(till: Till) -> None:
    code = await till.asks()
    till.world.fake.away.add("order")
    expect_problem(await till.cancels(code, key="first"), 503, "not-ready")
    till.world.fake.away.clear()
    assert (await till.cancels(code, key="first")).status_code == 200
    first = till.world.fake.seen[-1].json
    expect_problem(await till.cancels(code, key="second"), 403, "code-wrong")
    again = await till.asks()
    assert (await till.cancels(again, key="first")).status_code == 200
    assert till.world.fake.seen[-1].json == first, "another code makes no other wish of it"


@pytest.mark.real
async def test_a_code_lasts_five_minutes(till: Till) -> None:
    code = await till.asks()
    till.world.now += timedelta(seconds=LASTS_SECONDS)
    expect_problem(await till.cancels(code), 403, "code-wrong")


@pytest.mark.real
async def test_after_five_wrong_ones_the_right_one_is_wrong_too(till: Till) -> None:
    code = await till.asks()
    for _ in range(TRIES):
        expect_problem(await till.cancels(wrong_for(code)), 403, "code-wrong")
    expect_problem(await till.cancels(code), 403, "code-wrong")
    assert (await till.cancels(await till.asks())).status_code == 200


@pytest.mark.real
async def test_a_newer_code_ends_the_older_one(till: Till) -> None:
    old, new = await till.asks(), await till.asks()
    if old != new:
        expect_problem(await till.cancels(old), 403, "code-wrong")
    assert (await till.cancels(new)).status_code == 200


@pytest.mark.real
async def test_codes_are_asked_for_once_a_minute_and_ten_times_an_hour(till: Till) -> None:
    await till.asks()
    again = await till.ask("POST", "/admin/v1/codes", till.token, MATTER)
    assert expect_problem(again, 429, "codes-too-often")["retry_after"] <= SPACING_SECONDS
    for _ in range(PER_HOUR - 1):
        await till.asks(order_id="o2")
    till.world.now += timedelta(seconds=SPACING_SECONDS)
    more = await till.ask("POST", "/admin/v1/codes", till.token, MATTER)
    assert expect_problem(more, 429, "codes-too-often")["retry_after"] > SPACING_SECONDS
    till.world.now += timedelta(hours=1)
    await till.asks()


@pytest.mark.real
async def test_guessed_at_a_hundred_a_second_a_code_stays_a_secret(till: Till) -> None:
    code = await till.asks()
    counted = {outcome: TAKEN.labels(outcome)._value.get() for outcome in ("right", "wrong")}
    guesses = [f"{(int(code) + 1 + n) % 1_000_000:06d}" for n in range(300)]
    for number, guess in enumerate(guesses):
        till.world.now += timedelta(milliseconds=10)
        expect_problem(await till.cancels(guess, key=f"g{number}"), 403, "code-wrong")
    expect_problem(await till.cancels(code), 403, "code-wrong")
    entries = [one for one in till.world.database.collections["audit"].documents.values() if one["subjects"] == ["o1"]]
    assert len(entries) == 301, "every guess stands in the trail"
    assert not [entry for entry in entries if code in entry["body"] or entry["status"] != 403]
    assert (await till.cancels(await till.asks())).status_code == 200, "the honest one gets another code"
    assert TAKEN.labels("wrong")._value.get() - counted["wrong"] == 301, "every guess is counted"
    assert TAKEN.labels("right")._value.get() - counted["right"] == 1


@pytest.mark.real
async def test_redis_holds_neither_code_nor_phone(till: Till, redis: Server) -> None:
    code = await till.asks()
    client = connect(redis[0], 5.0)
    kept = {key: await client.hgetall(key) for key in await client.keys("tuidan:code*")}
    assert kept
    assert code not in str(kept)
    assert PHONE not in str(kept)
    lives = [await client.pttl(key) for key in kept]
    assert 0 < min(lives) <= max(lives) <= 3_600_000
    await client.flushall()
    await client.aclose(close_connection_pool=True)
    expect_problem(await till.cancels(code), 403, "code-wrong")


@pytest.mark.real
async def test_who_has_had_as_many_as_providers_send_is_told_to_wait_and_the_code_in_hand_counts_on(till: Till) -> None:
    code = await till.asks()
    till.world.now += timedelta(seconds=SPACING_SECONDS)
    till.world.fake.answers[SENT] = httpx.Response(429, json={"code": "sms-too-often"}, headers={"Retry-After": "3600"})
    answer = await till.ask("POST", "/admin/v1/codes", till.token, MATTER)
    assert expect_problem(answer, 429, "codes-too-often")["retry_after"] == 3_600
    assert (await till.cancels(code)).status_code == 200


@pytest.mark.real
@pytest.mark.parametrize("away", [True, False])
async def test_a_code_that_was_perhaps_sent_counts_if_it_arrives(till: Till, away: bool) -> None:
    till.token = (await till.signed_in())["access_token"]
    if away:
        till.world.fake.answer_by["notify"] = lambda *_: httpx.Response(500, text="broken on the way back")
        del till.world.fake.answers[SENT]
    else:
        till.world.fake.answers[SENT] = httpx.Response(503, json={"code": "sms-not-sent"})
    assert (await till.ask("POST", "/admin/v1/codes", till.token, MATTER)).status_code == 503
    sent = next(one for one in till.world.fake.seen if one.service == "notify")
    assert (await till.cancels(sent.json["code"])).status_code == 200


@pytest.mark.real
async def test_two_codes_reach_a_provider_more_than_a_minute_apart(till: Till) -> None:
    """It counts from when it gets them, and the first one may be long on its way."""
    await till.asks()
    arrived = till.world.now + timedelta(seconds=10)
    till.world.now = arrived + timedelta(seconds=59)
    again = await till.ask("POST", "/admin/v1/codes", till.token, MATTER)
    expect_problem(again, 429, "codes-too-often")


@pytest.mark.real
async def test_a_message_that_no_provider_takes_is_told(till: Till) -> None:
    till.token = (await till.signed_in())["access_token"]
    till.world.fake.answers[SENT] = httpx.Response(503, json={"code": "sms-not-sent"})
    answer = await till.ask("POST", "/admin/v1/codes", till.token, MATTER)
    assert answer.status_code == 503


async def test_without_redis_there_are_no_codes_and_nothing_goes_through_unconfirmed(world: World) -> None:
    token = world.token("s1", "staff", phone=PHONE)
    expect_problem(await world.ask("POST", "/admin/v1/codes", token, MATTER), 503, "codes-not-available")
    body = {**CANCELLATION, "code": "123456", "amount_minor": 1}
    expect_problem(await world.ask("POST", CANCEL, token, body), 503, "codes-not-available")
    assert not world.fake.seen


async def test_who_has_no_phone_gets_no_code(world: World) -> None:
    answer = await world.ask("POST", "/admin/v1/codes", world.token("s1", "staff"), MATTER)
    expect_problem(answer, 409, "no-phone")


async def test_without_a_code_the_order_service_hears_that_nothing_was_confirmed(world: World) -> None:
    assert (await world.ask("POST", CANCEL, world.token("s1", "staff"), CANCELLATION)).status_code == 200
    assert world.fake.seen[-1].json["confirmed"] is False


STRANGE: list[Any] = [
    {"$gt": ""},
    ["123456"],
    123456,
    "12345",
    "1234567",
    "１２３４５６",
    "12345\n",
    "x" * 100_000,
    True,
]


@pytest.mark.parametrize("value", STRANGE, ids=[repr(one)[:12] for one in STRANGE])
async def test_strange_codes_and_matters_are_refused(world: World, value: Any) -> None:
    token = world.token("s1", "staff", phone=PHONE)
    body = {**CANCELLATION, "code": value, "amount_minor": 1}
    expect_problem(await world.ask("POST", CANCEL, token, body), 422, "invalid-request")
    for field in MATTER:
        if (field, str(value)) in {("amount_minor", "123456"), ("order_id", "12345"), ("order_id", "1234567")}:
            continue
        answer = await world.ask("POST", "/admin/v1/codes", token, {**MATTER, field: value})
        expect_problem(answer, 422, "invalid-request")
    for body in ({**CANCELLATION, "code": "123456"}, {**CANCELLATION, "code": "123456", "amount_minor": -1}):
        expect_problem(await world.ask("POST", CANCEL, token, body), 422, "invalid-request")
    assert not world.fake.seen
