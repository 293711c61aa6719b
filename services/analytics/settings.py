"""What the analytics service reads from its environment."""

from __future__ import annotations

from chassis.settings import ServiceSettings


class AnalyticsSettings(ServiceSettings):
    """Nothing beyond what every service needs."""
