"""The story as it is told: who did what, and what the screen said. Chinese, English, or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from contracts.zone import CHINA
from services.gateway.roles import WORDS

_WAITS = {
    "": ("已开始", "has begun"),
    "approval": ("等待审批", "waits for approval"),
    "parcel": ("等待包裹退回", "waits for the parcel"),
    "undo-window": ("撤回期内", "can still be taken back"),
}


Language = Literal["both", "zh", "en"]


class Words(NamedTuple):
    """The same in Chinese and English."""

    zh: str
    en: str


class Scene(NamedTuple):
    """One thing that somebody did, and what they saw then."""

    at: datetime
    name: str
    role: Words
    did: Words
    saw: Words


@dataclass
class Teller:
    """Prints the story while it happens. `say` takes a line; `scenes` keeps what was told."""

    say: Callable[[str], None]
    now: Callable[[], datetime]
    language: Language = "both"
    scenes: list[Scene] = field(default_factory=list)

    def chapter(self, number: int, title: Words) -> None:
        """A new part of the day begins."""
        self.say("")
        self.say(f"── {number} · {self._one_line(title)} ──")

    def tell(self, name: str, role: Words, did: Words, saw: Words) -> None:
        """Tell of one scene."""
        scene = Scene(self.now(), name, role, did, saw)
        self.scenes.append(scene)
        clock = f"{scene.at.astimezone(CHINA):%H:%M:%S}"
        self.say(f"{clock}  {name}({self._one_line(role)})")
        for one, other in zip(self._chosen(did), self._chosen(saw), strict=True):
            self.say(f"          {one}")
            self.say(f"            ▸ {other}")

    def note(self, words: Words) -> None:
        """Something the reader should know."""
        for one in self._chosen(words):
            self.say(f"          ({one})")

    def _one_line(self, words: Words) -> str:
        return " · ".join(self._chosen(words))

    def _chosen(self, words: Words) -> tuple[str, ...]:
        return tuple(words) if self.language == "both" else (getattr(words, self.language),)


def yuan(amount_minor: int) -> str:
    """An amount as people read it; fen in."""
    return f"¥{amount_minor / 100:.2f}"


def shown(words: Mapping[str, Any]) -> Words:
    """What a page says in both languages, `{"zh", "en"}`."""
    return Words(str(words["zh"]), str(words["en"]))


def state(order: Mapping[str, Any]) -> Words:
    """The state of an order as its page says it."""
    return shown(order["state_in_words"])


def waits(case: Mapping[str, Any]) -> Words:
    """What a cancellation waits for; staff also see for whom."""
    zh, en = _WAITS[str(case["waits_for"])]
    roles = [role_in(word) for word in case.get("approve_by", ())]
    if not roles:
        return Words(zh, en)
    return Words(f"{zh}({'、'.join(one.zh for one in roles)})", f"{en} ({', '.join(one.en for one in roles)})")


def last_line(order: Mapping[str, Any], what: str) -> Words:
    """The newest line of this kind in an order's timeline. Raises LookupError."""
    for moment in reversed(order["timeline"]):
        if moment["what"] == what:
            return shown(moment["in_words"])
    raise LookupError(f"{order['order_id']} has no line {what} in its timeline")


def refusal(problem: Mapping[str, Any]) -> Words:
    """What an error says."""
    return shown(problem["detail"])


def role_in(word: str) -> Words:
    """A role by the word that pages use."""
    return Words(*next(words for role, words in WORDS.items() if role == word))
