"""What people read calls a thing what docs/glossary.md calls it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"任务": "待办", "申请号": "取消单号", "支付用户零钱": "微信零钱"}
"""Chinese words that others use, and ours. The last one is WeChat Pay's, to merchants."""


def test_texts_for_people_use_the_words_of_the_glossary() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text("utf-8")
    assert re.search(r"^\| task \| 待办 \|", glossary, re.MULTILINE)
    shown = "".join(
        (ROOT / place).read_text("utf-8")
        for place in (
            "docs/api/errors.md",
            "services/order/words.py",
            "services/order/work_words.py",
            "services/order/sentences.py",
            "services/notify/texts.py",
        )
    )
    assert [word for word in ELSEWHERE if word in shown] == []
