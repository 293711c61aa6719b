"""What the topics hold when a backup is put back is of a time that the databases do not know any more. Half of it would
be heard: a refund whose case the order has never seen. So nobody hears it: every group goes on at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts import CATALOGUE
from tools.catalogue.roles import hears
from tools.catalogue.schemas import topic_name
from tools.topics.cluster import ClusterRefused

ANSWER_SECONDS = 15.0


def heard() -> dict[str, list[str]]:
    """The topics each group hears. A group is called like its service."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for message in CATALOGUE.values():
        for service in hears(message):
            found[service].add(topic_name(message))
    return {service: sorted(topics) for service, topics in found.items()}


class Groups:
    """The services' consumer groups of one cluster. Every call may raise ClusterRefused."""

    def __init__(self, address: str) -> None:
        self._options: dict[str, Any] = {"bootstrap.servers": address, "log_level": 0}
        self._client = AdminClient(self._options)
        self._address = address
        self._heard = heard()

    def with_members(self) -> list[str]:
        """The groups that somebody is a member of now: services that run."""
        answers = self._asked(lambda: self._client.describe_consumer_groups(list(self._heard)))
        found = {name: self._answer(answer) for name, answer in answers.items()}
        return sorted(name for name, group in found.items() if group.members)

    def go_to_the_end(self) -> int:
        """Let every group go on behind what is there now; returns how many records were ever written there."""
        ends = self._ends({topic for topics in self._heard.values() for topic in topics})
        for group, topics in self._heard.items():
            places = [place for topic in topics for place in ends.get(topic, ())]
            if not places:  # a new cluster: where there is no topic there is nothing that could be heard
                continue
            wish = ConsumerGroupTopicPartitions(group, places)
            for answer in self._asked(partial(self._client.alter_consumer_group_offsets, [wish])).values():
                refused = [place for place in self._answer(answer).topic_partitions if place.error is not None]
                if refused:  # said partition by partition, in an answer that is none of refusal
                    raise ClusterRefused(f"{group} on {refused[0].topic}: {refused[0].error.str()}")
        return sum(place.offset for places in ends.values() for place in places)

    def _ends(self, wanted: set[str]) -> dict[str, list[TopicPartition]]:
        """Where each partition of those topics that there are ends."""
        reader = Consumer({**self._options, "group.id": "tuidan-restore", "enable.auto.commit": False})
        try:
            topics = self._asked(partial(reader.list_topics, timeout=ANSWER_SECONDS)).topics
            ends = {
                name: [self._end(reader, name, n) for n in topics[name].partitions] for name in wanted & set(topics)
            }
        finally:
            reader.close()
        return ends

    def _end(self, reader: Consumer, topic: str, partition: int) -> TopicPartition:
        place = TopicPartition(topic, partition)
        place.offset = self._asked(partial(reader.get_watermark_offsets, place, timeout=ANSWER_SECONDS))[1]
        return place

    def _answer(self, future: Future[Any]) -> Any:
        return self._asked(lambda: future.result(ANSWER_SECONDS))

    def _asked(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except KafkaException as refused:
            raise ClusterRefused(f"Kafka at {self._address}: {refused.args[0].str()}") from refused
        except TimeoutError as problem:
            raise ClusterRefused(f"no Kafka answers at {self._address} within {ANSWER_SECONDS:g} s") from problem
