"""The stock book against the file, product by product, and against itself."""

from __future__ import annotations

from tools.replay.books import StockRow
from tools.replay.judge.sides import Check, Sides

NOTHING = StockRow(0, 0, 0, 0)


def check_stock(sides: Sides) -> Check:
    """Each product: what came in was what is bought, and what is gone is what was bought and not given back. Where
    others have used the stack too, more may have come in, and what they took must be what analytics says they took."""
    check = Check(("库存账与文件", "stock book and the file"))
    others = 0
    for product, (bought, back) in sides.expected.stock.items():
        row = sides.books.stock.get(product, NOTHING)
        others += row.out - (bought - back)
        if sides.alone:
            check.same(f"stock of {product}, received", file=bought, stock=row.received)
            check.same(f"stock of {product}, gone", file=bought - back, stock=row.out)
        elif row.received < bought:
            check.wrong(f"stock of {product}, received: file at least {bought}, stock {row.received}")
    others += sum(row.out for product, row in sides.books.stock.items() if product not in sides.expected.stock)
    taken = _pieces(sides, "orders") - _pieces(sides, "cancellations")
    check.same("pieces that others have taken", analytics=taken, stock=others)
    for product, row in sides.books.stock.items():
        check.same(f"stock of {product}, gone", reserved_and_sold=row.reserved + row.sold, received_less_here=row.out)
    return check


def check_recount(sides: Sides) -> Check:
    """Balance and ledger of the inventory are proven equal by its own recount."""
    check = Check(("库存盘点", "recount of the stock"), compared=len(sides.books.stock))
    for difference in sides.books.recount:
        check.differences.append(f"recount: {difference}")
    return check


def _pieces(sides: Sides, subject: str) -> int:
    """Pieces that analytics counts beyond those of the file."""
    found, wanted = sides.books.figures[subject, "product"], sides.expected.figures[subject, "product"]
    return sum(figure.quantity for figure in found.values()) - sum(figure.quantity for figure in wanted.values())
