"""`tuidan orders` against the real gateway and order service, in memory; its files on a real disk, damaged."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import typer

from chassis.telemetry import masked
from services.gateway.clients import Service
from services.gateway.codes import SPACING_SECONDS
from services.order.exporting import exported
from tests.support.redis import RedisServer, redis_server
from tests.unit.gateway.world import World
from tests.unit.order.shelf import DAYS, Shelf
from tests.unit.order.test_deleting import cancelled
from tools.front import Refused
from tools.orders import command, files, work
from tools.orders.door import Door
from tools.orders.files import Damaged

PHONE = "13800138000"
BEFORE = "2035-01-01T00:00:00+00:00"


@dataclass
class Office:
    """A shop, its door, and somebody with the command."""

    shelf: Shelf
    door: Door
    world: World
    out: Path
    wrong: bool = False
    told: list[str] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def sign_in(self) -> None:
        """For a quarter of an hour."""
        token = self.world.token("s1", "staff", role="administrator", phone=PHONE)
        self.world.http.headers["Authorization"] = f"Bearer {token}"

    def ask_code(self, export: files.Export, amount_minor: int, sent_to: str) -> str:
        """What stands in the short message that has just come."""
        self.asked.append(amount_minor)
        sms = [seen.json for seen in self.world.fake.seen if seen.target == "/confirmations"][-1]
        assert (sms["phone"], sent_to) == (PHONE, masked(PHONE))
        return f"{(int(sms['code']) + self.wrong) % 1_000_000:06d}"

    async def pause(self, seconds: float) -> None:
        """Somebody waits."""
        self.waited.append(seconds)
        self.world.now += timedelta(seconds=seconds)

    async def export(self) -> files.Export:
        assert await work.export(self.door, BEFORE, self.out, self.told.append) == work.DONE
        (path,) = self.out.glob("*.jsonl")
        return files.read(path)

    async def delete(self) -> int:
        code = await work.delete(self.door, BEFORE, self.out, "old", self.ask_code, self.told.append, pause=self.pause)
        await self.shelf.settles()
        await self.shelf.passes(timedelta(minutes=5))
        return code

    async def restore(self, *, dry_run: bool = False) -> int:
        return await work.restore(self.door, sorted(self.out.glob("*.jsonl")), self.told.append, dry_run=dry_run)


@pytest.fixture
def codes() -> Iterator[RedisServer]:
    """Where codes are kept."""
    with redis_server() as server:
        server.start()
        yield server


@pytest.fixture
async def office(tmp_path: Path, codes: RedisServer) -> AsyncIterator[Office]:
    world, shelf = World(redis=codes.url), Shelf()
    world.fake.answers["notify", "POST", "/confirmations"] = httpx.Response(202, json={"provider": "sms-tencent"})
    here = world.app.state.door
    order = Service("order", "http://order", httpx.ASGITransport(shelf.app))
    world.app.state.door = replace(here, services=replace(here.services, order=order))
    for name in ("order-a", "order-b", "order-c"):
        await shelf.order(name)
    await shelf.passes(timedelta(days=DAYS + 1))
    await shelf.order("order-young")
    office = Office(shelf, Door(world.http), world, tmp_path / "out")
    office.sign_in()
    yield office
    await world.aclose()


async def test_an_export_is_written_read_back_and_registered(office: Office) -> None:
    export = await office.export()
    assert export.order_ids == ["order-a", "order-b", "order-c", "order-young"]
    assert export.path.stat().st_mode & 0o077 == 0, "only the owner reads it"
    view = await office.door.would_delete("order-a")
    assert view["export"]["export_id"] == export.sha256
    assert await office.export() == export, "the same again is the same file"


async def test_deleting_tells_who_was_refused_by_which_rule_and_can_be_run_again(office: Office) -> None:
    assert await work.delete_dry(office.door, BEFORE, office.told.append) == work.REFUSED
    assert not office.out.exists(), "a dry run writes nothing"
    assert await office.delete() == work.REFUSED
    assert [line for line in office.told if line.startswith("order-young: retention: ")]
    assert office.told[-1] == "erased 3, refused 1"
    assert office.asked == [3 * 1900]
    assert [bool(office.shelf.state(f"order-{one}")["erased"]) for one in ("a", "b", "c", "young")] == [True] * 3 + [
        False
    ]
    assert await office.delete() == work.REFUSED
    assert office.asked == [3 * 1900], "nothing is left to confirm"


async def test_more_orders_than_one_export_holds_are_deleted_with_a_code_for_each(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes are sent at most once a minute; whoever types the first one quickly waits for the second."""
    monkeypatch.setattr("tools.orders.door.PAGE", 2)
    assert await office.delete() == work.REFUSED, "for one is too young"
    assert office.told[-1] == "erased 3, refused 1"
    assert office.asked == [2 * 1900, 1900]
    assert office.waited == [SPACING_SECONDS]


