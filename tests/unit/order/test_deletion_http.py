"""Taking orders away as the gateway asks for it: all services that hold something about an order, in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.deleting import EraseContact, EraseNotices
from contracts.message import OrderId
from services.order.exporting import checksum, exported
from services.order.model import Order
from tests.unit.order.shelf import BY, PERSONAL, Shelf
from tests.unit.order.told import CUSTOMER, paid

ID = "o1-long-enough"


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def hide(order_id: str) -> dict[str, Any]:
    return {"order_id": order_id, "by": CUSTOMER.model_dump()}


async def test_a_hidden_order_is_gone_from_the_customers_list_and_staff_still_see_it(shelf: Shelf) -> None:
    order = await shelf.order()
    for _ in range(2):
        answer = await shelf.ask("POST", f"/orders/{order}/hide", hide(order))
        assert answer.status_code == 200, answer.text
    own = await shelf.ask("GET", "/orders?customer_id=c1&hidden=false")
    assert own.json()["orders"] == []
    every = await shelf.ask("GET", "/orders?customer_id=c1")
    assert [one["order_id"] for one in every.json()["orders"]] == [order]
    assert (await shelf.ask("GET", f"/orders/{order}")).json()["hidden_at"]


async def test_what_would_go_is_shown_before(shelf: Shelf) -> None:
    order = await shelf.order()
    young = (await shelf.ask("GET", f"/orders/{order}/deletion")).json()
    assert not young["allowed"]
    assert [rule["rule"] for rule in young["denied"]] == ["retention"]
    await shelf.passes(timedelta(days=1_097))
    old = (await shelf.ask("GET", f"/orders/{order}/deletion")).json()
    assert (old["allowed"], old["denied"], old["export"]["export_id"]) == (True, [], None)
    assert old["keeps"]["total_minor"] == old["confirmation"]["amount_minor"] == 1900
    export_id, _ = await shelf.export(order)
    assert (await shelf.ask("GET", f"/orders/{order}/deletion")).json()["export"]["export_id"] == export_id


async def test_after_a_deletion_nobody_knows_whose_order_it_was_and_the_figures_stay(shelf: Shelf) -> None:
    order = await shelf.old_order()
    figures, told = await shelf.figures(), await shelf.notices.summary()
    assert any(figures[0])
    assert all(one in shelf.stored() for one in PERSONAL[:3]), "it is there before"
    await shelf.erase(order)
    text = shelf.stored()
    assert [one for one in (*PERSONAL, '"c1"') if one in text] == []
    assert await shelf.figures() == figures
    assert await shelf.notices.summary() == told
    assert shelf.state(order)["erasing"]["status"] == "done"
    assert (await shelf.ask("GET", f"/orders/{order}")).json()["erased_at"]
    assert "o1-long-enough" in text, "the tombstone stays"


async def test_what_arrives_later_fails_nowhere_and_brings_nothing_back(shelf: Shelf) -> None:
    order = await shelf.old_order()
    await shelf.erase(order)
    before = shelf.state(order)
    shelf.broker.committed.clear()
    await shelf.settles()  # every topic once more, from the beginning
    await shelf.hears(paid().model_copy(update={"order_id": order}))
    await shelf.hears(EraseContact(order_id=OrderId(order), erasure="late"), service="payment")
    await shelf.hears(EraseNotices(order_id=OrderId(order), erasure="late"), service="notify")
    await shelf.passes(timedelta(minutes=5))
    assert shelf.state(order) == before
    assert [one for one in PERSONAL if one in shelf.stored()] == []
    assert not [topic for topic, records in shelf.broker.topics.items() if topic.endswith(".dead") and records]
    again = await shelf.ask("POST", f"/orders/{order}/hide", hide(order))
    assert again.json()["code"] == "unknown-order"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"confirmed": False}, "code-required"), ({"export_id": "0" * 64}, "export-required")],
)
async def test_without_code_or_export_nothing_goes(shelf: Shelf, change: dict[str, Any], code: str) -> None:
    order = await shelf.old_order()
    export_id, _ = await shelf.export(order)
    before = shelf.state(order)
    answer = await shelf.delete(order, change.pop("export_id", export_id), **change)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert shelf.state(order) == before


async def test_an_order_that_changed_since_its_export_stays(shelf: Shelf) -> None:
    order = await shelf.old_order()
    export_id, _ = await shelf.export(order)
    await shelf.ask("POST", f"/orders/{order}/hide", hide(order))
    unsaid = await shelf.delete(order, export_id)
    assert [rule["rule"] for rule in unsaid.json()["rules"]] == ["nothing-unsaid"]
    await shelf.settles()
    answer = await shelf.delete(order, export_id)
    assert answer.json()["code"] == "export-outdated"
    assert shelf.state(order)["erased"] is None


async def test_a_young_order_stays_and_the_refusal_names_its_rule(shelf: Shelf) -> None:
    order = await shelf.order()
    export_id, _ = await shelf.export(order)
    answer = await shelf.delete(order, export_id)
    assert answer.json()["code"] == "deletion-denied"
    assert [rule["rule"] for rule in answer.json()["rules"]] == ["retention"]
    assert "2029-" in answer.json()["rules"][0]["en"]


async def test_a_deletion_is_repeatable(shelf: Shelf) -> None:
    order = await shelf.old_order()
    export_id, _ = await shelf.export(order)
    first = await shelf.delete(order, export_id)
    await shelf.settles()
    again = await shelf.delete(order, export_id, confirmed=False)
    assert first.json() == again.json()


@pytest.mark.parametrize("spoil", ["checksum", "twice", "order", "unknown"])
async def test_only_an_export_that_holds_the_orders_as_they_stand_is_registered(shelf: Shelf, spoil: str) -> None:
    one, other = await shelf.old_order("order-one"), await shelf.old_order("order-two")
    sha256 = (await shelf.ask("GET", f"/orders/{one}/export")).json()["export_id"]
    body: dict[str, Any] = {"order_ids": [one], "sha256": sha256, "by": BY}
    spoiled: dict[str, dict[str, Any]] = {
        "checksum": {"sha256": "0" * 64},
        "twice": {"order_ids": [one, one]},
        "order": {"order_ids": [other]},
        "unknown": {"order_ids": ["nobody-knows-it"]},
    }
    answer = await shelf.ask("POST", "/exports", body | spoiled[spoil])
    assert answer.json()["code"] == ("unknown-order" if spoil == "unknown" else "export-mismatch")
    assert (await shelf.ask("POST", "/exports", body)).json() == {"export_id": sha256, "orders": 1}
    assert (await shelf.ask("POST", "/exports", body)).json() == {"export_id": sha256, "orders": 1}


async def test_a_restored_order_is_the_same_document(shelf: Shelf) -> None:
    order = await shelf.old_order()
    before = shelf.state(order)
    lines = await shelf.erase(order)
    wish = {"lines": lines, "by": BY}
    dry = await shelf.ask("POST", "/restorations", wish | {"dry_run": True})
    assert dry.json()["orders"] == [{"order_id": order, "outcome": "would-be-restored"}]
    assert shelf.state(order) != before
    for outcome in ("restored", "there-already"):
        answer = await shelf.ask("POST", "/restorations", wish)
        assert answer.json()["orders"] == [{"order_id": order, "outcome": outcome}]
        assert shelf.state(order) == before
    await shelf.settles()
    assert await shelf.erase(order) == lines, "and it can be erased again"
    assert "张三" not in shelf.stored()


async def test_what_a_backup_from_before_brought_back_is_erased_once_more_in_the_same_way(shelf: Shelf) -> None:
    """Nobody remembers the first erasure then, and the topics are not heard again (decision 0039)."""
    order = await shelf.old_order()
    everything = [one for database in shelf.databases.values() for one in database.collections.values()]
    backup = [dict(one.documents) for one in everything]
    lines = await shelf.erase(order)
    for database in shelf.databases.values():
        for one in database.collections.values():
            one.documents = {}
    for one, documents in zip(everything, backup, strict=True):
        one.documents = documents
    await shelf.settles()
    assert "张三" in shelf.stored()
    assert await shelf.erase(order) == lines, "and the file of the first time is the same"
    assert [one for one in (*PERSONAL, '"c1"') if one in shelf.stored()] == []


async def test_a_damaged_line_restores_nothing_and_the_others_are_restored(shelf: Shelf) -> None:
    order = await shelf.old_order()
    lines = await shelf.erase(order)
    damaged = lines[0].replace("1900", "1901", 1)
    answer = await shelf.ask("POST", "/restorations", {"lines": [damaged, *lines], "by": BY})
    assert [one["outcome"] for one in answer.json()["orders"]] == ["damaged", "restored"]


async def test_many_are_deleted_at_once_and_each_refusal_is_told(shelf: Shelf) -> None:
    old = await shelf.old_order("order-old")
    young = await shelf.order("order-young")
    page = (await shelf.ask("GET", "/exports/orders?before=2035-01-01T00:00:00Z")).json()
    assert [one["order_id"] for one in page["orders"]] == [old, young]
    states = [Order.model_validate_json(one["state"]) for one in page["orders"]]
    sha256 = checksum(exported(states))
    body = {"order_ids": [old, young], "sha256": sha256, "by": BY}
    assert (await shelf.ask("POST", "/exports", body)).status_code == 200
    path = f"/exports/{sha256}/deletion"
    wish: dict[str, Any] = {"reason": "kept long enough", "by": BY}
    assert (await shelf.ask("GET", path)).json() == {"export_id": sha256, "orders": 2, "amount_minor": 3800}
    held = await shelf.ask("GET", f"/exports/{sha256}/orders")
    assert held.json() == {"export_id": sha256, "order_ids": [old, young]}
    assert (await shelf.ask("GET", f"/exports/{'0' * 64}/orders")).json()["code"] == "unknown-export"
    assert (await shelf.ask("POST", path, wish)).json()["code"] == "code-required"
    tries: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({"dry_run": True}, ["would-be-erased", "refused"]),
        ({"confirmed": True}, ["erased", "refused"]),
        ({"confirmed": True}, ["erased-already", "refused"]),
    )
    for more, outcomes in tries:
        found = (await shelf.ask("POST", path, wish | more)).json()["orders"]
        assert [one["outcome"] for one in found] == outcomes
        assert [rule["rule"] for rule in found[1]["rules"]] == ["retention"]
        await shelf.settles()
        assert (await shelf.ask("GET", path)).json()["amount_minor"] == 3800, "what the code is bound to stays"
    assert shelf.state(young)["erased"] is None
