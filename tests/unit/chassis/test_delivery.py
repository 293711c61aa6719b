"""What happens to one record between the broker and the engine, where only a broken publisher can show it."""

from __future__ import annotations

import asyncio

import pytest

from chassis import clock
from chassis.delivery import Delivery, Receiver, in_order
from chassis.relay import TooLarge
from tests.support.waiting import until
from tests.unit.chassis.buses import Ears
from tests.unit.chassis.jars import DropJar, PutMarbles, headers_of


class Grave:
    """A publisher that fails in a given way for a given number of times."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.letters: list[tuple[str, bytes, dict[str, bytes]]] = []
        self.tries = 0

    async def send(self, topic: str, key: bytes, body: bytes, headers: object) -> asyncio.Future[None]:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        self.letters.append((topic, body, dict(headers)))  # type: ignore[call-overload]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def delivery(body: bytes, offset: int = 0, partition: int = 0, topic: str = "t") -> Delivery:
    return Delivery(topic, partition, offset, b"k", body, tuple(headers_of(PutMarbles(jar_id="a"), f"h{offset}")))


async def test_a_record_whose_dead_letter_cannot_be_written_is_not_passed_over() -> None:
    grave = Grave(*[OSError("away")] * 1_000)
    receiver = Receiver("tests", Ears(), grave, clock.now)
    receiving = asyncio.create_task(receiver.receive([delivery(b"broken")]))
    await until(lambda: grave.tries)
    receiver.stopping.set()
    assert await receiving is False


async def test_a_dead_letter_waits_for_the_broker() -> None:
    grave = Grave(OSError("away"))
    assert await Receiver("tests", Ears(), grave, clock.now).receive([delivery(b"broken")]) is True
    assert [(topic, body) for topic, body, _ in grave.letters] == [("t.dead", b"broken")]


@pytest.mark.parametrize(("refusals", "body", "has_id"), [(0, b"broken", True), (1, b"", True), (2, b"", False)])
async def test_a_dead_letter_that_is_too_large_is_made_smaller(refusals: int, body: bytes, has_id: bool) -> None:
    grave = Grave(*[TooLarge("t")] * refusals)
    assert await Receiver("tests", Ears(), grave, clock.now).receive([delivery(b"broken", offset=7)]) is True
    ((_, written, headers),) = grave.letters
    assert written == body
    assert ("ce_id" in headers) is has_id
    assert headers["dead_offset"] == b"7"
    assert headers.get("dead_left_out") == (str(len(b"broken")).encode() if refusals else None)


async def test_in_one_batch_nobody_waits_for_those_that_fail() -> None:
    ears = Ears()
    ears.failures["h0"] = 2
    body = PutMarbles(jar_id="a").model_dump_json().encode()
    assert await Receiver("tests", ears, Grave(), clock.now).receive([delivery(body), delivery(body, offset=1)]) is True
    assert ears.ids == ["h1", "h0"]


async def test_one_batch_is_one_answer() -> None:
    ears = Ears()
    receiver = Receiver("tests", ears, Grave(), clock.now)
    good = PutMarbles(jar_id="a").model_dump_json().encode()
    assert await receiver.receive([]) is True
    assert await receiver.receive([delivery(good, 1), delivery(b"?", 2), delivery(good, 3)]) is True
    assert ears.ids == ["h1", "h3"]
    ears.away = True
    receiving = asyncio.create_task(receiver.receive([delivery(b"?", 4), delivery(good, 5)]))
    await until(lambda: ears.tries["h5"])
    receiver.stopping.set()
    assert await receiving is False, "one of them was not handled, so none is committed"


async def test_a_message_that_says_something_too_large_is_buried_too() -> None:
    class Loud(Ears):
        async def hear(self, heard: object) -> object:
            raise TooLarge("jars.events")

    grave = Grave()
    message = DropJar(jar_id="a")
    record = Delivery("t", 0, 0, b"a", message.model_dump_json().encode(), tuple(headers_of(message, "h")))
    assert await Receiver("tests", Loud(), grave, clock.now).receive([record]) is True
    assert grave.letters[0][2]["dead_error"] == b"TooLarge"


def test_offsets_are_one_past_the_last_of_each_place() -> None:
    places = [("a", 0, 5), ("a", 1, 9), ("a", 0, 3), ("b", 0, 0)]
    deliveries = [delivery(b"", offset, partition, topic) for topic, partition, offset in places]
    assert in_order(deliveries) == {("a", 0): 6, ("a", 1): 10, ("b", 0): 1}
