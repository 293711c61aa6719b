"""Makes a MongoDB that was started with --replSet a set of one, and waits until it leads: run by a stack once the
server answers. Such a server shows all databases as they were at one moment while it is written to."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace

from chassis.mongo import Server
from chassis.store import StoreUnavailable
from tools.stack.plan import Program, python_module

NAME = "tuidan"
LOOKS = 300
LOOK_EVERY_SECONDS = 0.1


def in_a_set(mongo: Program) -> Program:
    """The stack's MongoDB as a replica set of one."""
    make = (*python_module("tools.stack.replica_set"), "--address", "{mongo.address}")
    return replace(mongo, command=(*mongo.command, "--replSet", NAME), furnish=make)


async def make_set(address: str) -> None:
    """Raises StoreUnavailable, TimeoutError."""
    server = Server(f"mongodb://{address}/?directConnection=true")
    try:
        members = [{"_id": 0, "host": address}]
        try:
            await server.command({"replSetInitiate": {"_id": NAME, "members": members}})
        except StoreUnavailable as refused:
            if "already initialized" not in str(refused):
                raise
        for _ in range(LOOKS):
            if (await server.command({"hello": 1}))["isWritablePrimary"]:
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        raise TimeoutError(f"{address} does not lead its set of one after {LOOKS * LOOK_EVERY_SECONDS:g} s")
    finally:
        await server.close()


def main() -> None:
    """Leaves with an error when it cannot be done."""
    parser = argparse.ArgumentParser(description="Make a MongoDB a replica set of one (run by the stack).")
    parser.add_argument("--address", required=True)
    asyncio.run(make_set(parser.parse_args().address))


if __name__ == "__main__":
    main()
