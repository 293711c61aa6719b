"""The topics of a real Kafka: `python -m tools.stack.topics --broker HOST:PORT` makes those that are missing."""

from __future__ import annotations

import argparse
import sys

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from contracts import CATALOGUE

ANSWER_LIMIT_SECONDS = 15.0


def topic_names() -> list[str]:
    """Every topic that a message travels on, each with the one for its dead letters."""
    topics = {message.topic for message in CATALOGUE.values() if message.topic is not None}
    return sorted(name for topic in topics for name in (topic.name, topic.dead))


def make_topics(broker: str, partitions: int) -> int:
    """Make what is missing; returns how many that were. Raises KafkaException when the broker refuses or is away."""
    wanted = [NewTopic(name, num_partitions=partitions, replication_factor=1) for name in topic_names()]
    client = AdminClient({"bootstrap.servers": broker})
    made = 0
    for answer in client.create_topics(wanted, request_timeout=ANSWER_LIMIT_SECONDS).values():
        try:
            answer.result(ANSWER_LIMIT_SECONDS)
            made += 1
        except KafkaException as refused:
            if refused.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return made


def main() -> None:
    """Leaves with exit code 1 and the broker's reason when the topics are not there."""
    parser = argparse.ArgumentParser(description="Make the topics of the contracts (run by the stack).")
    parser.add_argument("--broker", required=True, help="host:port")
    parser.add_argument("--partitions", type=int, required=True)
    options = parser.parse_args()
    try:
        made = make_topics(options.broker, options.partitions)
    except (KafkaException, TimeoutError) as problem:
        sys.exit(f"the topics could not be made: {problem}")
    print(f"{made} of {len(topic_names())} topics were made, each with {options.partitions} partitions", flush=True)


if __name__ == "__main__":
    main()
