"""The stack that is measured: a real Kafka, MongoDB as a replica set, one instance of each service; and what is stored
in it beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from rich.console import Console

from chassis.store import StoreUnavailable
from tools.seed import orders as seeds
from tools.seed.command import UNTIL, seed_orders
from tools.stack import Stack, StackError
from tools.stack.home import Home
from tools.stack.layout import tuidan_plan
from tools.stack.plan import Plan, Program, python_module
from tools.stack.replica_set import in_a_set

Provider = Literal["at-once", "sandbox"]
"""Who is asked to refund and to tell: nobody, the answer is there at once; or the sandbox, with every signature."""

CACHE_GB = "1"
SEED = 7
STORE_TRIES = 10
"""While many are written its disk may stand still for longer than a socket waits; what is there stays."""
ANSWERED_AT_ONCE = ("payment", "notify")
QUIET = {
    # As in a shop, and with it the time after which marks are flushed. The demo's five seconds are the usual age of a
    # message under full load, which would be taken for what a crash has left behind.
    "TUIDAN_SWEEP_AFTER_SECONDS": "15",
    "TUIDAN_LOG_LEVEL": "WARNING",
}


def throughput_plan(home: Home, provider: Provider) -> Plan:
    """The stack that is measured. Raises BinaryMissing when Java, Maven or a server is missing."""
    plan = tuidan_plan(home, "native")
    return replace(plan, programs=tuple(_measured(program, provider) for program in plan))


def bare_plan(home: Home) -> Plan:
    """Its Kafka and its MongoDB alone. Raises BinaryMissing."""
    plan = throughput_plan(home, "at-once")
    return replace(plan, programs=tuple(program for program in plan if program.name in ("mongo", "broker")))


async def store(stack: Stack, count: int, console: Console) -> None:
    """Let so many finished orders be there. Raises StackError when MongoDB cannot keep up."""
    if not count:
        return
    plan = seeds.Plan(SEED, count, UNTIL, Home(stack.home).keys)
    for tries_left in reversed(range(STORE_TRIES)):
        try:
            await seed_orders(f"mongodb://{stack.address('mongo')}", plan, console)
            return
        except StoreUnavailable as problem:
            if not tries_left:
                raise StackError(f"the orders could not be stored: {problem}") from problem


def _measured(program: Program, provider: Provider) -> Program:
    if program.name == "mongo":
        command = tuple(CACHE_GB if part == "0.25" else part for part in program.command)
        return in_a_set(replace(program, command=command))
    if program.check != "http" or program.name == "sandbox":
        return program
    quiet = replace(program, env={**program.env, **QUIET})
    if provider == "at-once" and program.name in ANSWERED_AT_ONCE:
        return replace(quiet, command=(*python_module("tools.bench.answering"), program.name))
    return quiet
