"""Every own rule is seen to fail on a few lines that break it, and to accept the same lines put right."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools.checks.__main__ import ROOT, RULES, main, problems
from tools.checks.clocks import PURE
from tools.checks.source import Problem, Source

HANDLERS = "services/payment/handlers.py"
LOOP = "chassis/relay.py"
TEST = "tests/unit/test_it.py"
LATER = "TO" + "DO"

BROKEN = [
    (HANDLERS, "from datetime import datetime\nat = datetime.now()", "pure-clock"),
    (HANDLERS, "import datetime as d\nat = d.datetime.utcnow()", "pure-clock"),
    (HANDLERS, "from time import monotonic as m\nat = m()", "pure-clock"),
    ("contracts/order.py", "import uuid\nfactory = uuid.uuid4", "pure-chance"),
    ("services/order/cancellation.py", "import random\nn = random.Random(1).random()", "pure-chance"),
    ("services/order/model.py", "from secrets import token_hex\nn = token_hex()", "pure-chance"),
    ("chassis/saga.py", "import os\nn = os.urandom(4)", "pure-chance"),
    ("services/order/policies.py", "from uuid import uuid4\nn = uuid4()", "pure-chance"),
    ("chassis/record.py", "import asyncio\nasync def f():\n    await asyncio.sleep(1)", "pure-sleep"),
    (LOOP, "import time\nat = time.time()", "clock"),
    ("services/payment/effects.py", "from datetime import datetime, UTC\nat = datetime.now(UTC)", "clock"),
    (TEST, "import asyncio\nasync def test_it():\n    await asyncio.sleep(0.1)\n    assert True", "test-sleep"),
    (TEST, "from time import sleep\nsleep(1)  # why: because", "test-sleep"),
    ("tests/support/stack.py", "from time import sleep\nsleep(1)", "test-sleep"),
    ("tests/simulation/world.py", "import time\ntime.sleep(1)", "test-sleep"),
    (LOOP, "try:\n    f()\nexcept Exception:\n    pass", "swallowed"),
    (LOOP, "try:\n    f()\nexcept:\n    log.error('x')", "swallowed"),
    (LOOP, "try:\n    f()\nexcept (ValueError, BaseException) as e:\n    log.error('x')", "swallowed"),
    ("sandbox/app.py", "import contextlib\nwith contextlib.suppress(Exception):\n    f()", "swallowed"),
    (TEST, "def test_it():\n    print(1)", "no-assertion"),
    (TEST, "class TestIt:\n    async def test_it(self):\n        await run()", "no-assertion"),
    (TEST, "from tests.conftest import shop", "conftest"),
    (TEST, "import conftest", "conftest"),
    ("docs/operating.md", f"{LATER}: write this", "later"),
    (LOOP, "# FIX" + "ME later", "later"),
    ("deploy/compose.yaml", "path: /ho" + "me/someone/data", "machine-path"),
    (LOOP, "path = '/wo" + "rk/data'", "machine-path"),
    (LOOP, "x = 1\n" * 351, "too-long"),
]

FINE = [
    (HANDLERS, "from datetime import datetime\ndef f(now: datetime): return datetime.fromtimestamp(now.timestamp())"),
    (HANDLERS, "def f(bus):\n    return bus.now()"),
    (LOOP, "import asyncio\nasync def f():\n    await asyncio.sleep(1)"),
    (LOOP, "import time\nat = time.time()  # why: the kernel reports in this clock"),
    ("chassis/clock.py", "import time\nat = time.time()"),
    (TEST, "import asyncio\nasync def test_it():\n    await asyncio.sleep(0)\n    assert True"),
    ("tests/support/stack.py", "from time import sleep\nsleep(0.05)  # why: polls a real process until a deadline"),
    (LOOP, "try:\n    f()\nexcept Exception as e:\n    raise Failed from e"),
    (LOOP, "try:\n    f()\nexcept Exception as e:\n    log.error('x')\n    bus.dead_letter(e)"),
    (LOOP, "try:\n    f()\nexcept Exception:  # why: the caller counts it\n    pass"),
    (LOOP, "try:\n    f()\nexcept ValueError:\n    pass"),
    (TEST, "import pytest\ndef test_it():\n    with pytest.raises(ValueError):\n        f()"),
    (TEST, "def test_it(shop):\n    shop.expect_refund(1)"),
    ("docs/operating.md", "see docs/home/index.md and https://example.org/work/it"),
]


def found(path: str, text: str) -> list[Problem]:
    source = Source(path, text)
    return [problem for rule in RULES for problem in rule(source)]


@pytest.mark.parametrize(("path", "text", "rule"), BROKEN)
def test_a_rule_sees_what_breaks_it(path: str, text: str, rule: str) -> None:
    assert [problem.rule for problem in found(path, text)] == [rule]


@pytest.mark.parametrize(("path", "text"), FINE)
def test_no_rule_minds_what_is_right(path: str, text: str) -> None:
    assert found(path, text) == []


def test_every_rule_was_seen_to_fail() -> None:
    silent = [rule.__name__ for rule in RULES if not any(list(rule(Source(path, text))) for path, text, _ in BROKEN)]
    assert silent == []


def test_a_module_that_calls_itself_pure_is_held_to_it() -> None:
    """`.importlinter` lists what decides, for its own contract and for these rules."""
    sources = [
        Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in ROOT.glob("services/*/*.py")
    ]
    pure = [one for one in sources if re.search(r"\bPure\.|No I/O, no clock", ast.get_docstring(one.tree) or "")]
    assert len(pure) > 20
    assert [one.path for one in pure if not one.matches(PURE)] == []
    assert [pattern for pattern in PURE if not list(ROOT.glob(pattern))] == []


def test_a_problem_says_where_which_rule_and_what_to_do() -> None:
    text = str(found(LOOP, "x = 1\nimport time\nat = time.time()")[0])
    assert (
        text == "chassis/relay.py:3 clock: time.time: take the time from chassis.clock, or say `# why: …` on this line"
    )


def test_a_file_that_is_no_python_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n", "utf-8")
    assert [problem.rule for problem in problems([tmp_path / "broken.py"], tmp_path)] == ["syntax"]


def test_the_command_fails_and_names_the_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.checks.__main__.RULES", RULES)
    monkeypatch.setattr("tools.checks.words.LINES_MAX", 1)
    assert main([str(ROOT / "tools/checks/words.py")]) == 1
    assert "tools/checks/words.py:" in capsys.readouterr().out
