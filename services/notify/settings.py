"""What the notify service reads from its environment."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import KeySettings, ServiceSettings


class NotifySettings(ServiceSettings, KeySettings):
    """Where the providers answer and how long a call to them may take. The keys folder holds `appid.txt` (or
    `sub-appid.txt`, see the payment service's), `appsecret.txt`, `templates.json`, `sms-templates.json`,
    `sms-tencent-id.txt`, `sms-tencent-key.txt`, `sms-alibaba-id.txt`, `sms-alibaba-key.txt`, `personal-<n>.key`,
    `personal-search.key`, and `push-token.txt` where WeChat's event pushes are wanted."""

    provider_url: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="one address in place of all providers (the stand-in); empty: their own addresses",
    )
    provider_seconds: float = Field(
        5.0, gt=0, le=10, description="how long one call may take; shorter than the age at which a sweep takes it up"
    )
    look_seconds: float = Field(
        60.0, gt=0, le=3_600, description="how long after a call without an answer its provider is first asked about it"
    )
    tencent_region: str = "ap-guangzhou"
    mini_program_page: str = Field("", description="page a WeChat notice opens; `?order_id=` is added; empty: none")
    mini_program_state: str = Field("formal", pattern=r"^(developer|trial|formal)$")
