"""The stand-in as tests use it: break a call, read what was delivered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from services.notify.settings import NotifySettings


class Server(uvicorn.Server):
    """A server that says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def settings(url: str, keys: Path, **changes: Any) -> NotifySettings:
    known: dict[str, Any] = {
        "http_port": 1,
        "kafka": "nowhere:1",
        "mongo": "mongodb://nowhere",
        "keys": keys,
        "provider_url": url,
    }
    return NotifySettings(**{**known, **changes})


@dataclass
class Outside:
    """One running stand-in."""

    url: str
    keys: Path
    http: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, keys: Path) -> AsyncIterator[Outside]:
        async with httpx.AsyncClient(base_url=url) as http:
            yield cls(url, keys, http)

    async def breaks(self, call: str, kind: str, **fault: Any) -> None:
        """Every such call from now on."""
        rule = {"call": call, "fault": {"kind": kind, **fault}}
        (await self.http.post("/_control/faults/rules", json=[rule])).raise_for_status()

    async def blacklists(self, number: str) -> None:
        (await self.http.put("/_control/sms/blacklist", json={"numbers": [number]})).raise_for_status()

    async def delivered(self) -> list[dict[str, Any]]:
        """Every message a customer got."""
        lines: list[dict[str, Any]] = (await self.http.get("/_ledger/messages")).json()["lines"]
        return lines
