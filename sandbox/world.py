"""Everything one running stand-in consists of, wired once."""

from dataclasses import dataclass

import httpx

from sandbox.abnormal import AbnormalRefunds
from sandbox.access_tokens import AccessTokens
from sandbox.bills import Bills
from sandbox.call_counts import CallCounts
from sandbox.callbacks import CallbackQueue
from sandbox.clock import Clock
from sandbox.courier import Courier, Settlements
from sandbox.deliveries import Deliveries
from sandbox.faults import Faults
from sandbox.keys import Keys, load_keys
from sandbox.ledger import Ledger
from sandbox.limits import MerchantLimits
from sandbox.parties import SCHEMA as PARTIES
from sandbox.posts import Posts
from sandbox.pushes import Pushes
from sandbox.refunds import Refunds
from sandbox.settings import SandboxSettings
from sandbox.shipping import Shipping
from sandbox.signing_plan import SigningPlan
from sandbox.sms_book import SmsBook
from sandbox.sms_receipts import ReceiptPushes
from sandbox.store import Store
from sandbox.subscribe import Subscriptions
from sandbox.trades import Trades
from sandbox.transfers import Transfers


@dataclass(frozen=True, slots=True)
class World:
    """The parts, by name."""

    settings: SandboxSettings
    keys: Keys
    clock: Clock
    store: Store
    ledger: Ledger
    faults: Faults
    signing: SigningPlan
    limits: MerchantLimits
    queue: CallbackQueue
    trades: Trades
    refunds: Refunds
    abnormal: AbnormalRefunds
    transfers: Transfers
    bills: Bills
    tokens: AccessTokens
    posts: Posts
    pushes: Pushes
    subscriptions: Subscriptions
    shipping: Shipping
    sms: SmsBook
    receipts: ReceiptPushes
    courier: Courier

    def settle_due(self) -> None:
        """Give every refund and transfer whose time has come its final state."""
        self.refunds.settle_due()
        self.transfers.settle_due()


def settlements_of(refunds: Refunds, transfers: Transfers) -> Settlements:
    """What the courier settles: refunds, then transfers."""

    def next_due() -> float | None:
        moments = (refunds.next_due(), transfers.next_due())
        return min((moment for moment in moments if moment is not None), default=None)

    return Settlements(lambda: refunds.settle_due() + transfers.settle_due(), next_due)


def make_world(settings: SandboxSettings, callback_client: httpx.AsyncClient | None, clock: Clock) -> World:
    """Open the store and join the parts; MissingKeysError when the keys folder is incomplete."""
    keys = load_keys(settings.keys_dir)
    store = Store(settings.data_dir)
    store.script(PARTIES)
    clock.run_at(settings.clock_speed)
    keys.platform.join(store, clock)
    signing = SigningPlan(keys.platform, store, settings)
    ledger = Ledger(store, clock, settings.merchant_balance_minor, keys.mchid)
    faults = Faults(store, settings)
    queue = CallbackQueue(store, clock, settings)
    trades = Trades(store, ledger, clock, keys, queue)
    refunds = Refunds(store=store, ledger=ledger, clock=clock, keys=keys, queue=queue, trades=trades, settings=settings)
    transfers = Transfers(store, ledger, clock, keys, queue)
    deliveries = Deliveries(
        settings=settings,
        merchants=keys.merchants,
        clock=clock,
        queue=queue,
        faults=faults,
        signing=signing,
        client=callback_client,
    )
    courier = Courier(
        settings=settings,
        clock=clock,
        queue=queue,
        deliveries=deliveries,
        settlements=settlements_of(refunds, transfers),
    )
    posts = Posts(store, clock, faults, settings.callback_timeout_seconds)
    courier.add_source(posts)
    pushes = Pushes(store, clock, posts, settings, keys.push_token)
    sms = SmsBook(store, ledger, clock, settings)
    return World(
        settings=settings,
        keys=keys,
        clock=clock,
        store=store,
        ledger=ledger,
        faults=faults,
        signing=signing,
        limits=MerchantLimits(clock, enforced=settings.enforce_rate_limits),
        queue=queue,
        trades=trades,
        refunds=refunds,
        abnormal=AbnormalRefunds(store, refunds, keys),
        transfers=transfers,
        bills=Bills(store, ledger, clock),
        tokens=AccessTokens(store, clock, CallCounts(store, clock)),
        posts=posts,
        pushes=pushes,
        subscriptions=Subscriptions(store, ledger, keys, pushes, settings),
        shipping=Shipping(store, clock, settings),
        sms=sms,
        receipts=ReceiptPushes(posts, sms, settings),
        courier=courier,
    )
