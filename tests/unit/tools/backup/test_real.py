"""Taking a backup of a real MongoDB and putting it back."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
from bson import decode, encode
from pymongo import MongoClient

from chassis.mongo import Database, Driver, Server
from chassis.projection import Document
from chassis.store import StoreUnavailable
from tests.support.mongod import running_mongod
from tests.support.waiting import until
from tests.unit.tools.backup.made import AT, books, made, payment, quiet
from tools.backup import command
from tools.backup.folder import DATABASES, MANIFEST, BackupDamaged, check_files, read_manifest, split
from tools.backup.putting import put
from tools.backup.taking import BackupRefused, connected, take
from tools.topics.cluster import ClusterRefused

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def standalone() -> Iterator[str]:
    with running_mongod() as url:
        yield url


@pytest.fixture(scope="module")
def replica_set() -> Iterator[str]:
    with running_mongod("--replSet", "tuidan") as url:
        yield url


@pytest.fixture
async def server(standalone: str) -> AsyncIterator[Server]:
    """An empty standalone server."""
    opened = Server(standalone)
    for database in DATABASES:
        await opened.drop(database)
    yield opened
    await opened.close()


async def kept(server: Server, database: str, collection: str) -> list[dict[str, Any]]:
    """Everything in a collection."""
    return [decode(one) async for piece in server.raw(database, collection) for one in split(piece)]


async def filled(server: Server) -> None:
    for name, documents in books().items():
        database, collection = name.split("/")
        await server.put(database, collection, [encode(one) for one in documents])


async def test_what_was_taken_is_put_back_to_the_letter(server: Server, tmp_path: Path) -> None:
    await filled(server)
    many = [encode({"_id": f"fact-{n:05}", "at": AT, "n": n, "raw": b"\0\xff"}) for n in range(1_200)]
    await server.put("tuidan_analytics", "facts", many)
    manifest = await take(server, tmp_path / "new", quiet)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert not manifest.snapshot
    await put(server, tmp_path / "new", quiet, replace=True)
    assert [encode(one) for one in await kept(server, "tuidan_analytics", "facts")] == many
    assert await kept(server, "tuidan_payment", "payments") == [payment()]
    [told] = await kept(server, "tuidan_payment", "restored")
    assert told["taken_at"] <= told["restored_at"]
    again = await take(server, tmp_path / "again", quiet)
    assert {part.name: part.content for part in again.parts if part.collection != "restored"} == {
        part.name: part.content for part in manifest.parts
    }, "and nothing else is left of it"


async def test_what_somebody_has_put_aside_under_another_name_is_kept_too(server: Server, tmp_path: Path) -> None:
    """A copy of a collection from before an upgrade, say."""
    await filled(server)
    await server.put("tuidan_order", "orders.2026-10", [{"_id": "order-0"}])
    await take(server, tmp_path / "new", quiet)
    await put(server, tmp_path / "new", quiet, replace=True)
    assert await kept(server, "tuidan_order", "orders.2026-10") == [{"_id": "order-0"}]


async def test_a_collection_that_cannot_be_a_file_is_named_before_anything_is_copied(
    server: Server, tmp_path: Path
) -> None:
    await filled(server)
    await server.put("tuidan_order", "old/orders", [{"_id": "order-0"}])
    with pytest.raises(BackupRefused, match="tuidan_order/old/orders"):
        await take(server, tmp_path / "new", quiet)
    assert not (tmp_path / "new").exists()


async def test_a_second_restore_before_the_first_was_compared_keeps_the_older_time(
    server: Server, tmp_path: Path
) -> None:
    made(tmp_path)
    await put(server, tmp_path, quiet)
    await take(server, tmp_path / "new", quiet)
    await put(server, tmp_path / "new", quiet, replace=True)
    [told] = await kept(server, "tuidan_payment", "restored")
    assert told["taken_at"] == AT.replace(tzinfo=None)


async def test_nothing_is_written_over_what_is_there(server: Server, tmp_path: Path) -> None:
    made(tmp_path)
    await server.put("tuidan_payment", "payments", [payment("another")])
    with pytest.raises(BackupRefused, match=r"tuidan_payment is not empty \(payments\).*--replace"):
        await put(server, tmp_path, quiet)
    assert await server.collections("tuidan_order") == []
    await put(server, tmp_path, quiet, replace=True)
    assert await kept(server, "tuidan_payment", "payments") == [payment()]


async def test_a_damaged_backup_deletes_nothing(server: Server, tmp_path: Path) -> None:
    made(tmp_path)
    await server.put("tuidan_payment", "payments", [payment("another")])
    (tmp_path / "tuidan_order" / "orders.bson.gz").unlink()
    with pytest.raises(BackupDamaged, match="missing"):
        await put(server, tmp_path, quiet, replace=True)
    assert await kept(server, "tuidan_payment", "payments") == [payment("another")]


class Torn(Server):
    """Goes away before a certain collection is written."""

    async def put(self, database: str, collection: str, documents: Sequence[bytes | Document]) -> None:
        if collection == "payments":
            raise StoreUnavailable("the cable")
        await super().put(database, collection, documents)


async def test_a_restore_that_was_interrupted_is_run_again(server: Server, standalone: str, tmp_path: Path) -> None:
    made(tmp_path)
    torn = Torn(standalone)
    with pytest.raises(StoreUnavailable):
        await put(torn, tmp_path, quiet)
    await torn.close()
    assert await kept(server, "tuidan_order", "orders")
    assert not await kept(server, "tuidan_payment", "restored"), "and the payment service is told only in the end"
    await put(server, tmp_path, quiet)
    assert await kept(server, "tuidan_payment", "payments") == [payment()]
    assert "restoring" not in await server.collections("tuidan_payment")


async def test_what_another_backup_has_left_is_not_taken_for_ones_own(
    server: Server, standalone: str, tmp_path: Path
) -> None:
    made(tmp_path / "one")
    made(tmp_path / "other", books(payments=[]))
    torn = Torn(standalone)
    with pytest.raises(StoreUnavailable):
        await put(torn, tmp_path / "one", quiet)
    await torn.close()
    with pytest.raises(BackupRefused, match="not empty"):
        await put(server, tmp_path / "other", quiet)


async def marked(server: Server) -> list[str]:
    """The databases that no service begins to work in."""
    return [database for database in DATABASES if "restoring" in await server.collections(database)]


class Stopped(Server):
    """Goes away at a certain deletion."""

    at = ("", "")

    async def drop(self, database: str, collection: str = "") -> None:
        if database == self.at[0] and collection in ("", self.at[1]):
            raise StoreUnavailable("the cable")
        await super().drop(database, collection)


async def test_no_service_begins_on_a_database_that_is_empty_or_old_beside_others_that_are_put_back(
    server: Server, standalone: str, tmp_path: Path
) -> None:
    made(tmp_path)
    await filled(server)
    stopped = Stopped(standalone)
    stopped.at = ("tuidan_payment", "payments")
    with pytest.raises(StoreUnavailable):
        await put(stopped, tmp_path, quiet, replace=True)
    await stopped.close()
    assert await kept(server, "tuidan_order", "orders") == [], "what was there is being deleted"
    assert await marked(server) == list(DATABASES)
    await put(server, tmp_path, quiet)
    assert await marked(server) == []
    assert await kept(server, "tuidan_payment", "payments") == [payment()]


async def test_a_restore_that_was_stopped_at_its_last_step_is_run_again_and_changes_nothing_more(
    server: Server, standalone: str, tmp_path: Path
) -> None:
    """A service whose database was let go may have begun to work by then."""
    made(tmp_path)
    stopped = Stopped(standalone)
    stopped.at = ("tuidan_payment", "restoring")
    with pytest.raises(StoreUnavailable):
        await put(stopped, tmp_path, quiet)
    await stopped.close()
    assert await marked(server) == [name for name in DATABASES if name != "tuidan_order"]
    await server.put("tuidan_order", "orders", [{"_id": "since"}])
    await put(server, tmp_path, quiet)
    assert await marked(server) == []
    assert len(await kept(server, "tuidan_order", "orders")) == 2
    assert len(await kept(server, "tuidan_payment", "restored")) == 1


def test_with_accounts_the_command_says_which_roles_it_needs_and_works_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path)
    own = [{"role": "readWrite", "db": database} for database in DATABASES]
    with running_mongod("--auth") as url:
        with MongoClient[dict[str, Any]](url) as nobody:  # may make the first account, from the same machine
            nobody.admin.command("createUser", "root", pwd="x", roles=["root"])

        def restore(*more: dict[str, str]) -> int:
            name = f"operator{len(more)}"
            with MongoClient[dict[str, Any]](url, username="root", password="x") as root:
                root.admin.command("createUser", name, pwd="x", roles=[*own, *more])
            try:
                command.run_restore(tmp_path, url.replace("://", f"://{name}:x@"), "none", replace=False)
            except typer.Exit as left:
                return left.exit_code
            return 0

        assert restore() == 2
        assert "clusterMonitor in admin" in capsys.readouterr().err
        assert restore({"role": "clusterMonitor", "db": "admin"}) == 0


class Late(Server):
    """A service is started just when the restore has looked whether one is there."""

    looks = 0

    async def connected(self) -> set[str]:
        self.looks += 1
        return {"tuidan_order"} if self.looks > 1 else set()


async def test_a_service_that_is_started_meanwhile_is_seen_before_anything_is_deleted(
    server: Server, standalone: str, tmp_path: Path
) -> None:
    made(tmp_path)
    await filled(server)
    late = Late(standalone)
    with pytest.raises(BackupRefused, match="connected to this server: tuidan_order"):
        await put(late, tmp_path, quiet, replace=True)
    await late.close()
    assert await kept(server, "tuidan_order", "orders")
    assert await marked(server) == [], "and nobody has to finish what was never begun"


class KafkaAway:
    """It answered at the beginning, and does not when the groups are to go on."""

    def __init__(self, address: str) -> None:
        pass

    def with_members(self) -> list[str]:
        return []

    def go_to_the_end(self) -> int:
        raise ClusterRefused("no Kafka answers")


def test_no_service_begins_before_its_group_has_passed_what_the_topics_hold(
    standalone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path)

    async def asked(what: Callable[[Server], Awaitable[list[str]]]) -> list[str]:
        server = Server(standalone)
        try:
            return await what(server)
        finally:
            await server.close()

    async def emptied(server: Server) -> list[str]:
        for database in DATABASES:
            await server.drop(database)
        return []

    asyncio.run(asked(emptied))
    with monkeypatch.context() as away:
        away.setattr(command, "Groups", KafkaAway)
        with pytest.raises(typer.Exit) as left:
            command.run_restore(tmp_path, standalone, "kafka:9092", replace=False)
    assert left.value.exit_code == 2
    assert asyncio.run(asked(marked)) == list(DATABASES)
    command.run_restore(tmp_path, standalone, command.NO_KAFKA, replace=False)
    assert asyncio.run(asked(marked)) == []


async def test_of_half_a_backup_that_is_put_back_no_backup_is_taken(
    server: Server, standalone: str, tmp_path: Path
) -> None:
    """A nightly one would look whole, and be the newest."""
    made(tmp_path / "old")
    torn = Torn(standalone)
    with pytest.raises(StoreUnavailable):
        await put(torn, tmp_path / "old", quiet)
    await torn.close()
    with pytest.raises(BackupRefused, match=r"half of a backup.*tuidan_order"):
        await take(server, tmp_path / "new", quiet)
    assert not (tmp_path / "new" / MANIFEST).exists()


class Forgetful(Server):
    """Says yes and keeps all but the last."""

    async def put(self, database: str, collection: str, documents: Sequence[bytes | Document]) -> None:
        kept = documents[:-1] if collection == "payments" else documents
        if kept:
            await super().put(database, collection, kept)


async def test_what_did_not_arrive_is_seen(server: Server, standalone: str, tmp_path: Path) -> None:
    made(tmp_path)
    forgetful = Forgetful(standalone)
    with pytest.raises(BackupRefused, match="tuidan_payment/payments: 0 documents are there, 1 were written"):
        await put(forgetful, tmp_path, quiet)
    await forgetful.close()


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_nothing_is_taken_or_put_while_a_service_runs(
    server: Server, standalone: str, tmp_path: Path, driver: Driver
) -> None:
    await filled(server)
    made(tmp_path)
    service = Database(standalone, "tuidan_order", driver)
    await service.ping()
    with pytest.raises(BackupRefused, match=r"standalone.*tuidan_order"):
        await take(server, tmp_path / "new", quiet)
    with pytest.raises(BackupRefused, match="connected to this server: tuidan_order"):
        await put(server, tmp_path, quiet, replace=True)
    assert not (tmp_path / "new").exists()
    await service.close()

    async def left() -> bool:
        return not await connected(server, DATABASES)

    await until(left, "the service has left")
    assert not (await take(server, tmp_path / "new", quiet)).snapshot


async def test_a_folder_that_is_not_empty_is_not_written_into(server: Server, tmp_path: Path) -> None:
    await filled(server)
    made(tmp_path)
    with pytest.raises(BackupRefused, match="not empty"):
        await take(server, tmp_path, quiet)


async def test_an_empty_server_has_no_backup(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="right server"):
        await take(server, tmp_path / "new", quiet)
    assert not (tmp_path / "new" / MANIFEST).exists()


async def test_a_backup_is_taken_where_the_code_is_no_package(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the operator's image (deploy/Dockerfile)."""

    def nothing_of_that_name(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("tools.backup.taking.version", nothing_of_that_name)
    await filled(server)
    assert await take(server, tmp_path / "new", quiet) == check_files(tmp_path / "new", quiet)


class Ending(Server):
    """Goes away while a certain collection is read."""

    async def raw(self, database: str, collection: str) -> AsyncIterator[bytes]:
        async for piece in super().raw(database, collection):
            if collection == "reservations":
                raise StoreUnavailable("the cable")
            yield piece


async def test_a_backup_that_was_interrupted_is_none(server: Server, standalone: str, tmp_path: Path) -> None:
    await filled(server)
    ending = Ending(standalone)
    with pytest.raises(StoreUnavailable):
        await take(ending, tmp_path / "new", quiet)
    await ending.close()
    with pytest.raises(BackupDamaged, match="never finished"):
        read_manifest(tmp_path / "new")


class Busy(Server):
    """Services write between two collections that are copied."""

    url = ""

    async def raw(self, database: str, collection: str) -> AsyncIterator[bytes]:
        async for piece in super().raw(database, collection):
            yield piece
        if collection == "orders":
            other = Server(self.url)
            await other.put("tuidan_payment", "payments", [encode(payment("later"))])
            await other.put("tuidan_gateway", "staff", [encode({"_id": "later"})])
            await other.close()


async def test_a_running_system_is_copied_as_it_was_at_one_moment(replica_set: str, tmp_path: Path) -> None:
    first = Server(f"{replica_set}/?directConnection=true")
    members = [{"_id": 0, "host": urlsplit(replica_set).netloc}]
    await first.command({"replSetInitiate": {"_id": "tuidan", "members": members}})

    async def leads() -> bool:
        return bool((await first.command({"hello": 1}))["isWritablePrimary"])

    await until(leads, "it leads")
    await first.close()
    busy = Busy(replica_set)
    busy.url = replica_set
    await filled(busy)
    service = Database(replica_set, "tuidan_order")
    await service.ping()
    manifest = await take(busy, tmp_path / "new", quiet)
    await service.close()
    assert manifest.snapshot
    assert check_files(tmp_path / "new", quiet) == manifest
    payments = manifest.part("tuidan_payment", "payments")
    assert payments is not None
    assert payments.documents == 1
    assert await busy.count("tuidan_payment", "payments") == 2
    assert not any(part.documents for part in manifest.parts if part.database == "tuidan_gateway")
    await busy.close()
