"""Many finished orders, straight into the order service's database, as that service would have stored them."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import random
import re
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from chassis.keeping import Keeping
from chassis.mongo import Collection
from chassis.personal import Ring
from services.order.finding import product_term, who_terms, word_term, words_of
from services.order.handlers import ORDERS
from tools.seed.lives import BEGIN, CUSTOMER, NAME, OPENID, ORDER, PHONE, lives, name_of, product_of
from tools.seed.shop import Customer, Goods, customer, goods, popular

BATCH = 1_000
GOODS = 2_000
ORDERS_EACH = 20
"""Orders of one customer, on average."""
OVER = timedelta(days=730)
"""The time over which the orders were placed, up to the end that is given."""

_TIMES = re.compile(r"2000-01-\d\dT[0-9:.]+Z")
_HOLES = re.compile(r"@(?:order|customer|name|openid|[pn]\d@)")


@dataclass(frozen=True, slots=True)
class Plan:
    """How many orders of which seed, the last placed at `until`, sealed with the keys in a folder."""

    seed: int
    count: int
    until: datetime
    keys: Path


class Writer:
    """Makes order `number` of a seed: the same document each time but for what sealing draws."""

    def __init__(self, plan: Plan) -> None:
        """Raises WrongKeyFile: orders are never stored plainly."""
        self._ring = Ring(plan.keys)
        self._keeping = Keeping(ORDERS, self._ring)
        seed = self._seed = plan.seed
        self._count, self._until = plan.count, plan.until
        self._goods = goods(seed, GOODS)
        self._lives = lives()
        self._shares = [life.share for life in self._lives]
        self._terms = {one.product_id: _terms_of(one) for one in self._goods}
        self._customers: dict[int, tuple[Customer, list[str]]] = {}

    def document(self, number: int) -> dict[str, Any]:
        """Order `number`."""
        chance = random.Random(f"order {self._seed} {number}")
        (life,) = chance.choices(self._lives, self._shares)
        who, personal = self._customer(chance.randrange(max(1, self._count // ORDERS_EACH)))
        bought = [self._goods[popular(chance, GOODS)] for _ in range(life.lines)]
        holes = {ORDER: order_id(self._seed, number), CUSTOMER: who.customer_id, NAME: who.name, OPENID: who.openid}
        for line, one in enumerate(bought, start=1):
            holes |= {product_of(line): one.product_id, name_of(line): one.name}
        at = self._until - timedelta(milliseconds=int(OVER / timedelta(milliseconds=1) * (1 - number / self._count)))
        filled: dict[str, Any] = _Filling(holes, who.phone, at - BEGIN).of(life.document)
        self._seal(filled)
        terms = [term for one in bought for term in self._terms[one.product_id][0]]
        words = [term for one in bought for term in self._terms[one.product_id][1]]
        filled["found_by"]["terms"] = [*dict.fromkeys(terms), *dict.fromkeys(words), *personal]
        return filled

    def _customer(self, number: int) -> tuple[Customer, list[str]]:
        if number not in self._customers:
            who = customer(self._seed, number)
            tail = who.phone[-4:]
            terms = (*who_terms(who.name, None), *who_terms(None, tail), *who_terms(who.name, tail))
            self._customers[number] = who, [self._keeping.term(one) for one in terms]
        return self._customers[number]

    def _seal(self, document: dict[str, Any]) -> None:
        """What the store does with a record, on a document that is one's own."""
        contact, place = document["state"]["contact"], f"{self._keeping.aggregate.name}/{document['_id']}"
        for name in ("name", "phone", "openid"):
            contact[name] = self._ring.seal(contact[name], place)
        for entry in document["journal"]:
            for said in entry["said"]:
                if self._keeping.is_personal(said["wire"]):
                    said["body"] = self._ring.seal(said["body"], place)


class _Filling:
    """Puts one order's facts into a life's document."""

    def __init__(self, holes: Mapping[str, str], phone: str, later: timedelta) -> None:
        self._holes, self._phone, self._later = holes, phone, later
        self._ids = hashlib.sha256(holes[ORDER].encode()).hexdigest()
        self._known: dict[str, str] = {}

    def of(self, value: Any) -> Any:
        """A copy of a part of the document, filled."""
        kind = value.__class__
        if kind is str:
            return self._text(value)
        if kind is dict:
            return {
                name: self._id(inner) if name in ("heard", "id") and isinstance(inner, str) else self.of(inner)
                for name, inner in value.items()
            }
        if kind is list or kind is tuple:
            return [self.of(inner) for inner in value]
        return value + self._later if kind is datetime else value

    def _text(self, text: str) -> str:
        if "@" in text:
            text = _HOLES.sub(lambda hole: self._holes[hole[0]], text)
        if PHONE in text:
            text = text.replace(PHONE, self._phone)
        return _TIMES.sub(lambda at: self._time(at[0]), text) if "2000-01-" in text else text

    def _time(self, text: str) -> str:
        if text not in self._known:
            at = datetime.fromisoformat(text) + self._later
            self._known[text] = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self._known[text]

    def _id(self, id: str) -> str:
        """An id of a message, of this order alone; ids of people and requests stay what they are."""
        if "@" in id or (" " not in id and len(id) != len("00000000-0000-0000-0000-000000000000")):
            return self._text(id)
        number = self._known.setdefault(f"id {id}", f"{len(self._known):012x}")
        mine = self._ids
        return f"{mine[:8]}-{mine[8:12]}-5{mine[12:15]}-8{mine[15:18]}-{number}"


def order_id(seed: int, number: int) -> str:
    """The id of order `number`."""
    return f"seed{seed}-{number:08}"


async def fill(
    orders: Collection, plan: Plan, workers: int, tell: Callable[[int], None], batch: int = BATCH
) -> tuple[int, int]:
    """Insert what is missing; returns how many were there before and how many are there now. `workers`: processes that
    make documents while others are written. `tell` hears how far it came."""
    # The last batch may be there in part: it is written again, and what is there stays.
    there = max(0, await seeded(orders, plan.seed) - 1) // batch * batch
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(plan,)) as pool:
        waiting: deque[asyncio.Future[list[dict[str, Any]]]] = deque()
        starts = iter(range(there, plan.count, batch))
        done = there
        while True:
            for start in islice(starts, workers + 1 - len(waiting)):
                end = min(start + batch, plan.count)
                waiting.append(loop.run_in_executor(pool, _make, start, end))
            if not waiting:
                return there, max(there, plan.count)
            made = await waiting.popleft()
            await orders.insert_new(made)
            done += len(made)
            tell(done)


_writer: Writer


def _begin(plan: Plan) -> None:
    global _writer  # noqa: PLW0603 - one writer for each process
    _writer = Writer(plan)


def _make(start: int, end: int) -> list[dict[str, Any]]:
    return [_writer.document(number) for number in range(start, end)]


async def seeded(orders: Collection, seed: int) -> int:
    """How many orders of this seed are there, the last batch perhaps in part."""
    first, after = order_id(seed, 0), order_id(seed, 10**8 - 1)
    last = await orders.find({"_id": {"$gte": first, "$lte": after}}, fields=["_id"], sort=[("_id", -1)], limit=1)
    return int(last[0]["_id"].rpartition("-")[2]) + 1 if last else 0


def _terms_of(one: Goods) -> tuple[list[str], list[str]]:
    return [product_term(one.product_id)], [word_term(word) for word in words_of(one.name)]
