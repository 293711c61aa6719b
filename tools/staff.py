"""`tuidan staff`: the first account of a shop, which nobody can sign in to make.

It writes to the gateway's database itself: to the one that TUIDAN_MONGO and TUIDAN_KEYS name, and where neither is set
to that of the stack that is up."""

from __future__ import annotations

import asyncio
import re
import sys

import typer

from chassis import clock
from chassis.mongo import Database
from chassis.settings import read_key
from chassis.store import StoreUnavailable
from services.gateway.main import NAME as GATEWAY
from services.gateway.main import SECRET
from services.gateway.passwords import Passwords
from services.gateway.roles import EVERYBODY
from services.gateway.staff import NAME, PHONE_PATTERN, STAFF_ID_PATTERN, Person, Secrets, StaffBook
from services.gateway.vault import Vault
from tools.place import database_and_keys, refuse

TAKEN = 1

MADE = """\
账号已创建,以下内容只显示这一次 · the account is made; this is shown only once

  登录名 · name      {name}
  角色 · role        {role}
  密码 · password    {password}
  身份验证器 · authenticator application
    {address}
"""


def run_create(name: str, person: str, role: str, phone: str) -> None:
    """Make an account and show its secrets."""
    wrong = wrong_in(name, role, phone)
    if wrong:
        refuse(wrong)
    url, keys = database_and_keys()
    try:
        vault = Vault(read_key(keys, SECRET))
    except ValueError as problem:
        refuse(f"{SECRET}: {problem}")
    try:
        made = asyncio.run(create(Database(url, f"tuidan_{GATEWAY}"), vault, name, Person(person, role, phone)))
    except StoreUnavailable as problem:
        refuse(f"数据库没有响应 · the database does not answer: {problem}")
    if made is None:
        sys.stderr.write(f"{name}: 已有这个账号 · there is such an account; an administrator can renew its secrets\n")
        raise typer.Exit(TAKEN)
    sys.stdout.write(MADE.format(name=name, role=role, password=made.password, address=made.address))


def wrong_in(name: str, role: str, phone: str) -> str:
    """What is wrong with what was typed; empty: nothing."""
    if not re.fullmatch(STAFF_ID_PATTERN, name):
        return f"{name}: 2 to 32 of a-z, 0-9, dot, dash, underscore, beginning with a letter"
    if role not in EVERYBODY:
        return f"{role}: one of {', '.join(sorted(EVERYBODY))}"
    return "" if re.fullmatch(PHONE_PATTERN, phone) else "--phone: 5 to 17 digits, a + before them if you like"


async def create(database: Database, vault: Vault, name: str, person: Person) -> Secrets | None:
    """The secrets of the new account, or None when the name is taken. Closes the database."""
    try:
        return await StaffBook(database.collection(NAME), vault, Passwords(), clock.now).add(name, person)
    finally:
        await database.close()
