"""What is shown of the shop's list of reasons, for the OpenAPI document; see `shown_orders`."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel

from contracts.order import Actor, ReasonCode, ReasonFamily


class OwnReason(BaseModel):
    """A reason that a customer may give. `text_required`: with a remark."""

    code: str
    zh: str
    en: str
    text_required: bool


class OwnReasons(BaseModel):
    """In the order they are to be shown in."""

    version: int
    reasons: list[OwnReason]


class ReasonEntry(OwnReason):
    """A reason. `counts_as`: under which code of the closed list; `solution_zh`, `solution_en`: what the shop does
    about it; `retired`: no new wish may give it, but `use`."""

    family: ReasonFamily
    solution_zh: str
    solution_en: str
    retired: bool
    use: str
    counts_as: ReasonCode


class ReasonsShown(BaseModel):
    """The reasons of one version, all families."""

    version: int
    reasons: list[ReasonEntry]


class ReasonsVersion(BaseModel):
    """A version; 0 is built in, made by nobody."""

    version: int
    note: str
    by: Actor | None
    at: AwareDatetime | None


class Reasons(ReasonsShown):
    """The version that counts now, and all there are, newest first."""

    versions: list[ReasonsVersion]


class ReasonsPublished(BaseModel):
    """It counts from now on."""

    version: int
