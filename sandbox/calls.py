"""What every call of a provider's API has in common: it may be struck by a fault, before or after it took effect."""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from sandbox.errors import ConnectionDroppedError
from sandbox.faults import Call, Fault, Faults

TRANSPORT = "sandbox.transport"
Answer = tuple[int, Any]
# What is answered on a connection that was cut: it goes nowhere.
NOBODY_HEARS: Answer = (499, None)
AMOUNTS = ("total", "refund", "payer_total", "payer_refund")
NUMBERS = ("out_trade_no", "out_refund_no", "out_bill_no")


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that was understood: its name, the numbers fault rules may match, and what it does when let through.

    ``act`` gets the fault that struck, because some faults change what happens instead of preventing it, and answers
    HTTP status and JSON value (None: no body). ``seeded`` draws a seeded fault where no rule struck. ``refused`` hears
    the error that a fault put in place of the call. ``hurry`` does at once what would happen after the
    answer. ``within`` surrounds the call as long as it is under way: it may refuse it, and it sees its errors.
    """

    call: Call
    numbers: dict[str, str]
    act: Callable[[Fault | None], Answer]
    seeded: Callable[[], Fault | None] | None = None
    refused: Callable[[Fault], None] | None = None
    hurry: Callable[[], Awaitable[None]] | None = None
    within: Callable[[], AbstractContextManager[None]] = nullcontext


async def perform(faults: Faults, intent: Intent, request: Request) -> Answer:
    """Carry the call out, with the fault drawn for it; raises InjectedError for error faults."""
    return await carry_out(intent, draw(faults, intent), request)


def draw(faults: Faults, intent: Intent) -> Fault | None:
    """The fault for this call: of a rule, else seeded, else None."""
    fault = faults.draw(intent.call, intent.numbers)
    return intent.seeded() if fault is None and intent.seeded is not None else fault


async def carry_out(intent: Intent, fault: Fault | None, request: Request) -> Answer:
    """Carry the call out with this fault; raises InjectedError for error faults."""
    with intent.within():
        if fault is None:
            return intent.act(None)
        if fault.kind == "slow-before":
            await asyncio.sleep(fault.seconds)
        if fault.kind in ("drop-before", "slow-before"):
            await drop(request)
            return NOBODY_HEARS
        if fault.kind == "error-before":
            if intent.refused is not None:
                intent.refused(fault)
            raise fault.error()
        answer = intent.act(fault)
        return await _after(intent, fault, request, answer)


async def _after(intent: Intent, fault: Fault, request: Request, answer: Answer) -> Answer:
    """What a fault does once the call took effect."""
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    if fault.kind == "callback-before-answer" and intent.hurry is not None:
        await intent.hurry()
    if fault.kind == "drop-after":
        await drop(request)
    if fault.kind == "error-after":
        raise fault.error()
    if fault.kind == "wrong-amount":
        return answer[0], with_another_amount(answer[1])
    if fault.kind == "wrong-number":
        return answer[0], with_another_number(answer[1])
    return answer


def with_another_amount(value: Any) -> Any:
    """The same answer or resource, with every amount one fen more; an answer without amounts stays as it is."""
    changed = copy.deepcopy(value)
    if isinstance(changed, dict):
        if isinstance(amount := changed.get("amount"), dict):
            changed["amount"] = {name: given + 1 if name in AMOUNTS else given for name, given in amount.items()}
        if isinstance(transferred := changed.get("transfer_amount"), int):
            changed["transfer_amount"] = transferred + 1
    return changed


def with_another_number(value: Any) -> Any:
    """The same answer about another payment, refund or transfer; an answer without numbers stays as it is."""
    if not isinstance(value, dict):
        return value
    return {name: f"{given}0" if name in NUMBERS else given for name, given in value.items()}


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
