"""Each shop's mini-program, by the keys in its folder: its shipping records are told there."""

from __future__ import annotations

from pathlib import Path

import httpx

from chassis.miniprogram import MiniProgram, appid_file
from chassis.settings import read_key
from services.payment.merchants import folders

SECRET = "appsecret.txt"


class MiniPrograms:
    """Those of all shops in the keys folder. `url` takes the place of WeChat's own address."""

    def __init__(self, http: httpx.AsyncClient, keys: Path, url: str = "") -> None:
        self._http = http
        self._keys = keys
        self._url = url
        self._known: dict[str, MiniProgram] = {}

    def of(self, shop: str) -> MiniProgram | None:
        """The shop's mini-program; None for a shop without `appsecret.txt`."""
        folder = folders(self._keys).get(shop) if shop not in self._known else None
        if folder is not None and (folder / SECRET).exists():
            appid, secret = read_key(folder, appid_file(folder)), read_key(folder, SECRET)
            self._known[shop] = MiniProgram(self._http, appid, secret, self._url)
        return self._known.get(shop)
