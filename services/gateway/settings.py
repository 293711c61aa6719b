"""What the gateway reads from its environment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chassis.settings import HttpSettings, KeySettings, MongoAddress

Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+$", description="address of a service, http://host:port")]


class GatewaySettings(HttpSettings, KeySettings):
    """Where the services are, who signs tokens, and what one caller may ask for per second. The keys folder holds
    `gateway-private.pem` (Ed25519, signs access tokens), `gateway-secret.txt` (at least 32 random characters),
    `appid.txt` (or `sub-appid.txt`, see the payment service's), `appsecret.txt`, and `login-public.pem` where the
    stand-in's tokens are trusted."""

    order_url: Url
    payment_url: Url
    inventory_url: Url
    notify_url: Url
    analytics_url: Url
    mongo: MongoAddress
    mongo_driver: Literal["motor", "pymongo"] = "motor"
    mini_program_url: str = Field(
        "", pattern=r"^(https?://.+)?$", description="in place of WeChat's own address; empty: WeChat's own"
    )
    trust_sandbox_tokens: bool = Field(
        False, description="let in whoever has a token of the stand-in, which gives one to anybody; never in a shop"
    )
    redis: str = Field(pattern=r"^(redis|rediss|unix)://", description="Redis address, redis://host:port/db")
    rate_per_second: float = Field(
        200.0,
        ge=0,
        le=1_000_000,
        description="requests per second of one customer or member of staff; 0 = no limit, nor for callbacks",
    )
    live_streams_max: int = Field(2_000, ge=0, le=100_000, description="live streams of one process; 0 = none")
    service_seconds: float = Field(10.0, gt=0, le=120, description="how long a service may take to answer")
    password_memory_kib: int = Field(
        65_536, ge=32, le=1_048_576, description="memory of one password hash (KiB): argon2id, RFC 9106; less is weaker"
    )
    password_passes: int = Field(3, ge=1, le=20, description="passes over that memory; fewer are weaker")
