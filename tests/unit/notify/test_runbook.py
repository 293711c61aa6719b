"""What docs/operating.md says of the lists of templates is what notify reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from contracts.notify import Outcome
from sandbox.templates import SMS_TEMPLATES, SUBSCRIBE_TEMPLATES
from services.notify.confirmations import TEMPLATE
from services.notify.effects import STAND_INS
from services.notify.keyfolder import sms_account, wechat_templates
from services.notify.limits import MEANINGS

RUNBOOK = (Path(__file__).parents[3] / "docs" / "operating.md").read_text("utf-8")
SECTION = RUNBOOK[RUNBOOK.index("\n## Templates of messages\n") + 1 :].split("\n## ", 1)[0]


def test_both_examples_can_be_read(tmp_path: Path) -> None:
    examples = re.findall(r"^`([a-z-]+\.json)`.*?^```json\n(.*?)^```\n", SECTION, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in examples] == ["templates.json", "sms-templates.json"]
    for name, text in examples:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert wechat_templates(tmp_path)
    assert TEMPLATE in sms_account(tmp_path).templates


def test_each_outcome_is_in_the_table_with_what_stands_in_for_it() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| ([^|]+) \|$", SECTION, re.MULTILINE))
    assert set(rows) == {*get_args(Outcome), TEMPLATE}
    assert {name: f"that of `{other}`" for name, other in STAND_INS.items()} == {
        name: instead for name, instead in rows.items() if instead.startswith("that of")
    }


def test_the_example_that_the_stand_in_makes_has_every_outcome() -> None:
    """One that is missing here is told in the inbox alone by the demo, the drills and the simulated worlds."""
    never_by_sms = set(re.findall(r"^\| `([a-z-]+)` \| [^|]*never by short message", SECTION, re.MULTILINE))
    assert set(SUBSCRIBE_TEMPLATES) == set(get_args(Outcome)), "sandbox/templates.py"
    assert set(SMS_TEMPLATES) == {*get_args(Outcome), TEMPLATE} - never_by_sms, "sandbox/templates.py"


def test_each_word_of_a_label_that_is_understood_is_named() -> None:
    assert [word for word, _ in MEANINGS if word not in SECTION] == []
