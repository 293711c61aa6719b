"""Who writes to the topics of a world besides the services, and who counts what was heard."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chassis.delivery import Delivery, Unreadable, read
from chassis.record import Record, hear
from contracts.inventory import HoldStock
from contracts.message import CATALOGUE, Command, Envelope
from services.inventory.handlers import RESERVATIONS
from tests.simulation import walked
from tests.simulation.broker import RECORD_BYTES_MAX
from tests.simulation.judge.reading import Message
from tests.simulation.partner import SOURCE, WISHES
from tests.simulation.strangers import SPOILS
from tests.unit.simulation.test_sabotage import HOLD, ORDER, RESERVED, in_a_copy

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def _delivery(body: bytes, headers: tuple[tuple[str, bytes], ...]) -> Delivery:
    return Delivery("inventory.commands", 0, 0, b"order-1", body, headers)


def _model() -> Delivery:
    headers = Envelope(id="h1", type=HoldStock.wire, source="order", time=AT).headers()
    raw = tuple((name, value.encode()) for name, value in headers.items())
    return _delivery(HOLD.message.model_dump_json().encode(), raw)


def test_what_is_spoiled_could_be_read_before() -> None:
    assert read(_model(), lambda: AT).message == HOLD.message
    assert not Message.of(_model()).foreign


@pytest.mark.parametrize("how", SPOILS)
def test_nobody_can_read_what_a_stranger_writes(how: str) -> None:
    spoiled = _delivery(*SPOILS[how](_model()))
    with pytest.raises(Unreadable):
        read(spoiled, lambda: AT)
    assert Message.of(spoiled).foreign
    assert len(spoiled.body) < RECORD_BYTES_MAX


@pytest.mark.parametrize("wire", WISHES)
def test_another_system_speaks_our_language(wire: str) -> None:
    wish = WISHES[wire]("erp-000001", "order-1")
    message = CATALOGUE[wire].model_validate(wish)
    assert isinstance(message, Command)
    assert message.topic is not None
    delivery = Delivery(message.topic.name, 0, 0, b"", b"{}", (("ce_source", SOURCE.encode()),))
    assert not Message.of(delivery).foreign


def test_what_a_record_hears_is_counted() -> None:
    def work() -> None:
        walked.count()
        hear(RESERVATIONS, Record(ORDER, state=RESERVED), HOLD)
        assert dict(walked.HEARD) == {"reservations hears hold-stock.v1": 1}
        assert walked.HEARD.keys() < walked.roads()

    assert in_a_copy(work) == ""
