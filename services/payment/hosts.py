"""Which of the provider's two hosts is asked. Sends nothing itself, and nothing is ever sent again because of it: it
only says where the next call goes.

Source: pay.weixin.qq.com/doc/v3/merchant/4012556457 (api.mch.weixin.qq.com; api2.mch.weixin.qq.com at another site).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from chassis import clock

FAILURES_MAX = 3
PROBE_AFTER_SECONDS = 60.0

log = structlog.get_logger()


class HostChoice:
    """The first host, until FAILURES_MAX calls in a row had no answer; then the other one, and every
    PROBE_AFTER_SECONDS one query tries the first again. `monotonic` in seconds."""

    def __init__(self, hosts: Sequence[str], monotonic: Callable[[], float] = clock.monotonic) -> None:
        if not 1 <= len(hosts) <= 2:
            raise ValueError("one or two hosts")
        self.hosts = tuple(hosts)
        self._monotonic = monotonic
        self._current = 0
        self._failures = 0
        self._probe_at = 0.0

    def choose(self, *, may_probe: bool) -> str:
        """The host for the next call. `may_probe`: nothing is lost when this call gets no answer."""
        if self._current == 1 and may_probe and self._monotonic() >= self._probe_at:
            self._probe_at = self._monotonic() + PROBE_AFTER_SECONDS
            return self.hosts[0]
        return self.hosts[self._current]

    def answered(self, host: str) -> None:
        """This host works."""
        if host == self.hosts[self._current]:
            self._failures = 0
        elif host == self.hosts[0]:
            self._turn_to(0)

    def failed(self, host: str) -> None:
        """No connection to this host, no answer from it, or only a front server's error."""
        if host != self.hosts[self._current]:
            return
        self._failures += 1
        if self._failures >= FAILURES_MAX and len(self.hosts) == 2:
            self._turn_to(1 - self._current)

    def _turn_to(self, index: int) -> None:
        self._current, self._failures = index, 0
        self._probe_at = self._monotonic() + PROBE_AFTER_SECONDS
        log.warning("another host of the provider is used", host=self.hosts[index])
