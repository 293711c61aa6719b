"""What the payment service reads from its environment."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import KeySettings, ServiceSettings

PROVIDER = "https://api.mch.weixin.qq.com"
PROVIDER_ELSEWHERE = "https://api2.mch.weixin.qq.com"


class PaymentSettings(ServiceSettings, KeySettings):
    """`TUIDAN_KEYS` is a folder with mchid.txt, appid.txt, merchant-serial.txt, merchant-private.pem, apiv3-key.txt,
    wechatpay-public.pem and wechatpay-serial.txt, as the merchant platform gives them out. An account that has no
    public key of WeChat Pay leaves the last two out: platform certificates are downloaded. Further keys of WeChat Pay,
    needed while it changes them, may lie in wechatpay-keys/<serial>.pem (public key or platform certificate).

    Further shops have a folder each, merchants/<shop>/ with the same files. A service provider adds sub-mchid.txt, the
    merchant it acts for, and sub-appid.txt when the mini-program is that merchant's own; then appsecret.txt is of that
    one, too, and gateway and notify read both.

    Files may be replaced at any time: they are read again within seconds, and what is broken is not used. Nor are
    those of another merchant while the service runs: what is under way stands with the one before."""

    provider_url: str = Field(PROVIDER, pattern=r"^https?://[^/?#\s]+$", description="where WeChat Pay answers")
    provider_url_2: str = Field(
        "",
        pattern=r"^(https?://[^/?#\s]+)?$",
        description="where it answers while the first address does not; empty: its own second one, if the first is",
    )
    callback_url: str = Field(
        pattern=r"^https?://[^?#\s]+[^/?#\s]$", description="public address of the gateway, without a final slash"
    )

    redis: str = Field(
        pattern=r"^(redis|rediss|unix)://",
        description="Redis address, redis://host:port/db; only keeps the provider's limits over several processes",
    )
    refund_spacing_seconds: float = Field(
        61.0, ge=0, description="between two refunds of one order; the provider wants a minute"
    )
    restored_look_seconds: float = Field(
        300.0, gt=0, description="after a restore: how long a refund that waits for the bills is left alone"
    )
    mini_program_url: str = Field(
        "", pattern=r"^(https?://[^/?#\s]+)?$", description="where the mini-program API answers; empty: WeChat's own"
    )
    shipping_records: bool = Field(True, description="tell WeChat when a parcel leaves (needs appsecret.txt)")
    reconcile_nightly: bool = Field(True, description="compare yesterday's bills with the books, after 10:30 in China")

    @property
    def provider_hosts(self) -> tuple[str, ...]:
        """The provider's addresses, the preferred one first."""
        second = self.provider_url_2 or (PROVIDER_ELSEWHERE if self.provider_url == PROVIDER else "")
        return (self.provider_url, second) if second not in ("", self.provider_url) else (self.provider_url,)
