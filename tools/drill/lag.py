"""How late the event loops were during the load. Each service counts it itself (`tuidan_loop_lag_seconds`); a process
that is killed takes its counts along, so they are fetched every second and added up over all its lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tools.replay.knock import Pace

NAME = "tuidan_loop_lag_seconds"
LOOK_EVERY_SECONDS = 1.0


@dataclass(slots=True)
class Lag:
    """Cumulative counts by upper bound (s), of the present process and of those that have ended."""

    ended: dict[float, float] = field(default_factory=dict)
    present: dict[float, float] = field(default_factory=dict)

    def add(self, text: str) -> None:
        """What `/metrics` says now. Counts that shrink are those of a new process."""
        counts = buckets(text)
        if counts.get(float("inf"), 0.0) < self.present.get(float("inf"), 0.0):
            self.ended = self.total
        self.present = counts

    @property
    def total(self) -> dict[float, float]:
        """Counts of all lives together."""
        bounds = self.ended.keys() | self.present.keys()
        return {bound: self.ended.get(bound, 0.0) + self.present.get(bound, 0.0) for bound in bounds}

    def quantile(self, share: float) -> float | None:
        """The lag (s) that this share of all measurements did not exceed, interpolated inside its bucket as Prometheus
        does; None when nothing was measured."""
        total = self.total
        wanted = share * total.get(float("inf"), 0.0)
        lower = below = 0.0
        for bound in sorted(total):
            if total[bound] >= wanted > 0:
                if bound == float("inf"):
                    return lower
                inside = total[bound] - below
                return lower + (bound - lower) * (wanted - below) / inside if inside else bound
            lower, below = bound, total[bound]
        return None


def buckets(text: str) -> dict[float, float]:
    """The histogram's cumulative counts by upper bound, out of all that `/metrics` says."""
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        if family.name == NAME
        for sample in family.samples
        if sample.name == f"{NAME}_bucket"
    }


async def watch(
    addresses: Mapping[str, str],
    pace: Pace,
    lags: dict[str, Lag],
    transport: httpx.AsyncBaseTransport | None = None,
) -> None:
    """Fetch each service's counts until cancelled; `addresses`: host:port by service. Who is away is left out."""
    async with httpx.AsyncClient(trust_env=False, timeout=2, transport=transport) as http:
        while True:
            for name, address in addresses.items():
                try:
                    answer = await http.get(f"http://{address}/metrics")
                except httpx.TransportError:
                    continue
                if answer.status_code == httpx.codes.OK:
                    lags.setdefault(name, Lag()).add(answer.text)
            await pace.sleep(LOOK_EVERY_SECONDS)
