"""One day of a shop, through the public API: all roles, several customers, everything the door offers. It is told as a
story, and judged by the sandbox's ledgers. A new part of the door gets a scene in the chapter of its noun, or a chapter
of its own in `CHAPTERS`."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import NamedTuple

import httpx

from services.gateway.roles import Role
from services.gateway.staff import Person as Account
from services.gateway.staff import Secrets
from tools.drill.day import books, closing, deleting, desk, many, opening, parcels, regrets, trouble
from tools.drill.day.judge import judge
from tools.drill.day.people import CUSTOMER, Customer, Member, role_words
from tools.drill.day.reading import gather
from tools.drill.day.telling import Teller, Words
from tools.drill.day.world import Day, Goods
from tools.replay.client import Outside
from tools.replay.judge.sides import Check
from tools.replay.knock import Knock, Pace, UnexpectedAnswerError
from tools.seed import shop

CUSTOMERS = 4
STAFF: dict[Role, str] = {
    "administrator": "老板",
    "customer-service": "李娜",
    "supervisor": "王芳",
    "finance": "赵敏",
    "warehouse": "陈博",
}
SHELF = {
    "tea": ("龙井", "tea", 30),
    "oolong": ("乌龙", "tea", 32),
    "cup": ("盖碗", "ware", 88),
    "blue": ("青花盖碗", "ware", 88),
    "pot": ("紫砂壶", "ware", 260),
}
"""Name, category, and about how many yuan."""
VARIANTS = {"blue": "cup"}
"""Goods that are the same but for their colour, and cost the same."""
OPENING = 20

Hire = Callable[[str, Account], Awaitable[Secrets | None]]
"""Makes the first account: `tuidan staff create`."""


class Chapter(NamedTuple):
    """A part of the day."""

    title: Words
    play: Callable[[Day], Awaitable[None]]


CHAPTERS = (
    Chapter(Words("开门", "the shop opens"), opening.opening),
    Chapter(Words("顾客改主意", "a customer thinks twice"), regrets.regrets),
    Chapter(Words("发货", "a parcel leaves"), parcels.parcels),
    Chapter(Words("商家取消与审批", "staff cancel and approve"), desk.desk),
    Chapter(Words("退款遇到问题", "refunds in trouble"), trouble.trouble),
    Chapter(Words("一次处理多单", "many at once"), many.many),
    Chapter(Words("对账", "the books"), books.books),
    Chapter(Words("删除", "deleting"), deleting.deleting),
    Chapter(Words("打烊", "closing time"), closing.closing),
)


@asynccontextmanager
async def begun(gateway: str, sandbox: str, seed: int, teller: Teller, pace: Pace, hire: Hire) -> AsyncIterator[Day]:
    """A day with its people; the administrator is signed in. Addresses are host:port. In the end the rules decide that
    decided before, whatever happened."""
    chance, mark = Random(seed), secrets.token_hex(3)

    def http(address: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{address}", timeout=60, trust_env=False)

    async with http(gateway) as front, http(sandbox) as behind:
        before, back = Knock(front, pace), Knock(behind, pace)
        outside = Outside(back)
        staff = _staff(chance, mark, before)
        day = Day(
            teller=teller,
            gateway=front,
            front=before,
            back=back,
            outside=outside,
            chance=chance,
            mark=mark,
            staff=staff,
            customers=_customers(seed, mark, before),
            goods=_goods(chance, mark),
            since=(await _newest(outside, "money"), await _newest(outside, "messages")),
        )
        boss = staff["administrator"]
        made = await hire(boss.staff_id, Account(boss.name, boss.duty, boss.phone))
        if made is None:
            raise UnexpectedAnswerError(f"there is an account {boss.staff_id} already")
        await boss.sign_in(made.password, made.address)
        try:
            yield day
        finally:
            await opening.rules_back(day)


async def play(day: Day) -> None:
    """All chapters, one after the other. Raises UnexpectedAnswerError when the door says something that fits no part
    of the story."""
    for number, chapter in enumerate(CHAPTERS, start=1):
        day.teller.chapter(number, chapter.title)
        await chapter.play(day)


async def verdict(day: Day) -> list[Check]:
    """What the ledgers say about it."""
    return judge(await gather(day))


def _staff(chance: Random, mark: str, front: Knock) -> dict[str, Member]:
    phones = {role: f"139{chance.randrange(10**8):08}" for role in STAFF}
    return {
        role: Member(name, role_words(role), front, staff_id=f"{role}-{mark}", duty=role, phone=phones[role])
        for role, name in STAFF.items()
    }


def _customers(seed: int, mark: str, front: Knock) -> list[Customer]:
    people = [shop.customer(seed, number) for number in range(CUSTOMERS)]
    return [Customer(one.name, CUSTOMER, front, phone=one.phone, mark=mark) for one in people]


def _goods(chance: Random, mark: str) -> dict[str, Goods]:
    found = {
        word: Goods(f"day-{mark}-{word}", f"{name} {mark}", f"{kind}-{mark}", _price(chance, yuan), OPENING)
        for word, (name, kind, yuan) in SHELF.items()
    }
    for word, like in VARIANTS.items():
        group = f"{like}-{mark}"
        found[like] = replace(found[like], variant_of=group)
        found[word] = replace(found[word], variant_of=group, price_minor=found[like].price_minor)
    return found


def _price(chance: Random, yuan: int) -> int:
    """Near enough that similar goods stay similar."""
    return yuan * 100 + chance.randrange(-99, 100)


async def _newest(outside: Outside, ledger: str) -> int:
    lines = outside.money() if ledger == "money" else outside.messages()
    newest = 0
    async for line in lines:
        newest = max(newest, int(line["id"]))
    return newest
