"""`tuidan cases` against the real gateway and order service, in memory."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from chassis.record import Record
from services.gateway.clients import Service
from services.order import api, work_api
from services.order.bulk_runs import BulkRuns
from services.order.exports import Exports
from services.order.handlers import ORDERS
from services.order.work_lists import WorkLists
from tests.unit.gateway.world import World
from tests.unit.order.desk import Desk
from tests.unit.order.test_bulk import stands, states
from tests.unit.order.test_work import asked, attempted, late_payment_refused, refused_order, silent
from tests.unit.order.told import Told
from tools.cases import command, showing
from tools.cases.finding import Unknown, find, listed
from tools.cli import app
from tools.front import Refused

Json = dict[str, Any]
PERSONAL = ("张三", "13800001111", "13800138000", "openid-1")


@dataclass
class Shop:
    """Some orders behind the gateway; `told`: what the command has said."""

    desk: Desk
    world: World
    told: list[str] = field(default_factory=list)

    @property
    def http(self) -> httpx.AsyncClient:
        return self.world.http

    async def retry(self, name: str, *, dry_run: bool = False) -> int:
        self.told.clear()
        return await command.retry(self.http, name, "mended", self.told.append, dry_run=dry_run)

    async def tells(self, name: str) -> str:
        self.told.clear()
        assert await command.show_one(self.http, name, self.told.append, "both", as_json=False) == command.DONE
        return "\n".join(self.told)


STORIES: dict[str, Callable[[], Told]] = {
    "late": late_payment_refused,
    "silent": lambda: silent(asked().hears(attempted("unknown", code="SYSTEM_ERROR"))),
    "refused": refused_order,
    "moving": asked,
}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    desk, world = Desk(), World()
    collection: Any = desk.database.collection
    works = WorkLists(desk.orders, desk.views._keeping)
    exports = Exports(desk.orders, collection("exports"), collection("exported_orders"), desk.views._keeping)
    desk.opens(
        work_api.routes(desk.engine, works, exports, BulkRuns(collection("bulk_commands"))),
        api.routes(desk.engine, desk.catalogue, desk.views, desk.lists),
    )
    records = [Record(name, state=stands(story(), name)) for name, story in STORIES.items()]
    await desk.database.store(ORDERS).save(records)
    here = world.app.state.door
    order = Service("order", "http://order", httpx.ASGITransport(desk.app))
    world.app.state.door = replace(here, services=replace(here.services, order=order))
    world.http.headers["Authorization"] = f"Bearer {world.token('s1', 'staff', role='finance')}"
    yield Shop(desk, world)
    await world.aclose()


async def _list(shop: Shop, name: Any, *, as_json: bool = False) -> tuple[int, str]:
    text = io.StringIO()
    console = Console(file=text, width=200)
    return await command.show_list(shop.http, name, console, as_json=as_json), text.getvalue()


async def test_a_case_without_an_answer_is_listed_with_what_was_tried(shop: Shop) -> None:
    code, text = await _list(shop, "stuck")
    assert code == command.SOME
    (row,) = [line for line in text.splitlines() if line.strip().startswith("silent")]
    assert "silent-c1" in row
    assert "SYSTEM_ERROR" in row
    assert "refund the payment" in row
    assert "moving" not in text, "a case that goes on needs nobody"
    assert await _list(shop, "approval") == (command.DONE, "没有 · none\n")


async def test_the_list_is_there_for_programs(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await _list(shop, "person", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert {one["case_id"] for one in shown} == {"late-c2", "refused-c1"}
    assert all(one["list"] == "person" and one["age_seconds"] >= 0 for one in shown)


async def test_every_page_of_a_list_is_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.cases.finding.PAGE", 1)
    assert {one["order_id"] for one in await listed(shop.http, "person")} == {"late", "refused"}


async def test_an_order_and_its_case_are_told_in_words_without_who_it_is(shop: Shop) -> None:
    order, case = await shop.tells("late"), await shop.tells("late-c2")
    assert "late-c1" in order
    assert "late-c1" not in case, "another case of the order"
    assert ("Nothing was paid" in order, "Nothing was paid" in case) == (True, False), "of the other case's story"
    assert "待办 · task late-c2-t1" in case
    assert "send-again" in case
    assert "已取消" in order.splitlines()[0]
    for text in (order, case, await shop.tells("silent")):
        assert not [one for one in PERSONAL if one in text]


async def test_a_story_has_the_providers_word_and_the_next_try(shop: Shop) -> None:
    text = await shop.tells("silent-c1")
    assert "provider_code SYSTEM_ERROR" in text
    assert "attempt 3" in text
    assert "下次 · next try: " in text


async def test_who_does_not_exist_is_said(shop: Shop) -> None:
    for name, says in (
        ("nobody", "no order and no case nobody"),
        ("nobody-c1", "no order and no case nobody-c1"),
        ("late-c9", "order late has no case late-c9: late-c1, late-c2"),
        ("a/b?c", "no order and no case a/b?c"),
    ):
        with pytest.raises(Unknown, match=says.replace("?", r"\?")):
            await find(shop.http, name)
    with pytest.raises(Unknown, match="late is an order, name a case: late-c1, late-c2"):
        await shop.retry("late")


async def test_a_retry_is_shown_and_then_done_once(shop: Shop) -> None:
    before = await states(shop.desk)
    assert await shop.retry("late-c2", dry_run=True) == command.DONE
    assert shop.told == [line for line in shop.told if line.startswith("late-c2-t1 would-be-done  send-again: ")]
    assert len(shop.told) == 1
    assert await states(shop.desk) == before, "a dry run changes nothing"
    assert await shop.retry("late-c2") == command.DONE
    assert [line.split()[1] for line in shop.told] == ["would-be-done", "done"]
    after = await states(shop.desk)
    assert after != before
    assert await shop.retry("late-c2") == command.SOME
    assert await states(shop.desk) == after, "nothing is left to try again"


async def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key(shop: Shop) -> None:
    """The command died between doing and hearing that it was done; what it sent, sent again, does nothing twice."""
    sent: list[tuple[str, Any]] = []

    async def note(request: httpx.Request) -> None:
        if request.method == "POST":
            sent.append((request.headers["idempotency-key"], json.loads(request.content)))

    shop.http.event_hooks = {"request": [note], "response": []}
    await shop.retry("late-c2")
    (_, shown), (key, body) = sent
    assert (shown["dry_run"], shown["task_ids"], body["task_ids"]) == (True, ["late-c2-t1"], ["late-c2-t1"])
    assert key == f"cases-retry-{body['digest']}"
    after = await states(shop.desk)
    again = await shop.http.post("/admin/v1/tasks/resolutions", json=body, headers={"Idempotency-Key": key})
    assert again.json()["tasks"][0]["outcome"] == "done"
    assert await states(shop.desk) == after


async def test_what_cannot_be_tried_again_says_why(shop: Shop) -> None:
    before = await states(shop.desk)
    assert await shop.retry("refused-c1") == command.SOME
    assert "not-a-choice" in shop.told[0]
    assert await shop.retry("moving-c1") == command.SOME
    assert "is tried again by itself" in shop.told[0]
    assert "tuidan trace moving" in shop.told[0]
    assert await shop.retry("late-c1") == command.SOME
    assert "the case has ended (completed)" in shop.told[0]
    assert await states(shop.desk) == before


async def test_who_may_not_is_told_so(shop: Shop) -> None:
    shop.http.headers["Authorization"] = f"Bearer {shop.world.token('s2', 'staff', role='warehouse')}"
    with pytest.raises(Refused, match="403 not-allowed"):
        await shop.retry("late-c2")


@pytest.mark.parametrize(
    ("seconds", "says"), [(5, "5 s"), (125, "2 min"), (3_900, "1 h 05 min"), (3_600 * 50, "2 d 2 h")]
)
def test_time_spans_are_for_people(seconds: int, says: str) -> None:
    assert showing.lasted(seconds) == says


def test_a_next_try_says_when_and_how_soon() -> None:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert showing.next_try((now + timedelta(minutes=3)).isoformat(), now) == "03-01 12:03:00 (in 3 min)"
    assert showing.next_try((now - timedelta(minutes=3)).isoformat(), now) == "03-01 11:57:00 (due)"
    assert showing.next_try(None, now) == "不再自动 · not by itself"


def test_without_a_gateway_one_is_told_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["cases", "stuck"])
    assert (done.exit_code, "tuidan up, or name --gateway and --token-file" in done.output) == (2, True)
    token = tmp_path / "token"
    token.write_text("x")
    away = ["cases", "show", "o1", "--gateway", "http://127.0.0.1:1", "--token-file"]
    done = CliRunner().invoke(app, [*away, str(token)])
    assert (done.exit_code, "does not answer" in done.output) == (2, True)
    done = CliRunner().invoke(app, [*away, str(tmp_path / "none")])
    assert (done.exit_code, "cannot sign in" in done.output) == (2, True)
