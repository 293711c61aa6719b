"""Exported lines: each says of itself whether it is whole, however it was damaged."""

from __future__ import annotations

import json

import pytest

from services.order.exporting import BadLine, Exported, checksum, digest_of, exported, read_line
from tests.unit.order.test_deleting import cancelled, completed

ORDERS = (cancelled().order, completed().order)


def test_what_was_exported_is_read_back_to_the_letter() -> None:
    lines = exported(ORDERS)
    assert [(line.line, line.of) for line in lines] == [(1, 2), (2, 2)]
    read = [read_line(line.text) for line in lines]
    assert read == lines
    assert [one.order() for one in read] == list(ORDERS)
    assert [digest_of(one.order()) for one in read] == [line.digest for line in lines]
    assert json.loads(lines[0].text)["state"] == json.loads(ORDERS[0].model_dump_json())


def test_every_flipped_byte_is_found() -> None:
    text = exported(ORDERS)[0].text
    for place in range(0, len(text), 7):
        other = "0" if text[place] != "0" else "1"
        damaged = text[:place] + other + text[place + 1 :]
        try:
            line = read_line(damaged)
        except BadLine:
            continue
        # The place in the file and the name on the outside are held by the file's checksum, and by `order`.
        assert checksum([line]) != checksum(exported(ORDERS)[:1])
        if line.order_id != ORDERS[0].order_id:
            with pytest.raises(BadLine):
                line.order()


@pytest.mark.parametrize("kept", [0, 1, 20, 60, 200, -1])
def test_a_line_that_broke_off_is_found(kept: int) -> None:
    text = exported(ORDERS)[0].text
    with pytest.raises(BadLine) as bad:
        read_line(text[:kept])
    assert bad.value.zh
    assert bad.value.en


def test_another_orders_content_under_this_id_is_found() -> None:
    line = exported(ORDERS)[0]
    swapped = Exported(line.line, line.of, "o9", line.digest, line.state)
    with pytest.raises(BadLine, match="another order"):
        read_line(swapped.text).order()


def test_what_a_newer_version_exported_is_not_cut_down() -> None:
    state = json.loads(ORDERS[0].model_dump_json()) | {"gift_wrap": "red"}
    text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
    line = Exported(1, 1, "o1", "", text)
    with pytest.raises(BadLine, match="newer version"):
        line.order()


def test_the_checksum_is_of_these_lines_in_this_order() -> None:
    lines = exported(ORDERS)
    found = {checksum(lines), checksum(lines[:1]), checksum([*lines, lines[1]]), checksum(lines[::-1]), checksum(())}
    assert len(found) == 5
