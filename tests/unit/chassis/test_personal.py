"""Personal data at rest: what lies in a database, who can read it, and how keys change."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel

from chassis import clock, personal, rotation, timers
from chassis.delivery import Delivery, Receiver
from chassis.engine import Engine
from chassis.keeping import Keeping
from chassis.memory import MemoryBroker
from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.personal import Damaged, KeyMissing, Ring, WrongKeyFile, add_key, make_first_keys, read_ring
from chassis.private import is_personal, private_fields
from chassis.projection import Update
from chassis.record import Heard, Record
from chassis.rotation import Overtaken, Progress, keys_in_use, seal_anew
from contracts.message import Private
from services.notify.handlers import NOTICES
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.offer import LookUpProducts
from tests.unit.chassis.jars import headers_of
from tests.unit.notify.story import Story, tell
from tests.unit.order import told

PERSONAL = ("张三", "13800001111", "openid-1", "\\u5f20")
ROTATED = 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_first_keys(tmp_path)
    return tmp_path


@pytest.fixture(params=["memory", "motor", "pymongo"])
async def database(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Any]:
    """An empty database that seals: each of those there are."""
    ring = Ring(folder)
    if request.param == "memory":
        yield MemoryDatabase(ring=ring)
        return
    opened = Database(request.getfixturevalue("mongo_url"), f"personal_{folder.name}"[:60], request.param, ring)
    yield opened
    for name in (ORDERS.name, NOTICES.name, "rotations"):
        await opened.collection(name).delete({})
    await opened.close()


def orders(count: int = 1) -> list[Record[Order]]:
    """Orders whose journals tell notify and payment whom it is about, and one that was placed over a topic."""
    undone = [told.cancel(), told.held(), told.refused(), told.kept(), told.told("refund-failed")]
    asked = told.place().asked.model_copy(update={"order_id": "order-1"})
    story = told.Told().hears(asked, told.place(), told.RESERVED, told.OPENED, told.paid(), *undone)
    assert any(said.wire == LookUpProducts.wire for entry in story.record.journal for said in entry.said)
    return [replace(story.record, id=f"o{n}", fresh=story.record.journal) for n in range(count)]


async def raw(database: Any, kind: str = ORDERS.name) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await database.collection(kind).find({}, sort=[("_id", 1)])
    return found


def shown_in(document: Any) -> list[str]:
    text = json.dumps(document, ensure_ascii=False, default=str)
    return [value for value in PERSONAL if value in text]


@pytest.mark.real
async def test_nothing_personal_lies_in_the_database_and_all_of_it_comes_back(database: Any) -> None:
    (record,) = orders()
    store = database.store(ORDERS)
    assert await store.save([record]) == set()
    (document,) = await raw(database)
    assert shown_in(document) == []
    assert document["state"]["customer_id"] == "c1"
    found = (await store.load(["o0"]))["o0"]
    assert found == replace(record, version=1, fresh=())
    assert found.state.contact.phone == "13800001111"
    assert shown_in([said.body for entry in found.journal for said in entry.said]) == [
        "张三",
        "13800001111",
        "openid-1",
    ]
    assert (await store.unsaid(told.START.replace(year=2030), 10))[0] == found


@pytest.mark.real
async def test_notices_are_sealed_too(database: Any) -> None:
    notices = database.store(NOTICES)
    record = Story().hears(tell()).record
    assert record.state is not None
    await notices.save([replace(record, fresh=record.journal, version=0)])
    (document,) = await raw(database, NOTICES.name)
    to = record.state.asked.to
    text = json.dumps(document, ensure_ascii=False, default=str)
    assert [value for value in (to.phone, to.openid, to.name) if value and value in text] == []
    assert (await notices.load([record.id]))[record.id].state == record.state


@pytest.mark.real
async def test_what_was_stored_plainly_is_read_and_sealed_with_the_next_save(database: Any) -> None:
    (record,) = orders()
    plain = Keeping(ORDERS)
    old = {"_id": "o0", "version": 3, "journal": plain.entries(record), **plain.document(record)}
    await database.collection(ORDERS.name).insert_new([old])
    assert shown_in((await raw(database))[0])
    store = database.store(ORDERS)
    found = (await store.load(["o0"]))["o0"]
    assert found.state == record.state
    story = told.Told(record=found, heard=50)
    story.hears(told.SHIP)
    assert await store.save([story.record]) == set()
    (document,) = await raw(database)
    assert shown_in(document) == []
    assert len(document["journal"]) == len(record.journal) + 1
    assert [entry.heard for entry in (await store.load(["o0"]))["o0"].journal][-1] == "m51"


@pytest.mark.real
async def test_a_rotation_leaves_nothing_to_the_old_key(database: Any, folder: Path) -> None:
    every = orders(ROTATED)
    await database.store(ORDERS).save(every)
    before = await database.store(ORDERS).load([record.id for record in every])
    assert add_key(folder) == 2
    ring = Ring(folder)
    keeping, records, marks = Keeping(ORDERS, ring), database.collection(ORDERS.name), database.collection("rotations")
    told_of: list[Progress] = []
    end = await seal_anew(records, marks, keeping, told_of.append, batch=3)
    assert (end.seen, end.changed, end.done) == (ROTATED, ROTATED, True)
    assert [progress.seen for progress in told_of] == [3, 6, 7, 7]
    assert await keys_in_use(records, keeping, batch=2) == {2: ROTATED}
    (folder / "personal-1.key").unlink()
    # The services' own ring met the new key when it opened what was sealed with it.
    assert await database.store(ORDERS).load([record.id for record in every]) == before
    again = await seal_anew(records, marks, keeping, told_of.append)
    assert (again.seen, again.changed) == (ROTATED, 0)


@pytest.mark.real
async def test_a_rotation_that_was_cut_goes_on_where_it_was(database: Any, folder: Path) -> None:
    await database.store(ORDERS).save(orders(ROTATED))
    add_key(folder)
    keeping, records, marks = (
        Keeping(ORDERS, Ring(folder)),
        database.collection("orders"),
        database.collection("rotations"),
    )

    class Cut(Exception):
        pass

    def cut(progress: Progress) -> None:
        raise Cut

    with pytest.raises(Cut):
        await seal_anew(records, marks, keeping, cut, batch=3)
    assert await keys_in_use(records, keeping) == {2: 3, 1: ROTATED - 3}
    steps: list[Progress] = []
    end = await seal_anew(records, marks, keeping, steps.append, batch=3)
    assert (steps[0].seen, end.seen, end.changed) == (6, ROTATED, ROTATED)


async def test_a_record_that_cannot_be_read_is_left_and_holds_up_no_other(folder: Path) -> None:
    database = MemoryDatabase(ring=Ring(folder))
    await database.store(ORDERS).save(orders(ROTATED))
    records: Any = database.collection("orders")
    ids = [document["_id"] for document in await raw(database)]
    await records.update_all([Update({"_id": ids[0]}, {"$set": {"state.state": "torn"}})])
    await records.update_all([Update({"_id": ids[1]}, {"$set": {"state.contact.name": "sealed.1." + "A" * 40}})])
    add_key(folder)
    keeping, marks = Keeping(ORDERS, Ring(folder)), cast(Any, database.collection("rotations"))
    end = await seal_anew(records, marks, keeping, lambda _: None, batch=3)
    assert (end.seen, end.changed, end.left, end.done) == (ROTATED, ROTATED - 2, 2, True)
    assert (await keys_in_use(records, keeping))[1] == 2


async def test_a_record_that_is_saved_meanwhile_keeps_what_was_saved(folder: Path) -> None:
    database = MemoryDatabase(ring=Ring(folder))
    store = database.store(ORDERS)
    await store.save(orders())
    records: Any = database.collection("orders")
    add_key(folder)
    keeping = Keeping(ORDERS, Ring(folder))
    (document,) = await raw(database)
    stale = keeping.anew(document)
    story = told.Told(record=(await store.load(["o0"]))["o0"], heard=50)
    await store.save([story.hears(told.SHIP).record])
    result = await records.update_all([Update({"_id": "o0", "version": document["version"]}, {"$set": stale or {}})])
    assert result.matched == 0
    await seal_anew(records, cast(Any, database.collection("rotations")), keeping, lambda _: None)
    found = (await store.load(["o0"]))["o0"]
    assert found.state is not None
    assert found.state.state == "shipped"


async def test_a_record_that_is_overtaken_for_ever_is_left_with_a_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = MemoryDatabase(ring=Ring(folder))
    await database.store(ORDERS).save(orders())
    add_key(folder)
    monkeypatch.setattr(rotation, "TURNS_MAX", 0)
    records: Any = database.collection("orders")
    with pytest.raises(Overtaken):
        await seal_anew(records, records, Keeping(ORDERS, Ring(folder)), print)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_same_text_is_never_sealed_alike_and_opens_only_in_its_place(folder: Path) -> None:
    ring = Ring(folder)
    once, twice = ring.seal("张三", "orders/o1"), ring.seal("张三", "orders/o1")
    assert once != twice
    assert ring.open(once, "orders/o1") == ring.open(twice, "orders/o1") == "张三"
    with pytest.raises(Damaged):
        ring.open(once, "orders/o2")
    with pytest.raises(Damaged):
        ring.open(once[:-2] + ("AA" if once[-2:] != "AA" else "BB"), "orders/o1")
    assert ring.open("plain as ever", "orders/o1") == "plain as ever"


def test_an_empty_text_is_opened_too(folder: Path) -> None:
    ring = Ring(folder)
    assert ring.open(ring.seal("", "orders/o0"), "orders/o0") == ""


def test_a_key_that_is_added_is_found_when_it_is_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Ring(folder)
    add_key(folder)
    new = Ring(folder)
    assert old.seal("a", "p").startswith("sealed.1.")
    assert old.open(new.seal("a", "p"), "p") == "a"
    assert old.seal("a", "p").startswith("sealed.2."), "who has met the new key seals with it"
    add_key(folder)
    monkeypatch.setattr(personal, "LOOK_SECONDS", -1.0)
    assert old.seal("a", "p").startswith("sealed.3."), "and who has not looks for one now and then"


def test_what_is_searched_by_says_nothing_without_the_key(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    make_first_keys(other)
    assert Ring(folder).digest("n/张三") == Ring(folder).digest("n/张三") != Ring(other).digest("n/张三")
    add_key(folder)
    assert Ring(folder).digest("x") == Ring(folder).digest("x")


def test_a_key_is_on_the_disk_before_anything_is_sealed_with_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not leave records that were sealed with a key whose file is empty."""
    safe: set[int] = set()
    kept: list[bool] = []
    sync, link = os.fsync, os.link

    def synced(descriptor: int) -> None:
        safe.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def named(draft: Path, file: Path) -> None:
        kept.append(os.stat(draft).st_ino in safe)
        link(draft, file)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", named)
    add_key(folder)
    assert kept == [True], "the key's bytes, before it has its name"
    assert os.stat(folder).st_ino in safe, "its name, before anybody may seal with it"


