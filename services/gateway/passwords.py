"""Passwords (argon2id) and the second factor (TOTP, RFC 6238)."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.problem import Problem

T = TypeVar("T")

PASSWORD_MAX = 128
OWN_PASSWORD_MIN = 12
"""Of one that somebody makes up: length is what counts (NIST SP 800-63B-4, 3.1.1.2)."""
ISSUER = "Tuidan"
STEP_SECONDS = 30
STEPS_APART = 1
"""How many steps a phone's clock may be off, either way (RFC 6238, 5.2)."""
AT_ONCE = 2
WAITING_MAX = 32
"""Each hash takes 64 MiB for some 50 ms (`password_memory_kib`): more at once would be a way to bring the gateway
down."""

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is taken for another one


class Passwords:
    """Hashes and checks in threads. Without an account a hash that fits nothing is checked, so that an unknown name
    takes as long as a wrong password."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        # The library's defaults are the second choice of RFC 9106: argon2id, 3 passes, 64 MiB, 4 lanes.
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobody: str | None = None

    async def hashed(self, password: str) -> str:
        """What is kept of a password. Raises a 503 problem when too many wait already."""
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def is_right(self, kept: str | None, given: str) -> bool:
        """Whether `kept` was made from `given`. Raises a 503 problem when too many wait already."""
        return await self._in_turn(lambda: self._fits(kept, given))

    def _fits(self, kept: str | None, given: str) -> bool:
        if kept is None and self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_hex(16))
        try:
            self._hasher.verify(kept or self._nobody or "", given)
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Problem(
                503,
                "sign-in-busy",
                "登录请求过多,请稍后再试。",
                "Too many people sign in just now. Try again in a moment.",
                retry_after=2,
            )
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def new_password() -> str:
    """80 random bits, in groups that can be read aloud."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def new_factor() -> str:
    """The secret of a second factor, base32, 160 bits (RFC 4226, 4 R6)."""
    return pyotp.random_base32()


def factor_address(secret: str, staff_id: str) -> str:
    """What an authenticator application reads from a picture: `otpauth://totp/…`."""
    return pyotp.TOTP(secret).provisioning_uri(name=staff_id, issuer_name=ISSUER)


def factor_step(secret: str, given: str, at: datetime) -> int | None:
    """The step of time (30 s each, since 1970) whose code was given, or None. A step is to be taken once only (RFC
    6238, 5.2): whoever asks remembers it."""
    totp = pyotp.TOTP(secret)
    now = int(at.timestamp()) // STEP_SECONDS
    for step in range(now - STEPS_APART, now + STEPS_APART + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), given.encode()):
            return step
    return None
