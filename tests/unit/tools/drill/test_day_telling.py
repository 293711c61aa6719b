"""The story in one language or both."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tools.drill.day.telling import Language, Teller, Words, last_line, waits

WARDEN = Words("仓库", "warehouse")


def told(language: Language) -> list[str]:
    said: list[str] = []
    teller = Teller(said.append, lambda: datetime(2026, 11, 28, 2, 0, 5, tzinfo=UTC), language)
    teller.chapter(3, Words("发货", "a parcel leaves"))
    teller.tell("陈博", WARDEN, Words("打包发货", "packs and ships"), Words("包裹已发出。", "The parcel has left."))
    return said


def test_both_languages_stand_one_below_the_other() -> None:
    assert told("both") == [
        "",
        "── 3 · 发货 · a parcel leaves ──",
        "10:00:05  陈博(仓库 · warehouse)",
        "          打包发货",
        "            ▸ 包裹已发出。",
        "          packs and ships",
        "            ▸ The parcel has left.",
    ]


def test_one_language_is_the_story_in_that_language_alone() -> None:
    assert told("zh")[1:] == [
        "── 3 · 发货 ──",
        "10:00:05  陈博(仓库)",
        "          打包发货",
        "            ▸ 包裹已发出。",
    ]
    assert "包裹" not in "".join(told("en"))


def test_what_a_case_waits_for_names_who_may_decide() -> None:
    assert waits({"waits_for": "approval", "approve_by": ["finance"]}) == (
        "等待审批(财务)",
        "waits for approval (finance)",
    )
    assert waits({"waits_for": ""}) == ("已开始", "has begun")


def test_the_newest_line_of_its_kind_is_told_and_a_missing_one_is_said() -> None:
    lines = [{"what": "paid", "in_words": {"zh": one, "en": one}} for one in ("1", "2")]
    order = {"order_id": "o1", "timeline": [*lines, {"what": "shipped", "in_words": {"zh": "3", "en": "3"}}]}
    assert last_line(order, "paid") == ("2", "2")
    with pytest.raises(LookupError, match="o1 has no line delivered"):
        last_line(order, "delivered")
