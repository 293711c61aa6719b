"""Stories of operators: many cases that stand still are found, looked at and set going at once."""

from __future__ import annotations

from typing import Any

from tests.support.shop import Shop, eventually

Json = dict[str, Any]


async def refused_late_payment(shop: Shop) -> str:
    """An order whose payment came after its cancellation, and whose refund the provider refuses; returns its task."""
    order = await shop.order(tea=1)
    prepay = await shop.starts_to_pay(order)
    await shop.cancels(order)
    await shop.comes_to(order, "cancelled")
    await shop.pays(prepay, late=True)
    found: list[Json] = []

    async def raised() -> bool:
        found[:] = [task for task in (await shop.show(order))["tasks"] if task["done_at"] is None]
        return bool(found)

    await eventually(raised, f"somebody is asked about {order}")
    return str(found[0]["task_id"])


async def test_a_bulk_retry_is_looked_at_first_and_pays_each_once(shop: Shop) -> None:
    await shop.trouble("refund", "error-before", nth=None, http=403, code="NO_AUTH")
    tasks = [await refused_late_payment(shop) for _ in range(2)]
    orders = [task.rsplit("-", 2)[0] for task in tasks]
    await shop.no_trouble()

    listed = (await shop.staff("GET", "/admin/v1/cases?list=person&limit=500")).json()["cases"]
    (entry,) = [case for case in listed if case["order_id"] == orders[0]]
    assert entry["last_provider_code"] == "NO_AUTH"
    assert {"command": "try-again", "task_id": tasks[0], "choice": "send-again"} in entry["commands"]

    path = "/admin/v1/tasks/resolutions"
    wish = {"command": "try-again", "note": "NO_AUTH is mended", "task_ids": tasks}
    shown = (await shop.staff("POST", path, {**wish, "dry_run": True})).json()
    assert [task["outcome"] for task in shown["tasks"]] == ["would-be-done"] * 2
    assert shown["sums"] == [{"currency": "CNY", "amount_minor": 600}]
    assert [await shop.money(order) for order in orders] == [{"payment": 300, "refund-refused": 300}] * 2
    blind = await shop.staff("POST", path, {**wish, "digest": "0" * 64})
    assert (blind.status_code, blind.json()["code"]) == (409, "changed-since-dry-run")

    answers = [await shop.staff("POST", path, {**wish, "digest": shown["digest"]}, key="bulk-1") for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert (answer.json()["count"], answer.json()["refused"]) == (2, 0)

    async def paid_back() -> bool:
        return all([(await shop.money(order)).get("refund-success") == 300 for order in orders])

    await eventually(paid_back, "both late payments are refunded")
    for order in orders:
        assert [case["road"] for case in (await shop.comes_to(order, "cancelled"))["cases"]] == ["unpaid", "resumed"]
    late = await shop.staff("POST", path, {**wish, "dry_run": True})
    assert [task["refusal"] for task in late.json()["tasks"]] == ["already-resolved"] * 2
