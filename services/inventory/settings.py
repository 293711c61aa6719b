"""What the inventory service reads from its environment."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import ServiceSettings


class InventorySettings(ServiceSettings):
    """Besides what every service needs: how often the books look after themselves."""

    recount_every_seconds: float = Field(3_600.0, gt=0, description="pause between two recounts of all stock")
    sweep_markers_every_seconds: float = Field(30.0, gt=0, description="pause between two sweeps of settled markers")
