"""What goes wrong with somebody's data says nothing about them: neither in a log nor on a dead letter."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel
from structlog.testing import capture_logs

from chassis import telemetry, timers
from chassis.delivery import Delivery, Receiver
from chassis.engine import Engine
from chassis.memory import MemoryStore
from chassis.record import Aggregate
from contracts.message import Woke
from tests.unit.chassis.jars import COMMANDS, PutMarbles, headers_of
from tests.unit.chassis.rig import Clock, Topics

NAME, OPENID = "张小三", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


class Guest(BaseModel):
    name: str
    openid: str
    room: int


class Stay(BaseModel):
    wake_at: AwareDatetime | None = None


def stays() -> Aggregate[Stay]:
    """Hears marbles and timers, and fails on what it knows about a guest."""
    kind = Aggregate("stays", Stay)

    @kind.handles(PutMarbles)
    def put(state: Stay | None, message: PutMarbles, at: datetime) -> Any:
        if state is None:
            return Stay(wake_at=at), ()
        return Guest.model_validate({"name": NAME, "openid": OPENID}), ()

    @kind.wakes
    def wake(state: Stay | None, message: Woke, at: datetime) -> Any:
        return Guest.model_validate({"name": NAME, "openid": OPENID}), ()

    return kind


def delivery(id: str) -> Delivery:
    message = PutMarbles(jar_id="a")
    return Delivery(COMMANDS.name, 0, 0, b"a", message.model_dump_json().encode(), tuple(headers_of(message, id)))


async def test_what_cannot_be_read_is_not_shown() -> None:
    kind, topics, clock = stays(), Topics(), Clock()
    engine = Engine("stays", {kind: MemoryStore(kind)}, topics, clock)
    letters: list[tuple[str, bytes]] = []

    async def send(topic: str, key: bytes, body: bytes, headers: Any) -> Any:
        letters.extend(headers)
        return topics._acknowledged(None)

    topics.send = send  # type: ignore[method-assign]
    with capture_logs() as lines:
        receiver = Receiver("stays", engine, topics, clock)
        assert await receiver.receive([delivery("h1")])
        clock.later(1)
        await timers.ring(engine)
        assert await receiver.receive([delivery("h2")])
    written = str([telemetry._mask(None, "", dict(line)) for line in lines]) + dict(letters)["dead_reason"].decode()
    assert "room" in written
    assert NAME not in written
    assert OPENID not in written
