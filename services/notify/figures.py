"""What is shown of all notices at once: on which channel customers were told what."""

from __future__ import annotations

from typing import get_args

from prometheus_client import Counter

from chassis.engine import Engine
from chassis.journal import Said
from contracts.notify import CustomerTold, Outcome

TOLD = Counter(
    "tuidan_notify_notices_total", "Notices that were told, by the channel that took them", ["channel", "outcome"]
)
KNOWN = frozenset(get_args(Outcome))


def count_notices(engine: Engine) -> None:
    """Count who is told what from now on."""
    engine.tally(CustomerTold, _told)


def _told(said: Said) -> None:
    told = CustomerTold.model_validate_json(said.body)
    # An open list: what is no word of today is counted, but not under its own name.
    TOLD.labels(told.channel, told.outcome if told.outcome in KNOWN else "other").inc()
