"""Keeps every version of the shop's list of reasons. A version never changes once published; the newest counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chassis.batcher import Shared
from chassis.mongo import Collection
from chassis.problem import Problem
from contracts.order import Actor
from services.order.reason import BUILT_IN, ReasonEntry, ReasonList

VERSIONS_SHOWN = 200
_EVERY = {"_id": {"$gte": "v"}}


class ReasonBook:
    """One document per version. That a version can be put in only once is the compare-and-swap."""

    def __init__(self, reasons: Collection) -> None:
        self._reasons = reasons
        self._known: dict[int, ReasonList] = {0: BUILT_IN}
        self._newest = Shared(self._newest_version)

    async def newest(self) -> ReasonList:
        """The one that counts now."""
        return await self.version(await self._newest.now())

    async def _newest_version(self) -> int:
        found = await self._reasons.find(_EVERY, fields=["version"], sort=[("_id", -1)], limit=1)
        return int(found[0]["version"]) if found else 0

    async def version(self, version: int) -> ReasonList:
        """One version. Raises a 404 problem when there is none."""
        if version not in self._known:
            found = await self._reasons.find({"_id": _id(version)}, limit=1)
            if not found:
                raise Problem(
                    404, "unknown-reasons", "没有这个版本的原因列表。", "There is no such version of the reasons."
                )
            self._known[version] = ReasonList(version=version, reasons=found[0]["reasons"])
        return self._known[version]

    async def versions(self) -> list[dict[str, Any]]:
        """All versions, newest first."""
        fields = ("version", "note", "by", "at")
        found = await self._reasons.find(_EVERY, fields=list(fields), sort=[("_id", -1)], limit=VERSIONS_SHOWN)
        built_in = {"version": 0, "note": "built in", "by": None, "at": None}
        return [*({name: one[name] for name in fields} for one in found), built_in]

    async def publish(
        self, reasons: Sequence[ReasonEntry], instead_of: int, note: str, by: Actor, at: datetime
    ) -> ReasonList:
        """The next version after `instead_of`, which counts from now on; the same reasons again are the same version.
        Raises a 404 problem when there is no such version, a 409 problem when another one than `instead_of` is the
        newest, and a 422 problem when a code of it is neither there nor retired."""
        before = await self.version(instead_of)
        wanted = ReasonList(version=instead_of + 1, reasons=tuple(reasons))
        if forgotten := wanted.forgotten(before):
            raise Problem(
                422,
                "reasons-forgotten",
                "旧版本的原因不能删除:请保留,或标记 retired 并用 use 指明替代原因。",
                "A reason of the version before cannot be left out: keep it, or say `retired` and what to `use`.",
                about=", ".join(forgotten)[:500],
            )
        document = {
            "_id": _id(wanted.version),
            "version": wanted.version,
            "reasons": [entry.model_dump(mode="json") for entry in wanted.reasons],
            "note": note,
            "by": by.model_dump(),
            "at": at,
        }
        await self._reasons.insert_new([document])
        if await self.version(wanted.version) != wanted:
            raise Problem(
                409,
                "reasons-changed",
                "原因列表已被他人更新,请先查看当前版本。",
                "Another version has been published meanwhile. Look at it first.",
                active=(await self.newest()).version,
            )
        return wanted


def _id(version: int) -> str:
    # So that versions sort as numbers do.
    return f"v{version:08d}"