def test_a_folder_of_a_network_that_knows_no_sync_takes_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    number = add_key(folder)
    assert (folder / f"personal-{number}.key").exists()


def test_a_key_that_cannot_be_written_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(folder.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")  # of the file, before it has its name

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        add_key(folder)
    assert sorted(folder.iterdir()) == before


def test_keys_are_made_once_and_only_their_owner_reads_them(folder: Path) -> None:
    before = {path.name: path.read_text() for path in folder.iterdir()}
    make_first_keys(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert set(before) == {"personal-1.key", "personal-search.key"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "personal-1.key").unlink(), "tuidan keys make-personal"),
        (lambda folder: (folder / "personal-search.key").unlink(), "personal-search.key"),
        (lambda folder: (folder / "personal-1.key").write_text("c2hvcnQ="), "personal-1.key has 5 bytes"),
        (lambda folder: (folder / "personal-1.key").write_text("not base64!"), "personal-1.key is not base64"),
    ],
)
def test_a_key_that_is_missing_or_wrong_stops_the_start_with_one_line(
    folder: Path, spoil: Any, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(folder)
    with pytest.raises(WrongKeyFile):
        Ring(folder)
    with pytest.raises(SystemExit) as left:
        read_ring(folder)
    assert left.value.code == 2
    assert says in capsys.readouterr().err


async def test_a_record_whose_key_is_gone_waits_for_it(folder: Path) -> None:
    database = MemoryDatabase(ring=Ring(folder))
    await database.store(ORDERS).save(orders())
    key = (folder / "personal-1.key").read_text()
    add_key(folder)
    (folder / "personal-1.key").unlink()
    late = MemoryDatabase(collections=database.collections, ring=Ring(folder)).store(ORDERS)
    with pytest.raises(KeyMissing, match=r"personal-1\.key is not in .* orders/o0"):
        await late.load(["o0"])
    assert await late.unsaid(told.START.replace(year=2030), 10) == [], "the sweep goes on with the others"
    (folder / "personal-1.key").write_text(key)
    assert set(await late.load(["o0"])) == {"o0"}


async def test_a_record_whose_key_is_gone_holds_up_no_other(folder: Path) -> None:
    database = MemoryDatabase(ring=Ring(folder))
    waits = Story().hears(tell()).answer("unreached").record
    lost, other, third = (
        replace(waits, id=f"case-{n}/refund-on-its-way", version=0, fresh=waits.journal) for n in (1, 2, 3)
    )
    await database.store(NOTICES).save([lost, other, third])
    database.collections[NOTICES.name].documents[lost.id]["state"]["asked"]["to"]["phone"] = "sealed.9." + "A" * 60
    at = waits.wake_at
    assert at is not None
    engine = Engine("notify", {NOTICES: database.store(NOTICES)}, MemoryBroker(), lambda: at)

    wishes = [Heard(tell(case_id=f"case-{n}", part=True), f"again-{n}", at) for n in (1, 2)]
    came_of = await asyncio.gather(*(engine.hear(wish) for wish in wishes), return_exceptions=True)
    assert [isinstance(one, KeyMissing) for one in came_of] == [True, False]
    asked = [engine.read(NOTICES, record.id) for record in (lost, other)]
    shown = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(one, KeyMissing) for one in shown] == [True, False]
    assert await timers.ring(engine) == 2


