"""What the topics hold when a backup is put back is of a time that the databases do not know any more. Half of it would
be heard: a refund whose case the order has never seen. So nobody hears it: every group goes on at the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tools.stack.layout import SERVICES
from tools.topics.cluster import ClusterRefused

HEARING = tuple(name for name in SERVICES if name != "gateway")
"""Group ids are the services' names; the gateway hears nothing."""
OURS = tuple(f"{name}.{kind}" for name in HEARING for kind in ("commands", "events"))
ANSWER_SECONDS = 15.0


class Groups:
    """The services' consumer groups of one cluster. Every call may raise ClusterRefused."""

    def __init__(self, address: str) -> None:
        self._options: dict[str, Any] = {"bootstrap.servers": address, "log_level": 0}
        self._client = AdminClient(self._options)
        self._address = address

    def with_members(self) -> list[str]:
        """The groups that somebody is a member of now: services that run."""
        answers = self._asked(lambda: self._client.describe_consumer_groups(list(HEARING)))
        found = {name: self._answer(answer) for name, answer in answers.items()}
        return sorted(name for name, group in found.items() if group.members)

    def go_to_the_end(self) -> int:
        """Let every group go on behind what is there now; returns how many records there are of each topic together."""
        ends = self._ends()
        for name in HEARING:
            wish = ConsumerGroupTopicPartitions(name, ends)
            for answer in self._asked(partial(self._client.alter_consumer_group_offsets, [wish])).values():
                self._answer(answer)
        return sum(end.offset for end in ends)

    def _ends(self) -> list[TopicPartition]:
        reader = Consumer({**self._options, "group.id": "tuidan-restore", "enable.auto.commit": False})
        try:
            topics = self._asked(lambda: reader.list_topics(timeout=ANSWER_SECONDS)).topics
            places = [
                TopicPartition(name, number) for name in OURS if name in topics for number in topics[name].partitions
            ]
            for place in places:
                asked = partial(reader.get_watermark_offsets, place, timeout=ANSWER_SECONDS)
                place.offset = self._asked(asked)[1]
            return places
        finally:
            reader.close()

    def _answer(self, future: Future[Any]) -> Any:
        return self._asked(lambda: future.result(ANSWER_SECONDS))

    def _asked(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except KafkaException as refused:
            raise ClusterRefused(f"Kafka at {self._address}: {refused.args[0].str()}") from refused
        except TimeoutError as problem:
            raise ClusterRefused(f"no Kafka answers at {self._address} within {ANSWER_SECONDS:g} s") from problem
