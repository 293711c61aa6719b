"""Orders as long as the door takes them: 2,000 lines, each with as much to say as it may."""

from __future__ import annotations

from contracts.message import ProductId
from contracts.order import WantedLine
from services.order.offer import Product, ReadyToPlace
from tests.unit.order.told import place

LINES_MAX = 2_000
FIRST, CHARACTERS = 0x4E00, 20_000


def product(number: int, *, id_length: int, name_length: int) -> Product:
    """Goods with a name and an id in Chinese, of which no two have much in common."""
    name = "".join(chr(FIRST + (number * 37 + place * place * 7) % CHARACTERS) for place in range(name_length))
    id = f"{number}{'品' * id_length}"[:id_length]
    return Product(product_id=ProductId(id), name=name, category="goods", offers_minor=(300,), currency="CNY")


def wish(lines: int = LINES_MAX, *, id_length: int = 20, name_length: int = 30) -> ReadyToPlace:
    """A wish for one piece of each of so many goods."""
    goods = tuple(product(n, id_length=id_length, name_length=name_length) for n in range(1, lines + 1))
    ready = place()
    wanted = tuple(WantedLine(product_id=one.product_id, quantity=1, unit_price_minor=300) for one in goods)
    asked = ready.asked.model_copy(update={"lines": wanted})
    return ready.model_copy(update={"asked": asked, "products": goods})


def longest() -> ReadyToPlace:
    """The longest names that an order of the most lines may have."""
    return wish(name_length=76)
