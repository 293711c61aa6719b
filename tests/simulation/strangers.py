"""Who is no service and no customer: somebody's broken program that writes to our topics, and the monitoring that looks
at every process (see `faults.KINDS`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chassis.delivery import Delivery
from tests.simulation.broker import RECORD_BYTES_MAX, SimBroker
from tests.simulation.house import House
from tests.simulation.network import Cut, Nobody, TooSlow
from tests.simulation.plan import Fault

ANSWER_SECONDS = 10.0
TOPICS = (
    *("order.commands", "payment.commands", "inventory.commands", "notify.commands"),
    *("order.events", "payment.events", "inventory.events", "notify.events"),
)
PAGES: Mapping[str, Sequence[int]] = {"/live": (200,), "/ready": (200, 503), "/metrics": (200,)}
"""What monitoring asks every process for, and what may come."""

Headers = tuple[tuple[str, bytes], ...]
Spoil = Callable[[Delivery], tuple[bytes, Headers]]


def spoil_topics(broker: SimBroker, fault: Fault) -> None:
    """Write one broken record to each topic: what stands there already, copied and spoiled. Nobody can make sense of
    it, and what stands behind it has to be heard all the same."""
    spoil = SPOILS[fault["how"]]
    for topic in TOPICS:
        there = broker.history[topic]
        if not there:
            continue
        model = there[int(fault["number"]) % len(there)]
        body, headers = spoil(model)
        broker.put(topic, model.key, body, headers)


def _with(model: Delivery, **changed: bytes | None) -> Headers:
    """Its headers under another id, and with these in place of its own; None: without."""
    headers = {**dict(model.headers), "ce_id": b"0f0e0d0c-0b0a-4908-8706-050403020100", "ce_source": b"stranger"}
    return tuple((name, value) for name, value in {**headers, **changed}.items() if value is not None)


def _nearly_too_large(model: Delivery) -> tuple[bytes, Headers]:
    headers = _with(model)
    size = RECORD_BYTES_MAX - 100 - len(model.key) - sum(len(name) + len(value) for name, value in headers)
    return b" " * size, headers


SPOILS: Mapping[str, Spoil] = {
    "cut off": lambda model: (model.body[: len(model.body) // 2], _with(model)),
    "not text": lambda model: (b"\xff\xfe\x00", _with(model)),
    "another shape": lambda model: (b'{"order_id": ["a", "list"]}', _with(model)),
    "empty": lambda model: (b"", _with(model)),
    "nearly too large": _nearly_too_large,
    "no id": lambda model: (model.body, _with(model, ce_id=None)),
    "no headers": lambda model: (model.body, ()),
    "no text in a header": lambda model: (model.body, _with(model, ce_cause=b"\xff\xfe")),
    "a later version": lambda model: (model.body, _with(model, ce_type=b"stock-held.v99")),
    "nobody's command": lambda model: (b'{"order_id": "o-nobody"}', _with(model, ce_type=b"erase-everything.v1")),
}


async def look_at_everybody(house: House) -> None:
    """Ask every process whether it lives, whether it is ready, and for its figures. Raises AssertionError for an answer
    that monitoring could not make sense of; none at all is for alerts."""
    for process in house.processes.values():
        for page, allowed in PAGES.items():
            try:
                answer = await house.network.ask("GET", process.kind, page, [], b"", ANSWER_SECONDS)
            except (Cut, Nobody, TooSlow):
                continue
            assert answer.status in allowed, f"{process.kind}{page} answered {answer.status}: {answer.body[:300]!r}"
