"""`tuidan keys secrets`: the folders that `tuidan keys hand-out` makes, as the Secrets that deploy/k8s names.

A Secret holds files and no folders, so each folder inside a folder is a Secret of its own, named after its way there:
`payment/wechatpay-keys/` is `keys-payment-wechatpay`."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tools.handing_out import READ_BY
from tools.place import refuse

NAMES = (*READ_BY, "sandbox")
"""Who has a folder; the sandbox's is there in a trial only."""
ACCOUNTS = "payment"
"""Whose folder, and each shop's in it, may have further keys of WeChat Pay."""
FURTHER = "wechatpay-keys"
_PLAIN = {FURTHER: "wechatpay", "merchants": ""}
_ALLOWED = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
SIZE_MAX = 1_000_000
"""Bytes; Kubernetes takes one MiB with everything around them."""


class NotASecret(Exception):
    """A folder cannot be a Secret; says which and why."""


def run_secrets(folder: Path) -> None:
    """Print the Secrets of every folder that is there."""
    try:
        found = list(secrets(folder))
    except (OSError, NotASecret) as problem:
        refuse(f"{problem}")
    if not found:
        refuse(f"{folder} has no folder of a service; make them with: tuidan keys hand-out KEYS {folder}")
    yaml.safe_dump_all(found, sys.stdout, sort_keys=False)


def secrets(folder: Path) -> Iterator[dict[str, Any]]:
    """One manifest for each folder with files in it, and one for the further keys of WeChat Pay where there are none,
    too: a Secret that is not printed stays in the cluster as it was, and with it a key that was withdrawn. Raises
    NotASecret or OSError."""
    for name in NAMES:
        if (folder / name).is_dir():
            yield from _secrets(folder / name, f"keys-{name}", accounts=name == ACCOUNTS)


def _secrets(folder: Path, name: str, *, accounts: bool) -> Iterator[dict[str, Any]]:
    if not _ALLOWED.fullmatch(name):
        raise NotASecret(f"{folder}: a Secret cannot be named {name}; use small letters, digits and hyphens")
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    files = {path.name: path.read_bytes() for path in entries if path.is_file() and not path.name.startswith(".")}
    if sum(map(len, files.values())) > SIZE_MAX:
        raise NotASecret(f"{folder}: more than {SIZE_MAX:,} bytes do not fit into a Secret")
    further = accounts and folder.name == FURTHER
    if files or further:
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "tuidan"}},
            "type": "Opaque",
            "data": {file: base64.b64encode(content).decode() for file, content in files.items()},
        }
    inside = {path for path in entries if path.is_dir()}
    if accounts and files and not further:
        # An account without files is a folder that is not mounted, and takes nothing from the cluster.
        inside.add(folder / FURTHER)
    for inner in sorted(inside):
        word = _PLAIN.get(inner.name, inner.name)
        yield from _secrets(inner, f"{name}-{word}" if word else name, accounts=accounts)
