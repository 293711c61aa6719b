"""`tuidan dead`, as a person types it."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Console

from chassis import clock
from tools import masking
from tools.cases.showing import lasted
from tools.dead.letters import Letter, unreplayed
from tools.dead.office import NoSuchLetter, Office, Ready
from tools.place import kafka_address, refuse
from tools.records import KafkaRefused, records

DONE, SOME = 0, 1
Say = Callable[[str], None]
Ask = Callable[[str], bool]


def run(kafka: str, what: Callable[[Office], int]) -> None:
    """Do `what` with the dead letters of a cluster; exit code 2 with words when it could not be done."""
    try:
        with records(kafka or kafka_address()) as opened:
            code = what(Office(opened, _counting(Console(stderr=True))))
    except (KafkaRefused, NoSuchLetter) as problem:
        refuse(f"{problem}")
    raise typer.Exit(code)


def show_list(office: Office, topics: Sequence[str], say: Say, *, everything: bool, as_json: bool) -> int:
    """Print the letters that were not replayed, or all; 1 when one waits."""
    found = office.found(topics)
    waiting = unreplayed(found)
    listed = found if everything else waiting
    if as_json:
        print_json([_row(one) for one in listed])
    elif listed:
        for letter in listed:
            for line in told(letter, clock.now()):
                say(line)
        say("tuidan dead show ID · tuidan dead replay ID --dry-run")
    else:
        say("没有待处理的死信 · no letter waits")
    if len(listed) < len(found) and not as_json:
        say(f"已重放 · replayed before: {len(found) - len(listed)} (--all)")
    return SOME if waiting else DONE


def show_one(office: Office, letter_id: str, say: Say, *, as_json: bool) -> int:
    """Tell everything about one letter that is nobody's personal data."""
    (letter,) = office.named([letter_id])
    whole = {**_row(letter), "headers": _headers(letter), "body": masking.shown(letter.wire, letter.record.body)}
    if as_json:
        print_json(whole)
        return DONE
    body = whole.pop("body")
    for name, value in whole.items():
        if not isinstance(value, dict | list):
            say(f"{name:12} {value}")
    for note in letter.replays:
        say(f"{'replayed':12} {note.at} by {note.by}")
    for name, value in whole["headers"].items():
        say(f"  {name}: {value}")
    say(json.dumps(body, ensure_ascii=False, indent=2))
    if not letter.is_whole:
        say("死信不含正文 · too large for a letter: replaying fetches its body from its old place")
    return DONE


def replay(
    office: Office, ids: Sequence[str], topic: str, say: Say, confirmed: Ask, *, dry_run: bool, again: bool
) -> int:
    """Hand records out again, each to its own topic; 1 where one was left or nobody confirmed."""
    chosen = office.found([topic]) if topic else office.named(ids)
    ready, left = office.sorted_out(chosen, again=again)
    for one in left:
        say(f"– {one.letter.id} {one.letter.wire}: {one.why}")
    for each in ready:
        say(f"→ {each.letter.id} {each.letter.wire or '?'} {_key(each.letter)} → {each.place.topic}")
    code = SOME if [one for one in left if not (topic and one.letter.replays)] else DONE
    if not ready:
        say("没有可重放的死信 · nothing to replay")
        return code
    if dry_run:
        say(f"试运行 · dry run: {len(ready)} would be replayed")
        return code
    if not confirmed(f"重放 {len(ready)} 条消息? · replay {len(ready)}?"):
        say("未执行 · nothing was done")
        return SOME
    _hand_out(office, ready, say)
    return code


def told(letter: Letter, now: datetime) -> Iterator[str]:
    """One letter in two lines: what died of what, when, where."""
    record = letter.record
    age, service = lasted((now - letter.died_at).total_seconds()), record.header("dead_service") or "?"
    yield f"{letter.id}  {letter.wire or '?'}  {_key(letter)}"
    error, attempts = record.header("dead_error") or "?", record.header("dead_attempts") or "?"
    yield f"  {age} · {service} · {error} ({attempts}×): {_reason(letter)[:200]}"
    if _was_replayed(letter):
        yield "  重放后再次失败 · it had been replayed and died again"
    if letter.replays:
        yield f"  已重放 · replayed {letter.replays[-1].at} by {letter.replays[-1].by}"


def print_json(document: object) -> None:
    """For programs."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def who() -> str:
    """What a replay is signed with."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # in a container somebody may be a number only
        name = f"user {os.getuid()}"
    return f"tuidan dead replay, {name}"


def _hand_out(office: Office, ready: Sequence[Ready], say: Say) -> None:
    by, done = who(), 0
    try:
        for one in ready:
            office.hand_out(one, clock.now(), by)
            done += 1
    finally:
        say(
            f"已重放 · replayed {done} of {len(ready)}"
            + ("" if done == len(ready) else "; 再次执行即可继续 · run it again")
        )


def _row(letter: Letter) -> dict[str, Any]:
    """A letter as programs read it: `id`, `place` where its record had been, `age` counts from `died_at`."""
    record = letter.record
    return {
        "id": letter.id,
        "topic": letter.source.topic if letter.source else "",
        "place": f"{letter.source.topic}:{letter.source.partition}:{letter.offset}" if letter.source else "",
        "message": letter.wire,
        "message_id": letter.message_id,
        "key": _key(letter),
        "service": record.header("dead_service"),
        "error": record.header("dead_error"),
        "reason": _reason(letter),
        "attempts": record.header("dead_attempts"),
        "died_at": letter.died_at.isoformat(),
        "died_again": _was_replayed(letter),
        "replays": [{"at": note.at, "by": note.by} for note in letter.replays],
        "bytes": len(record.body),
    }


def _headers(letter: Letter) -> dict[str, str]:
    return {name: masking.words(letter.record.header(name)) for name, _ in letter.original_headers}


def _reason(letter: Letter) -> str:
    return masking.words(letter.record.header("dead_reason"))


def _key(letter: Letter) -> str:
    return masking.words(letter.record.key.decode(errors="replace"))


def _was_replayed(letter: Letter) -> bool:
    """Whether the record that died had been handed out before."""
    return bool(letter.record.header("replayed_from"))


def _counting(console: Console) -> Callable[[int, int], None] | None:
    if not console.is_terminal:
        return None
    return lambda seen, total: console.print(f"  {seen:,}/{total:,}", end="\r", highlight=False)
