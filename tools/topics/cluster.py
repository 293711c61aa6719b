"""A Kafka cluster's topics, asked for, made and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented there, but not re-exported for mypy
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from tools.topics.drift import Difference, Found
from tools.topics.listing import Listed

ANSWER_SECONDS = 15.0


class ClusterRefused(Exception):
    """The cluster does not answer, or says no; the text holds its reason."""


class Cluster:
    """One cluster. Every method raises ClusterRefused."""

    def __init__(self, address: str) -> None:
        # log_level: its own lines about a broker that is away would come between ours.
        self._client = AdminClient({"bootstrap.servers": address, "log_level": 0})
        self._address = address
        self._seconds = ANSWER_SECONDS

    def found(self, names: Iterable[str]) -> dict[str, Found]:
        """Those of `names` that there are."""
        known = self._answered(lambda: self._client.list_topics(timeout=self._seconds)).topics
        there = {name: known[name] for name in names if name in known}
        settings = self._settings(there)
        return {
            name: Found(
                len(topic.partitions),
                min((len(partition.replicas) for partition in topic.partitions.values()), default=0),
                settings[name],
            )
            for name, topic in there.items()
        }

    def make(self, topics: Iterable[Listed]) -> list[str]:
        """Make what is missing; returns the names of what was made."""
        wanted = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=topic.copies,
                config=dict(topic.settings),
            )
            for topic in topics
        ]
        if not wanted:
            return []
        made: list[str] = []
        for name, answer in self._client.create_topics(wanted, request_timeout=self._seconds).items():
            try:
                answer.result(self._seconds)
                made.append(name)
            except KafkaException as refused:
                if refused.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody else was quicker
                    raise ClusterRefused(f"{name}: {refused.args[0].str()}") from refused
            except TimeoutError as problem:
                raise self._silent() from problem
        return made

    def mend(self, rows: Iterable[Difference]) -> None:
        """Set the settings of these differences to what is listed."""
        by_topic: dict[str, list[ConfigEntry]] = {}
        for row in rows:
            entry = ConfigEntry(row.setting, row.listed, incremental_operation=AlterConfigOpType.SET)
            by_topic.setdefault(row.topic, []).append(entry)
        if not by_topic:
            return
        wishes = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=e) for name, e in by_topic.items()]
        self._all(self._client.incremental_alter_configs(wishes, request_timeout=self._seconds))

    def _settings(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not asked:
            return {}
        answers = self._all(self._client.describe_configs(asked, request_timeout=self._seconds))
        return {
            resource.name: {name: entry.value for name, entry in entries.items()}
            for resource, entries in answers.items()
        }

    def _all(self, answers: Mapping[Any, Future[Any]]) -> dict[Any, Any]:
        return {asked: self._answered(partial(answer.result, self._seconds)) for asked, answer in answers.items()}

    def _answered(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except KafkaException as refused:
            error: KafkaError = refused.args[0]
            if error.code() in {KafkaError._TRANSPORT, KafkaError._TIMED_OUT}:
                raise self._silent() from refused
            raise ClusterRefused(error.str()) from refused
        except TimeoutError as problem:
            raise self._silent() from problem

    def _silent(self) -> ClusterRefused:
        return ClusterRefused(f"no Kafka answers at {self._address} within {self._seconds:g} s")
