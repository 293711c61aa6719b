"""Versions as entity tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.etags import etag, versions


@given(st.integers(0, 10**18 - 1))
def test_a_version_and_its_tag(version: int) -> None:
    assert versions(etag(version)) == {version}


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("*", None),
        (' "7" ', {7}),
        ('"7", "8" ,"9"', {7, 8, 9}),
        ('W/"7"', set()),
        ('W/"7", "8"', {8}),
        ('"seven"', set()),
        ('""', set()),
        ('"1234567890123456789"', set()),
    ],
)
def test_what_a_header_names(header: str, named: set[int] | None) -> None:
    assert versions(header) == named


@pytest.mark.parametrize(
    "header", ["", "7", '"7', '7"', '"7" "8"', '"7",', '"a b"', '"\x007"', "w/", "{$gt:0}", '"７"', '"7"' + "," * 1_000]
)
def test_what_is_no_header(header: str) -> None:
    with pytest.raises(ValueError, match="entity tags"):
        versions(header)
