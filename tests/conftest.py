"""What every test may use. Servers (MongoDB, Redis, Kafka) come from tests/support; nothing imports from this file."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, settings

# derandomize: a red build is red again when asked again. `HYPOTHESIS_PROFILE=search` looks for new examples.
settings.register_profile(
    "build", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("search", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "build"))


@pytest.fixture
def seed() -> int:
    """A seed for one test: new each run, chosen by TUIDAN_SEED, always printed when the test fails."""
    chosen = int(os.environ.get("TUIDAN_SEED") or random.SystemRandom().randrange(2**32))
    print(f"seed {chosen}: TUIDAN_SEED={chosen} repeats this run")
    return chosen


@pytest.fixture
def chance(seed: int) -> random.Random:
    return random.Random(seed)
