"""The first account of the day, made on the machine itself, as `tuidan staff create` does."""

from __future__ import annotations

from chassis.mongo import Database
from chassis.settings import read_key
from services.gateway.main import NAME, SECRET
from services.gateway.staff import Person, Secrets
from services.gateway.vault import Vault
from tools.drill.day import Hire
from tools.stack import Stack
from tools.stack.home import Home
from tools.staff import create


def first_account(stack: Stack) -> Hire:
    """Makes accounts in the database of a stack."""

    async def hire(staff_id: str, person: Person) -> Secrets | None:
        vault = Vault(read_key(Home(stack.home).keys, SECRET))
        database = Database(f"mongodb://{stack.address('mongo')}", f"tuidan_{NAME}")
        return await create(database, vault, staff_id, person)

    return hire
