"""One command for many tasks: shown first, done as it was shown, each once."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.record import Record
from chassis.store import StoreUnavailable
from contracts.message import OrderId
from services.order import work_api
from services.order.bulk import TASKS_MAX, Planned, plan, sums, wish
from services.order.bulk_runs import BulkRuns
from services.order.exports import Exports
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.work_lists import WorkLists
from tests.unit.order.desk import Desk
from tests.unit.order.test_work import asked, attempted, late_payment_refused, refused_order, silent
from tests.unit.order.told import STAFF, START, Told, paid_order

Json = dict[str, Any]


def stands(story: Told, order_id: str) -> Order:
    """The order of this story under another id."""
    text = story.order.model_dump_json().replace('"o1', f'"{order_id}')
    return Order.model_validate_json(text).model_copy(update={"order_id": OrderId(order_id)})


async def opened(*orders: Order) -> Desk:
    desk = Desk()
    works = WorkLists(desk.orders, desk.views._keeping)
    collection: Any = desk.database.collection
    exports = Exports(desk.orders, collection("exports"), collection("exported_orders"), desk.views._keeping)
    desk.opens(work_api.routes(desk.engine, works, exports, BulkRuns(collection("bulk_commands"))))
    await desk.database.store(ORDERS).save([Record(str(one.order_id), state=one) for one in orders])
    return desk


async def expect(desk: Desk, request: str = "r1", status: int = 200, **wanted: Any) -> Json:
    body = {"request_id": request, "fingerprint": "f", "command": "try-again", "by": STAFF.model_dump(), **wanted}
    answer = await desk.http.post("/tasks/resolutions", json=body)
    assert answer.status_code == status, answer.text
    found: Json = answer.json()
    return found


async def states(desk: Desk) -> dict[str, Any]:
    return {id: (one["version"], one["state"]) for id, one in desk.orders._documents.documents.items()}


def outcomes(answer: Json) -> dict[str, str]:
    return {task["task_id"]: task["refusal"] or task["outcome"] for task in answer["tasks"]}


THREE = ("a-c2-t1", "b-c1-t1", "nobody-c1-t1")


async def three() -> Desk:
    """One that can be tried again, one that cannot, and one that does not exist."""
    return await opened(stands(late_payment_refused(), "a"), stands(refused_order(), "b"))


async def test_a_dry_run_says_what_would_happen_why_not_and_the_money_and_changes_nothing() -> None:
    desk = await three()
    before = await states(desk)
    shown = await expect(desk, task_ids=THREE, dry_run=True)
    assert outcomes(shown) == {
        "a-c2-t1": "would-be-done",
        "b-c1-t1": "not-a-choice",
        "nobody-c1-t1": "unknown-task",
    }
    assert (shown["count"], shown["refused"], shown["sums"]) == (1, 2, [{"currency": "CNY", "amount_minor": 1900}])
    assert all(task["in_words"]["zh"] and task["in_words"]["en"] for task in shown["tasks"])
    assert await states(desk) == before
    assert not desk.database.collections["bulk_commands"].documents


def test_two_tasks_of_a_case_are_about_the_same_money() -> None:
    one = Planned(task_id="a-c1-t1", case_id="a-c1", amount_minor=500)
    other, another = one.model_copy(update={"task_id": "a-c1-t2"}), one.model_copy(update={"case_id": "a-c2"})
    assert sums([one, other, another]) == [{"currency": "CNY", "amount_minor": 1000}]


async def test_what_was_shown_is_done_and_a_repeat_does_it_no_second_time() -> None:
    desk = await three()
    digest = (await expect(desk, task_ids=THREE, dry_run=True))["digest"]
    first = await expect(desk, task_ids=THREE, digest=digest)
    assert outcomes(first)["a-c2-t1"] == "done"
    (done, refused, _) = first["tasks"]
    assert (done["before"]["task"], done["after"]["task"]) == ("open", "done: send-again")
    assert (done["before"]["case"], done["after"]["case"]) == ("undone", "open")
    assert "after" not in refused
    after = await states(desk)
    assert await expect(desk, task_ids=THREE, digest=digest) == first
    assert await states(desk) == after


async def test_without_the_digest_of_a_dry_run_nothing_is_done() -> None:
    desk = await three()
    before = await states(desk)
    assert (await expect(desk, task_ids=THREE, status=422))["code"] == "dry-run-first"
    assert (await expect(desk, task_ids=THREE, digest="0" * 64, status=409))["code"] == "changed-since-dry-run"
    shown = await expect(desk, task_ids=THREE, dry_run=True)
    for other in ({"command": "other-route"}, {"note": "x"}, {"task_ids": THREE[:2]}, {"task_ids": THREE[::-1]}):
        wanted = {"task_ids": THREE, "digest": shown["digest"], **other}
        assert (await expect(desk, status=409, **wanted))["code"] == "changed-since-dry-run"
    assert await states(desk) == before


async def test_what_changed_since_it_was_shown_is_not_done() -> None:
    desk = await three()
    digest = (await expect(desk, task_ids=THREE, dry_run=True))["digest"]
    other = await expect(desk, "r2", task_ids=("a-c2-t1",), command="other-route", dry_run=True)
    await expect(desk, "r2", task_ids=("a-c2-t1",), command="other-route", digest=other["digest"])
    assert (await expect(desk, task_ids=THREE, digest=digest, status=409))["code"] == "changed-since-dry-run"


async def test_a_crash_half_way_is_finished_by_the_repeat() -> None:
    orders = [stands(late_payment_refused(), f"o{n}x") for n in range(5)]
    desk = await opened(*orders)
    named = [f"{one.order_id}-c2-t1" for one in orders]
    digest = (await expect(desk, task_ids=named, dry_run=True))["digest"]
    store = desk.database.store(ORDERS)
    hear, told = desk.engine.hear, 0

    async def half_way(heard: Any) -> Any:
        nonlocal told
        told += 1
        if told > 2:
            raise StoreUnavailable("away")
        return await hear(heard)

    desk.engine.hear = half_way  # type: ignore[method-assign]
    assert (await expect(desk, task_ids=named, digest=digest, status=503))["code"] == "not-ready"
    desk.engine.hear = hear  # type: ignore[method-assign]
    done = [id for id, one in (await store.load([str(one.order_id) for one in orders])).items() if one.version > 1]
    assert len(done) == 2, "two were done before the database went away"
    answer = await expect(desk, task_ids=named, digest=digest)
    assert set(outcomes(answer).values()) == {"done"}
    for record in (await store.load([str(one.order_id) for one in orders])).values():
        assert record.state is not None
        assert (record.version, record.state.cases[-1].decisions) == (2, 1)


async def test_a_key_stands_for_one_request() -> None:
    desk = await three()
    digest = (await expect(desk, task_ids=THREE, dry_run=True))["digest"]
    await expect(desk, task_ids=THREE, digest=digest)
    answer = await expect(desk, task_ids=THREE[:1], digest=digest, fingerprint="other", status=409)
    assert answer["code"] == "idempotency-key-reused"


async def test_a_list_is_worked_off_page_by_page_and_only_where_the_command_fits() -> None:
    orders = [stands(late_payment_refused(), f"n{n:03}x") for n in range(TASKS_MAX + 3)]
    desk = await opened(*orders, stands(refused_order(), "b"), stands(silent(asked()), "c"))
    shown = await expect(desk, list="person", dry_run=True)
    assert (shown["count"], shown["refused"], shown["more"]) == (TASKS_MAX, 0, True)
    done = await expect(desk, list="person", digest=shown["digest"])
    assert done["count"] == TASKS_MAX
    rest = await expect(desk, "r2", list="person", dry_run=True)
    assert (rest["count"], rest["more"]) == (3, False)
    assert (await expect(desk, "r3", list="person", kind="no-answer", dry_run=True))["count"] == 0
    assert outcomes(await expect(desk, "r4", list="stuck", dry_run=True)) == {"c-c1-t1": "would-be-done"}


async def test_proof_is_needed_for_what_was_settled_outside() -> None:
    desk = await three()
    shown = await expect(desk, task_ids=THREE[:1], command="settled-outside", dry_run=True)
    assert outcomes(shown) == {"a-c2-t1": "proof-required"}
    shown = await expect(desk, task_ids=THREE[:1], command="settled-outside", note="slip 4711", dry_run=True)
    assert outcomes(shown) == {"a-c2-t1": "would-be-done"}


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"task_ids": [], "list": None},
        {"task_ids": ["a-c2-t1"], "list": "person"},
        {"task_ids": ["a-c2-t1", "a-c2-t1"]},
        {"task_ids": [f"t{n}" for n in range(TASKS_MAX + 1)]},
        {"task_ids": [{"$gt": ""}]},
        {"list": "everything"},
        {"task_ids": ["a"], "command": "delete"},
    ],
)
async def test_what_makes_no_sense_is_refused(wanted: Json) -> None:
    await expect(await three(), status=422, dry_run=True, **wanted)


def test_two_tasks_of_one_order_are_decided_one_after_the_other() -> None:
    order = stands(refused_order(), "a")
    twice = order.model_copy(
        update={"tasks": (*order.tasks, order.tasks[-1].model_copy(update={"task_id": "a-c1-t2"}))}
    )
    made = plan({"a": twice}, ["a-c1-t1", "a-c1-t2"], "other-route", "", STAFF, START)
    assert [task.refusal for task in made.tasks] == ["", "not-a-choice"], "another case is open then"


def test_a_case_that_was_not_answered_is_asked_again_at_once_and_calls_again_if_it_stays_so() -> None:
    story = silent(asked())
    order = story.order
    made = plan({"o1": order}, [order.tasks[0].task_id], "try-again", "", STAFF, START)
    assert [task.choice for task in made.to_do] == ["ask-again"]
    story.hears(wish(made.tasks[0], "", STAFF))
    assert story.last == ["task-resolved", "refund-payment"]
    assert story.order.cases[0].run.attention_at is None
    assert [task.done_at is None for task in silent(story).order.tasks] == [False, True]


def test_orders_that_are_nobodys_business_have_no_work() -> None:
    assert plan({"o1": paid_order().order}, ["o1-c1-t1"], "give-up", "", STAFF, START).to_do == ()
    assert plan({"o1": asked().hears(attempted("parked")).order}, ["o1-c1-t1"], "give-up", "", STAFF, START).to_do == ()
