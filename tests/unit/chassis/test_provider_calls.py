"""Calls to providers are measured, and a word from outside makes no new label for ever."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from chassis import telemetry
from chassis.telemetry import CODES_MAX, provider_call


class No(Exception):
    """An answer with a code."""

    code = "NOT_ENOUGH"


def counted(provider: str, code: str) -> float:
    labels = {"provider": provider, "call": "ask", "code": code}
    return REGISTRY.get_sample_value("tuidan_provider_answers_total", labels) or 0.0


def test_a_call_is_counted_under_its_code_and_measured() -> None:
    with provider_call("p-codes", "ask"):
        pass
    with provider_call("p-codes", "ask") as made:
        made.code = "45009"
    with pytest.raises(No), provider_call("p-codes", "ask"):
        raise No
    with pytest.raises(ValueError), provider_call("p-codes", "ask"):
        raise ValueError("no code")
    with pytest.raises(asyncio.CancelledError), provider_call("p-codes", "ask"):
        raise asyncio.CancelledError
    for code in ("OK", "45009", "NOT_ENOUGH", "ValueError", "cancelled"):
        assert counted("p-codes", code) == 1.0, code
    labels = {"provider": "p-codes", "call": "ask"}
    assert REGISTRY.get_sample_value("tuidan_provider_seconds_count", labels) == 5.0


def test_what_a_provider_makes_up_is_counted_as_other() -> None:
    for code in ("13800138000 张三", "", "a" * 65, "two words"):
        with provider_call("p-words", "ask") as made:
            made.code = code
    assert counted("p-words", "other") == 4.0
    for number in range(CODES_MAX + 50):
        with provider_call("p-words", "ask") as made:
            made.code = f"E{number}"
    assert counted("p-words", "other") == 54.0
    assert counted("p-words", "E0") == 1.0
    assert len(telemetry._codes["p-words"]) == CODES_MAX
