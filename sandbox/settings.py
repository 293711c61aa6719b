"""Settings of the stand-in, read from the environment with the prefix ``SANDBOX_``."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MINUTE = 60.0
HOUR = 60 * MINUTE

# pay.weixin.qq.com/doc/v3/merchant/4012082053: 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h, 24h4m in all.
CALLBACK_LADDER: tuple[float, ...] = (
    15.0,
    15.0,
    30.0,
    3 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    30 * MINUTE,
    30 * MINUTE,
    60 * MINUTE,
    3 * HOUR,
    3 * HOUR,
    3 * HOUR,
    6 * HOUR,
    6 * HOUR,
)


class SandboxSettings(BaseSettings):
    """What one running stand-in needs to know. Money is in fen, durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", extra="forbid")

    keys_dir: Path = Field(description="folder made by `python -m sandbox keys DIR`")
    data_dir: Path | None = Field(default=None, description="folder of the SQLite file; None keeps all in memory")

    callback_delay_seconds: float = Field(default=0.0, ge=0, description="before the first delivery of a callback")
    callback_ladder_seconds: tuple[float, ...] = Field(default=CALLBACK_LADDER, description="waits between deliveries")
    callback_timeout_seconds: float = Field(default=5.0, gt=0, description="a receiver must answer within this time")
    callback_concurrency: int = Field(default=64, ge=1, description="deliveries under way at once")
    refund_settle_seconds: float = Field(default=0.0, ge=0, description="from PROCESSING to the final status")
    card_settle_seconds: float | None = Field(
        default=None, ge=0, description="the same where the money goes to a bank card; None: refund_settle_seconds"
    )
    enforce_refund_spacing: bool = Field(default=True, description="one minute between two refunds of one order")
    enforce_rate_limits: bool = Field(default=True, description="refunds and transfers a second, see limits.py")

    refund_url: str = Field(
        default="",
        description="where refunds made by hand are told, of merchants/NAME with /NAME behind; empty: nowhere",
    )
    merchant_balance_minor: int = Field(default=10**12, ge=0, description="opening balance of the merchant, fen")
    subscribe_quota_default: int = Field(
        default=0, ge=0, description="messages each (openid, template) may get before any explicit accept"
    )
    subscribe_pages: tuple[str, ...] = Field(
        default=(), description="pages of the released mini-program; none: every well-formed page exists"
    )
    push_url: str = Field(default="", description="where event pushes of the mini-program go; empty: nowhere")
    push_token: str = Field(default="", description="the word that signs event pushes; empty: push-token.txt")
    shipping_ingest_seconds: float = Field(default=0.0, ge=0, description="from payment until it can be shipped")
    trade_managed: bool = Field(default=True, description="whether the account must upload shipping information")

    sms_receipt_url: str = Field(default="", description="where Alibaba Cloud's SMS receipts go; empty: nowhere")
    sms_report_seconds: float = Field(default=0.0, ge=0, description="from accepting an SMS to the carrier's report")
    enforce_sms_limits: bool = Field(default=True, description="how many SMS one number gets, see sms_limits.py")

    clock_speed: float = Field(default=1.0, ge=1, le=100_000, description="business seconds in one real second")
    signing_mode: Literal["public-key", "certificate", "both"] = Field(
        default="public-key", description="which keys sign answers and callbacks, see signing_plan.py"
    )
    probe_share: float = Field(default=0.0, ge=0, le=1, description="share of signatures that are probes")

    fault_seed: int = Field(default=0, description="seed of the seeded faults")
    refund_unknown_share: float = Field(default=0.0, ge=0, le=1, description="share of refund numbers, see faults.py")
    refund_refused_share: float = Field(default=0.0, ge=0, le=1, description="share of refund numbers, see faults.py")
