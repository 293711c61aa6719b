"""README.md and README.zh-CN.md show the same commands and lead to the same pages."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
BY_HAND = "GATEWAY="
"""The block of curl lines stands in README.md alone; the other one leads there."""


def commands(name: str) -> list[str]:
    text = (ROOT / name).read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks if BY_HAND not in block for line in block.splitlines()]
    return [line.removesuffix(" --lang zh") for line in lines if not line.startswith("curl ")]


def pages(name: str) -> list[str]:
    table = (ROOT / name).read_text("utf-8").rpartition("\n## ")[2]
    return re.findall(r"\]\(([^)]+)\)", table)


def test_both_show_the_same_commands() -> None:
    assert commands("README.zh-CN.md") == commands("README.md")
    assert len(commands("README.md")) > 15


def test_both_lead_to_the_same_pages() -> None:
    assert pages("README.zh-CN.md") == pages("README.md")
    assert all((ROOT / page).exists() for page in pages("README.md"))
