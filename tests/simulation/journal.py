"""How far a long run has come, kept in a file: stopped at any moment it goes on from there, and is one run in the end.
Only over the very same code: counts of two programs in one sum would say nothing about either."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.simulation.tally import Tally

ROOT = Path(__file__).parent.parent.parent
CODE = ("chassis", "contracts", "sandbox", "services", "tests/simulation")
LOCK = "requirements.lock"
WRITTEN_EVERY = 50
"""Worlds. A run that is killed lives so many again."""


def digest_of_code(root: Path = ROOT) -> str:
    """One number for all that decides what happens in a world: the sources, the libraries, this Python."""
    sources = [root / LOCK, *(file for folder in CODE for file in sorted((root / folder).rglob("*.py")))]
    digest = hashlib.sha256(sys.version.encode())
    for file in sources:
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Wanted:
    """What two sittings of one run must have in common."""

    seeds: int
    thorough: bool
    code: str

    @classmethod
    def now(cls, seeds: int, thorough: bool) -> Wanted:
        """With the code as it is."""
        return cls(seeds, thorough, digest_of_code())


@dataclass
class Journal:
    """All seeds before `next` are done, and those of `ahead`: several worlds run at once. Without a file nothing is
    kept."""

    file: Path | None
    wanted: Wanted
    first: int
    next: int
    tally: Tally
    ahead: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, file: Path | None, wanted: Wanted, first: int | None) -> Journal:
        """The journal that is there, or a new one; its first seed is `first`, or drawn. Raises ValueError when the one
        that is there belongs to another run."""
        if file is None or not file.exists():
            begin = secrets.randbelow(10**9) if first is None else first
            return cls(file, wanted, begin, begin, Tally(wanted.seeds))
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            counts = {**kept["tally"], **{name: Counter(kept["tally"][name]) for name in ("cases", "walked")}}
            there = cls(
                file, Wanted(**kept["wanted"]), kept["first"], kept["next"], Tally(**counts), set(kept["ahead"])
            )
        except (ValueError, KeyError, TypeError) as problem:
            raise ValueError(f"{file} is no journal of a run; name another file") from problem
        there._must_be(wanted, first)
        return there

    def _must_be(self, wanted: Wanted, first: int | None) -> None:
        asked = {**asdict(wanted), "first": self.first if first is None else first}
        known = {**asdict(self.wanted), "first": self.first}
        others = [f"{name}: {known[name]}, not {asked[name]}" for name in asked if asked[name] != known[name]]
        if others:
            raise ValueError(f"{self.file} is of another run ({'; '.join(others)}); name another file, or delete it")

    def left(self) -> Iterator[int]:
        """The seeds that are still to be run."""
        done = frozenset(self.ahead)
        return (seed for seed in range(self.next, self.first + self.wanted.seeds) if seed not in done)

    def note(self, seed: int) -> None:
        """This seed is done, and in the tally."""
        self.ahead.add(seed)
        while self.next in self.ahead:
            self.ahead.remove(self.next)
            self.next += 1
        if self.tally.worlds % WRITTEN_EVERY == 0:
            self.write()

    def write(self) -> None:
        """Keep what is known so far: the whole of it, or what was kept before."""
        if self.file is None:
            return
        tally = {**vars(self.tally), "before": self.tally.seconds}
        del tally["began"]  # on the clock of this process
        content = {
            "wanted": asdict(self.wanted),
            "first": self.first,
            "next": self.next,
            "ahead": sorted(self.ahead),
            "tally": tally,
        }
        beside = self.file.with_name(self.file.name + ".new")
        beside.write_text(json.dumps(content), encoding="utf-8")
        beside.replace(self.file)
