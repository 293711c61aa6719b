"""How many subscribe messages a customer still takes from one template, as far as we know. No I/O, no clock.

One accept is one message, without expiry, and WeChat has no call that tells what is left
(developers.weixin.qq.com/community/develop/doc/000e2221f58ca8a2ea61a87ff66800). So this is added up from what we hear,
and is a hint: WeChat's own answer counts. A wrong hint costs one useless call, or for `HINT_LASTS` one channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

What = Literal["accept", "reject", "off", "ban", "sent", "no-quota"]
"""accept: one message more. reject: not now. off: turned off in WeChat's settings. ban: WeChat has shut the template.
sent: one message used. no-quota: WeChat answered 43101, or reported it after it had taken the message."""

Source = Literal["page", "push", "send"]
"""Who says so: the mini-program's page, WeChat's event push, our own call."""

SAME_TAP = timedelta(minutes=2)
"""The page and WeChat both report one tap; two reports this close from different sources are one accept."""

HINT_LASTS = timedelta(days=30)


class Fact(BaseModel):
    """One thing heard about one customer and one template. The same `id` is the same thing heard again."""

    model_config = ConfigDict(frozen=True)

    id: str
    openid: str
    template_id: str
    what: What
    source: Source
    at: AwareDatetime


class Quota(BaseModel):
    """`left`: accepts not used yet, at least. `closed_by`: why nothing more is taken, empty when nothing says so."""

    model_config = ConfigDict(frozen=True)

    left: int = 0
    closed_by: str = ""
    closed_at: AwareDatetime | None = None
    tap: Fact | None = None
    """The last accept that was counted."""

    def known_empty(self, at: datetime) -> bool:
        """Whether a call would be useless. Never true just because nothing is known."""
        return self.left == 0 and self.closed_at is not None and at - self.closed_at < HINT_LASTS


def quota(facts: Iterable[Fact]) -> Quota:
    """What the facts of one customer and one template add up to, in whatever order they were heard."""
    found = Quota()
    for fact in sorted(facts, key=lambda fact: (fact.at, fact.id)):
        found = _after(found, fact)
    return found


def _after(before: Quota, fact: Fact) -> Quota:
    if fact.what == "accept":
        again = before.tap is not None and before.tap.source != fact.source and fact.at - before.tap.at <= SAME_TAP
        if again:
            return before
        return Quota(left=before.left + 1, tap=fact)
    if fact.what == "sent":
        return Quota(left=max(0, before.left - 1), tap=before.tap)
    left = before.left if fact.what == "reject" else 0  # earlier accepts outlive one "not now"
    return Quota(left=left, closed_by=fact.what, closed_at=fact.at, tap=before.tap)
