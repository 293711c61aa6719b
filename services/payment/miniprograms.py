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
        from now on; while they cannot be read those before do. Raises OSError or ValueError where there were none
        before: what is unreadable for a moment does not mean that the shop keeps no shipping records."""
        folder = self._keys / FOLDER / shop if shop else self._keys
        if not (folder / SECRET).exists():
            return self._known.get(shop)
        try:
            account = _account(folder)
        except (OSError, ValueError):
            if shop not in self._known:
                raise
            return self._known[shop]
        if account != self._read.get(shop):
            self._read[shop] = account
            self._known[shop] = MiniProgram(self._http, *account, self._url)
        return self._known[shop]


def _account(folder: Path) -> tuple[str, str]:
    """App id and secret."""
    appid, secret = ((folder / name).read_text(encoding="utf-8").strip() for name in (appid_file(folder), SECRET))
    if not appid or not secret:
        raise ValueError(f"{appid_file(folder)} or {SECRET} of {folder} is empty")
    return appid, secret
