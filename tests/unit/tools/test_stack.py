"""The supervisor's promises, kept with fake programs: start in order, restart, refuse clearly, leave nothing behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from psutil import _pslinux

from tests.support.waiting import until
from tools.stack import Plan, Program, Stack, StackError, down, up
from tools.stack.home import Home
from tools.stack.processes import Identity, find, wait_gone
from tools.stack.state import State, claimed, read_state, supervisor_lives

MakeFake = Callable[..., Program]
Ask = Callable[[str], dict[str, Any]]
Processes = Callable[[], list[Identity]]

LIMIT = 20.0


def start(home: Path, *programs: Program) -> Stack:
    return up(home, plan=Plan(programs), timeout=LIMIT)


def test_everything_is_up_where_it_says_and_gone_after_down(
    home: Path, fake: MakeFake, ask: Ask, processes: Processes
) -> None:
    stack = start(home, fake("store"), fake("shop", after=("store",)))
    assert ask(stack.address("store"))["pid"] == stack.pid("store")
    assert ask(stack.address("shop"))["pid"] == stack.pid("shop")
    running = processes()
    assert len(running) == 3

    assert down(home)
    assert wait_gone(running, 0) == []
    assert read_state(Home(home)) is None
    assert not down(home)


def test_up_again_leaves_a_running_stack_as_it_is(home: Path, fake: MakeFake) -> None:
    first = start(home, fake("store"))
    pid = first.pid("store")
    again = start(home, fake("store"))
    assert again.already_up
    assert not first.already_up
    assert again.pid("store") == pid


def test_a_program_is_furnished_before_it_counts_as_ready_and_only_once(
    home: Path, fake: MakeFake, tmp_path: Path
) -> None:
    furnished = tmp_path / "furnished"
    command = ("sh", "-c", f"echo {{store.port}} {{store-side.port}} >> {furnished}")
    stack = start(home, fake("store", furnish=command, side_ports={"store-side": 21_700}))
    port, side = furnished.read_text().split()
    assert stack.address("store").endswith(f":{port}")
    assert int(side) >= 21_700
    os.kill(stack.pid("store"), signal.SIGKILL)
    stack.wait_ready("store", restarts=1, timeout=LIMIT)
    assert len(furnished.read_text().splitlines()) == 1


def test_a_program_that_cannot_be_furnished_is_not_ready(home: Path, fake: MakeFake) -> None:
    with pytest.raises(StackError, match=r"store was not ready within 1 s: sh -c 'exit 7' ended with exit code 7"):
        start(home, fake("store", furnish=("sh", "-c", "exit 7"), start_limit=1.0))


def test_two_ups_at_once_start_one_stack(home: Path, fake: MakeFake, processes: Processes) -> None:
    program = fake("store")
    with ThreadPoolExecutor(2) as pool:
        stacks = [call.result() for call in [pool.submit(start, home, program) for _ in range(2)]]
    assert sorted(stack.already_up for stack in stacks) == [False, True]
    assert stacks[0].pid("store") == stacks[1].pid("store")
    assert Home(home).log("supervisor").read_text().count("supervisor started") == 1


def test_ctrl_c_while_the_supervisor_is_being_started_leaves_nothing(
    home: Path, fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_really = subprocess.run

    def start_and_be_interrupted(*words: Any, **more: Any) -> None:
        start_really(*words, **more)  # `subprocess` itself lets who is waited for end before it passes Ctrl-C on
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", start_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(home, fake("store"))
    assert not supervisor_lives(Home(home))


def test_what_had_to_be_fetched_first_takes_nothing_of_the_time_to_start(
    home: Path, fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = 0.0

    def fetch_and_draw(_: Home) -> Plan:
        nonlocal late
        late += 10 * LIMIT
        return Plan((fake("store"),))

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + late, sleep=time.sleep)
    monkeypatch.setattr("tools.stack.control.time", clock)
    assert up(home, plan=fetch_and_draw, timeout=LIMIT).pid("store")


def test_who_waits_in_vain_is_told_for_whom(home: Path, fake: MakeFake) -> None:
    def fetch_for_long(_: Home) -> Plan:
        with pytest.raises(StackError, match="another `up` still has to fetch what it starts"):
            up(home, plan=Plan((fake("store"),)), timeout=0.1)
        return Plan((fake("store"),))

    assert up(home, plan=fetch_for_long, timeout=LIMIT).pid("store")
    down(home)
    with claimed(Home(home)):
        State(Identity.of(os.getpid()), phase="stopping").save(Home(home))
        with pytest.raises(StackError, match="is stopping and has not come to its end"):
            up(home, plan=Plan((fake("store"),)), timeout=0.1)


def test_a_folder_that_cannot_be_written_is_named(home: Path, fake: MakeFake) -> None:
    home.parent.joinpath("file").write_text("not a folder")
    with pytest.raises(StackError, match=r"/file/stack cannot be read or written: .*Not a directory"):
        start(home.parent / "file" / "stack", fake("store"))
    in_the_way = Home(home).plan
    in_the_way.mkdir(parents=True)
    with pytest.raises(StackError, match=r"cannot be read or written: .*plan\.json"):
        start(home, fake("store"))


def test_a_killed_program_comes_back_on_the_same_port(home: Path, fake: MakeFake, ask: Ask) -> None:
    stack = start(home, fake("store"), fake("shop", after=("store",)))
    address, pid, shop = stack.address("store"), stack.pid("store"), stack.pid("shop")
    os.kill(pid, signal.SIGKILL)
    stack.wait_ready("store", restarts=1, timeout=LIMIT)

    assert stack.address("store") == address
    assert ask(address)["pid"] == stack.pid("store") != pid
    assert stack.restarts("store") == 1
    assert stack.pid("shop") == shop, "what only needs it is left alone"
    assert "store was killed by SIGKILL; starting it again in 0.2 s" in Home(home).log("supervisor").read_text()


def test_a_program_that_moves_takes_along_those_that_must_know(home: Path, fake: MakeFake, ask: Ask) -> None:
    broker = fake("broker", own_address=True)
    service = fake("shop", after=("broker",), restart_with=("broker",), env={"BROKER": "{broker.address}"})
    stack = start(home, broker, service)
    old = stack.address("broker")
    assert ask(stack.address("shop"))["environment"]["BROKER"] == old

    os.kill(stack.pid("broker"), signal.SIGKILL)
    stack.wait_ready("shop", restarts=1, timeout=LIMIT)
    assert ask(stack.address("shop"))["environment"]["BROKER"] == stack.address("broker") != old


def test_a_program_that_cannot_start_is_named_and_nothing_is_left(home: Path, fake: MakeFake) -> None:
    seen: dict[str, Identity] = {}

    def remember(state: State) -> None:
        seen["supervisor"] = state.supervisor
        seen.update({entry.name: entry.process for entry in state.programs.values() if entry.process})

    plan = Plan((fake("store"), fake("shop", "--fail", after=("store",))))
    with pytest.raises(StackError) as failed:
        up(home, plan=plan, progress=remember, timeout=LIMIT)
    text = str(failed.value)
    assert text.startswith("shop ended with exit code 3")
    assert "the configuration is wrong" in text
    assert str(Home(home).log("shop")) in text
    assert {"supervisor", "store"} <= set(seen)
    assert wait_gone(seen.values(), 0) == []


def test_a_failed_up_can_be_followed_by_a_good_one(home: Path, fake: MakeFake) -> None:
    with pytest.raises(StackError):
        start(home, fake("store", "--fail"))
    assert start(home, fake("store")).pid("store")


def test_a_program_that_never_gets_ready_is_given_up(home: Path, fake: MakeFake) -> None:
    with pytest.raises(StackError, match=r"^shop was not ready within 0\.5 s: GET /ready was answered with 503"):
        start(home, fake("shop", "--never-ready", start_limit=0.5))


def test_a_program_that_does_not_exist_is_named(home: Path) -> None:
    with pytest.raises(StackError, match="shop could not be executed"):
        start(home, Program("shop", ("/no/such/program",), check="http", port=21_090))


def test_a_preparation_that_fails_is_named(home: Path, fake: MakeFake) -> None:
    with pytest.raises(StackError, match="shop could not be prepared: false ended with exit code 1"):
        start(home, fake("shop", prepare=("false",)))


def test_another_port_is_used_when_the_usual_one_is_taken(
    home: Path, fake: MakeFake, ask: Ask, taken_port: int
) -> None:
    stack = start(home, fake("store", port=taken_port))
    assert stack.address("store") != f"127.0.0.1:{taken_port}"
    assert ask(stack.address("store"))["pid"] == stack.pid("store")


def test_nothing_outlives_a_killed_supervisor(home: Path, fake: MakeFake, processes: Processes) -> None:
    plan = (fake("store"), fake("shop", after=("store",)))
    start(home, *plan)
    running = processes()
    os.kill(running[0].pid, signal.SIGKILL)
    assert wait_gone(running, LIMIT) == []
    with pytest.raises(StackError, match="no stack is up"):  # what it left names ports that another stack may have now
        Stack(home).address("store")

    stack = start(home, *plan)
    assert not stack.already_up
    assert find(running[0]) is None
    assert Identity.of(stack.pid("store")) not in running


async def test_a_full_disk_takes_nothing_along(home: Path, fake: MakeFake, ask: Ask) -> None:
    stack = start(home, fake("store"), fake("shop"))
    killed = stack.pid("store")
    in_the_way = Home(home).state.with_suffix(".partial")
    in_the_way.mkdir()
    os.kill(killed, signal.SIGKILL)
    await until(lambda: "the state cannot be written" in Home(home).log("supervisor").read_text())
    in_the_way.rmdir()
    stack.wait_ready("store", restarts=1, timeout=LIMIT)
    assert ask(stack.address("store"))["pid"] == stack.pid("store") != killed
    assert stack.restarts("shop") == 0


def test_a_stack_is_stopped_after_the_clock_was_set_right(
    home: Path, fake: MakeFake, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(home, fake("store"))
    running, started = processes(), psutil.boot_time()
    monkeypatch.setattr(_pslinux, "boot_time", lambda: started + 3_600)
    assert down(home)
    assert not supervisor_lives(Home(home))
    assert wait_gone(running, 0) == []


def test_a_stubborn_program_is_killed_in_the_end(home: Path, fake: MakeFake, processes: Processes) -> None:
    up(home, plan=Plan((fake("shop", "--ignore-term"),), stop_grace=0.3), timeout=LIMIT)
    running = processes()
    assert down(home)
    assert wait_gone(running, 0) == []
    assert "shop did not stop within 0.3 s and was killed" in Home(home).log("supervisor").read_text()


def test_down_stops_what_is_needed_last(home: Path, fake: MakeFake, tmp_path: Path) -> None:
    order = tmp_path / "order"
    goodbye = ("--goodbye", str(order))
    start(
        home,
        fake("store", *goodbye),
        fake("sandbox", *goodbye, after=("store",)),
        fake("shop", *goodbye, after=("sandbox",)),
    )
    down(home)
    assert order.read_text().split() == ["shop", "sandbox", "store"]


def test_the_users_own_environment_reaches_the_programs(
    home: Path, fake: MakeFake, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUIDAN_SOMETHING", "of my own")
    monkeypatch.setenv("TUIDAN_KAFKA", "elsewhere:9092")
    stack = start(home, fake("shop", env={"TUIDAN_KAFKA": "{shop.address}"}))
    environment = ask(stack.address("shop"))["environment"]
    assert environment["TUIDAN_SOMETHING"] == "of my own"
    assert environment["TUIDAN_KAFKA"] == stack.address("shop"), "addresses are the stack's"


def test_asking_for_what_is_not_there_says_what_is(home: Path, fake: MakeFake) -> None:
    stack = start(home, fake("store"))
    with pytest.raises(StackError, match="there is no shop in this stack; it has: store"):
        stack.pid("shop")
    down(home)
    with pytest.raises(StackError, match="no stack is up"):
        stack.pid("store")
