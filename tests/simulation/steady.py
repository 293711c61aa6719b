"""Beginning anew where Python would be another one every time."""

from __future__ import annotations

import os
import sys

HASH_SEED = "0"


def steady() -> None:
    """Begin this program anew if its hashes are not the same every time: sets would come in another order."""
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-W", "ignore", *sys.orig_argv[1:]])