async def test_who_has_had_all_codes_of_an_hour_is_told_when_to_come_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waited for it would not be signed in any more."""
    monkeypatch.setattr("tools.orders.door.PAGE", 2)
    monkeypatch.setattr("services.gateway.codes.PER_HOUR", 1)
    assert await office.delete() == work.NOT_DONE
    assert office.waited == [SPACING_SECONDS], "that long one waits"
    assert "run it again in 59 min" in office.told[-1]
    assert "erased 2" in office.told
    assert not office.shelf.state("order-c")["erased"]
    office.world.now += timedelta(minutes=59)
    office.sign_in()
    assert await office.delete() == work.REFUSED, "for one is too young"
    assert office.told[-1] == "erased 1, refused 1"


async def test_a_wrong_code_deletes_nothing(office: Office) -> None:
    office.wrong = True
    assert await office.delete() == work.NOT_DONE
    assert "code-wrong" in office.told[-1]
    assert office.shelf.state("order-a")["erased"] is None


async def test_a_code_that_nobody_gives_is_not_said_to_be_a_rule(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a Job, where nobody sits, or after Ctrl-C."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code = await work.delete(office.door, BEFORE, office.out, "old", command.ask_code, office.told.append)
    assert code == work.NOT_DONE
    assert "no code was given" in office.told[-1]
    assert office.shelf.state("order-a")["erased"] is None


def test_an_interrupted_command_is_not_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "token").write_text("t")

    async def interrupted(door: Door) -> int:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as left:
        command.run("http://127.0.0.1:1", tmp_path / "token", interrupted)
    assert left.value.exit_code == work.NOT_DONE
    assert "run it again" in capsys.readouterr().out


async def test_what_was_deleted_is_restored_to_the_letter(office: Office) -> None:
    before = office.shelf.state("order-b")
    await office.delete()
    assert office.shelf.state("order-b") != before
    assert await office.restore(dry_run=True) == work.DONE
    assert office.told[-1] == "3/3  would-be-restored 3"
    assert office.shelf.state("order-b") != before
    for told in ("3/3  restored 3", "3/3  there-already 3"):
        assert await office.restore() == work.DONE
        assert office.told[-1] == told
        assert office.shelf.state("order-b") == before


async def test_a_newer_order_is_left_as_it_is(office: Office) -> None:
    await office.export()
    hide = {"order_id": "order-a", "by": {"kind": "customer", "id": "c1"}}
    await office.shelf.ask("POST", "/orders/order-a/hide", hide)
    newer = office.shelf.state("order-a")
    assert await office.restore() == work.REFUSED
    assert "order-a: refused restore-over-newer" in office.told
    assert office.shelf.state("order-a") == newer


async def test_without_a_gateway_it_says_so(office: Office) -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as http:
        assert await work.export(Door(http), BEFORE, office.out, office.told.append) == work.NOT_DONE
    assert "does not answer" in office.told[-1]


async def test_an_order_that_changes_while_it_is_exported_is_not_registered(office: Office) -> None:
    page = await office.door.page(BEFORE, "")
    written = files.write(office.out, [(one["order_id"], one["sha256"], one["state"]) for one in page["orders"]])
    hide = {"order_id": "order-a", "by": {"kind": "customer", "id": "c1"}}
    await office.shelf.ask("POST", "/orders/order-a/hide", hide)
    with pytest.raises(Refused, match="export-mismatch"):
        await office.door.register(written)


# ── damage ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def cut_in_a_line(content: bytes) -> bytes:
    return content[: content.index(b"\n") + 200]


def cut_after_a_line(content: bytes) -> bytes:
    return content[: content.index(b"\n") + 1]


def flipped(content: bytes) -> bytes:
    place = content.index(b"\n") + 400
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def doubled(content: bytes) -> bytes:
    first = content[: content.index(b"\n") + 1]
    return first + content


def swapped(content: bytes) -> bytes:
    first, second, *rest = content.splitlines(keepends=True)
    return b"".join((second, first, *rest))


def another_order(content: bytes) -> bytes:
    return content.replace(b'"order_id":"order-a"', b'"order_id":"order-x"', 1)


def missing_in_the_middle(content: bytes) -> bytes:
    first, _, *rest = content.splitlines(keepends=True)
    return b"".join((first, *rest))


def empty(content: bytes) -> bytes:
    return b""


def not_text(content: bytes) -> bytes:
    return b"\xff\xfe" + content


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (cut_in_a_line, 2),
        (cut_after_a_line, 2),
        (flipped, 2),
        (doubled, 2),
        (swapped, 1),
        (another_order, 1),
        (missing_in_the_middle, 2),
        (empty, 1),
        (not_text, 1),
    ],
)
async def test_every_damage_is_found_with_its_line_and_nothing_is_restored(
    office: Office, damage: Callable[[bytes], bytes], line: int
) -> None:
    await office.delete()
    (path,) = office.out.glob("*.jsonl")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Damaged) as found:
        files.read(path)
    assert found.value.line == line
    before = office.shelf.state("order-c")
    assert await office.restore() == work.NOT_DONE
    assert f"{path}:{line}: " in office.told[-1]
    assert office.shelf.state("order-c") == before


@pytest.mark.parametrize("content", [b"", b"0" * 64 + b"  x\n", b"\xff", None])
async def test_a_wrong_checksum_is_found(office: Office, content: bytes | None) -> None:
    export = await office.export()
    sidecar = export.path.with_name(f"{export.path.name}.sha256")
    if content is None:
        sidecar.unlink()
    else:
        sidecar.write_bytes(content)
    with pytest.raises(Damaged):
        files.read(export.path)


def test_one_order_twice_is_no_export(tmp_path: Path) -> None:
    (line,) = exported([cancelled().order])
    one = (line.order_id, line.digest, line.state)
    with pytest.raises(Damaged, match="the same order as in line 1") as found:
        files.write(tmp_path, [one, one])
    assert found.value.line == 2
