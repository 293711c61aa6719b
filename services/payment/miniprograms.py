"""Each shop's mini-program, by the keys in its folder: its shipping records are told there."""

from __future__ import annotations

from pathlib import Path

import httpx

from chassis.miniprogram import MiniProgram, appid_file
from services.payment.merchants import FOLDER

SECRET = "appsecret.txt"


class MiniPrograms:
    """Those of all shops in the keys folder. `url` takes the place of WeChat's own address."""

    def __init__(self, http: httpx.AsyncClient, keys: Path, url: str = "") -> None:
        self._http = http
        self._keys = keys
        self._url = url
        self._read: dict[str, tuple[str, str]] = {}
        self._known: dict[str, MiniProgram] = {}

    def of(self, shop: str) -> MiniProgram | None:
        """The shop's mini-program; None for a shop that never had an `appsecret.txt`. Keys that were replaced count
        from now on; while they cannot be read those before do."""
        account = _account(self._keys / FOLDER / shop if shop else self._keys)
        if account is not None and account != self._read.get(shop):
            self._read[shop] = account
            self._known[shop] = MiniProgram(self._http, *account, self._url)
        return self._known.get(shop)


def _account(folder: Path) -> tuple[str, str] | None:
    """App id and secret; None when one is missing or empty."""
    try:
        appid, secret = ((folder / name).read_text(encoding="utf-8").strip() for name in (appid_file(folder), SECRET))
    except (OSError, UnicodeDecodeError):
        return None
    return (appid, secret) if appid and secret else None
