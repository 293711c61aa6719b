"""The turnstile before every refund call: whoever is through may call the provider now, within all of its limits
(pay.weixin.qq.com/doc/v3/merchant/4012556457). Who is held has not called, so nothing is unknown: later, same number.

In this order: another refund of the same order was sent less than a minute ago; the merchant's balance is short; the
customer has another refund in flight; too many calls, or too many refused ones. While the balance is short one refund
now and then is let through as a probe (see `accounts`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NoReturn
from uuid import uuid4

import structlog
from prometheus_client import Counter

from chassis.clock import Clock
from chassis.engine import Engine
from chassis.record import Heard
from chassis.store import StoreUnavailable
from contracts.message import Report, message_id
from services.payment.accounts import (
    ACCOUNTS,
    PROBE_EVERY,
    BalanceFoundEnough,
    BalanceFoundShort,
    MerchantAccount,
    ProbeWanted,
)
from services.payment.limits import RefundLimits

HeldBecause = Literal["BALANCE_SHORT", "ORDER_SPACING", "CUSTOMER_BUSY", "RATE", "RESTORED"]

NOT_ENOUGH = "NOT_ENOUGH"

SPACING = timedelta(seconds=61)
"""Between two refunds of one order: the provider's minute, and a second for the way there."""

PATIENCE_SECONDS = 1.0
"""How long a turn waits for the customer's lock, and again for a place within the rates, before it is held."""

LOCK_ASKED_EVERY_SECONDS = 0.1
CUSTOMER_BUSY_FOR = timedelta(seconds=2)
ACCOUNT_AGE_MAX = timedelta(seconds=1)

HELD = Counter("tuidan_payment_refunds_held_total", "Refund calls not made, to keep the provider's limits", ["code"])

log = structlog.get_logger()

Pause = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class _Known:
    """A merchant's account as this process knows it."""

    account: MerchantAccount | None = None
    version: int = 0
    read_at: datetime | None = None


class Held(Exception):
    """The call must not be made now; it may be tried from `until` on."""

    def __init__(self, code: HeldBecause, until: datetime) -> None:
        super().__init__(f"{code} until {until.isoformat()}")
        self.code: HeldBecause = code
        self.until = until


class Turn:
    """Leave to call the provider once for one refund. `is_probe`: sent although the balance is known to be short."""

    def __init__(self, turnstile: Turnstile, shop: str, mchid: str, number: str, amount_minor: int) -> None:
        self._turnstile = turnstile
        self.id = uuid4().hex
        self.shop = shop
        self.mchid = mchid
        self.number = number
        self.amount_minor = amount_minor
        self.is_probe = False

    async def answered(self, code: str) -> None:
        """The provider has answered: its code for a refusal, "" when it accepted. Not to be called when nobody knows.
        Never raises because the database or Redis is away: the answer itself is worth more."""
        await self._turnstile.learn(self, code)