async def test_what_is_heard_about_a_damaged_record_is_buried_and_the_rest_of_the_batch_is_heard(folder: Path) -> None:
    ring = Ring(folder)
    database, broker = MemoryDatabase(ring=ring), MemoryBroker()
    waits = Story().hears(tell()).answer("unreached").record
    torn = replace(waits, id="case-1/refund-on-its-way", version=0, fresh=waits.journal)
    await database.store(NOTICES).save([torn])
    to = database.collections[NOTICES.name].documents[torn.id]["state"]["asked"]["to"]
    to["phone"] = ring.seal("13800001111", "another place")
    engine = Engine("notify", {NOTICES: database.store(NOTICES)}, broker, clock.now)
    wishes = [tell(case_id=f"case-{n}", part=True) for n in (1, 2)]
    batch = [
        Delivery("notify.commands", 0, n, b"o1", wish.model_dump_json().encode(), tuple(headers_of(wish, f"h{n}")))
        for n, wish in enumerate(wishes)
    ]
    assert await Receiver("notify", engine, broker, clock.now).receive(batch)
    (letter,) = broker.topics["notify.commands.dead"]
    assert json.loads(letter.body)["case_id"] == "case-1"
    assert await engine.read(NOTICES, wishes[1].notice_id) is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "personal-2.key").write_text("half of it"),
        lambda folder: folder.rename(folder.with_name("elsewhere")),
    ],
    ids=["a new key that cannot be read", "the folder is away"],
)
async def test_keys_that_cannot_be_read_any_more_bury_nothing(
    folder: Path, spoil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Ring(folder)
    monkeypatch.setattr(personal, "LOOK_SECONDS", -1.0)
    spoil(folder)
    database, broker = MemoryDatabase(ring=ring), MemoryBroker()
    engine = Engine("notify", {NOTICES: database.store(NOTICES)}, broker, clock.now)
    asked = tell()
    record = Delivery("notify.commands", 0, 0, b"o1", asked.model_dump_json().encode(), tuple(headers_of(asked, "h1")))
    assert await Receiver("notify", engine, broker, clock.now).receive([record])
    assert "notify.commands.dead" not in broker.topics
    (document,) = await raw(database, NOTICES.name)
    assert personal.key_of(document["state"]["asked"]["to"]["phone"]) == 1, "sealed with the key that it has"
    assert await engine.read(NOTICES, asked.notice_id) is not None
    sealed_elsewhere = "sealed.9." + "A" * 60
    with pytest.raises(KeyMissing):
        ring.open(sealed_elsewhere, "p")


# ── which fields ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_private_fields_are_found_however_deep_they_stand() -> None:
    assert private_fields(Order) == {"contact": {"name": None, "phone": None, "openid": None}}
    assert set(private_fields(LookUpProducts)) == {"asked"}
    assert is_personal("tell-customer.v2")
    assert is_personal("send-sms")
    assert is_personal("open-payment.v1")
    assert is_personal("an-intent-of-long-ago")
    assert not is_personal("order-placed.v1")


class Hidden(BaseModel):
    names: tuple[Private[str], ...] = ()


def test_a_mark_inside_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="whole type of a field"):
        private_fields(Hidden)
