"""What a sealed process takes for real. In a process of its own: there is no way back."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from typing import Any, cast
from alibabacloud_tea_openapi.utils import Utils
from tests.simulation.loop import SimLoop
from tests.simulation.sealed import SEAL

nothing = cast(Any, None)
loop = SimLoop(nothing)
SEAL.put_on(loop, nothing, nothing)
loop.now = 61.0
print(Utils.get_timestamp())
"""


def test_the_time_that_alibabas_sdk_signs_with_is_the_worlds() -> None:
    """With another one the sandbox refuses whatever it is asked, in every world, and nobody sees it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.strip() == "2026-01-01T00:01:01Z"