class Turnstile:
    """One per process. `spacing`: between two refunds of one order. `pause` waits so many seconds."""

    def __init__(
        self,
        engine: Engine,
        limits: RefundLimits,
        spacing: timedelta,
        clock: Clock,
        *,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._spacing = spacing
        self._clock = clock
        self._pause = pause
        self._accounts: dict[str, _Known] = {}

    @asynccontextmanager
    async def turn(
        self, *, shop: str, mchid: str, number: str, openid: str, amount_minor: int, previous_at: datetime | None
    ) -> AsyncIterator[Turn]:
        """Be let through, or raise Held. The balance is the shop's; rates are counted for who signs the call, `mchid`,
        which is one for all shops of a service provider. `previous_at`: when another refund of the same order was last
        sent. While inside, no other refund of this customer is called for anywhere."""
        turn = Turn(self, shop, mchid, number, amount_minor)
        if previous_at is not None and self._clock() < previous_at + self._spacing:
            _hold("ORDER_SPACING", previous_at + self._spacing)
        await self._check_balance(shop)
        try:
            await self._enter(turn, openid)
            await self._keep_rates(mchid)
            await self._become_probe_if_short(turn)
            yield turn
        finally:
            if openid:
                await self._limits.leave(mchid, openid, turn.id)

    async def learn(self, turn: Turn, code: str) -> None:
        """What an answer says about the merchant: see `Turn.answered`."""
        if code:
            await self._limits.spend_error(turn.mchid)
        report: Report
        if code == NOT_ENOUGH:
            report = BalanceFoundShort(shop=turn.shop, number=turn.number, amount_minor=turn.amount_minor)
        elif not code and turn.is_probe:
            # Only a probe was sent after the balance was found short; another's success may be older than that.
            report = BalanceFoundEnough(shop=turn.shop, number=turn.number)
        else:
            return
        try:
            await self._hear(turn, report)
        except StoreUnavailable as trouble:
            log.warning(
                "a merchant's balance could not be noted, the next refund finds out", problem=str(trouble)[:300]
            )

    def look_again(self, shop: str) -> None:
        """The account has changed: the next turn asks the database."""
        if shop in self._accounts:
            self._accounts[shop] = replace(self._accounts[shop], read_at=None)

    # ── the customer and the rates ───────────────────────────────────────────────────────────────────────────────────
    async def _enter(self, turn: Turn, openid: str) -> None:
        """Take the customer's lock; a customer without an openid has none."""
        if not openid:
            return
        waited = 0.0
        while not await self._limits.enter(turn.mchid, openid, turn.id):
            if waited >= PATIENCE_SECONDS:
                _hold("CUSTOMER_BUSY", self._clock() + CUSTOMER_BUSY_FOR)
            await self._pause(LOCK_ASKED_EVERY_SECONDS)
            waited += LOCK_ASKED_EVERY_SECONDS

    async def _keep_rates(self, mchid: str) -> None:
        """Wait until one more refused request would be tolerated, then for a token to call."""
        patience = PATIENCE_SECONDS
        while (wait := await self._limits.until_errors(mchid)) > 0:
            if wait > patience:
                await self._hold_in_line(mchid, wait)
            await self._pause(wait)
            patience -= wait
        wait = await self._limits.take_call(mchid, patience)
        if wait > patience:
            await self._hold_in_line(mchid, wait)
        if wait > 0:
            await self._pause(wait)

    async def _hold_in_line(self, mchid: str, wait: float) -> NoReturn:
        place = await self._limits.place_in_line(mchid)
        _hold("RATE", self._clock() + timedelta(seconds=wait + place))

    # ── the balance ──────────────────────────────────────────────────────────────────────────────────────────────────
    async def _check_balance(self, shop: str) -> None:
        """A merchant without money costs no call and no token."""
        account = await self._account(shop)
        if account is not None and account.probe_at is not None and self._clock() < account.probe_at:
            _hold("BALANCE_SHORT", account.probe_at)

    async def _become_probe_if_short(self, turn: Turn) -> None:
        """The last thing before the call, so that no probe is wasted on a refund that is held for another reason."""
        account = await self._account(turn.shop)
        if account is None or account.short_since is None:
            return
        try:
            account = await self._hear(turn, ProbeWanted(shop=turn.shop, number=turn.number, turn=turn.id))
        except StoreUnavailable:
            _hold("BALANCE_SHORT", self._clock() + PROBE_EVERY)
        if account is None or account.probe_at is None:
            return
        if account.probe_turn != turn.id:
            _hold("BALANCE_SHORT", account.probe_at)
        turn.is_probe = True

    async def _account(self, shop: str) -> MerchantAccount | None:
        """The account as it was at most a second ago; while the database is away, as it was last."""
        known = self._accounts.get(shop, _Known())
        if known.read_at is not None and self._clock() - known.read_at <= ACCOUNT_AGE_MAX:
            return known.account
        try:
            record = await self._engine.read(ACCOUNTS, shop)
        except StoreUnavailable:
            return known.account
        return self._note(shop, record.state if record else None, record.version if record else 0)

    async def _hear(self, turn: Turn, report: Report) -> MerchantAccount | None:
        """Tell the account; returns it as it is now."""
        cause = message_id(turn.id, type(report).wire)
        decided = await self._engine.hear(Heard(report, cause, self._clock(), answers_travel=False, passing=True))
        assert decided is not None
        return self._note(turn.shop, decided.record.state, decided.record.version + decided.stored)

    def _note(self, shop: str, account: MerchantAccount | None, version: int) -> MerchantAccount | None:
        """Keep what was read or heard, unless something newer came in while it was on its way."""
        if version >= self._accounts.get(shop, _Known()).version:
            self._accounts[shop] = _Known(account, version, self._clock())
        return account


def _hold(code: HeldBecause, until: datetime) -> NoReturn:
    HELD.labels(code).inc()
    raise Held(code, until)
