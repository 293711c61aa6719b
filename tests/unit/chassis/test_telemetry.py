"""Log lines as a real process writes them, and what must not be in them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from chassis.telemetry import masked

PHONE, OPENID, NAME = "13800138000", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "张小三"
PROGRAM = f"""
import logging
import structlog
from chassis import telemetry

log = structlog.get_logger()
telemetry.configure("tests")
with telemetry.context(cause="c1", case="k1", key="o1"):
    log.info("plain", phone="{PHONE}", receiver_name="{NAME}", openid="{OPENID}", amount=1999)
log.info("number", phone={PHONE})
log.info("deep", customer={{"phone": "{PHONE}", "more": [{{"real_name": "{NAME}"}}], "city": "上海"}})
log.info("kept", filename="a.py", order_id="20261101083015123456")
try:
    raise ValueError("cannot call {PHONE}")
except ValueError as problem:
    log.exception("failed", problem=str(problem))
    logging.getLogger("library").exception("failed there")
logging.getLogger("library").warning("foreign %s", "line", extra={{"phone": "{PHONE}"}})
log.debug("not shown")
logging.getLogger("aiokafka").info("not shown")
for _ in range(3):
    logging.getLogger("aiokafka.conn").error("no broker")
"""


@pytest.fixture(scope="module")
def output() -> str:
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=50)
    assert finished.stderr == ""
    return finished.stdout


@pytest.fixture(scope="module")
def lines(output: str) -> dict[str, dict[str, Any]]:
    """By what they say."""
    found = [json.loads(line) for line in output.splitlines()]
    return {line["event"]: line for line in found}


def test_what_a_library_repeats_is_written_once(output: str) -> None:
    assert output.count("no broker") == 1


def test_no_personal_data_is_in_any_line(output: str) -> None:
    for secret in (PHONE, OPENID, NAME):
        assert secret not in output
        assert json.dumps(secret)[1:-1] not in output


def test_what_is_masked_can_still_be_recognised(lines: dict[str, dict[str, Any]]) -> None:
    plain = lines["plain"]
    assert (plain["phone"], plain["receiver_name"], plain["openid"]) == ("138****8000", "张**", "oUp****eS6o")
    assert plain["amount"] == 1999
    assert lines["number"]["phone"] == "138****8000"
    assert lines["deep"]["customer"] == {"phone": "138****8000", "more": [{"real_name": "张**"}], "city": "上海"}
    assert "cannot call 138****8000" in lines["failed"]["exception"]
    assert lines["failed"]["problem"] == "cannot call 138****8000"


def test_ids_stay_readable(lines: dict[str, dict[str, Any]]) -> None:
    assert lines["kept"]["order_id"] == "20261101083015123456"
    assert lines["kept"]["filename"] == "a.py"


def test_every_line_says_when_where_and_about_what(lines: dict[str, dict[str, Any]]) -> None:
    assert set(lines) == {"plain", "number", "deep", "kept", "failed", "failed there", "foreign line", "no broker"}
    for line in lines.values():
        assert line["service"] == "tests"
        assert line["timestamp"].endswith("Z")
        assert line["level"] in ("info", "error", "warning")
    assert (lines["plain"]["cause"], lines["plain"]["case"], lines["plain"]["order"]) == ("c1", "k1", "o1")
    assert "cause" not in lines["number"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("13800138000", "138****8000"),
        ("+8613800138000", "+86****8000"),
        ("12345678", "1*******"),
        ("1234567", "1******"),
        ("Zhang San", "Z********"),
        ("张", "张*"),
        ("张三", "张*"),
        ("欧阳娜娜", "欧***"),
        ("", "*"),
    ],
)
def test_a_mask_hides_most_of_it(value: str, shown: str) -> None:
    assert masked(value) == shown
    assert len(value) < 2 or value not in shown
