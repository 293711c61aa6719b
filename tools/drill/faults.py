"""Which fault hits whom when, drawn from the drill's seed. Pure: the same seed on the same ground is the same plan.

Faults are dealt like cards: a deck holds every kind (but `away`, which lasts too long to be one of many), is shuffled,
and is played to its end before the next one. So a short drill has met every kind, and a long one meets each as often as
the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Literal, NamedTuple

Kind = Literal["kill", "terminate", "freeze", "away", "disk-full", "slow-disk", "stutter"]

KINDS: dict[Kind, tuple[str, str]] = {
    "kill": ("强杀", "kill -9"),
    "terminate": ("体面重启", "SIGTERM under load"),
    "freeze": ("停过会话时限再续，一时两主", "SIGSTOP past the session, then SIGCONT: two owners"),
    "away": ("长时间连不上", "away: killed, and nothing listens in its place"),
    "disk-full": ("数据库磁盘写满", "the database's disk full"),
    "slow-disk": ("数据库磁盘阵阵停顿", "the database's disk stalling: its file system frozen"),
    "stutter": ("数据库进程阵阵停顿（慢盘替身）", "the database stopped in bursts, in place of a slow disk"),
}
DATABASE = "mongo"
SERVICE_KILLS, TERMINATIONS, FREEZES = 5, 2, 2
"""Cards of a deck that fall on services. Each server is killed once per deck, and its disk is full and slow once."""
FROZEN_SESSIONS = (1.3, 2.0)
"""How long a service is frozen, in sessions: it must have lost its partitions before it goes on."""
FULL_SECONDS = (4.0, 8.0)
SLOW_SECONDS = (4.0, 10.0)


class Fault(NamedTuple):
    """`after` seconds from the one before, this happens to `victim` for `seconds`; 0 for what is over at once."""

    after: float
    kind: Kind
    victim: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What can be hit: instances of services, servers that keep their data, whether the database has a disk of its own
    that can be filled. `session_seconds`: after how long without a sign of life a member loses its partitions."""

    services: tuple[str, ...]
    servers: tuple[str, ...]
    session_seconds: float
    has_disk: bool


def faults(seed: int, every: float, ground: Ground) -> Iterator[Fault]:
    """For ever, `every` seconds apart on average; none at all when that is 0. The first is a kill: while everybody is
    still up it strikes, however short the drill."""
    dice = Random(f"{seed}/faults")
    for number in count():
        if every <= 0:
            return
        deck = list(_deck(ground, dice))
        dice.shuffle(deck)
        if number == 0:
            deck.insert(0, deck.pop(next(n for n, (kind, _, _) in enumerate(deck) if kind == "kill")))
        for kind, victim, seconds in deck:
            yield Fault(every * dice.uniform(0.5, 1.5), kind, victim, seconds)


def within(plan: Iterable[Fault], seconds: float) -> Iterator[Fault]:
    """The faults that strike in the first `seconds` of a plan."""
    at = 0.0
    for fault in plan:
        at += fault.after
        if at > seconds:
            return
        yield fault


def _deck(ground: Ground, dice: Random) -> Iterator[tuple[Kind, str, float]]:
    for server in ground.servers:
        yield "kill", server, 0.0
    for _ in range(SERVICE_KILLS):
        yield "kill", dice.choice(ground.services), 0.0
    for _ in range(TERMINATIONS):
        yield "terminate", dice.choice(ground.services), 0.0
    for _ in range(FREEZES):
        yield "freeze", dice.choice(ground.services), ground.session_seconds * dice.uniform(*FROZEN_SESSIONS)
    if ground.has_disk:
        yield "disk-full", DATABASE, dice.uniform(*FULL_SECONDS)
        yield "slow-disk", DATABASE, dice.uniform(*SLOW_SECONDS)
    else:
        yield "stutter", DATABASE, dice.uniform(*SLOW_SECONDS)
