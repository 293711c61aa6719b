"""Choosing ports: the usual one, or another that stays the same for as long as the stack runs."""

import errno
import socket
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"

STEP = 20
"""Distance between the candidates for one program; wider than the block of usual ports, so siblings do not meet."""
HIGHEST_CANDIDATE = 32_000
"""From 32768 on Linux hands ports to outgoing connections: one of those could sit on ours while a program restarts."""


class NoFreePort(Exception):
    """Nothing is free near a usual port."""


class Ports:
    """Ports claimed for this process until it ends.

    The programs bind their ports themselves, a moment later and again after each restart. In between another stack on
    the same machine could choose the same number; so a claim is also a name in the kernel (an abstract unix socket)
    that only one process can hold and that goes away with it, however it ends.
    """

    def __init__(self) -> None:
        self._claims: list[socket.socket] = []

    def choose(self, usual: Mapping[str, int]) -> dict[str, int]:
        """Claim one port per program."""
        return {name: self._choose(name, port, set(usual.values()) - {port}) for name, port in usual.items()}

    def release(self) -> None:
        """Give up all claims."""
        while self._claims:
            self._claims.pop().close()

    def _choose(self, name: str, usual: int, siblings: set[int]) -> int:
        for port in range(usual, max(usual + 1, HIGHEST_CANDIDATE), STEP):
            # The order matters: first the claim, so that nobody else is between our look at the port and our use of it.
            if port not in siblings and self._claim(port):
                if is_free(port):
                    return port
                self._claims.pop().close()
        raise NoFreePort(f"no free port for {name}: {usual} and every {STEP}th port above it are taken")

    def _claim(self, port: int) -> bool:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0tuidan/port/{port}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                claim.close()
                return False
            # No abstract names here (they exist on Linux only): go on without this protection.
        self._claims.append(claim)
        return True


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that an earlier stack has just closed do not count as "taken".
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
