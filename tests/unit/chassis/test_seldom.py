"""Lines that a library repeats are written now and then, and counted."""

from __future__ import annotations

import logging

import pytest

from chassis.seldom import KINDS_MAX, Seldom


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def seldom(clock: Clock) -> Seldom:
    return Seldom(["aiokafka"], 30, clock)


def written(seldom: Seldom, name: str, text: str, *args: object, level: int = logging.ERROR) -> str | None:
    """What stands in the log then; None: nothing."""
    record = logging.LogRecord(name, level, "", 0, text, args, None)
    return record.getMessage() if seldom.filter(record) else None


def test_what_is_repeated_is_written_once_and_counted_when_its_time_has_come(seldom: Seldom, clock: Clock) -> None:
    away = "Unable connect to node with id %s"
    assert written(seldom, "aiokafka.conn", away, 1) == "Unable connect to node with id 1"
    for _ in range(300):
        clock.now += 0.09
        assert written(seldom, "aiokafka.conn", away, 2) is None
    clock.now += 4
    expected = "Unable connect to node with id 3 (and 300 more like it in 31 s)"
    assert written(seldom, "aiokafka.conn", away, 3) == expected
    clock.now += 30
    assert written(seldom, "aiokafka.conn", away, 4) == "Unable connect to node with id 4", "nothing was left out"


def test_another_text_level_or_logger_is_another_line(seldom: Seldom) -> None:
    assert written(seldom, "aiokafka.conn", "a")
    assert written(seldom, "aiokafka.conn", "b")
    assert written(seldom, "aiokafka.client", "a")
    assert written(seldom, "aiokafka.conn", "a", level=logging.WARNING)
    assert written(seldom, "aiokafka.conn", "a") is None


def test_what_we_say_ourselves_is_always_written(seldom: Seldom) -> None:
    for _ in range(3):
        assert written(seldom, "chassis.engine", "an effect failed") == "an effect failed"


def test_lines_that_all_differ_do_not_pile_up(seldom: Seldom) -> None:
    for number in range(KINDS_MAX * 3):
        assert written(seldom, "aiokafka", f"line {number}")
    assert len(seldom._told) <= KINDS_MAX
