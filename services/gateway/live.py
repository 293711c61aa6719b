"""The door for those who want to see an order move without asking again and again: server-sent events."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response, StreamingResponse
from prometheus_client import Counter
from starlette.types import Message, Receive, Scope, Send

from services.gateway.api import Call, Calling, GuardedRoute, OrderId, passed_on
from services.gateway.clients import Answer
from services.gateway.owned import own_order
from services.gateway.watching import Viewer, Watch

router = APIRouter(route_class=GuardedRoute)

SEND_SECONDS = 10.0
"""How long a client may take to take one event."""

SLOW = Counter("tuidan_gateway_live_slow_total", "Streams of live status that were ended because nobody took them")

After = Annotated[
    str | None,
    Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,18}$", description="the id of the last event that was taken"),
]


async def _watch(request: Request) -> Watch:
    found: Watch = request.app.state.watch
    return found


Watching = Annotated[Watch, Depends(_watch)]


class EventStream(StreamingResponse):
    """Events for one viewer until there are no more, the client is gone, or takes nothing for `SEND_SECONDS`."""

    media_type = "text/event-stream"

    def __init__(self, viewer: Viewer) -> None:
        # Nobody on the way may keep it, or gather events before passing them on (nginx: X-Accel-Buffering).
        super().__init__((), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._viewer = viewer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what comes."""
        gone = asyncio.create_task(_until_gone(receive, self._viewer))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while (words := await self._viewer.next()) is not None:
                await _send(send, {"type": "http.response.body", "body": words, "more_body": True})
            await _send(send, {"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            SLOW.inc()
        except OSError:
            pass  # the client is gone: there is nobody to tell
        finally:
            gone.cancel()
            self._viewer.leave()


async def _send(send: Send, message: Message) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send(message)


async def _until_gone(receive: Receive, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.leave()


@router.get("/mp/v1/orders/{order_id}/live", status_code=200, response_class=EventStream, tags=["customer"])
async def watch_own_order(call: Calling, watch: Watching, order_id: OrderId, last_event_id: After = None) -> Response:
    """One of my orders as it is, and again whenever it changes: events `order`, each with the whole order as data and
    its version as id; who comes back with `Last-Event-ID` gets nothing twice. An event `end` says why no more will
    come: token-expired, unknown-order, going-away. Problems: unknown-order (404), too-many-streams (429)."""
    return _stream(call, watch, order_id, await own_order(call, order_id), last_event_id)


@router.get("/admin/v1/orders/{order_id}/live", status_code=200, response_class=EventStream, tags=["staff"])
async def watch_order(call: Calling, watch: Watching, order_id: OrderId, last_event_id: After = None) -> Response:
    """One order as it is, and again whenever it changes, as customers see theirs. Problems: unknown-order (404),
    too-many-streams (429)."""
    shown = await call.services.order.ask("GET", f"/orders/{order_id}", query={"view": "customer"})
    return _stream(call, watch, order_id, shown, last_event_id)


def _stream(call: Call, watch: Watch, order_id: str, shown: Answer, after: str | None) -> Response:
    if shown.status != 200:
        return passed_on(shown)
    seen = None if after is None else int(after)
    return EventStream(watch.join(order_id, call.caller, shown, seen))
