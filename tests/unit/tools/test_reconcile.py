"""What the person at the keyboard sees of a reconciliation, and the exit code."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from tools.cli import app
from tools.reconcile import AGREES, DIFFERS, NOT_DONE, reconcile

SUM = {"count": 2, "amount_minor": 123_456}
SUMS = {
    "bill_payments": SUM,
    "our_payments": SUM,
    "bill_refunds": {"count": 1, "amount_minor": 4_000},
    "our_refunds": {"count": 0, "amount_minor": 0},
    "others": [{"word": "-提现", "count": 1, "amount_minor": 5_000}],
    "at_border": 1,
    "has_account": False,
}
OPEN = {
    "n": 3,
    "kind": "refund-twice",
    "meaning": {"zh": "同一取消单退了两次款", "en": "one case was refunded twice"},
    "loud": True,
    "subject": "C1",
    "order_id": "O1",
    "bill_minor": 8_000,
    "our_minor": 4_000,
    "detail": "C1-1 + C1-2",
    "state": "open",
    "remark": "",
}
HEALED = {**OPEN, "n": 1, "state": "healed", "our_minor": None, "loud": False}


def day(status: str = "done", *differences: dict[str, Any], **more: Any) -> dict[str, Any]:
    still_open = sum(one["state"] == "open" for one in differences)
    known: dict[str, Any] = {
        "reconciliation_id": "house/2026-11-01",
        "shop": "",
        "day": "2026-11-01",
        "status": status,
        "sums": SUMS,
    }
    known |= {"differences": differences, "found": len(differences), "open": still_open, "problem": "", "wake_at": None}
    return {**known, **more}


def run(*answers: Any, as_json: bool = False, shop: str = "") -> tuple[int, list[str]]:
    """The exit code and what was asked; the last answer repeats."""
    asked: list[str] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.raw_path.decode()}")
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)

    with httpx.Client(base_url="http://payment", transport=httpx.MockTransport(answer)) as http:
        query = {"shop": shop, "by": "tuidan"}
        return reconcile(http, "2026-11-01", query, as_json=as_json, sleep=lambda _: None), asked


def test_it_waits_for_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    code, asked = run(day("fetching"), day("healing"), day("compared"), day("done"), shop="tea")
    assert code == AGREES
    assert asked == [
        "POST /reconciliations/2026-11-01?shop=tea&by=tuidan",
        *["GET /reconciliations/house/2026-11-01"] * 3,
    ]
    assert "everything agrees" in capsys.readouterr().out


def test_sums_and_differences_are_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    code, _ = run(day("done", HEALED, OPEN))
    shown = capsys.readouterr().out
    assert code == DIFFERS
    for text in (
        "1,234.56",
        "-提现 1: 50.00",
        "同一取消单退了两次款",
        "C1-1 + C1-2",
        "80.00",
        "open: 1",
        "not compared",
    ):
        assert text in shown
    words = [line.split() for line in shown.splitlines()]
    rows = [row[1] for row in words if row[:1] in (["3"], ["1"])]
    assert rows == ["open", "healed"], "what is left to do comes first"


@pytest.mark.parametrize("remark", ["paid back [slip 20261103]", "see [/refunds/12]", "[red]"])
def test_a_remark_is_shown_as_it_was_written(
    remark: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    closed = {**OPEN, "state": "closed", "remark": remark}
    assert run(day("done", closed))[0] == AGREES
    assert remark in capsys.readouterr().out


def test_what_was_healed_agrees() -> None:
    assert run(day("done", HEALED))[0] == AGREES


def test_a_list_that_was_cut_never_agrees() -> None:
    assert run(day("done", HEALED, found=1_001))[0] == DIFFERS


def test_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(day("done", OPEN), as_json=True)[0] == DIFFERS
    assert json.loads(capsys.readouterr().out)["differences"][0]["kind"] == "refund-twice"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (day("unreadable", problem="trade bill, line 4, column 订单总金额: says 1 fen"), "line 4, column 订单总金额"),
        (day("failed", problem="STATEMENT_CREATING", wake_at="2026-11-02T03:00:00Z"), "2026-11-02T03:00:00Z"),
        (day("failed", problem="NO_AUTH"), "not by itself any more"),
        (
            httpx.Response(422, json={"code": "bad-date", "detail": {"zh": "日期", "en": "The date must be over"}}),
            "日期 · The date must be over",
        ),
        (httpx.Response(502, text="<html>"), "502: <html>"),
        (httpx.Response(404, json=["of another server"]), '404: ["of another server"]'),
        ({"hello": "world"}, "it has no “status”"),
        ({"status": "ok"}, "it has no “found”"),
        (httpx.ConnectError("refused"), "tuidan status"),
    ],
)
def test_what_cannot_be_done_says_why(answer: Any, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(answer)[0] == NOT_DONE
    assert words in capsys.readouterr().err


def test_a_shop_is_asked_at_its_gateway_with_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, str(request.url), request.headers["Authorization"]))
        return httpx.Response(200, json=day("fetching" if len(asked) == 1 else "done"))

    client = partial(httpx.Client, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(httpx, "Client", client)
    monkeypatch.setattr("tools.reconcile.LOOK_EVERY_SECONDS", 0)
    (tmp_path / "token").write_text("secret\n")
    at = ["--gateway", "https://shop.example/", "--token-file", str(tmp_path / "token")]
    assert CliRunner().invoke(app, ["reconcile", "2026-11-01", *at]).exit_code == AGREES
    base = "https://shop.example/admin/v1/reconciliations"
    assert asked == [
        ("POST", f"{base}/2026-11-01", "Bearer secret"),
        ("GET", f"{base}/house/2026-11-01", "Bearer secret"),
    ]
    asked.clear()
    CliRunner().invoke(app, ["reconcile", "2026-11-01", "--shop", "tea", *at])
    assert asked[0][1] == f"{base}/2026-11-01?shop=tea"


@pytest.mark.parametrize("typed", ["", "yesterday", "2026-11-1", "house/2026-11-01", "2026-11-01?shop=tea"])
def test_what_is_no_day_is_said(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Part of an address as it is, it led elsewhere: nothing typed was answered with a redirect."""
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["reconcile", typed])
    assert (done.exit_code, f"{typed!r} is no day like 2026-11-01" in done.output) == (NOT_DONE, True), done.output


@pytest.mark.parametrize("half", [["--gateway", "https://shop.example"], ["--token-file", "/dev/null"]])
def test_a_gateway_without_a_token_is_not_asked(half: list[str]) -> None:
    done = CliRunner().invoke(app, ["reconcile", "2026-11-01", *half])
    assert (done.exit_code, "belong together" in done.output) == (NOT_DONE, True)


def test_without_a_stack_it_says_how_to_start_one(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path_factory.mktemp("home")))
    done = CliRunner().invoke(app, ["reconcile", "2026-11-01"])
    assert done.exit_code == NOT_DONE
    assert "tuidan up" in done.output
