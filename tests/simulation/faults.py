"""What can go wrong, one function per kind: it begins the trouble and returns what ends it (None: over at once)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tests.simulation import losing
from tests.simulation.house import House, Process
from tests.simulation.partner import write_commands
from tests.simulation.people import Door
from tests.simulation.plan import Fault
from tests.simulation.rolling import NEW
from tests.simulation.sabotages import attacks
from tests.simulation.strangers import look_at_everybody, spoil_topics

End = Callable[[], Awaitable[None]]
PLENTY_MINOR = 10**12
CODES: Mapping[str, tuple[int, str]] = {
    "subscribe": (200, "-1"),
    "access-token": (200, "-1"),
    "shipping": (200, "-1"),
    "sms-tencent": (200, "InternalError.Timeout"),
    "sms-alibaba": (200, "isv.BUSINESS_LIMIT_CONTROL"),
}
REFUSED = (403, "NO_AUTH")
REFUSALS = {**CODES, "sms-tencent": (200, "FailedOperation.InsufficientBalanceInSmsPackage")}
"""What a call is refused with for good; the other provider of short messages is asked then."""
CALLBACK_FAULTS = {
    "error-before": "callback-lost",
    "error-after": "callback-doubled",
    "drop-before": "callback-late",
    "drop-after": "callback-replayed",
    "slow": "callback-forged",
    "refused": "callback-lost",
}


class Place(Protocol):
    """What faults strike."""

    house: House
    door: Door


async def strike(place: Place, fault: Fault) -> None:
    """Let a fault happen at its time and end when it should."""
    await asyncio.sleep(float(fault["at"]))
    house = place.house
    house.sea.trace.note(house.loop.now, "fault", fault["kind"])
    end = await KINDS[fault["kind"]](place, fault)
    if end is not None:
        await asyncio.sleep(float(fault.get("lasts", 0.0)))
        await end()


async def calm(place: Place) -> None:
    """End everything that may still be wrong, and start whatever is down."""
    house = place.house
    house.sea.kill_at.clear()
    house.broker.calm()
    house.redis.away = False
    for storage in house.storages.values():
        storage.weather = type(storage.weather)()
        house.loop.changed(storage.sight)
    house.network.weather = type(house.network.weather)()
    for process in house.processes.values():
        process.actor.skew = 0.0
        process.actor.version = NEW
        house.thaw(process)
    await place.door.sandbox("DELETE", "/_control/faults")
    await place.door.sandbox("PUT", "/_control/balance", {"balance_minor": PLENTY_MINOR})
    await place.door.sandbox("PUT", "/_control/sms/undeliverable", {"numbers": []})
    for process in house.processes.values():
        await house.start(process)


def _process(place: Place, fault: Fault) -> Process:
    house = place.house
    return house.processes.get(fault["who"]) or house.processes[fault["who"].split("/")[0] + "/0"]


async def _kill(place: Place, fault: Fault) -> End:
    process = _process(place, fault)
    place.house.kill(process)
    return lambda: place.house.start(process)


async def _kill_at(place: Place, fault: Fault) -> None:
    """Not now, but when the process crosses the sea for the n-th time from now on."""
    house, process = place.house, _process(place, fault)
    number = house.sea.crossings.get(process.name, 0) + int(fault["crossing"])

    def strike_now() -> None:
        house.kill(process)
        later = float(fault["lasts"])
        house.loop.call_later(later, _restart, house, process, context=house.sandbox_actor.context())

    house.sea.kill_at[process.name, number] = strike_now


def _restart(house: House, process: Process) -> None:
    asyncio.ensure_future(house.start(process))  # noqa: RUF006 - the process keeps itself


async def _terminate(place: Place, fault: Fault) -> End:
    process = _process(place, fault)
    await place.house.terminate(process)
    return lambda: place.house.start(process)


async def _deploy(place: Place, fault: Fault) -> None:
    """Every process of the order service is stopped and started again with the present code, one after the other."""
    for process in place.house.of("order"):
        await place.house.terminate(process)
        process.actor.version = NEW
        await asyncio.sleep(float(fault.get("lasts", 0.0)) / 4)
        await place.house.start(process)


async def _freeze(place: Place, fault: Fault) -> End:
    process = _process(place, fault)
    place.house.freeze(process)

    async def thaw() -> None:
        place.house.thaw(process)

    return thaw


async def _skew(place: Place, fault: Fault) -> End:
    process = _process(place, fault)
    process.actor.skew = float(fault["seconds"])
    place.house.loop.changed(process.actor.sight)

    async def right() -> None:
        process.actor.skew = 0.0

    return right


async def _broker_down(place: Place, fault: Fault) -> End:
    place.house.broker.weather.down = True

    async def back() -> None:
        place.house.broker.back()

    return back


async def _broker_emptied(place: Place, fault: Fault) -> None:
    place.house.broker.empty()


def _sends(name: str) -> Callable[[Place, Fault], Awaitable[End]]:
    async def begin(place: Place, fault: Fault) -> End:
        setattr(place.house.broker.weather, name, float(fault["share"]))

        async def over() -> None:
            setattr(place.house.broker.weather, name, 0.0)

        return over

    return begin


async def _held(place: Place, fault: Fault) -> End:
    broker = place.house.broker
    broker.weather.held.add(int(fault["partition"]))

    async def let_go() -> None:
        broker.weather.held.discard(int(fault["partition"]))
        broker.back()

    return let_go


async def _rewound(place: Place, fault: Fault) -> None:
    group = place.house.broker.group(fault["group"])
    for member in group.members:
        for spot in list(member.positions):
            group.rewind(spot, int(fault["records"]))


async def _group_reset(place: Place, fault: Fault) -> None:
    place.house.broker.group(fault["group"]).reset()


def _database(name: str) -> Callable[[Place, Fault], Awaitable[End]]:
    async def begin(place: Place, fault: Fault) -> End:
        storage = place.house.storages[fault["service"]]
        setattr(storage.weather, name, True if name == "away" else float(fault["share"]))
        storage.remember()

        async def over() -> None:
            storage.weather = type(storage.weather)()
            place.house.loop.changed(storage.sight)

        return over

    return begin


async def _redis_away(place: Place, fault: Fault) -> End:
    place.house.redis.away = True

    async def back() -> None:
        place.house.redis.away = False

    return back


async def _redis_flushed(place: Place, fault: Fault) -> None:
    place.house.redis.flush()


async def _network(place: Place, fault: Fault) -> End:
    setattr(place.house.network.weather, fault["how"], float(fault["share"]))

    async def over() -> None:
        setattr(place.house.network.weather, fault["how"], 0.0)

    return over


async def _unreachable(place: Place, fault: Fault) -> End:
    hosts = place.house.network.weather.unreachable
    hosts.add(fault["host"])

    async def over() -> None:
        hosts.discard(fault["host"])

    return over


async def _provider(place: Place, fault: Fault) -> End:
    await place.door.sandbox("PUT", "/_control/faults", {"seed": fault["seed"], "mix": fault["mix"]})

    async def over() -> None:
        await place.door.sandbox("PUT", "/_control/faults", {})

    return over


async def _balance_short(place: Place, fault: Fault) -> End:
    await place.door.sandbox("PUT", "/_control/balance", {"balance_minor": fault["left"]})

    async def topped_up() -> None:
        await place.door.sandbox("PUT", "/_control/balance", {"balance_minor": PLENTY_MINOR})

    return topped_up


async def _sms_undeliverable(place: Place, fault: Fault) -> End:
    numbers = [f"+86{1380000_0000 + number}" for number in range(0, 40, 2)]
    await place.door.sandbox("PUT", "/_control/sms/undeliverable", {"numbers": numbers})

    async def over() -> None:
        await place.door.sandbox("PUT", "/_control/sms/undeliverable", {"numbers": []})

    return over


async def _provider_call(place: Place, fault: Fault) -> None:
    call, kind = fault["call"], fault["fault"]
    wrong: dict[str, Any] = {"kind": "error-before" if kind == "refused" else kind}
    if call.endswith("-callback"):
        wrong = {"kind": CALLBACK_FAULTS[kind]}
    elif wrong["kind"].startswith("error"):
        http, code = REFUSALS.get(call, REFUSED) if kind == "refused" else CODES.get(call, (500, "SYSTEM_ERROR"))
        wrong |= {"code": code} | ({"http": http} if http >= 400 else {})
    await _rule(place, call, wrong, fault)


async def _transfer_states(place: Place, fault: Fault) -> None:
    """A rule counts the calls of one number as often as they come: only the first makes the transfer."""
    await _rule(place, "transfer", {"kind": "states", **fault["states"]}, fault)


async def _card_refuses(place: Place, fault: Fault) -> None:
    await _rule(place, "abnormal-refund", {"kind": "status", "refund_status": "ABNORMAL"}, fault)


async def _rule(place: Place, call: str, wrong: Mapping[str, Any], fault: Fault) -> None:
    rule = {"call": call, "times": fault["times"], "fault": wrong}
    status, answer = await place.door.sandbox("POST", "/_control/faults/rules", [rule])
    if status >= 300:
        raise ValueError(f"the sandbox does not know such a fault: {rule}: {answer}")


async def _certificate_rotates(place: Place, fault: Fault) -> None:
    await place.door.sandbox("POST", "/_control/certificates/rotate")


async def _poison(place: Place, fault: Fault) -> None:
    spoil_topics(place.house.broker, fault)


async def _partner(place: Place, fault: Fault) -> None:
    write_commands(place.house, place.door, fault)


async def _looked_at(place: Place, fault: Fault) -> None:
    await look_at_everybody(place.house)


KINDS: Mapping[str, Callable[[Place, Fault], Awaitable[End | None]]] = {
    "kill": _kill,
    "kill-at": _kill_at,
    "terminate": _terminate,
    "deploy": _deploy,
    "freeze": _freeze,
    "skew": _skew,
    "broker-down": _broker_down,
    "broker-emptied": _broker_emptied,
    "unacknowledged": _sends("unacknowledged"),
    "unstored": _sends("unstored"),
    "held": _held,
    "rewound": _rewound,
    "group-reset": _group_reset,
    "poison": _poison,
    "partner": _partner,
    "looked-at": _looked_at,
    "database-away": _database("away"),
    "database-refuses": _database("refused"),
    "database-unanswered": _database("unanswered"),
    "database-stale": _database("stale"),
    "redis-away": _redis_away,
    "redis-flushed": _redis_flushed,
    "network": _network,
    "unreachable": _unreachable,
    "provider": _provider,
    "balance-short": _balance_short,
    "sms-undeliverable": _sms_undeliverable,
    "provider-call": _provider_call,
    "transfer-states": _transfer_states,
    "card-refuses": _card_refuses,
    "certificate-rotates": _certificate_rotates,
    losing.KIND: losing.lose,
    **attacks.KINDS,
}
