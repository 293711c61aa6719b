"""Who is who: everything the gateway knows about the people at its door, in one hand."""

from __future__ import annotations

from dataclasses import dataclass

from argon2 import PasswordHasher
from redis.asyncio import Redis

from chassis import clock
from chassis.bucket import SharedRedis
from chassis.clock import Clock
from chassis.mongo import Database
from services.gateway import sessions as session_file
from services.gateway import staff as staff_file
from services.gateway import trail as trail_file
from services.gateway.codes import Codes
from services.gateway.lockout import Lockout
from services.gateway.passwords import Passwords
from services.gateway.sessions import Sessions
from services.gateway.staff import StaffBook
from services.gateway.tokens import Signer
from services.gateway.trail import Trail
from services.gateway.vault import Vault
from services.gateway.wechat import Wechat


@dataclass(frozen=True, slots=True)
class Keys:
    """What the gateway signs and seals with."""

    signer: Signer
    vault: Vault


@dataclass(frozen=True, slots=True)
class Identity:
    """Accounts, sessions, tries, codes and the trail."""

    vault: Vault
    database: Database
    redis: SharedRedis
    passwords: Passwords
    staff: StaffBook
    sessions: Sessions
    lockout: Lockout
    codes: Codes
    trail: Trail
    wechat: Wechat
    clock: Clock

    async def prepare(self) -> None:
        """Make the indexes. Raises StoreUnavailable."""
        await self.sessions.prepare()
        await self.trail.prepare()

    async def aclose(self) -> None:
        """Let go of all connections."""
        await self.wechat.aclose()
        await self.redis.aclose()
        await self.database.close()


def identity(
    keys: Keys,
    database: Database,
    redis: Redis,
    wechat: Wechat,
    now: Clock = clock.now,
    hasher: PasswordHasher | None = None,
) -> Identity:
    """All of it, over one database and one Redis."""
    shared = SharedRedis(redis, clock.monotonic, "nobody signs in anew, and there are no codes")
    passwords = Passwords(hasher)
    return Identity(
        vault=keys.vault,
        database=database,
        redis=shared,
        passwords=passwords,
        staff=StaffBook(database.collection(staff_file.NAME), keys.vault, passwords, now),
        sessions=Sessions(database.collection(session_file.NAME), keys.signer, keys.vault, now),
        lockout=Lockout(shared, keys.vault, now),
        codes=Codes(shared, keys.vault, now),
        trail=Trail(database.collection(trail_file.NAME), now),
        wechat=wechat,
        clock=now,
    )
