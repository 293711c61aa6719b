"""One callback on its way to a shop: which fault strikes it, what is sent, and what came back."""

import json
import sqlite3
from collections.abc import Mapping

import httpx

from sandbox.callbacks import CallbackQueue, callback_body
from sandbox.calls import with_another_amount
from sandbox.certificates import PlatformKey
from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.merchants import Merchant
from sandbox.settings import SandboxSettings
from sandbox.signing import signed_headers
from sandbox.signing_plan import SigningPlan

HANDLED = (200, 204)
# Official clients accept five minutes (wechatpay-go core/auth/validators/wechat_pay_validator.go).
REPLAYED_AFTER_SECONDS = 360


class Deliveries:
    """Sends callbacks, and the false ones that faults ask for beside them."""

    def __init__(
        self,
        *,
        settings: SandboxSettings,
        merchants: Mapping[str, Merchant],
        clock: Clock,
        queue: CallbackQueue,
        faults: Faults,
        signing: SigningPlan,
        client: httpx.AsyncClient | None,
    ) -> None:
        self._timeout = settings.callback_timeout_seconds
        self._merchants = merchants
        self._clock = clock
        self._queue = queue
        self._faults = faults
        self._signing = signing
        self._own_client = client is None
        # Proxies from the environment must not come between two processes of one machine.
        self.client = client or httpx.AsyncClient(timeout=self._timeout, trust_env=False)

    async def deliver(self, row: sqlite3.Row) -> None:
        """Deliver one claimed callback, or whatever its fault makes of it, and note the outcome."""
        fault = self._fault(row)
        kind = None if fault is None else fault.kind
        if kind == "callback-lost":
            self._queue.lost(row)
            return
        if fault is not None and kind in ("callback-late", "callback-out-of-order"):
            self._queue.postpone(row, fault.seconds, until_next=kind == "callback-out-of-order")
            return
        if kind == "callback-forged":
            await self._forge(row)
        if kind == "signtest" or self._signing.probes_next(f"callback/{row['id']}"):
            await self._probe(row)
        body = self._body(row, row["resource"])
        outcome, status = await self._genuine(row, body)
        if kind == "callback-doubled":
            outcome, status = await self._genuine(row, self._body(row, row["resource"]))
        if kind == "callback-replayed":
            await self._replay(row, body)
        if status in HANDLED:
            self._queue.delivered(row, outcome)
            self._queue.release(row)
        else:
            self._queue.failed(row, outcome)

    def _fault(self, row: sqlite3.Row) -> Fault | None:
        """The fault of this callback: drawn before its first delivery, and never again."""
        if row["attempts"] > 0:
            return None
        if row["fault"] is not None:
            kept = json.loads(row["fault"])
            return None if kept is None else Fault.model_validate(kept)
        numbers = json.loads(row["numbers"])
        fault = self._faults.draw(row["call"], numbers)
        if fault is None and row["call"] == "refund-callback":
            fault = self._faults.draw_for_callback(numbers["out_refund_no"])
        self._queue.drawn(row, fault)
        return fault

    def _body(self, row: sqlite3.Row, resource: str) -> bytes:
        return callback_body(self._merchants[row["mchid"]], row, resource)

    def _key(self, row: sqlite3.Row) -> PlatformKey:
        return self._signing.key_for(f"{row['id']}/{row['attempts']}")

    async def _genuine(self, row: sqlite3.Row, body: bytes) -> tuple[str, int | None]:
        return await self._post(row, body, signed_headers(self._key(row), body, self._clock.wall()))

    async def _probe(self, row: sqlite3.Row) -> None:
        """The same callback with a signature that is wrong on purpose; refusing it is right."""
        body = self._body(row, row["resource"])
        headers = signed_headers(self._key(row), body, self._clock.wall(), probe=True)
        outcome, status = await self._post(row, body, headers)
        self._queue.extra(row, "signtest", outcome)
        if status is not None:
            self._signing.probe_answered(status)

    async def _forge(self, row: sqlite3.Row) -> None:
        """The same callback with another amount, signed by somebody else in WeChat Pay's name."""
        resource = json.dumps(with_another_amount(json.loads(row["resource"])), ensure_ascii=False)
        body = self._body(row, resource)
        headers = signed_headers(self._signing.foreign_key(), body, self._clock.wall())
        outcome, _ = await self._post(row, body, headers | {"Wechatpay-Serial": self._key(row).serial})
        self._queue.extra(row, "forged", outcome)

    async def _replay(self, row: sqlite3.Row, body: bytes) -> None:
        """The very bytes that were genuine a moment ago, with a time stamp that is too old to be believed."""
        headers = signed_headers(self._key(row), body, self._clock.wall() - REPLAYED_AFTER_SECONDS)
        outcome, _ = await self._post(row, body, headers)
        self._queue.extra(row, "replayed", outcome)

    async def _post(self, row: sqlite3.Row, body: bytes, headers: dict[str, str]) -> tuple[str, int | None]:
        """One POST: what came back, in words and as HTTP status; None where nothing came back."""
        try:
            answer = await self.client.post(
                row["notify_url"],
                content=body,
                headers={**headers, "Content-Type": "application/json"},
                timeout=self._timeout,
            )
        except Exception as problem:  # why: an application called in-process raises its own errors through the client
            return f"{type(problem).__name__}: {problem}"[:200], None
        return f"HTTP {answer.status_code}", answer.status_code

    async def close(self) -> None:
        """Close the client, where it is our own."""
        if self._own_client:
            await self.client.aclose()
