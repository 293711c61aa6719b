"""Each check of the judge passes a shop in which all went well, and is seen to fail when one thing is spoiled. A house
with all services' real code and the sandbox passes too."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.mongo import Database
from contracts.message import message_id
from services.order.handlers import ORDERS
from tests.scenarios.power import AGGREGATES, House, build
from tests.simulation.evidence import Asked
from tests.simulation.judge import CHECKS, judge, same_after_replay, since
from tests.simulation.judge.stories import Story
from tests.support.fixtures import mongo_url as mongo_url  # noqa: PLC0414 - a fixture comes by its name
from tests.unit.order.roads import found
from tests.unit.order.told import ID, OPENED, RESERVED, Told, cancel, place
from tests.unit.simulation.given import AT, LATER, NAME, OPENID, PHONE, WHEN, Scene, yuan
from tests.unit.simulation.spoils import Spoil, some_by_hand
from tests.unit.simulation.spoils_books import was_compared
from tests.unit.simulation.spoils_door import SPOILS, cancels_for_quality, gets_a_code
from tests.unit.simulation.spoils_exchanged import with_an_exchange
from tests.unit.simulation.spoils_restored import was_restored
from tests.unit.simulation.spoils_said import an_answer_that_was_skipped, was_accepted_and_waits
from tests.unit.simulation.tales import BACK, GONE, KEPT, TOTAL, asks, is_placed, shop

Change = Callable[[Scene], object]
SHUT = {"kind": "error-before", "http": 403, "code": "USER_ACCOUNT_ABNORMAL"}


# ── the shop as it should be ─────────────────────────────────────────────────────────────────────────────────────────
def test_where_all_went_well_nothing_is_reported() -> None:
    assert judge(shop().evidence()) == []


def test_an_exchange_that_went_well_is_fine() -> None:
    scene = with_an_exchange(shop())
    assert judge(scene.evidence()) == []
    scene.final = scene.calm = False
    assert judge(scene.evidence()) == []


def test_a_restore_after_which_all_went_well_is_fine() -> None:
    scene = shop()
    was_restored(scene)
    assert judge(replace(scene.evidence(), restored=True)) == []


def test_a_refund_by_hand_that_an_order_hears_of_before_its_payment_is_fine() -> None:
    order = Told().hears(place(), RESERVED, OPENED, found(500))
    told = [said for entry in order.record.journal for said in entry.said]
    story = Story(ID)
    story.placed(next(json.loads(said.body) for said in told if said.wire == "order-placed.v1"))
    story.accepted(next(json.loads(said.body) for said in told if said.wire == "cancellation-accepted.v1"))
    assert story.problems == []


def test_goods_that_come_back_without_what_went_back_by_hand_are_fine() -> None:
    scene = shop()
    some_by_hand(scene, short=500, by_hand=500)
    assert list(CHECKS["whole-fen"](scene.evidence())) == []


def test_days_that_were_compared_and_are_under_way_are_fine() -> None:
    scene = shop()
    day = was_compared(scene)
    assert judge(scene.evidence()) == []
    day["status"], day["differences"][0]["state"] = "healing", "open"
    assert list(CHECKS["books-agree"](scene.evidence())) == []
    day["status"], day["wake_at"] = "failed", AT
    assert list(CHECKS["books-agree"](scene.evidence())) == [], "it is tried again by itself"


def test_after_a_restore_only_what_can_still_hold_is_asked() -> None:
    restored = replace(shop().evidence(), restored=True)
    asked = {name for name, check in CHECKS.items() if check.fits(restored)}
    only = {"nothing-twice", "known-again", "payments-known-again", "truly-completed", "books-compared"}
    assert asked - {name for name, check in CHECKS.items() if check.fits(shop().evidence())} == only
    assert {"within-what-was-paid", "stock-balances", "everything-ended"} <= asked
    assert "nothing-invented" not in asked, "topics tell of a time that was undone"


def test_a_late_payment_that_is_told_again_in_the_same_words_is_fine() -> None:
    scene = shop()
    about = {"order_id": GONE, "amount": yuan(TOTAL), "paid_at": WHEN, "transaction_id": f"wx-{GONE}"}
    scene.hears(("payment", "payments", GONE), "timer", ("payment-received.v1", about), passing=True)
    assert judge(scene.evidence()) == []
    about = {**about, "transaction_id": "wx-other"}
    scene.hears(("payment", "payments", GONE), "another timer", ("payment-received.v1", about), passing=True)
    assert "I05" in {violation.invariant for violation in judge(scene.evidence())}


def test_nothing_is_reported_before_the_end_either() -> None:
    scene = shop()
    scene.final = scene.calm = False
    assert judge(scene.evidence()) == []


# ── one thing spoiled ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("check", "spoil"), SPOILS, ids=[f"{check}-{spoil.__name__}" for check, spoil in SPOILS])
def test_what_is_spoiled_is_reported(check: str, spoil: Spoil) -> None:
    scene = shop()
    spoil(scene)
    found = list(CHECKS[check](scene.evidence()))
    assert found, f"{check} did not see it"
    assert {violation.invariant for violation in found} == {CHECKS[check].invariant}


def test_every_check_was_seen_to_fail() -> None:
    assert {check for check, _ in SPOILS} == set(CHECKS)


def test_a_check_is_asked_only_where_it_holds() -> None:
    scene = shop()
    scene.loses("order-shipped.v1", GONE)
    scene.final = scene.calm = False
    assert [str(violation) for violation in judge(scene.evidence()) if violation.invariant == "I08"] == []


def test_a_code_is_looked_for_at_the_end_because_the_deed_may_still_be_asked_for_again() -> None:
    """What somebody asked for is written down once it is answered."""
    evidence = shop().evidence()
    assert CHECKS["with-a-code"].fits(evidence)
    assert not CHECKS["with-a-code"].fits(replace(evidence, final=False))


def test_an_answer_that_met_an_old_reading_is_asked_for_again_before_the_end() -> None:
    scene = shop()
    an_answer_that_was_skipped(scene)
    passed_over = CHECKS["nothing-passed-over"]
    seen = replace(scene.evidence(), read_stale=frozenset({"order"}), final=False)
    assert list(passed_over(seen)) == []
    assert list(passed_over(replace(seen, read_stale=frozenset())))
    assert list(passed_over(replace(seen, final=True)))


def test_a_coupon_is_no_money_also_where_the_order_has_not_heard_of_its_payment() -> None:
    scene = shop()
    scene.loses("order-paid.v1", BACK, unsaid=True)
    for line in scene.money:
        if line["out_trade_no"] == BACK and line["kind"] in ("payment", "refund-success"):
            line["amount_minor"] -= 1
    assert list(CHECKS["ended-cases-money"](scene.evidence())) == []


def test_an_order_that_its_undone_case_knows_to_be_paid_may_still_ask_for_the_receipt() -> None:
    scene = shop()
    order = scene.record("order", "orders", KEPT)
    (told,) = (one for one in order["journal"] if any(said["wire"] == "order-paid.v1" for said in one["said"]))
    order["journal"].remove(told)
    order["state"] |= {"paid": None, "ask_payment_at": LATER.isoformat()}
    assert list(CHECKS["told-is-known"](scene.evidence())) == []
    order["state"]["ask_payment_at"] = None
    assert list(CHECKS["told-is-known"](scene.evidence()))


def test_an_order_may_be_hidden_by_a_request_that_is_still_being_asked() -> None:
    scene = shop()
    scene.state("order", "orders", BACK)["hidden_at"] = AT
    scene.tries("c2", "DELETE", f"/mp/v1/orders/{BACK}", 404)
    assert list(CHECKS["hidden-as-wished"](scene.evidence())), "somebody else's wish is none"
    scene.tries("c1", "DELETE", f"/mp/v1/orders/{BACK}", 0)
    assert list(CHECKS["hidden-as-wished"](scene.evidence())) == []


def test_a_refund_that_closed_may_wait_under_its_next_number() -> None:
    scene = shop()
    refund = was_accepted_and_waits(scene)
    refund |= {"closed_numbers": [refund["number"]], "number": f"{BACK}-c1-2"}
    assert list(CHECKS["told-is-known"](scene.evidence())) == []


def test_what_needs_a_code_may_be_done_with_the_one_that_came_for_it() -> None:
    scene = shop()
    cancels_for_quality(scene)
    gets_a_code(scene)
    assert list(CHECKS["with-a-code"](scene.evidence())) == []


def test_an_order_that_is_paid_while_it_is_cancelled_needed_no_code() -> None:
    scene, id = Scene(), "shop-late"
    is_placed(scene, id)
    asks(scene, id, "close-payment.v1", {"order_id": id, "case_id": f"{id}-c1"})
    cancels_for_quality(scene, id)
    about = {"order_id": id, "amount": yuan(TOTAL), "paid_at": WHEN}
    scene.hears(("order", "orders", id), "it was paid", ("order-paid.v1", about))
    assert list(CHECKS["with-a-code"](scene.evidence())) == []


def test_a_wish_whose_answer_was_lost_may_stand_in_the_trail_or_not() -> None:
    scene = shop()
    scene.tries("s-warehouse", "POST", f"/admin/v1/orders/{GONE}/deliver", 0)
    assert list(CHECKS["in-the-trail"](scene.evidence())) == []
    scene.documents["gateway"]["audit"].popitem()
    assert list(CHECKS["in-the-trail"](scene.evidence())) == []


def blank(part: Any) -> Any:
    """A document whose words are forgotten, and in which nobody is named any more."""
    if isinstance(part, dict):
        return {name: "" if name == "body" else blank(one) for name, one in part.items()}
    if isinstance(part, list | tuple):
        return [blank(one) for one in part]
    return "erased" if part in (PHONE, NAME, OPENID) else part


def forgotten_by_everybody(scene: Scene) -> None:
    """The order `BACK` is erased, and nobody says any more whose it was."""
    scene.state("order", "orders", BACK)["erased"] = {"at": LATER}
    for collections in scene.documents.values():
        for documents in collections.values():
            for id, document in documents.items():
                if BACK in repr(document):
                    documents[id] = blank(document)


def test_an_order_that_everybody_has_forgotten_is_fine() -> None:
    scene = shop()
    forgotten_by_everybody(scene)
    evidence = scene.evidence()
    checks = ("erased-forgotten", "erased-not-needed", "nothing-invented", "everything-sent")
    assert [violation for check in checks for violation in CHECKS[check](evidence)] == []


def test_the_bank_that_was_paid_from_and_a_card_that_was_named_are_forgotten_too() -> None:
    scene, bank, card = shop(), "招商银行信用卡0403", "6222021234567890123"
    scene.rewords("refund-accepted.v1", BACK, route=bank)
    scene.asked.append(Asked(AT, "s-finance", "card", BACK, {"bank_account": card, "real_name": NAME}, 202, {}))
    forgotten_by_everybody(scene)
    assert list(CHECKS["erased-forgotten"](scene.evidence())) == []
    refund = scene.state("payment", "payments", BACK)["refunds"][0]
    for kept in (bank, card):
        refund["kept"] = kept
        assert list(CHECKS["erased-forgotten"](scene.evidence())), f"{kept} is still there"


# ── everything heard once more ───────────────────────────────────────────────────────────────────────────────────────
def an_answer_again(scene: Scene) -> None:
    text = f'{{"order_id": "{GONE}"}}'
    scene.sends("payment.events", "payment-opened.v1", message_id("again", 0), GONE, text, source="payment")


def a_refund_again(scene: Scene) -> None:
    scene.pays("refund-accepted", BACK, TOTAL, out_refund_no=f"{BACK}-c1-2")


def a_message_again(scene: Scene) -> None:
    scene.carries(BACK, "refund-arrived")


def a_wish_again(scene: Scene) -> None:
    text = f'{{"order_id": "{GONE}"}}'
    scene.sends("inventory.commands", "dispatch-stock.v1", message_id("again", 0), GONE, text, source="order")


def another_state(scene: Scene) -> None:
    scene.state("order", "orders", KEPT)["state"] = "cancelled"


def another_letter(scene: Scene) -> None:
    headers = {"dead_topic": "order.commands", "dead_partition": "0", "dead_offset": "0", "dead_service": "order"}
    scene.sends("order.commands.dead", "x", "x", "x", "", **headers)


def test_a_replay_that_changes_nothing_passes_and_answers_may_be_repeated() -> None:
    before, after = shop(), shop()
    an_answer_again(after)
    assert same_after_replay(before.evidence(), after.evidence()) == []


@pytest.mark.parametrize("change", [a_refund_again, a_message_again, a_wish_again, another_state, another_letter])
def test_a_replay_that_changes_something_is_reported(change: Change) -> None:
    before, after = shop(), shop()
    change(after)
    assert {violation.invariant for violation in same_after_replay(before.evidence(), after.evidence())} == {"I09"}


def test_a_record_whose_time_came_meanwhile_may_have_changed() -> None:
    before, after = shop(), shop()
    before.record("order", "orders", KEPT)["wake_at"] = LATER - timedelta(seconds=1)
    another_state(after)
    assert same_after_replay(before.evidence(), after.evidence()) == []


# ── from one moment to the next ──────────────────────────────────────────────────────────────────────────────────────
def version_up_by_two(scene: Scene) -> None:
    scene.record("order", "orders", GONE)["version"] += 2


def version_down(scene: Scene) -> None:
    scene.record("order", "orders", GONE)["version"] -= 1


def an_entry_lost(scene: Scene) -> None:
    scene.record("order", "orders", GONE)["journal"].pop()


def a_record_gone(scene: Scene) -> None:
    del scene.documents["order"]["orders"][GONE]


def a_record_of_a_topic_gone(scene: Scene) -> None:
    scene.topics["order.events"].pop(0)


def a_line_changed(scene: Scene) -> None:
    scene.money[0]["amount_minor"] += 1


def test_what_only_grows_passes() -> None:
    before, after = shop(), shop()
    after.hears(("order", "orders", GONE), "one more")
    after.pays("payment", "another", TOTAL)
    assert since(before.evidence(), after.evidence()) == []


@pytest.mark.parametrize(
    "change",
    [version_up_by_two, version_down, an_entry_lost, a_record_gone, a_record_of_a_topic_gone, a_line_changed],
)
def test_what_shrinks_or_changes_is_reported(change: Change) -> None:
    before = shop()
    after = copy.deepcopy(before)
    change(after)
    assert since(before.evidence(), after.evidence()) != []


def test_an_ended_case_stays_as_it_ended() -> None:
    before, after = shop(), shop()
    journal = after.record("order", "orders", KEPT)["journal"]
    (end,) = (entry for entry in journal if any("undone" in said["wire"] for said in entry["said"]))
    end["said"].clear()
    assert "I05" in {violation.invariant for violation in since(before.evidence(), after.evidence())}


# ── real code ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
async def house(tmp_path: Path, mongo_url: str) -> AsyncIterator[House]:
    """A house with ten tea and ten cups on the shelf."""
    database = Database(mongo_url, f"judged_{tmp_path.name}"[:60])
    opened = await build(tmp_path, database)
    await opened.stocks(tea=10, cup=10)
    yield opened
    await opened.close()
    await database.close()


async def seen_in(house: House) -> Scene:
    """The house as evidence. Its channels take everything and write nothing down: that is done here for them; and
    nobody counts in it, or notes what was asked for."""
    scene = Scene(at=house.now, stock={"tea": 10, "cup": 10})
    scene.asked.extend(Asked(AT, "c1", "place", "", {}, 0, {}) for _ in house.stores[ORDERS].documents)
    for service, aggregates in AGGREGATES.items():
        for aggregate in aggregates:
            scene.documents[service][aggregate.name] = house.stores[aggregate].documents
    for name, books in (("balances", house.books.balances), ("ledger", house.books.ledger)):
        scene.documents["inventory"][name] = {one["_id"]: one for one in await books.find({})}
    scene.topics.update(house.broker.topics)
    scene.money.extend((await house.sandbox.get("/_ledger/money", params={"limit": 10_000})).json()["lines"])
    scene.ledger_violations.extend((await house.sandbox.get("/_ledger/check")).json()["violations"])
    for notice in scene.documents["notify"]["notices"].values():
        asked, amount = notice["state"]["asked"], notice["state"]["words"]["amount"]
        values = {"order": asked["order_id"], "amount": amount}
        scene.carries(asked["order_id"], asked["outcome"], notice["state"]["channel"], values=values)
    scene.figures()
    return scene


async def ask_to_cancel(house: House, order_id: str) -> None:
    wish = cancel(order_id=order_id, request=f"{order_id}-all")
    await house.tell("order", wish, f"cancel {order_id}")


async def test_a_house_in_which_all_went_well_passes(house: House) -> None:
    back, kept = await house.paid_order("is-cancelled"), await house.paid_order("is-not")
    await house.paid_order("is-kept")
    shut = [{"call": "refund", "match": {"out_trade_no": kept}, "fault": SHUT}]
    assert (await house.sandbox.post("/_control/faults/rules", json=shut)).status_code < 300
    for order_id in (back, kept):
        await ask_to_cancel(house, order_id)
    await house.settles(lambda: house.stands(back) == "cancelled", back)
    await house.settles(lambda: bool((order := house.order(kept)) and order.tasks), kept)
    scene = await seen_in(house)
    assert [str(violation) for violation in judge(scene.evidence())] == []
    scene.money[:] = [line for line in scene.money if line["kind"] != "refund-success"]
    assert {violation.invariant for violation in judge(scene.evidence())} >= {"I01", "I03", "I07"}
