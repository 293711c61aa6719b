"""What every bus promises, held against each of them: in memory, and Kafka."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from chassis import bus as bus_module
from chassis import delivery as delivery_module
from chassis.delivery import TRIES_MAX
from tests.support.kafka import Raw
from tests.support.waiting import until, within
from tests.unit.chassis.buses import Bench, Ears, KafkaBench, Member, MemoryBench, SimBench, new_name, quick_groups, raw
from tests.unit.chassis.jars import DropJar, MeltJar, PutMarbles, RainFell, headers_of


@pytest.fixture(params=["memory", "simulated", "kafka"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bench:
    quick_groups(monkeypatch.setattr)
    monkeypatch.setattr(delivery_module, "RETRY_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(delivery_module, "OUTAGE_BACKOFF_MAX_SECONDS", 0.01)
    monkeypatch.setattr(bus_module, "COMMIT_EVERY_SECONDS", 3_600)  # only what a stop or a revocation commits
    if request.param == "kafka":
        return KafkaBench(request.getfixturevalue("kafka"))
    return MemoryBench() if request.param == "memory" else SimBench()


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def group() -> str:
    return new_name("group")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as entered:
        yield entered


async def join(stack: AsyncExitStack, bench: Bench, group: str, topic: str, ears: Ears) -> Member:
    member = bench.member(group, topic, ears)
    await member.start()
    stack.push_async_callback(member.stop)
    return member


def put(jar: str, marbles: int = 1) -> PutMarbles:
    return PutMarbles(jar_id=jar, marbles=marbles)


async def test_about_one_thing_everything_is_heard_in_order(
    bench: Bench, stack: AsyncExitStack, group: str, ears: Ears, chance: random.Random
) -> None:
    topic = bench.topic(partitions=4)
    written: dict[str, list[str]] = {f"jar-{n}": [] for n in range(6)}
    jars = {f"h{number}": chance.choice(list(written)) for number in range(60)}
    for id, jar in jars.items():
        written[jar].append(id)
    await bench.write(topic, *(raw(put(jar), id) for id, jar in jars.items()))
    await join(stack, bench, group, topic, ears)
    await until(lambda: len(set(ears.ids)) == 60, "everything is heard")
    first_time = list(dict.fromkeys(ears.ids))
    for ids in written.values():
        assert [id for id in first_time if id in ids] == ids


async def test_what_was_not_finished_is_heard_again(
    bench: Bench, stack: AsyncExitStack, group: str, ears: Ears
) -> None:
    topic = bench.topic()
    await bench.write(topic, raw(put("a"), "h1"), raw(put("a"), "h2"))
    ears.gates["h2"] = asyncio.Event()
    crashing = bench.member(group, topic, ears)
    await crashing.start()
    await until(lambda: "h1" in ears.ids and ears.tries["h2"], "the batch is in hand")
    await crashing.crash()
    assert await bench.committed(group, topic) == 0

    after = Ears()
    await join(stack, bench, group, topic, after)
    await until(lambda: len(after.heard) >= 2, "both are heard by the next member")
    assert set(after.ids) == {"h1", "h2"}


async def test_what_cannot_be_understood_goes_to_the_dead_letters_as_it_was(
    bench: Bench, stack: AsyncExitStack, group: str, ears: Ears
) -> None:
    good = dict(headers_of(put("a"), "x"))
    body = put("a").model_dump_json().encode()

    def with_headers(**changed: bytes | None) -> list[tuple[str, bytes | None]]:
        return [*{**good, **changed}.items()]

    broken: list[tuple[bytes | None, list[tuple[str, bytes | None]], str]] = [
        (b'{"jar_id": "a', with_headers(), "body of put-marbles.v1"),
        (b'{"jar_id": "a", "marbles": "many"}', with_headers(), "marbles"),
        (b"{}", with_headers(), "jar_id"),
        (b"\xff\xfe\x00", with_headers(), "body of put-marbles.v1"),
        (None, with_headers(), "body of put-marbles.v1"),
        (b"[" * 5_000, with_headers(), "body of put-marbles.v1"),
        (body, with_headers(ce_type=b"no-such-thing.v1"), "unknown message type 'no-such-thing.v1'"),
        (body, [(name, value) for name, value in good.items() if name != "ce_id"], "header ce_id is missing"),
        (body, [], "header ce_id is missing"),
        (body, with_headers(ce_source=b"\xff\xfe"), "utf-8"),
        (body, with_headers(ce_id=None), "header ce_id is missing"),
        (body, with_headers(ce_time=b"yesterday"), "envelope: "),
        (body, with_headers(ce_time=b"2026-11-01T08:30:15"), "no time zone"),
        (body, with_headers(ce_specversion=b"2.0"), "not 1.0"),
        (MeltJar(jar_id="a").model_dump_json().encode(), [*headers_of(MeltJar(jar_id="a"), "m")], "not heard here"),
    ]
    topic = bench.topic()
    for number, (bytes_, headers, _) in enumerate(broken):
        await bench.write(topic, raw(put("a"), f"good-{number}"), Raw(bytes_, b"\x00a", headers))
    await bench.write(topic, raw(put("a"), "good-last"))

    await join(stack, bench, group, topic, ears)
    await until(lambda: "good-last" in ears.ids, "the records behind are heard")
    assert [id for id in dict.fromkeys(ears.ids) if id.startswith("good")] == [
        *(f"good-{number}" for number in range(len(broken))),
        "good-last",
    ]
    dead = {dict(letter.headers)["dead_offset"]: letter for letter in await bench.read(f"{topic}.dead", len(broken))}
    assert len(dead) == len(broken)
    for number, (bytes_, headers, reason) in enumerate(broken):
        letter = dead[str(2 * number + 1).encode()]
        kept = dict(letter.headers)
        assert (letter.key, letter.body) == (b"\x00a", bytes_ or b"")
        assert {name: kept[name] for name, _ in headers} == {name: value or b"" for name, value in headers}
        assert reason in kept["dead_reason"].decode()
        assert kept["dead_error"] == b"Unreadable"
        assert kept["dead_attempts"] == b"1"
        assert (kept["dead_topic"], kept["dead_partition"]) == (topic.encode(), b"0")
        assert kept["dead_service"] == b"tests"
        assert b"+00:00" in kept["dead_at"]


async def test_what_nobody_listens_to_is_skipped(bench: Bench, stack: AsyncExitStack, group: str, ears: Ears) -> None:
    topic = bench.topic()
    await bench.write(topic, raw(RainFell(jar_id="a"), "rain"), raw(put("a"), "put"))
    member = await join(stack, bench, group, topic, ears)
    await until(lambda: "put" in ears.ids)
    await member.stop()
    assert ears.tries["rain"] == 0
    assert await bench.read(f"{topic}.dead") == []
    assert await bench.committed(group, topic) == 2


async def test_a_message_that_fails_is_tried_some_times_and_then_buried(
    bench: Bench, stack: AsyncExitStack, group: str, ears: Ears
) -> None:
    topic = bench.topic()
    ears.failures["shaky"] = TRIES_MAX - 1
    await bench.write(topic, raw(DropJar(jar_id="a"), "broken"), raw(put("a"), "shaky"), raw(put("a"), "good"))
    member = await join(stack, bench, group, topic, ears)
    await until(lambda: {"good", "shaky"} <= set(ears.ids), "the others go on")
    (letter,) = await bench.read(f"{topic}.dead", 1)
    await member.stop()

    assert (ears.tries["broken"], ears.tries["shaky"], ears.tries["good"]) == (TRIES_MAX, TRIES_MAX, 1)
    kept = dict(letter.headers)
    assert kept["ce_id"] == b"broken"
    assert letter.body == DropJar(jar_id="a").model_dump_json().encode()
    assert kept["dead_error"] == b"ZeroDivisionError"
    assert kept["dead_attempts"] == str(TRIES_MAX).encode()
    assert kept["dead_reason"] == b"the jar is broken"
    assert await bench.committed(group, topic) == 3


async def test_a_store_that_is_away_is_waited_for(bench: Bench, stack: AsyncExitStack, group: str, ears: Ears) -> None:
    topic = bench.topic()
    await bench.write(topic, *(raw(put("a"), f"h{number}") for number in range(5)))
    ears.away = True
    member = await join(stack, bench, group, topic, ears)
    await until(lambda: ears.tries["h0"] > TRIES_MAX * 2, "it is tried beyond any limit")
    assert await bench.committed(group, topic) == 0
    ears.away = False
    # In which order is not promised: each waits for itself, and the store may be back between two of them.
    await until(lambda: len(set(ears.ids)) == 5, "it goes on when the store is back")
    await member.stop()
    assert await bench.read(f"{topic}.dead") == []
    assert await bench.committed(group, topic) == 5


async def test_a_stop_during_an_outage_gives_the_messages_back(
    bench: Bench, stack: AsyncExitStack, group: str, ears: Ears
) -> None:
    topic = bench.topic()
    await bench.write(topic, raw(put("a"), "h"))
    ears.away = True
    member = await join(stack, bench, group, topic, ears)
    await until(lambda: ears.tries["h"] > 1)
    await member.stop()
    assert await bench.committed(group, topic) == 0
    assert await bench.read(f"{topic}.dead") == []

    after = Ears()
    await join(stack, bench, group, topic, after)
    await until(lambda: after.ids == ["h"], "the next member hears it")


async def test_a_stop_under_load_loses_nothing_and_repeats_nothing(
    bench: Bench, stack: AsyncExitStack, group: str, ears: Ears
) -> None:
    topic = bench.topic()
    total = 120
    await bench.write(topic, *(raw(put("a"), f"h{number}") for number in range(total)))
    half = asyncio.Event()
    ears.gates["h50"] = half
    member = await join(stack, bench, group, topic, ears)
    await until(lambda: ears.tries["h50"], "the load is under way")
    stopping = asyncio.create_task(member.stop())
    await asyncio.sleep(0)
    half.set()
    await within(_done(stopping), "it stops")
    heard = list(ears.ids)
    assert "h50" in heard, "the batch in hand is finished"
    assert len(heard) < total
    assert await bench.committed(group, topic) == len(heard)

    after = Ears()
    await join(stack, bench, group, topic, after)
    await until(lambda: len(heard) + len(after.heard) >= total, "the next member goes on")
    assert sorted(heard + after.ids) == sorted(f"h{number}" for number in range(total))


def _done(task: asyncio.Task[None]) -> asyncio.Event:
    event = asyncio.Event()
    task.add_done_callback(lambda _: event.set())
    return event


@pytest.fixture(params=["simulated", "kafka"])
def limited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Buses whose records may not be of any size."""
    quick_groups(monkeypatch.setattr)
    return SimBench() if request.param == "simulated" else KafkaBench(request.getfixturevalue("kafka"))


async def test_a_record_too_large_for_its_dead_letter_is_buried_without_its_body(
    limited: Bench, stack: AsyncExitStack, group: str, ears: Ears
) -> None:
    topic = limited.topic()
    monster = b"?" * (1_048_576 - 50)
    headers: list[tuple[str, bytes | None]] = [("note", b"!" * 1_048_500)]
    await limited.write(
        topic, Raw(monster, b"k", [("note", b"kept")]), Raw(b"?", b"k", headers), raw(put("a"), "behind")
    )
    await join(stack, limited, group, topic, ears)
    await until(lambda: "behind" in ears.ids, "the records behind are heard")
    without_body, without_headers = await limited.read(f"{topic}.dead", 2)
    for letter, offset, size in ((without_body, b"0", len(monster)), (without_headers, b"1", 1)):
        kept = dict(letter.headers)
        assert (letter.key, letter.body) == (b"k", b"")
        assert (kept["dead_offset"], kept["dead_left_out"]) == (offset, str(size).encode())
    assert dict(without_body.headers)["note"] == b"kept"
    assert "note" not in dict(without_headers.headers)
