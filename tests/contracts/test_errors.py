"""The list of errors is what the code makes."""

from __future__ import annotations

from pathlib import Path

from tools.catalogue.problems import PATH, collect, rendered, stale


def test_the_list_is_fresh_and_every_problem_can_be_read() -> None:
    assert stale() == []


def test_a_code_that_is_not_listed_is_seen(tmp_path: Path) -> None:
    old = tmp_path / "errors.md"
    old.write_text(PATH.read_text("utf-8").replace("| `already-rated` |", "| `something-else` |"), "utf-8")
    assert "make schemas" in stale(old)[0]


def test_problems_are_found_however_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "chassis").mkdir()
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "some.py").write_text(
        'raise Problem(409, "too-full", f"罐子{n}满了。", "It is full.")\n'
        'raise Unauthorized("who-are-you", "请登录。", "Sign in.")\n'
        '_TABLE = {"too-hot": (422, "太热。", "Too hot.")}\n'
        "raise Problem(status, code, zh, en)\n",
        "utf-8",
    )
    found, unread = collect(tmp_path)
    assert (found["too-full"].statuses, found["too-full"].texts) == ({409}, [("罐子{…}满了。", "It is full.")])
    assert found["who-are-you"].statuses == {401}
    assert found["too-hot"].texts == [("太热。", "Too hot.")]
    assert [line.split()[0] for line in unread] == ["services/some.py:4"]
    assert "| `too-full` | 409 | 罐子{…}满了。 | It is full. |" in rendered(found)


def test_every_code_has_both_languages() -> None:
    for code, one in collect()[0].items():
        assert all(zh and en for zh, en in one.texts), code
