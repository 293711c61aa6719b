"""The ledger judges others, so it must be hard to fool."""

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sandbox.app import settle, world_of
from sandbox.store import OldDataError, Store
from tests.unit.sandbox.shop import OPENID, Shop

MakeShop = Callable[..., Awaitable[Shop]]


async def test_every_movement_of_money_is_a_line(shop: Shop) -> None:
    await shop.paid("order-0001", 100)
    await shop.refund("refund-1", "order-0001", 40)
    await settle(shop.app)
    await shop.refund("refund-2", "order-0001", 61)
    lines = (await shop.get("/_ledger/money?after=1"))["lines"]
    names = ("kind", "out_trade_no", "out_refund_no", "amount_minor", "openid", "code")
    assert [tuple(line[name] for name in names) for line in lines] == [
        ("payment", "order-0001", None, 100, OPENID, None),
        ("refund-accepted", "order-0001", "refund-1", 40, OPENID, None),
        ("refund-success", "order-0001", "refund-1", 40, OPENID, None),
        ("refund-refused", "order-0001", "refund-2", 61, None, "INVALID_REQUEST"),
    ]
    assert all(line["time"].endswith("Z") for line in lines)


async def test_the_sums_add_up(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=1000)
    for place in range(10):
        await shop.paid(f"order-{place:04}", 100 + place)
        await shop.refund(f"refund-{place}", f"order-{place:04}", 10 * place + 1, 100 + place)
    await settle(shop.app)
    summary = await shop.get("/_ledger/summary")
    assert summary["paid"] == {"count": 10, "amount_minor": 1045}
    assert summary["refunded"] == summary["refunds_accepted"] == {"count": 10, "amount_minor": 460}
    assert summary["balance_minor"] == 1000 + 1045 - 460
    assert await shop.get("/_ledger/check") == {"ok": True, "violations": []}


async def test_lines_are_read_page_by_page(shop: Shop) -> None:
    for place in range(5):
        await shop.paid(f"order-{place:04}")
    first = await shop.get("/_ledger/money?limit=4")
    rest = await shop.get(f"/_ledger/money?limit=4&after={first['next_after']}")
    assert [line["id"] for line in first["lines"] + rest["lines"]] == [1, 2, 3, 4, 5, 6]
    assert rest["next_after"] is None


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_money SET amount_minor = 0",
        "DELETE FROM ledger_money",
        "UPDATE ledger_messages SET receiver = ''",
        "DELETE FROM ledger_messages",
    ],
)
async def test_a_line_can_neither_be_changed_nor_deleted(shop: Shop, sql: str) -> None:
    world = world_of(shop.app)
    world.ledger.message("wechat", "o1", template="t", name="n", values={}, message_id="1")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        world.store.run(sql)


async def test_the_check_sees_what_must_not_be(shop: Shop) -> None:
    ledger = world_of(shop.app).ledger
    ledger.money("payment", 100, out_trade_no="order-1")
    ledger.money("payment", 100, out_trade_no="order-1")
    ledger.money("refund-accepted", 201, out_trade_no="order-1", out_refund_no="refund-1")
    ledger.money("refund-accepted", 1, out_trade_no="order-2", out_refund_no="refund-2")
    ledger.money("refund-accepted", 1, out_trade_no="order-2", out_refund_no="refund-2")
    ledger.money("refund-success", 1, out_trade_no="order-2", out_refund_no="refund-2")
    ledger.money("refund-success", 2, out_trade_no="order-2", out_refund_no="refund-2")
    ledger.money("refund-closed", 1, out_trade_no="order-2", out_refund_no="refund-2")
    found = await shop.get("/_ledger/check")
    assert found["ok"] is False
    assert {(violation["rule"], violation["subject"]) for violation in found["violations"]} == {
        ("an order was paid more than once", "order-1"),
        ("the refunds of an order exceed what was paid", "order-1"),
        ("the refunds of an order exceed what was paid", "order-2"),
        ("a refund number was accepted more than once", "refund-2"),
        ("a refund number succeeded more than once", "refund-2"),
        ("a refund ended that was not accepted with the same amount", "refund-2"),
        ("a refund both succeeded and was closed", "refund-2"),
        ("money came in that is nowhere", "all"),
    }
    with pytest.raises(ValueError, match="no such kind"):
        ledger.money("gift", 1)


async def test_the_check_sees_a_wrong_balance(shop: Shop) -> None:
    world = world_of(shop.app)
    world.store.run("UPDATE ledger_balance SET balance_minor = -1")
    rules = [violation["rule"] for violation in (await shop.get("/_ledger/check"))["violations"]]
    assert rules == [
        "the merchant's balance is negative",
        "the balance is not the sum of its lines",
        "money came in that is nowhere",
    ]


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).close()
    Store(tmp_path).close()
    old = sqlite3.connect(tmp_path / "sandbox.sqlite")
    old.execute("PRAGMA user_version = 1")
    old.close()
    with pytest.raises(OldDataError, match="another version"):
        Store(tmp_path)


async def test_everything_survives_a_restart(make_shop: MakeShop, tmp_path: Path) -> None:
    before = await make_shop(data_dir=tmp_path, merchant_balance_minor=500)
    before.receiver.answers = [500]
    await before.paid("order-0001")
    await settle(before.app)
    rule = {"call": "close", "nth": 2, "fault": {"kind": "error-before"}}
    await before.control("POST", "/faults/rules", [rule])
    await before.control("PUT", "/faults", {"seed": 9, "refund_refused_share": 0.25})
    assert (await before.pay.close("order-0001"))[0] == 400

    after = await make_shop(data_dir=tmp_path, merchant_balance_minor=500)
    assert (await after.trade_state("order-0001"))[1]["trade_state"] == "SUCCESS"
    summary = await after.get("/_ledger/summary")
    assert (summary["paid"]["count"], summary["balance_minor"]) == (1, 600)
    assert (await after.control("GET", "/faults"))["seed"] == 9
    assert (await after.pay.close("order-0001"))[0] == 500
    await after.control("POST", "/clock", {"advance_seconds": 15})
    assert after.receiver.events() == ["TRANSACTION.SUCCESS"]
