"""Two things that go wrong only where somebody means harm or breaks a promise (see `faults.KINDS`)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from sandbox.app import world_of
from sandbox.callbacks import callback_body
from sandbox.signing import signed_headers
from sandbox.store import as_dict
from sandbox.world import World
from tests.simulation.house import House
from tests.simulation.network import Cut, Nobody, TooSlow
from tests.simulation.people import Door
from tests.simulation.plan import Fault

ANSWER_SECONDS = 5.0
LOOK_SECONDS = 0.5
UNPAID = "SELECT * FROM trades WHERE state = 'NOTPAY'"
KNOWN = "SELECT out_refund_no FROM refunds"


class Place(Protocol):
    """What is attacked."""

    house: House
    door: Door


async def forge_payments(place: Place, fault: Fault) -> None:
    """Somebody who has the merchant's APIv3 key calls back in the provider's name: every unpaid order is paid. Only the
    signature gives them away."""
    sandbox = world_of(place.house.sandbox)
    for row in sandbox.store.all(UNPAID):
        body = _paid(sandbox, as_dict(row))
        headers = signed_headers(sandbox.signing.foreign_key(), body, sandbox.clock.wall())
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        raw.append((b"content-type", b"application/json"))
        try:
            await place.house.network.ask("POST", "gateway", "/callbacks/wechat/pay", raw, body, ANSWER_SECONDS)
        except (Cut, Nobody, TooSlow):
            continue


def _paid(sandbox: World, trade: dict[str, Any]) -> bytes:
    """The callback that would come if the customer had paid."""
    now = sandbox.clock.now()
    paid = {**trade, "state": "SUCCESS", "transaction_id": f"4200{trade['out_trade_no']}"[:32], "success_at": now}
    resource: Any = sandbox.trades.shown(paid)  # type: ignore[arg-type]  # a row that never was
    envelope = {
        "id": f"EV-forged-{trade['out_trade_no']}",
        "created_at": now,
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "original_type": "transaction",
    }
    return callback_body(sandbox.keys.merchants[trade["mchid"]], envelope, json.dumps(resource, ensure_ascii=False))


async def refuse_repeats(place: Place, fault: Fault) -> None:
    """The provider, which promises that the same number many times refunds once and answers as the first time, refuses
    a number that it has already."""
    sandbox = world_of(place.house.sandbox)
    refused: set[str] = set()
    until = place.house.loop.now + float(fault["lasts"])
    wrong = {"kind": "error-before", "http": 403, "code": "USER_ACCOUNT_ABNORMAL"}
    while place.house.loop.now < until:
        new = [row["out_refund_no"] for row in sandbox.store.all(KNOWN) if row["out_refund_no"] not in refused]
        refused.update(new)
        rules = [{"call": "refund", "match": {"out_refund_no": number}, "fault": wrong} for number in new]
        await place.door.sandbox("POST", "/_control/faults/rules", rules)
        await asyncio.sleep(LOOK_SECONDS)


KINDS: Mapping[str, Callable[[Place, Fault], Awaitable[None]]] = {
    "forged-payments": forge_payments,
    "repeats-refused": refuse_repeats,
}
