"""An alternative that a customer took in place of a cancellation. Pure."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Taken(BaseModel):
    """`request` and `fingerprint` tell a repeat from a second wish. `deliver_after`: UTC, the beginning of a day in
    China."""

    model_config = ConfigDict(frozen=True)

    request: str
    fingerprint: str
    kind: str
    deliver_after: AwareDatetime | None = None
    taken_at: AwareDatetime
