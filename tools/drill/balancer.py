"""A stand-in for the load balancer in front of several instances: each request goes to the next one in turn. It knows
nothing of who is well; who asks through it repeats what was not answered, and that goes to the next one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

import httpx


class Balancer(httpx.AsyncBaseTransport):
    """`behind`: the addresses (host:port) behind an address; a request to any other goes there as it is."""

    def __init__(self, behind: Mapping[str, Sequence[str]], transport: httpx.AsyncBaseTransport) -> None:
        self._turns: dict[str, Iterator[str]] = {address: cycle(others) for address, others in behind.items()}
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Hand a request on."""
        if turns := self._turns.get(request.url.netloc.decode()):
            host, _, port = next(turns).rpartition(":")
            request.url = request.url.copy_with(host=host, port=int(port))
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._transport.aclose()


def balanced(behind: Mapping[str, Sequence[str]], connections: int = 256) -> Balancer:
    """One over real connections. Proxies of the environment must not come between two processes of one machine."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return Balancer(behind, httpx.AsyncHTTPTransport(trust_env=False, limits=limits))
