"""What every call of a provider's API has in common: it may be struck by a fault, before or after it took effect."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from sandbox.errors import ConnectionDroppedError
from sandbox.faults import Call, Fault, Faults

TRANSPORT = "sandbox.transport"
Answer = tuple[int, Any]
# What is answered on a connection that was cut: it goes nowhere.
NOBODY_HEARS: Answer = (499, None)


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that was understood: its name, the numbers fault rules may match, and what it does when let through.

    ``act`` gets the fault that struck, because some faults change what happens instead of preventing it, and answers
    HTTP status and JSON value (None: no body). ``seeded`` draws a seeded fault where no rule struck. ``refused`` hears
    the code of an error that a fault put in place of the call.
    """

    call: Call
    numbers: dict[str, str]
    act: Callable[[Fault | None], Answer]
    seeded: Callable[[], Fault | None] | None = None
    refused: Callable[[int, str], None] | None = None


async def perform(faults: Faults, intent: Intent, request: Request) -> Answer:
    """Carry the call out, with the fault drawn for it; raises InjectedError for error faults."""
    fault = faults.draw(intent.call, intent.numbers)
    if fault is None and intent.seeded is not None:
        fault = intent.seeded()
    if fault is None:
        return intent.act(None)
    if fault.kind == "drop-before":
        await drop(request)
        return NOBODY_HEARS
    if fault.kind == "error-before":
        if intent.refused is not None:
            intent.refused(fault.http, fault.code)
        raise fault.error()
    answer = intent.act(fault)
    if fault.kind == "drop-after":
        await drop(request)
    if fault.kind == "error-after":
        raise fault.error()
    return answer


async def drop(request: Request) -> None:
    """Cut the connection without an answer; in-process, where there is none, raise ConnectionDroppedError."""
    transport = request.scope.get(TRANSPORT)
    if transport is None:
        raise ConnectionDroppedError
    transport.abort()
    # The server learns of the cut in the next turn of the loop and then discards whatever is answered.
    await asyncio.sleep(0)


def json_bytes(value: Any) -> bytes:
    """Compact JSON with Chinese left readable; None is the empty body."""
    return b"" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def json_response(http: int, value: Any) -> Response:
    """A JSON answer. The content type is exactly ``application/json``: the Tencent SDK compares it literally."""
    return Response(json_bytes(value), http, {"Content-Type": "application/json"})
