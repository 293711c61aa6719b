"""Settings of the stand-in, read from the environment with the prefix ``SANDBOX_``."""

from pathlib import Path

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
    enforce_refund_spacing: bool = Field(default=False, description="one minute between two refunds of one order")

    merchant_balance_minor: int = Field(default=10**12, ge=0, description="opening balance of the merchant, fen")
    subscribe_quota_default: int = Field(
        default=0, ge=0, description="messages each (openid, template) may get before any explicit accept"
    )

    fault_seed: int = Field(default=0, description="seed of the seeded faults")
    refund_unknown_share: float = Field(default=0.0, ge=0, le=1, description="share of refund numbers, see faults.py")
    refund_refused_share: float = Field(default=0.0, ge=0, le=1, description="share of refund numbers, see faults.py")
