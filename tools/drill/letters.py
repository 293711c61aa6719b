"""The dead letters: records that nobody could read or handle. In a drill every message is one of ours, so there must be
none."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition

from tools.replay.judge.sides import Check

ANSWER_LIMIT_SECONDS = 15.0
ENDING = ".dead"


def dead_letters(broker: str) -> Check:
    """How many lie on each topic for them. Raises KafkaException when the broker does not answer."""
    check = Check(("没有死信", "no dead letters"))
    client = Consumer({"bootstrap.servers": broker, "group.id": "tuidan-drill", "enable.auto.commit": False})
    try:
        for name, topic in sorted(client.list_topics(timeout=ANSWER_LIMIT_SECONDS).topics.items()):
            if name.endswith(ENDING):
                check.compared += 1
                places = [TopicPartition(name, partition) for partition in topic.partitions]
                ranges = [client.get_watermark_offsets(place, timeout=ANSWER_LIMIT_SECONDS) for place in places]
                if letters := sum(high - low for low, high in ranges if high > low):
                    check.differences.append(f"{name}: {letters}")
    finally:
        client.close()
    return check
