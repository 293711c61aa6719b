"""Live status: the present state first, then every change, for as long as the token lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from prometheus_client import REGISTRY

from services.gateway import live
from services.gateway.clients import Answer, Services
from services.gateway.watching import BEGIN_SECONDS, GONE_SECONDS, HEARTBEAT_SECONDS, PER_CALLER_MAX, Watch
from tests.unit.gateway.listening import Listener, Orders, events
from tests.unit.gateway.world import World, expect_problem


@pytest.fixture
async def orders(world: World) -> AsyncIterator[Orders]:
    made = Orders(world)
    yield made
    await made.close()
    assert not world.watch._viewers, "nobody is left behind"
    assert not world.watch._orders
    assert world.watch._looking is None


async def test_the_present_state_first_then_each_change(orders: Orders) -> None:
    listener = orders.listen()
    heard = await listener.until(2)
    assert listener.status == 200
    assert listener.headers["content-type"].startswith("text/event-stream")
    assert listener.headers["cache-control"] == "no-store"
    assert heard[0] == "retry: 3000\n\n"
    assert events(heard) == [("order", "1", {"order_id": "o1", "customer_id": "c1", "note": "第1版\nline"})]
    await orders.look()
    assert len(listener.heard) == 2, "nothing has changed"
    await orders.look(orders.moves)
    await orders.look(orders.moves)
    assert [id for _, id, _ in events(await listener.until(4))] == ["1", "2", "3"]


async def test_staff_watch_anybodys_order(orders: Orders) -> None:
    listener = orders.listen(staff=True, sub="s1")
    assert [id for _, id, _ in events(await listener.until(2))] == ["1"]


async def test_who_comes_back_gets_nothing_twice(orders: Orders) -> None:
    listener = orders.listen(headers={"Last-Event-ID": "1"})
    assert events(await listener.until(1)) == []
    await orders.look(orders.moves)
    assert [id for _, id, _ in events(await listener.until(2))] == ["2"]


@pytest.mark.parametrize("last", ["0", "9", "999999999999999999"])
async def test_who_comes_back_with_another_state_gets_the_present_one(orders: Orders, last: str) -> None:
    listener = orders.listen(headers={"Last-Event-ID": last})
    assert [id for _, id, _ in events(await listener.until(2))] == ["1"]


@pytest.mark.parametrize("last", ["-1", "x", "1.5", "{$gt:0}", "1" * 19, "１", '"1"'])
async def test_a_last_event_that_was_none_is_refused(world: World, last: str) -> None:
    headers = {"Last-Event-ID": last.encode()}
    answer = await world.ask("GET", "/mp/v1/orders/o1/live", world.token(), headers=headers)
    expect_problem(answer, 422, "invalid-request")
    assert not world.watch._viewers


async def test_another_customers_order_is_not_there(orders: Orders) -> None:
    for order_id in ("o1", "o9"):
        listener = orders.listen(order_id, "c2")
        (problem,) = await listener.end()
        assert listener.status == 404
        assert "unknown-order" in problem


async def test_however_many_watch_one_asks(orders: Orders) -> None:
    orders.known["o2"] = 5
    watching = [orders.listen(), orders.listen(), orders.listen(staff=True, sub="s1"), orders.listen("o2")]
    for listener in watching:
        await listener.until(2)
    orders.world.fake.seen.clear()
    await orders.look(orders.moves)
    assert orders.asked == ["/orders/versions", "/orders/o1?view=customer"]
    assert set(orders.world.fake.seen[0].json["order_ids"]) == {"o1", "o2"}
    for listener in watching[:3]:
        assert events(await listener.until(3))[-1][1] == "2"
    assert len(watching[3].heard) == 2


async def test_many_orders_are_asked_for_in_parts(orders: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.watching.ORDERS_AT_ONCE", 2)
    orders.known = {f"o{number}": 1 for number in range(5)}
    for number in range(5):
        await orders.listen(f"o{number}").until(2)
    orders.world.fake.seen.clear()
    await orders.look(lambda: orders.moves("o4"))
    assert orders.asked == ["/orders/versions"] * 3 + ["/orders/o4?view=customer"]
    assert events(await orders.listeners[4].until(3))[-1][1] == "2"


async def test_silence_is_broken_every_fifteen_seconds(orders: Orders) -> None:
    listener = orders.listen()
    await listener.until(2)
    orders.world.now += timedelta(seconds=HEARTBEAT_SECONDS - 0.001)
    await orders.look()
    assert len(listener.heard) == 2
    orders.world.now += timedelta(seconds=0.001)
    await orders.look()
    assert (await listener.until(3))[2] == ": still here\n\n"
    await orders.look()
    assert len(listener.heard) == 3


async def test_it_ends_with_the_token(orders: Orders) -> None:
    listener = orders.listen()
    await listener.until(2)
    orders.world.now += timedelta(hours=1)
    await orders.look(orders.moves)
    assert events(await listener.end())[-1] == ("end", "", {"code": "token-expired"})
    assert listener.ended


async def test_it_ends_for_its_customer_when_the_order_is_erased(orders: Orders) -> None:
    """What is left of it, staff may go on to look at."""
    listener, staff = orders.listen(), orders.listen(staff=True, sub="s1")
    await listener.until(2)
    await staff.until(2)
    await orders.look(orders.erase)
    heard = events(await listener.end())
    assert [name for name, _, _ in heard] == ["order", "end"]
    assert heard[-1] == ("end", "", {"code": "unknown-order"})
    assert [id for _, id, _ in events(await staff.until(3))] == ["1", "2"]


async def test_it_ends_when_the_order_is_not_there_any_more(orders: Orders) -> None:
    listener = orders.listen()
    await listener.until(2)
    orders.world.fake.owners.clear()
    await orders.look(orders.known.clear)
    assert not listener.task.done()
    orders.world.now += timedelta(seconds=GONE_SECONDS)
    await orders.look()
    assert events(await listener.end())[-1] == ("end", "", {"code": "unknown-order"})


async def test_a_replaced_database_that_has_not_heard_of_a_new_order_ends_nothing(orders: Orders) -> None:
    """It answers from what it last had, for up to ten seconds; more than once, if need be."""
    listener = orders.listen()
    await listener.until(2)
    owners, known = dict(orders.world.fake.owners), dict(orders.known)
    for _ in range(2):
        orders.world.fake.owners.clear()
        await orders.look(orders.known.clear)
        orders.world.now += timedelta(seconds=10)
        orders.world.fake.owners.update(owners)
        await orders.look(lambda: orders.known.update(known))
    await orders.look(orders.moves)
    heard = [(name, id) for name, id, _ in events(await listener.until(4))]
    assert heard == [("order", "1"), ("order", "2")]


async def test_it_ends_when_the_gateway_stops(orders: Orders) -> None:
    listener = orders.listen()
    await listener.until(2)
    orders.world.watch.close()
    assert events(await listener.end())[-1] == ("end", "", {"code": "going-away"})


async def test_while_the_order_service_is_away_it_waits_and_then_tells(orders: Orders) -> None:
    listener = orders.listen()
    await listener.until(2)
    orders.moves()
    orders.world.fake.away.add("order")
    orders.world.now += timedelta(seconds=HEARTBEAT_SECONDS)
    await orders.look()
    assert (await listener.until(3))[2] == ": still here\n\n"
    orders.world.fake.away.clear()
    await orders.look()
    assert events(await listener.until(4))[-1][1] == "2"


async def test_an_order_service_that_does_not_know_the_question_is_one_that_is_away(orders: Orders) -> None:
    listener = orders.listen()
    await listener.until(2)
    orders.world.fake.answers["order", "POST", "/orders/versions"] = httpx.Response(405, json={})
    await orders.look(orders.moves)
    assert len(listener.heard) == 2


async def test_it_never_goes_back(orders: Orders) -> None:
    """A replaced database shows for some seconds what was."""
    orders.known["o1"] = 5
    listener = orders.listen()
    await listener.until(2)
    await orders.look(lambda: orders.moves(version=3))
    late = orders.listen()
    assert [id for _, id, _ in events(await late.until(2))] == ["5"]
    await orders.look(lambda: orders.moves(version=6))
    assert [id for _, id, _ in events(await listener.until(3))] == ["5", "6"]


async def test_who_is_slow_holds_nobody_up_and_gets_the_newest(orders: Orders) -> None:
    slow, quick = orders.listen(), orders.listen()
    await slow.until(2)
    await quick.until(2)
    slow.taking.clear()
    for _ in range(50):
        await orders.look(orders.moves)
        await quick.until(len(quick.heard) + 1)
    assert len(events(quick.heard)) == 51
    slow.taking.set()
    await orders.look()
    assert [id for _, id, _ in events(await slow.until(4))] == ["1", "2", "51"]


async def test_who_takes_nothing_is_let_go(orders: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SEND_SECONDS", 0.01)
    listener = orders.listen()
    await listener.until(2)
    listener.taking.clear()
    before = REGISTRY.get_sample_value("tuidan_gateway_live_slow_total") or 0
    await orders.look(orders.moves)
    await listener.end()
    assert REGISTRY.get_sample_value("tuidan_gateway_live_slow_total") == before + 1
    assert not orders.world.watch._viewers
    assert not listener.ended


async def test_who_leaves_costs_nothing_any_more(orders: Orders) -> None:
    listener = orders.listen()
    await listener.until(2)
    await listener.leave()
    assert not orders.world.watch._viewers
    orders.world.fake.seen.clear()
    await orders.look(orders.moves)
    assert orders.asked == []


async def test_who_was_let_in_and_never_listens_is_forgotten(orders: Orders) -> None:
    caller = orders.world.app.state.door.tokens.caller(f"Bearer {orders.world.token()}")
    orders.world.watch.join("o1", caller, await shown(orders), None)
    orders.world.now += timedelta(seconds=BEGIN_SECONDS)
    await orders.look()
    assert not orders.world.watch._viewers


async def shown(orders: Orders) -> Answer:
    services: Services = orders.world.app.state.door.services
    return await services.order.ask("GET", "/orders/o1")


async def expect_too_many(listener: Listener) -> None:
    (problem,) = await listener.end()
    assert listener.status == 429
    assert "too-many-streams" in problem
    assert int(listener.headers["retry-after"]) > 0


async def test_a_caller_has_five_streams(orders: Orders) -> None:
    for _ in range(PER_CALLER_MAX):
        await orders.listen().until(2)
    await expect_too_many(orders.listen())
    await orders.listen(staff=True, sub="c1").until(2)
    await orders.listeners[0].leave()
    assert (await orders.listen().until(2))[0].startswith("retry")


async def test_all_together_have_a_bounded_number(orders: Orders) -> None:
    orders.world.watch._most = 2
    for number in range(2):
        await orders.listen(staff=True, sub=f"s{number}").until(2)
    await expect_too_many(orders.listen(staff=True, sub="s2"))


async def test_somebody_looks_as_long_as_somebody_watches(world: World) -> None:
    """Nothing runs while nobody watches, so a day in which nobody does costs nothing."""
    orders = Orders(world)
    watch = Watch(world.app.state.door.services.order, lambda: world.now, world._seconds, seconds=0)
    world.app.state.watch = watch
    listener = orders.listen()
    await listener.until(2)
    assert watch._looking is not None
    orders.moves()
    assert events(await listener.until(3))[-1][1] == "2"
    looking = watch._looking
    await listener.leave()
    assert watch._looking is None
    await asyncio.gather(looking, return_exceptions=True)
    assert looking.cancelled()


async def test_no_token_no_stream(world: World) -> None:
    expect_problem(await world.ask("GET", "/mp/v1/orders/o1/live"), 401, "token-missing")
    expect_problem(await world.ask("GET", "/admin/v1/orders/o1/live", world.token()), 403, "not-allowed")
    assert not world.fake.seen
