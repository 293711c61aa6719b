"""docs/api.md shows how each route is used. What it shows is true: tests/scenarios/test_api_document.py."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.auth import PROVIDER, RIGHTS, Right
from tests.support.document import Comparison, Shell, Written, read_answer, steps, written

TEXT = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
PUBLIC = [right for right in RIGHTS if right.may != PROVIDER]


def examples(text: str) -> Iterator[tuple[Right, Written]]:
    for step in steps(text):
        for one in written(step):
            rows = [right for right in PUBLIC if right.method == one.method and _fits(right, one.path)]
            # `/stock/recount` is itself before it is some product.
            yield min(rows, key=lambda right: right.path.count("{")), one


def _fits(right: Right, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(right.path)), path) is not None


def test_every_route_has_an_example() -> None:
    shown = {right for right, _ in examples(TEXT)}
    assert [f"{right.method} {right.path}" for right in PUBLIC if right not in shown] == []


def test_what_needs_a_key_is_shown_with_one() -> None:
    with_key = {right for right, one in examples(TEXT) if one.has_key}
    assert [right.path for right in PUBLIC if right.repeat == "needs-key" and right not in with_key] == []


def test_every_answer_can_be_read() -> None:
    for step in steps(TEXT):
        if step.is_json:
            assert read_answer(step.answer or ""), step.line


def test_a_route_without_an_example_is_seen() -> None:
    text = TEXT.replace("$GATEWAY/admin/v1/audit", "$GATEWAY/admin/v1/tasks")
    assert not any(right.path == "/admin/v1/audit" for right, _ in examples(text))


@pytest.mark.parametrize(
    ("shown", "came", "differences"),
    [
        ('{"a": 1}', {"a": 1}, []),
        ('{"a": 1}', {"a": "1"}, ["answer.a: 1 is shown, '1' came"]),
        ('{"a": 1}', {"a": True}, ["answer.a: 1 is shown, True came"]),
        ('{"a": …}', {"b": 1}, ["answer.a is shown and did not come", "answer: b came and is neither"]),
        ('{"a": 1, …}', {"a": 1, "b": 2}, []),
        ("{…}", {"b": 2}, []),
        ("[1, …]", [1, 2, 3], []),
        ("[…]", [], []),
        ("[1]", [1, 2], ["answer: 1 are shown, 2 came"]),
        ('"2026-11-28T02:12:00Z"', "2027-01-01T00:00:00.5+00:00", []),
        ('"2026-11-28T02:12:00Z"', None, ["answer: '2026-11-28T02:12:00Z' is shown, None came"]),
        ('["o1ab…", "o1ab…-c1"]', ["oxyz", "oxyz-c1"], []),
        ('["o1ab…", "o1ab…-c1"]', ["oxyz", "oabc-c1"], ["answer[1]: 'o1ab…-c1' is shown, 'oabc-c1' came"]),
        ('["o1ab…", "o2cd…"]', ["oxyz", "oxyz"], ["answer[1]: 'o2cd…' is shown, 'oxyz' came"]),
        ('"退款 … 到账"', "退款 1 月 到账", []),
        ('"退款 … 到账"', "付款 1 月到账", ["answer: '退款 … 到账' is shown"]),
    ],
)
def test_an_answer_that_is_not_as_shown_is_seen(shown: str, came: object, differences: list[str]) -> None:
    found = list(Comparison().differences(read_answer(shown), came))
    assert len(found) == len(differences)
    assert all(one.startswith(start) for one, start in zip(found, differences, strict=True)), found


def test_a_shell_hands_on_what_a_block_printed_and_how_it_ended(tmp_path: Path) -> None:
    shell = Shell(tmp_path, tmp_path, {"PATH": os.environ["PATH"]})
    try:
        assert shell.paste('NAME=tea; cat <<END\n{"a": 1}\nEND\nfalse').code == 1
        came = shell.paste('echo \'{"b": 2}\'; echo "$NAME" >&2')
        assert (came.document, came.code, came.requests) == ({"b": 2}, 0, ())
        assert "tea" in came.text
        with pytest.raises(AssertionError, match="the shell is gone"):
            shell.paste("exit 3")
    finally:
        shell.close()


def test_a_block_that_never_ends_is_named(tmp_path: Path) -> None:
    shell = Shell(tmp_path, tmp_path, {"PATH": os.environ["PATH"]})
    try:
        with pytest.raises(AssertionError, match="said nothing more for 0 s:\nread LINE"):
            shell.paste("read LINE < <(tail -f /dev/null)", seconds=0.2)
    finally:
        shell.close()
