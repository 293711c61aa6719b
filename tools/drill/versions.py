"""Which cases were walked to their end by the longer list of tomorrow's order service, as the topics tell: its last
line says its command because the customer was told that the money arrived, which is where today's list ends."""

from __future__ import annotations

from collections.abc import Iterable

from contracts import notify, payment
from tools.drill.judge import COMPLETED, FINAL_OF, Evidence
from tools.records import Place, Raw, Records, records
from tools.replay.judge.sides import Check


def both_walked(broker: str, evidence: Evidence) -> Check:
    """Cases ended on both lists: the upgrade met cases on their way. Raises KafkaRefused."""
    with records(broker) as cluster:
        told = list(_all(cluster, notify.EVENTS.name))
        asked = list(_all(cluster, payment.COMMANDS.name))
    longer = on_longer_list(told, asked)
    ended = {case.case_id for case in evidence.cases.values() if case.status == COMPLETED}
    check = Check(("新旧流程清单都走完过取消单", "cases ended on the old list and on the new one"), compared=len(ended))
    if not ended & longer:
        check.differences.append("no case was walked to its end by the new list")
    if not ended - longer:
        check.differences.append("no case was walked to its end by the old list")
    return check


def on_longer_list(told: Iterable[Raw], asked: Iterable[Raw]) -> set[str]:
    """The cases of which the new line was said."""
    arrived = {one.header("ce_id") for one in told if _is_arrival(one)}
    wire = payment.WatchRefund.wire
    return {
        one.header("ce_saga") for one in asked if one.header("ce_type") == wire and one.header("ce_cause") in arrived
    }


def _is_arrival(record: Raw) -> bool:
    if record.header("ce_type") != notify.CustomerTold.wire:
        return False
    return notify.CustomerTold.model_validate_json(record.body).outcome == FINAL_OF[COMPLETED]


def _all(cluster: Records, topic: str) -> Iterable[Raw]:
    places = [Place(topic, partition) for partition in range(cluster.topics()[topic])]
    return cluster.read({place: cluster.span(place) for place in places})
