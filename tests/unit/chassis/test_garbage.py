"""A service that serves looks for cycles seldom, and never among what it has loaded."""

from __future__ import annotations

import subprocess
import sys

from chassis.garbage import COLLECT_AFTER

# In a process of its own: what is frozen stays so.
SERVES = """
import gc
from fastapi import FastAPI
from chassis import serving
from chassis.settings import HttpSettings

def run(server):
    print(gc.get_threshold(), gc.get_freeze_count() > 10_000)
    server.started = True

serving.Server.run = run
serving.serve(FastAPI(), "garbage", HttpSettings(http_port=1))
"""


def test_what_is_loaded_is_not_looked_at_again_and_the_rest_seldom() -> None:
    done = subprocess.run([sys.executable, "-c", SERVES], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{COLLECT_AFTER} True"
