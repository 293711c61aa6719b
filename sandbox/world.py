"""Everything one running stand-in consists of, wired once."""

from dataclasses import dataclass

import httpx

from sandbox.callbacks import CallbackQueue
from sandbox.clock import Clock
from sandbox.courier import Courier, Settlements
from sandbox.faults import Faults
from sandbox.keys import Keys, load_keys
from sandbox.ledger import Ledger
from sandbox.refunds import Refunds
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.subscribe import Subscriptions
from sandbox.trades import Trades


@dataclass(frozen=True, slots=True)
class World:
    """The parts, by name."""

    settings: SandboxSettings
    keys: Keys
    clock: Clock
    store: Store
    ledger: Ledger
    faults: Faults
    queue: CallbackQueue
    trades: Trades
    refunds: Refunds
    subscriptions: Subscriptions
    courier: Courier


def make_world(settings: SandboxSettings, callback_client: httpx.AsyncClient | None, clock: Clock) -> World:
    """Open the store and join the parts; MissingKeysError when the keys folder is incomplete."""
    keys = load_keys(settings.keys_dir)
    store = Store(settings.data_dir)
    ledger = Ledger(store, clock, settings.merchant_balance_minor)
    faults = Faults(store, settings)
    queue = CallbackQueue(store, clock, settings)
    trades = Trades(store, ledger, clock, keys, queue)
    refunds = Refunds(store=store, ledger=ledger, clock=clock, keys=keys, queue=queue, trades=trades, settings=settings)
    courier = Courier(
        settings=settings,
        keys=keys,
        clock=clock,
        queue=queue,
        faults=faults,
        settlements=Settlements(refunds.settle_due, refunds.next_due),
        client=callback_client,
    )
    return World(
        settings=settings,
        keys=keys,
        clock=clock,
        store=store,
        ledger=ledger,
        faults=faults,
        queue=queue,
        trades=trades,
        refunds=refunds,
        subscriptions=Subscriptions(store, ledger, clock, keys, settings),
        courier=courier,
    )
