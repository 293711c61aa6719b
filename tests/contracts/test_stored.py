"""What older versions stored can be read: the golden schemas of stored things are fresh, and a change that could not
read what is there is refused, by the name of its field."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from chassis.record import Aggregate, Record
from chassis.store import from_document, to_document
from contracts.message import Intent
from services.order.cancellation import CANCEL_PAID_ORDER
from services.order.model import Order
from tools.catalogue.stored import current, kept, lines, stale, unreadable, write

SERVICES = Path(__file__).parents[2] / "services"

BEFORE: dict[str, Any] = {
    "order_id": (str, ...),
    "route": (str, Field("", max_length=20)),
    "state": (Literal["open", "closed"], "open"),
}


def of(fields: dict[str, Any]) -> dict[str, Any]:
    model: type[BaseModel] = create_model("Kept", **fields)
    return {"order.kept": {"x-kind": "command", **model.model_json_schema()}}


def test_every_stored_thing_has_its_golden_schema_and_is_read_as_it_was() -> None:
    now = current()
    assert unreadable(now) == []
    assert stale(now) == []


def test_every_kind_of_record_and_every_intent_is_held() -> None:
    """Found a second time, by what is written in the code."""
    text = "".join(path.read_text("utf-8") for path in sorted(SERVICES.glob("*/*.py")))
    names = {name.partition(".")[2] for name in kept()}
    assert set(re.findall(rf'= {Aggregate.__name__}\("([a-z-]+)"', text)) <= names
    intents = re.findall(rf"^class \w+\((?:Shop)?{Intent.__name__}\):\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    wires = [found[1] for body in intents if (found := re.search(r'wire: ClassVar\[str\] = "([a-z-]+)"', body))]
    assert len(wires) > 15
    assert set(wires) <= names
    assert kept()["order.orders"] is Order
    sagas = re.findall(r'^\w+ = Saga\(\n    "([a-z-]+)"', text, re.MULTILINE)
    assert len(sagas) > 10
    assert {name.partition("line-of-")[2] for name in lines()} == set(sagas)


def test_a_line_of_a_saga_that_is_renamed_strands_the_runs_that_stand_there(monkeypatch: pytest.MonkeyPatch) -> None:
    *before, last = CANCEL_PAID_ORDER.forward
    monkeypatch.setattr(CANCEL_PAID_ORDER, "forward", [*before, replace(last, name="tell the customer again")])
    (found,) = unreadable(current())
    assert found.startswith("order.line-of-cancel-paid-order: ")
    assert f"what is stored may have the value {last.name!r}" in found
    monkeypatch.setattr(CANCEL_PAID_ORDER, "forward", [*before, replace(last, name="one more"), last])
    assert unreadable(current()) == [], "a list may grow"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"bank_day": (str, "")}, ""),
        ({"bank_day": (str, ...)}, "order.kept: bank_day: required on one side only; what is stored may have none"),
        ({"state": (Literal["open", "closed", "lost"], "open")}, ""),
        ({"state": (Literal["open"], "open")}, "state: what is stored may have the value 'closed'"),
        ({"route": (str, Field("", max_length=10))}, "route: what is stored may have more than"),
        ({"route": (str, ...)}, "route: required"),
        ({"order_id": (int, ...)}, "order_id: what is stored may have type"),
    ],
    ids=str,
)
def test_a_change_that_cannot_read_what_is_stored_is_not_written(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    assert write(of(BEFORE), tmp_path) == []
    after = of(BEFORE | change)
    refused = write(after, tmp_path)
    if says:
        assert says in refused[0]
        assert "default" in refused[-1]
        assert stale(after, tmp_path), "and stays unwritten"
    else:
        assert (refused, stale(after, tmp_path)) == ([], [])


def test_a_field_that_is_gone_and_a_file_that_nobody_reads_are_seen(tmp_path: Path) -> None:
    assert write(of(BEFORE), tmp_path) == []
    without = of({name: field for name, field in BEFORE.items() if name != "route"})
    assert "route: the field was removed" in unreadable(without, tmp_path)[0]
    assert stale({}, tmp_path)[0].startswith("nothing reads tools/catalogue/stored/order.kept.json")


def test_what_only_a_newer_process_keeps_is_gone_once_an_older_one_has_saved() -> None:
    """As docs/changing.md says of the time in which both run."""
    older: type[BaseModel] = create_model("Kept", **BEFORE)
    newer: type[BaseModel] = create_model("Kept", **BEFORE, bank_day=(str, ""))
    stored = to_document(Record("o1", state=newer.model_validate({"order_id": "o1", "bank_day": "2025-03-01"})))
    saved = to_document(from_document({"_id": "o1", "version": 1, **stored, "journal": []}, older))
    assert stored["state"]["bank_day"] == "2025-03-01"
    assert "bank_day" not in saved["state"]
    assert from_document({"_id": "o1", "version": 2, **saved, "journal": []}, newer).state == newer.model_validate(
        {"order_id": "o1"}
    )
