"""What the trial runs in a pod of its own: it asks the shop all the time, prints each answer, and hands connections on
from one port for each door: who asks from outside is balanced over pods as everybody inside, and no way into the
cluster ends with a pod. `python -m tools.kubernetes.inside`; no package is needed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

PORT = 8080
DOORS = {"gateway": 8080, "sandbox": 8081, "order": 8082, "payment": 8083}
"""On which port of this pod connections for a service are taken."""
EVERY_SECONDS = 0.2
ANSWER_SECONDS = 10.0
CONNECT_SECONDS = 5.0
CHUNK = 65_536
OK = "ok"
_WHO = {"customer_id": "knocker", "name": "knocker", "phone": "13800000000", "group": "drill", "scope": []}

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def main() -> None:
    """Until it is killed."""
    asyncio.run(_main())


async def _main() -> None:
    for service, port in DOORS.items():
        await asyncio.start_server(to(service, PORT), "0.0.0.0", port)
    await asyncio.to_thread(_knock)


def to(host: str, port: int) -> Talk:
    """Hands a connection on."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_SECONDS)
        except (OSError, TimeoutError):  # why: the caller sees a closed connection, and comes again
            writer.close()
            return
        await asyncio.gather(_pour(reader, there[1]), _pour(there[0], writer))

    return talk


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # why: one end has gone; so does the other
        while part := await reader.read(CHUNK):
            writer.write(part)
            await writer.drain()
    writer.close()


def _knock() -> None:
    token = ""
    while True:
        began, what = time.time(), OK
        try:
            if not token:
                token = str(_ask(f"http://sandbox:{PORT}/_login/customer", {}, _WHO)["token"])
            _ask(f"http://gateway:{PORT}/mp/v1/orders", {"Authorization": f"Bearer {token}"})
        except urllib.error.HTTPError as refused:
            what = str(refused.code)
            token = "" if refused.code == 401 else token
        except (OSError, ValueError) as trouble:
            what = type(trouble).__name__
        print(json.dumps([began, time.time(), what]), flush=True)
        time.sleep(max(0.0, EVERY_SECONDS - (time.time() - began)))


def _ask(url: str, headers: Mapping[str, str], body: Mapping[str, object] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {**headers, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
