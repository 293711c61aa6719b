"""Every metric that the services define, as it is registered."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` as it is asked for: a counter's with `_total`. `labels` in the order of their definition."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> frozenset[str]:
        """The names under which its samples are stored."""
        if self.kind == "histogram":
            return frozenset(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        if self.kind == "counter":
            return frozenset({self.name, self.name.removesuffix("_total") + "_created"})
        return frozenset({self.name})


@cache
def registered() -> dict[str, Metric]:
    """All of them by name, without those of Python and the process, which come with the library."""
    for folder in ("chassis", "services"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    found: dict[str, Metric] = {}
    collectors: Any = REGISTRY._collector_to_names
    for collector in collectors:
        labels = getattr(collector, "_labelnames", None)
        module = type(collector).__module__
        if labels is None or not module.startswith("prometheus_client.metrics"):
            continue
        kind = str(collector._type)
        name = str(collector._name) + ("_total" if kind == "counter" else "")
        found[name] = Metric(name, kind, tuple(labels), str(collector._documentation))
    return found
