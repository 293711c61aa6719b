"""The accounts of the staff: one document each, under the name they sign in with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.clock import Clock
from chassis.mongo import Collection
from chassis.projection import Update
from chassis.telemetry import masked
from services.gateway.passwords import Passwords, factor_address, new_factor, new_password
from services.gateway.roles import ADMINISTRATORS
from services.gateway.vault import Vault

NAME = "staff"
STAFF_ID_PATTERN = r"^[a-z][a-z0-9._-]{1,31}$"
PHONE_PATTERN = r"^\+?[0-9]{5,17}$"
DESKS_MAX = 8
"""How many addresses are remembered from which somebody signed in."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of staff. `phone` and `factor` are sealed, `password` is hashed; `step`: the last second-factor step
    that was used; `desks`: marks of addresses signed in from, newest last."""

    staff_id: str
    name: str
    role: str
    phone: str
    password: str
    factor: str
    disabled: bool
    step: int
    desks: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Person:
    """What an administrator says about a member of staff."""

    name: str
    role: str
    phone: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a member of staff needs to sign in, shown once. `address`: for an authenticator application."""

    password: str
    address: str

    def document(self) -> dict[str, str]:
        """As it is answered."""
        return {"password": self.password, "otpauth": self.address}


class StaffBook:
    """Reads and writes accounts. All raise StoreUnavailable."""

    def __init__(self, collection: Collection, vault: Vault, passwords: Passwords, clock: Clock) -> None:
        self._staff = collection
        self._vault = vault
        self._passwords = passwords
        self._clock = clock

    async def find(self, staff_id: str) -> Member | None:
        """The account, or None."""
        found = await self._staff.find({"_id": staff_id})
        return _member(found[0]) if found else None

    async def page(self, after: str, limit: int) -> Sequence[Member]:
        """Accounts by name, those behind `after`."""
        found = await self._staff.find({"_id": {"$gt": after}}, sort=[("_id", 1)], limit=limit)
        return [_member(document) for document in found]

    async def add(self, staff_id: str, person: Person) -> Secrets | None:
        """A new account with its secrets, or None when the name is taken."""
        shown, kept = await self._new_secrets(staff_id)
        document = {"_id": staff_id, **self._said(person), **kept, "step": 0, "desks": [], "version": 1}
        taken = await self._staff.insert_new([{**document, "made_at": self._clock()}])
        return None if taken else shown

    async def change(self, member: Member, person: Person) -> bool:
        """Write what was said about a member; False when somebody else changed the account meanwhile."""
        return await self._set(member, self._said(person))

    async def answers_for_it(self, staff_id: str) -> bool:
        """Whether this account is an administrator's, noted in it as a change of its own. Whoever takes an
        administrator away looks at that account first, then lets the own one answer for it, then writes: so of two who
        take away each other, or of many in a circle, one at least has looked before the other's account was noted,
        writes to a version that is past, and stays."""
        wanted = {"_id": staff_id, "role": {"$in": sorted(ADMINISTRATORS)}, "disabled": False}
        return (await self._staff.update_all([Update(wanted, {"$inc": {"version": 1}})])).matched == 1

    async def renew(self, member: Member) -> Secrets | None:
        """Another password and another second factor; None when somebody else changed the account meanwhile."""
        shown, kept = await self._new_secrets(member.staff_id)
        return shown if await self._set(member, {**kept, "step": 0, "desks": []}) else None

    async def set_password(self, member: Member, password: str) -> bool:
        """Another password, of the member's own; False when somebody else changed the account meanwhile."""
        kept = await self._passwords.hashed(password)
        return await self._set(member, {"password": kept, "password_at": self._clock()})

    async def use_step(self, member: Member, step: int) -> bool:
        """Take a step of the second factor, which works once; False when it, or a later one, was taken."""
        wanted = {"_id": member.staff_id, "step": {"$lt": step}, "factor": member.factor}
        return (await self._staff.update_all([Update(wanted, {"$set": {"step": step}})])).matched == 1

    def is_known(self, member: Member | None, address: str) -> bool:
        """Whether the member has signed in from this address."""
        return member is not None and self._desk(member.staff_id, address) in member.desks

    async def note_desk(self, member: Member, address: str) -> None:
        """The member has signed in from this address."""
        desk = self._desk(member.staff_id, address)
        if member.desks[-1:] != (desk,):
            desks = [*(one for one in member.desks if one != desk), desk][-DESKS_MAX:]
            await self._staff.update_all([Update({"_id": member.staff_id}, {"$set": {"desks": desks}})])

    def factor_of(self, member: Member) -> str:
        """The secret of the second factor."""
        return self._vault.unseal(member.factor)

    def phone_of(self, member: Member) -> str:
        """The phone number, in full."""
        return self._vault.unseal(member.phone)

    def shown(self, member: Member) -> dict[str, Any]:
        """As administrators see it: the phone masked."""
        return {
            "staff_id": member.staff_id,
            "name": member.name,
            "role": member.role,
            "phone": masked(self.phone_of(member)),
            "disabled": member.disabled,
        }

    def _desk(self, staff_id: str, address: str) -> str:
        return self._vault.mark("desk", staff_id, address)

    def _said(self, person: Person) -> dict[str, Any]:
        return {
            "name": person.name,
            "role": person.role,
            "phone": self._vault.seal(person.phone),
            "disabled": person.disabled,
        }

    async def _set(self, member: Member, fields: Mapping[str, Any]) -> bool:
        changed: dict[str, datetime | int] = {"changed_at": self._clock(), "version": member.version + 1}
        update = Update({"_id": member.staff_id, "version": member.version}, {"$set": {**fields, **changed}})
        return (await self._staff.update_all([update])).matched == 1

    async def _new_secrets(self, staff_id: str) -> tuple[Secrets, dict[str, str]]:
        password, factor = new_password(), new_factor()
        kept = {"password": await self._passwords.hashed(password), "factor": self._vault.seal(factor)}
        return Secrets(password, factor_address(factor, staff_id)), kept


def _member(document: Mapping[str, Any]) -> Member:
    return Member(
        staff_id=document["_id"],
        name=document["name"],
        role=document["role"],
        phone=document["phone"],
        password=document["password"],
        factor=document["factor"],
        disabled=document["disabled"],
        step=document["step"],
        desks=tuple(document["desks"]),
        version=document["version"],
    )
