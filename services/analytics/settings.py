"""What the analytics service reads from its environment."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import ServiceSettings


class AnalyticsSettings(ServiceSettings):
    """Nobody waits for a figure: facts gather, so that many are written together."""

    kafka_gather_ms: int = Field(250, ge=0, le=5_000, description="how long facts gather before they are written")
