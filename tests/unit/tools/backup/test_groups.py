"""Consumer groups on a cluster that is as new as what was lost."""

from __future__ import annotations

from tests.support.kafka import Broker, kafka
from tools.backup.groups import Groups

__all__ = ["kafka"]


def test_on_a_cluster_without_topics_there_is_nothing_to_pass(kafka: Broker) -> None:
    """It is the last step of a restore: what it raises leaves the services locked out."""
    assert Groups(kafka.address).go_to_the_end() == 0
