"""Keeps every version of the shop's policy, and which one decides. A version never changes once it is saved."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from chassis.batcher import Shared
from chassis.mongo import Collection
from chassis.problem import Problem
from chassis.projection import Update
from contracts.order import Actor, CancelOrder, ReasonCode
from services.order.policies import BUILT_IN, LookUpPolicy, Policy, ReadyToCancel, Rule
from services.order.reasonbook import ReasonBook

ACTIVE = "active"
VERSIONS_SHOWN = 200
SAVES_MAX = 20
"""How often somebody else may be the faster one with a new version."""


class PolicyBook:
    """One document per version, and one that says which is active."""

    def __init__(self, policies: Collection, reasons: ReasonBook) -> None:
        self._policies = policies
        self.reasons = reasons
        self._known: dict[int, Policy] = {0: BUILT_IN}
        self._active = Shared(self._active_version)

    async def active(self) -> Policy:
        """The one that decides now."""
        return await self.version(await self._active.now())

    async def ready(self, asked: CancelOrder, *, from_topic: bool = False) -> ReadyToCancel:
        """`asked` with the policy that decides it, and the reasons that may be given."""
        policy, reasons = await asyncio.gather(self.active(), self.reasons.newest())
        return ReadyToCancel(
            order_id=asked.order_id, asked=asked, policy=policy, reasons=reasons, from_topic=from_topic
        )

    async def look_up(self, intent: LookUpPolicy, attempt: int) -> ReadyToCancel:
        """Perform the intent of a wish that came over a topic."""
        return await self.ready(intent.asked, from_topic=True)

    async def version(self, version: int) -> Policy:
        """One version. Raises a 404 problem when there is none."""
        if version not in self._known:
            found = await self._policies.find({"_id": _id(version)}, limit=1)
            if not found:
                raise Problem(404, "unknown-policy", "没有这个版本的规则。", "There is no such version of the policy.")
            self._known[version] = Policy(version=version, rules=found[0]["rules"])
        return self._known[version]

    async def versions(self) -> dict[str, Any]:
        """All versions, newest first: `{"versions", "active"}`."""
        found = await self._policies.find({"_id": {"$ne": ACTIVE}}, sort=[("_id", -1)], limit=VERSIONS_SHOWN)
        listed = [{name: one[name] for name in ("version", "note", "by", "at")} for one in found]
        built_in = {"version": 0, "note": "built in", "by": None, "at": None}
        return {"versions": [*listed, built_in], "active": await self._active_version()}

    async def save(self, rules: Sequence[Rule], note: str, by: Actor, at: datetime) -> int:
        """Save a new version; it decides nothing yet. The same rules as the newest version are that version. Raises a
        422 problem for a reason that is in no list, a 503 problem when others are always faster."""
        await self._expect_reasons(rules)
        for _ in range(SAVES_MAX):
            newest = await self._policies.find({"_id": {"$ne": ACTIVE}}, sort=[("_id", -1)], limit=1)
            last = newest[0]["version"] if newest else 0
            if (await self.version(last)).rules == tuple(rules):
                return int(last)
            version = last + 1
            document = {
                "_id": _id(version),
                "version": version,
                "rules": [rule.model_dump(mode="json") for rule in rules],
                "note": note,
                "by": by.model_dump(),
                "at": at,
            }
            if not await self._policies.insert_new([document]):
                return int(version)
        raise Problem(503, "not-ready", "请稍后再试。", "Try again in a moment.", retry_after=1)

    async def _expect_reasons(self, rules: Sequence[Rule]) -> None:
        """A rule with a mistyped reason would never fit, and nobody would see it."""
        known = {*get_args(ReasonCode), *(one.code for one in (await self.reasons.newest()).reasons)}
        unknown = {f"{rule.name}: {code}" for rule in rules for code in rule.codes if code not in known}
        if unknown:
            raise Problem(
                422,
                "reason-not-listed",
                "规则中的取消原因不在原因列表中,请核对,或先发布该原因。",
                "A rule names a reason that is in no list of reasons. Check it, or publish the reason first.",
                about=", ".join(sorted(unknown))[:500],
            )

    async def activate(self, version: int, instead_of: int, by: Actor, at: datetime) -> int:
        """Let `version` decide from now on. Raises a 409 problem when another one than `instead_of` is active by now,
        and a 404 problem when there is no such version."""
        await self.version(version)
        await self._policies.insert_new([{"_id": ACTIVE, "version": 0}])
        entry = {"version": version, "instead_of": instead_of, "by": by.model_dump(), "at": at}
        done = await self._policies.update_all(
            [
                Update(
                    {"_id": ACTIVE, "version": instead_of},
                    {"$set": {"version": version}, "$push": {"history": entry}},
                )
            ]
        )
        active = await self._active_version()
        if not done.matched and active != version:
            raise Problem(
                409,
                "policy-changed",
                "规则已被他人切换,请先查看当前版本。",
                "Another version has been switched on meanwhile. Look at it first.",
                active=active,
            )
        return active

    async def _active_version(self) -> int:
        found = await self._policies.find({"_id": ACTIVE}, limit=1)
        return int(found[0]["version"]) if found else 0


def _id(version: int) -> str:
    # So that versions sort as numbers do.
    return f"v{version:08d}"
