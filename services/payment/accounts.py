"""A merchant's account at the provider, as far as refunds need it: is there money in it?

Refunds are paid from the merchant's balance. When the provider answers NOT_ENOUGH every refund of that merchant would
fail, so all are parked, and one of them is sent now and then as a *probe*. Once a probe gets through, all go on by
themselves. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from chassis.record import Aggregate
from contracts.message import Fen, Intent, Message, Report

# The first probe after this time, because topping up needs a person; each further one after twice as long, up to the
# second, so that nobody has to press a button afterwards.
PROBE_EVERY = timedelta(seconds=30)
PROBE_EVERY_AT_MOST = timedelta(minutes=10)


class MerchantAccount(BaseModel):
    """One merchant's balance. `short_since` None: there is money as far as we know, and nothing below means anything.
    `probe_at`: from then on one more refund may be sent. `probes`: how many were sent since it became short;
    `probe_turn` is the last one's turn, `probe_number` its refund. `missing_minor`: what could not be paid first, fen.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    shop: str
    short_since: AwareDatetime | None = None
    missing_minor: int = 0
    probe_at: AwareDatetime | None = None
    probes: int = 0
    probe_turn: str = ""
    probe_number: str = ""


class AccountMessage(Message):
    """Anything about one merchant's account."""

    key: ClassVar[str] = "shop"
    shop: str


# ── wishes ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class AlertBalance(AccountMessage, Intent):
    """Somebody should top up: refund `number` over `amount_minor` fen could not be paid."""

    wire: ClassVar[str] = "alert-balance"
    number: str
    amount_minor: Fen
    since: AwareDatetime


class ResumeParked(AccountMessage, Intent):
    """There is money again: tell every payment with a parked refund. `short_since` tells this time from others."""

    wire: ClassVar[str] = "resume-parked"
    short_since: AwareDatetime


# ── reports ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class BalanceFoundShort(AccountMessage, Report):
    """The provider answered NOT_ENOUGH to refund `number`."""

    wire: ClassVar[str] = "balance-found-short"
    number: str
    amount_minor: Fen


class ProbeWanted(AccountMessage, Report):
    """Refund `number` could be the probe. `turn` is new for each time it asks; it is the probe if the state says so."""

    wire: ClassVar[str] = "probe-wanted"
    number: str
    turn: str


class BalanceFoundEnough(AccountMessage, Report):
    """A probe got through."""

    wire: ClassVar[str] = "balance-found-enough"
    number: str


class BalanceAlerted(AccountMessage, Report):
    """The alert is where people look."""

    wire: ClassVar[str] = "balance-alerted"


class ParkedResumed(AccountMessage, Report):
    """Every payment with a parked refund was told, `payments` of them."""

    wire: ClassVar[str] = "parked-resumed"
    payments: int


ACCOUNTS = Aggregate("merchant-accounts", MerchantAccount)

Decision = tuple[MerchantAccount | None, list[Message]]


@ACCOUNTS.handles(BalanceFoundShort)
def balance_found_short(account: MerchantAccount | None, heard: BalanceFoundShort, at: datetime) -> Decision:
    """The first one begins the wait and alerts; the others, probes among them, are no news."""
    if account is not None and account.short_since is not None:
        return account, []
    short = MerchantAccount(
        shop=heard.shop, short_since=at, missing_minor=heard.amount_minor, probe_at=at + PROBE_EVERY
    )
    return short, [AlertBalance(shop=heard.shop, number=heard.number, amount_minor=heard.amount_minor, since=at)]


@ACCOUNTS.handles(ProbeWanted)
def probe_wanted(account: MerchantAccount | None, wish: ProbeWanted, at: datetime) -> Decision:
    """The first to ask once it is time is the probe, whatever becomes of it: the next one has to wait."""
    if account is None or account.probe_at is None or at < account.probe_at:
        return account, []
    probes = account.probes + 1
    chosen = {
        "probes": probes,
        "probe_turn": wish.turn,
        "probe_number": wish.number,
        "probe_at": at + probe_wait(probes),
    }
    return account.model_copy(update=chosen), []


@ACCOUNTS.handles(BalanceFoundEnough)
def balance_found_enough(account: MerchantAccount | None, heard: BalanceFoundEnough, at: datetime) -> Decision:
    """All may go on; said once."""
    if account is None or account.short_since is None:
        return account, []
    return MerchantAccount(shop=account.shop), [ResumeParked(shop=account.shop, short_since=account.short_since)]


@ACCOUNTS.handles(BalanceAlerted)
def balance_alerted(account: MerchantAccount | None, heard: BalanceAlerted, at: datetime) -> Decision:
    """Done."""
    return account, []


@ACCOUNTS.handles(ParkedResumed)
def parked_resumed(account: MerchantAccount | None, heard: ParkedResumed, at: datetime) -> Decision:
    """Done."""
    return account, []


def probe_wait(probes: int) -> timedelta:
    """How long after the probe with this number (from 1) until the next."""
    return min(PROBE_EVERY_AT_MOST, PROBE_EVERY * (1 << min(probes, 20)))
