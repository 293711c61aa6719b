"""What the payment service reads from its environment."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import KeySettings, ServiceSettings


class PaymentSettings(ServiceSettings, KeySettings):
    """`TUIDAN_KEYS` is a folder with mchid.txt, appid.txt, merchant-serial.txt, merchant-private.pem, apiv3-key.txt,
    wechatpay-public.pem and wechatpay-serial.txt, as the merchant platform gives them out. Further keys of WeChat Pay,
    needed while it changes them, lie in wechatpay-keys/<serial>.pem (public key or platform certificate)."""

    provider_url: str = Field(
        "https://api.mch.weixin.qq.com", pattern=r"^https?://[^/?#\s]+$", description="where WeChat Pay answers"
    )
    callback_url: str = Field(
        pattern=r"^https?://[^?#\s]+[^/?#\s]$", description="public address of the gateway, without a final slash"
    )
