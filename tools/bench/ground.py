"""The stack that is measured: a real Kafka, MongoDB as a replica set, one instance of each service."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from tools.stack.home import Home
from tools.stack.layout import tuidan_plan
from tools.stack.plan import Plan, Program, python_module
from tools.stack.replica_set import in_a_set

Provider = Literal["at-once", "sandbox"]
"""Who is asked to refund and to tell: nobody, the answer is there at once; or the sandbox, with every signature."""

CACHE_GB = "1"
ANSWERED_AT_ONCE = ("payment", "notify")
QUIET = {
    # Taken up by the sweep is what a crash left behind: under full load a message may well be five seconds old.
    "TUIDAN_SWEEP_AFTER_SECONDS": "60",
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
