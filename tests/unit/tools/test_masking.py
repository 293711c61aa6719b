"""What is shown of a body that nobody could read: it may have any shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools import masking


@pytest.mark.parametrize(
    "contact",
    [
        {"name": "Zhangsan", "phone": 13800001111, "openid": ["oABCdef"]},
        {"name": ["Zhangsan"], "phone": {"mobile": "13800001111"}, "openid": "oABCdefghijk"},
        [{"name": {"first": "Zhangsan"}, "phone": [13800001111], "openid": ""}],
        "Zhangsan:13800001111",
        13800001111,
    ],
    ids=["a number", "a list", "deeper", "a text", "a number alone"],
)
def test_personal_data_of_another_shape_is_not_shown(contact: Any) -> None:
    """A phone that is written as a number is what an order dies of."""
    body = json.dumps({"order_id": "ORDER-1", "contact": contact}).encode()
    shown = masking.shown("place-order.v1", body)
    assert shown["order_id"] == "ORDER-1"
    told = json.dumps(shown, ensure_ascii=False)
    assert [secret for secret in ("Zhangsan", "13800001111", "oABCdef") if secret in told] == []


@pytest.mark.parametrize("wire", ["place-order.v1", "unheard-of.v1"])
@pytest.mark.parametrize("depth", [900, 100_000])
def test_json_that_is_too_deep_is_told_in_words(wire: str, depth: int) -> None:
    body = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    shown = masking.shown(wire, body)
    told = f"<{len(body)} bytes of JSON in which too much stands inside another>"
    assert shown == told or (depth < 1_000 and list(shown) == ["a"])
