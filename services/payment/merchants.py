"""The merchants of all shops: the keys folder itself is the house's own shop "", `merchants/<shop>/` in it are further
ones. Keys may be changed and shops added while the service runs."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from chassis import clock as chassis_clock
from chassis.clock import Clock
from chassis.service import every
from services.payment.calling import http_client
from services.payment.certificates import REFRESH_SECONDS
from services.payment.hosts import HostChoice
from services.payment.keyfolder import KeyFolder, UnusableKeys, read_merchant
from services.payment.problems import provider_away
from services.payment.settings import PaymentSettings
from services.payment.wechatpay import WechatPay

FOLDER = "merchants"
LOOK_FOR_SHOPS_EVERY_SECONDS = 10.0
RENEW_EVERY_SECONDS = 10.0
# How soon the certificates are asked for again by whoever has no key at all.
ASK_AGAIN_SECONDS = 60.0

_SHOP = re.compile(r"[0-9a-z-]{1,32}")

log = structlog.get_logger()


class UnknownShop(KeyError):
    """There is no merchant for this shop."""

    def __str__(self) -> str:
        return f"no merchant for shop {self.args[0]!r}: is there a folder {FOLDER}/{self.args[0]} with its keys?"


class Merchants:
    """Every shop's own WeChat Pay. `find` looks for shops that have been added since; `monotonic` in seconds."""

    def __init__(
        self,
        shops: Mapping[str, WechatPay],
        find: Callable[[frozenset[str]], Mapping[str, WechatPay]] | None = None,
        monotonic: Callable[[], float] = chassis_clock.monotonic,
    ) -> None:
        self._shops = dict(shops)
        self._find = find
        self._monotonic = monotonic
        self._look_at = monotonic() + LOOK_FOR_SHOPS_EVERY_SECONDS
        self._renew_at: dict[str, float] = {}

    @property
    def shops(self) -> tuple[str, ...]:
        """The known shops, the house's own first."""
        return tuple(sorted(self._shops))

    def of(self, shop: str) -> WechatPay:
        """This shop's WeChat Pay. Raises UnknownShop."""
        if shop not in self._shops and self._find is not None and self._monotonic() >= self._look_at:
            self._look_at = self._monotonic() + LOOK_FOR_SHOPS_EVERY_SECONDS
            self._shops |= self._find(frozenset(self._shops))
        try:
            return self._shops[shop]
        except KeyError:
            raise UnknownShop(shop) from None

    def of_one_account(self, shop: str) -> Mapping[str, WechatPay]:
        """This shop and all others that the same account signs for, as a service provider does. Raises UnknownShop."""
        mchid = self.of(shop).merchant.mchid
        return {name: one for name, one in self._shops.items() if one.merchant.mchid == mchid}

    def at_the_door(self, shop: str) -> WechatPay:
        """The same for somebody who waits for an answer. Raises the problem payment-provider-away."""
        try:
            return self.of(shop)
        except UnknownShop as problem:
            log.error("somebody is told to come again", why=str(problem))
            raise provider_away("NO_MERCHANT_ACCOUNT") from problem

    async def renew_certificates(self) -> None:
        """Download the platform certificates of every shop whose time has come."""
        for shop in self.shops:
            if self._monotonic() >= self._renew_at.get(shop, 0.0):
                await self._shops[shop].refresh_certificates()
                wait = REFRESH_SECONDS if self._shops[shop].knows_provider else ASK_AGAIN_SECONDS
                self._renew_at[shop] = self._monotonic() + wait


@asynccontextmanager
async def open_merchants(
    settings: PaymentSettings, clock: Clock, provider: type[WechatPay] = WechatPay
) -> AsyncIterator[Merchants]:
    """The merchants in the keys folder. `clock` is the wall's; `provider` is who speaks for each. Raises UnusableKeys
    when the keys of one cannot be used now (`expect_keys` says so earlier)."""
    hosts = HostChoice(settings.provider_hosts)
    async with http_client(settings.provider_url) as http:

        def make(shop: str, folder: Path) -> WechatPay:
            return provider(http, KeyFolder(folder), settings.callback_url, clock, shop=shop, hosts=hosts)

        def find(known: frozenset[str]) -> Mapping[str, WechatPay]:
            found = {}
            for shop, folder in folders(settings.keys).items():
                if shop not in known:
                    try:
                        found[shop] = make(shop, folder)
                        log.info("a shop was added", shop=shop)
                    except UnusableKeys as problem:
                        log.error("a new shop's keys cannot be used", shop=shop, why=str(problem))
            return found

        merchants = Merchants({shop: make(shop, folder) for shop, folder in folders(settings.keys).items()}, find)
        keeping = asyncio.create_task(every(RENEW_EVERY_SECONDS, merchants.renew_certificates, "certificates"))
        try:
            yield merchants
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


def expect_keys(keys: Path) -> None:
    """Leave the process with exit code 2 and the file's name unless every shop's keys can be used."""
    try:
        for folder in folders(keys).values():
            read_merchant(folder)
    except UnusableKeys as problem:
        sys.stderr.write(f"TUIDAN_KEYS: {problem}\n")
        raise SystemExit(2) from problem


def folders(keys: Path) -> dict[str, Path]:
    """Each shop's folder."""
    found = {"": keys}
    for folder in sorted(path for path in (keys / FOLDER).glob("*") if path.is_dir()):
        if _SHOP.fullmatch(folder.name):
            found[folder.name] = folder
        else:
            log.error("not a shop's name: up to 32 of 0-9 a-z -", folder=folder.name)
    return found
