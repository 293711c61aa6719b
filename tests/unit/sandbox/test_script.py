"""Fault scripts: YAML in words, what it means, and what it says about a wrong entry."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.__main__ import parser, settings_of
from sandbox.app import advance, settle
from sandbox.script import FAULTS, ScriptError, read_script, read_script_file
from tests.unit.sandbox.shop import Shop, text


async def load(shop: Shop, script: str) -> httpx.Response:
    headers = {"Content-Type": "text/yaml"}
    return await shop.http.put("/_control/faults/script", content=script.encode(), headers=headers)


SCRIPT = """
seed: 7
mix: {drop-after: 0.05, closed: 0.01}
rules:
  - call: refund
    order: order-0001          # shorthand for match.out_trade_no
    nth: 1
    fault: reset-after
  - {call: refund, merchant: "1900000109", fault: not-enough, until: topped-up}
  - {call: refund, order: order-2, fault: closed, after_days: 7}
  - {call: refund, order: order-3, times: 2, fault: {kind: error-after, http: 502, code: SYSTEM_ERROR}}
  - {call: refund, order: 4, fault: callback-late, seconds: 30}
  - {call: pay, fault: callback-before-answer}
  - {call: sms-tencent, phone: 13800138000, fault: {kind: error-before, code: InternalError.Timeout}}
  - {call: prepay, fault: 429}
"""


def test_what_a_script_means() -> None:
    plan = read_script(SCRIPT)
    assert (plan.shares.seed, plan.shares.mix) == (7, {"drop-after": 0.05, "closed": 0.01})
    first, second, third, fourth, fifth, sixth, seventh, eighth = plan.rules
    assert (first.call, first.match, first.nth, first.fault.kind) == (
        "refund",
        {"out_trade_no": "order-0001"},
        1,
        "drop-after",
    )
    assert (second.match, second.until, second.fault.code) == ({"mchid": "1900000109"}, "topped-up", "NOT_ENOUGH")
    assert (third.fault.refund_status, third.fault.after_days) == ("CLOSED", 7)
    assert (fourth.times, fourth.fault.http) == (2, 502)
    assert (fifth.call, fifth.match, fifth.fault.seconds) == ("refund-callback", {"out_trade_no": "4"}, 30)
    assert sixth.call == "customer-pay"
    assert seventh.match == {"phone": "+8613800138000"}
    assert (eighth.fault.http, eighth.fault.code) == (429, "FREQUENCY_LIMITED")


@pytest.mark.parametrize("word", list(FAULTS))
def test_every_word_can_be_said_of_a_refund(word: str) -> None:
    (rule,) = read_script(f"rules: [{{call: refund, fault: {word}}}]").rules
    of_the_callback = word.startswith("callback-") and word != "callback-before-answer"
    assert rule.call == ("refund-callback" if of_the_callback else "refund")


@pytest.mark.parametrize(
    ("script", "line", "place"),
    [
        ("rules:\n  - call: refund\n    fault: closedd\n", 3, "rules.0.fault"),
        ("rules:\n  - {call: refund, fault: closed}\n  - {call: refunds, fault: closed}\n", 3, "rules.1.call"),
        ("rules:\n  - {call: close, fault: closed}\n", 2, "rules.0"),
        ("rules:\n  - {call: refund, fault: 429, oder: x}\n", 2, "rules.0.oder"),
        ("rules:\n  - call: refund\n", 2, "rules.0.fault"),
        ("rules:\n  - call: refund\n    nth: 0\n    fault: closed\n", 3, "rules.0.nth"),
        ("seed: 1\nmix:\n  drop-after: 2\n", 3, "mix.drop-after"),
        ("mix:\n  nonsense: 0.1\n", 2, "mix.nonsense.[key]"),
        ("seed: 1\nmix: {drop-after: 0.6, closed: 0.6}\n", 1, ""),
        ("- call: refund\n", 1, ""),
        ("rules:\n  - call: [\n", 3, ""),
    ],
)
async def test_a_wrong_entry_is_named(shop: Shop, script: str, line: int, place: str) -> None:
    with pytest.raises(ScriptError) as wrong:
        read_script(script)
    assert (wrong.value.line, wrong.value.place) == (line, place)
    assert f"line {line}" in str(wrong.value)
    await load(shop, "rules: [{call: close, fault: 429}]")
    answer = await load(shop, script)
    assert (answer.status_code, answer.json()["detail"]["line"]) == (422, line)
    assert [rule["call"] for rule in await shop.control("GET", "/faults/rules")] == ["close"]


def test_a_wrong_word_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ScriptError, match=r"no such fault `closedd`; one of .*closed"):
        read_script("rules: [{call: refund, fault: closedd}]")


async def test_a_script_takes_the_place_of_what_was_there(shop: Shop) -> None:
    await shop.control("PUT", "/faults", {"seed": 3, "refund_refused_share": 0.5})
    assert (await load(shop, SCRIPT)).json()["seed"] == 7
    assert (await load(shop, "rules: [{call: close, fault: 429}]")).status_code == 200
    shown = await shop.control("GET", "/faults")
    assert (shown["seed"], shown["refund_refused_share"], shown["mix"], len(shown["rules"])) == (0, 0.0, {}, 1)
    assert (await load(shop, "")).json()["rules"] == []


async def test_short_of_money_until_topped_up(shop: Shop) -> None:
    mchid = text(shop.keys, "mchid.txt")
    script = f"rules: [{{call: refund, merchant: '{mchid}', fault: not-enough, until: topped-up}}]"
    assert (await load(shop, script)).status_code == 200
    await shop.paid("order-0001")
    for _ in range(2):
        code, refused = await shop.refund("refund-1", "order-0001", 10)
        assert (code, refused["code"]) == (403, "NOT_ENOUGH")
    await shop.control("PUT", "/balance", {"balance_minor": 5, "mchid": "1900000999"})
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 403
    await shop.control("PUT", "/balance", {"balance_minor": 10**6})
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 200


async def test_closed_after_seven_days(shop: Shop) -> None:
    await load(shop, "rules: [{call: refund, order: order-0001, fault: closed, after_days: 7}]")
    await shop.paid("order-0001")
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 200
    await advance(shop.app, 6.9 * 24 * 3600)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "PROCESSING"
    await advance(shop.app, 0.2 * 24 * 3600)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "CLOSED"


@pytest.mark.parametrize(("word", "known_after"), [("timeout-before", 404), ("timeout-after", 200)])
async def test_time_outs(shop: Shop, word: str, known_after: int) -> None:
    await load(shop, f"rules: [{{call: refund, nth: 1, fault: {word}, seconds: 0}}]")
    await shop.paid("order-0001")
    if word == "timeout-before":
        with pytest.raises(httpx.TransportError):
            await shop.refund("refund-1", "order-0001", 10)
    else:
        assert (await shop.refund("refund-1", "order-0001", 10))[0] == 200
    await settle(shop.app)
    assert (await shop.refund_state("refund-1"))[0] == known_after


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("seed: 7\n", encoding="utf-8")
    line = ["serve", "--keys", str(tmp_path), "--faults", str(file), "--speed", "60"]
    asked: Any = parser().parse_args(line)
    assert read_script_file(asked.faults).shares.seed == 7
    assert (settings_of(asked).clock_speed, settings_of(asked).data_dir) == (60, None)
    monkeypatch.setenv("SANDBOX_CLOCK_SPEED", "2")
    assert settings_of(parser().parse_args(["serve", "--keys", str(tmp_path)])).clock_speed == 2
