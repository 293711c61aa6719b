"""A long run that was stopped goes on where it was, and counts every world once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.evidence import Violation
from tests.simulation.journal import CODE, LOCK, WRITTEN_EVERY, Journal, Wanted, digest_of_code
from tests.simulation.seeds import plan_of
from tests.simulation.world import Outcome

WANTED = Wanted(seeds=WRITTEN_EVERY + 10, thorough=False, code="as-it-is")
FIRST = 7


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.json"


def lived(journal: Journal, *seeds: int, bad: bool = False) -> None:
    for seed in seeds:
        found = [Violation("I01", "order-1", "twice")] if bad else []
        outcome = Outcome(seed, "", found, virtual=60.0, cases={"completed": 2}, walked={"orders hears x": 3}, cost=1.5)
        journal.tally.take(replace(plan_of(1), seed=seed), outcome)
        journal.note(seed)


def test_what_two_sittings_ran_is_one_run(file: Path) -> None:
    one = Journal.of(file, WANTED, FIRST)
    assert list(one.left()) == list(range(FIRST, FIRST + WANTED.seeds))
    lived(one, 7, 9, 8, 11)
    lived(one, 12, bad=True)
    one.write()
    two = Journal.of(file, WANTED, None)
    assert two.first == FIRST
    assert (two.tally.worlds, two.tally.failing, two.tally.cases["completed"]) == (5, [12], 10)
    assert (two.tally.walked["orders hears x"], two.tally.virtual, two.tally.cost) == (5, 300.0, 7.5)
    assert two.tally.before > 0
    assert list(two.left())[:3] == [10, 13, 14]


def test_a_world_that_was_done_ahead_is_not_run_again_when_the_others_have_come_that_far(file: Path) -> None:
    one = Journal.of(file, WANTED, FIRST)
    lived(one, 8, 9)
    one.write()
    two = Journal.of(file, WANTED, None)
    left = two.left()
    assert next(left) == 7
    lived(two, 7)
    assert next(left) == 10


def test_it_is_written_now_and_then_and_whole(file: Path) -> None:
    one = Journal.of(file, WANTED, FIRST)
    lived(one, *range(FIRST, FIRST + WRITTEN_EVERY - 1))
    assert not file.exists()
    lived(one, FIRST + WRITTEN_EVERY - 1)
    assert Journal.of(file, WANTED, None).tally.worlds == WRITTEN_EVERY
    assert [found.name for found in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("wanted", "first", "why"),
    [
        (replace(WANTED, code="another"), None, "code: as-it-is, not another"),
        (replace(WANTED, seeds=1), None, "seeds: 60, not 1"),
        (replace(WANTED, thorough=True), None, "thorough: False, not True"),
        (WANTED, 8, "first: 7, not 8"),
    ],
)
def test_another_run_does_not_go_on_from_it(file: Path, wanted: Wanted, first: int | None, why: str) -> None:
    Journal.of(file, WANTED, FIRST).write()
    with pytest.raises(ValueError, match=why):
        Journal.of(file, wanted, first)
    assert Journal.of(file, WANTED, FIRST).first == FIRST


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"wanted": {}}'])
def test_what_is_no_journal_is_said_and_left_as_it_is(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="no journal of a run"):
        Journal.of(file, WANTED, None)
    assert file.read_text(encoding="utf-8") == content


def test_without_a_file_nothing_is_kept() -> None:
    journal = Journal.of(None, WANTED, None)
    journal.write()
    assert len(list(journal.left())) == WANTED.seeds


def test_every_source_the_libraries_and_their_names_are_in_the_digest(tmp_path: Path) -> None:
    for folder in CODE:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "one.py").write_text("1", encoding="utf-8")
    (tmp_path / LOCK).write_text("library==1", encoding="utf-8")
    seen = {digest_of_code(tmp_path)}
    for changed in [LOCK, *(f"{folder}/one.py" for folder in CODE)]:
        (tmp_path / changed).write_text("2", encoding="utf-8")
        seen.add(digest_of_code(tmp_path))
    (tmp_path / CODE[0] / "one.py").rename(tmp_path / CODE[0] / "two.py")
    seen.add(digest_of_code(tmp_path))
    assert len(seen) == len(CODE) + 3
    assert digest_of_code(tmp_path) in seen


def test_a_sitting_has_minutes_of_its_own(file: Path) -> None:
    """What earlier sittings took does not count: a run with so many minutes each would otherwise never go on."""
    journal = Journal.of(file, WANTED, FIRST)
    journal.tally.before = 3_600.0
    sitting = journal.tally.sitting
    assert journal.tally.seconds - sitting >= journal.tally.before
