"""What may be wrong with whom a message reached and what it said, in the shop of `tales`, and which check has to see
it."""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.message import message_id
from sandbox.subscribe import openid_of
from tests.unit.simulation.given import AT, Body, Scene
from tests.unit.simulation.spoils import seen_by
from tests.unit.simulation.spoils_said import SPOILS
from tests.unit.simulation.tales import BACK, KEPT, TOTAL, is_placed

__all__ = ["SPOILS"]


def _line(scene: Scene, order_id: str, outcome: str) -> dict[str, object]:
    """The line of the message book about this."""
    (line,) = (
        one
        for one in scene.messages
        if (one["values"]["character_string1"], one["template_name"]) == (order_id, outcome)
    )
    return line


# ── to whom ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("told-the-right-one")
def told_somebody_else_by_wechat(scene: Scene) -> None:
    _line(scene, BACK, "refund-arrived")["to"] = openid_of("c2")


@seen_by("told-the-right-one")
def told_somebody_else_by_short_message(scene: Scene) -> None:
    scene.carries(BACK, "refund-arrived", "sms-tencent", to="+8613800009999")


# ── what ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("told-true-amounts")
def told_another_amount_than_was_asked_for(scene: Scene) -> None:
    _line(scene, BACK, "refund-arrived")["values"] = {"character_string1": BACK, "amount2": "¥90.00"}


@seen_by("told-true-amounts")
def told_no_amount(scene: Scene) -> None:
    _line(scene, BACK, "refund-arrived")["values"] = {"character_string1": BACK, "amount2": "0"}


@seen_by("told-true-amounts")
def more_was_told_than_arrived(scene: Scene) -> None:
    scene.rewords("tell-customer.v2", BACK, outcome="refund-arrived", amount_minor=TOTAL + 1)


@seen_by("told-true-amounts")
def more_was_told_than_is_to_be_given_back(scene: Scene) -> None:
    scene.rewords("tell-customer.v2", KEPT, amount_minor=TOTAL * 10)


@seen_by("told-the-truth")
def told_that_it_is_on_its_way_and_nobody_took_it(scene: Scene) -> None:
    scene.money[:] = [line for line in scene.money if line["kind"] != "refund-accepted"]


@seen_by("told-the-truth")
def told_to_confirm_a_transfer_that_is_none(scene: Scene) -> None:
    scene.rewords("customer-told.v2", BACK, outcome="refund-to-confirm")


@seen_by("told-in-one-go")
def told_again_because_a_call_that_worked_counted_as_unknown(scene: Scene) -> None:
    scene.state("notify", "notices", f"{BACK}-c1/refund-arrived")["tried"][0]["result"] = "unknown"
    scene.carries(BACK, "refund-arrived", "sms-tencent")


# ── who was not ──────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("everybody-told")
def what_was_not_there_and_nobody_was_told(scene: Scene) -> None:
    is_placed(scene, "shop-short")
    body = {"order_id": "shop-short", "reason": "out-of-stock"}
    scene.hears(("order", "orders", "shop-short"), "too little", ("order-not-placed.v1", body))


@seen_by("everybody-told")
def a_transfer_that_nobody_was_asked_to_confirm(scene: Scene) -> None:
    number = message_id(f"{KEPT}-c1", "payout/1").replace("-", "")
    scene.pays("transfer-accepted", KEPT, TOTAL, out_bill_no=number)


# ── what nobody has explained ────────────────────────────────────────────────────────────────────────────────────────
def went_back_by_hand(scene: Scene, done_at: datetime | None) -> None:
    """A part of the money of `BACK` went back by hand before it was cancelled; somebody said then what it was for."""
    task: Body = {"task_id": f"{BACK}-c0-t1", "case_id": f"{BACK}-c0", "kind": "refund-made-outside", "facts": {}}
    task |= {"raised_at": AT - timedelta(hours=2), "done_at": done_at, "done_by": "s-finance" if done_at else ""}
    scene.state("order", "orders", BACK)["tasks"].append(task)


@seen_by("money-is-matched")
def cancelled_while_a_refund_by_hand_was_unexplained(scene: Scene) -> None:
    went_back_by_hand(scene, None)


@seen_by("money-is-matched")
def cancelled_before_a_refund_by_hand_was_explained(scene: Scene) -> None:
    went_back_by_hand(scene, AT + timedelta(hours=1))
