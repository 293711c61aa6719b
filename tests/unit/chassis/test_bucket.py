"""Redis as the chassis shares it: losing it breaks nothing, not even the stop."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from chassis.bucket import SharedRedis


class HangingRedis(Redis):
    """Does not let go of its connections in time."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        raise RedisTimeoutError("Timed out closing connection after 0.2")


async def test_a_redis_that_hangs_holds_up_no_stop() -> None:
    shared = SharedRedis(HangingRedis(), lambda: 0.0, "nobody is limited")
    with capture_logs() as logs:
        await shared.aclose()
    assert [line["log_level"] for line in logs] == ["warning"]
