"""What an exported order looks like: one line of JSON each, which says of itself whether it is whole. Pure.

    {"format":"tuidan-order/1","line":1,"of":2,"order_id":"…","sha256":"…","state":{…}}

`sha256` is the digest of the bytes of `state`, `line` and `of` are the place in the file. The id of an export is the
SHA-256 of all its lines, each with its line feed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from services.order.model import Order

FORMAT = "tuidan-order/1"
ORDERS_MAX = 200
"""Orders in one export."""

_STATE = ',"state":'


class BadLine(Exception):
    """A line that is not what was exported; `zh` and `en` say what is wrong with it."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True)
class Exported:
    """One order as a file has it: its place, its digest, its state as text."""

    line: int
    of: int
    order_id: str
    digest: str
    state: str

    @property
    def text(self) -> str:
        """The line, without its line feed."""
        head = {"format": FORMAT, "line": self.line, "of": self.of, "order_id": self.order_id, "sha256": self.digest}
        return json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1] + _STATE + self.state + "}"

    def order(self) -> Order:
        """The order. Raises BadLine when this version of the system cannot keep all of it."""
        try:
            order = Order.model_validate_json(self.state)
        except ValidationError as problem:
            where = ".".join(map(str, problem.errors()[0]["loc"]))
            raise BadLine(f"订单内容无法读取({where})", f"the order cannot be read ({where})") from problem
        if order.order_id != self.order_id:
            raise BadLine("内容是另一个订单", "its content is another order's")
        if not _holds(json.loads(order.model_dump_json()), json.loads(self.state)):
            raise BadLine("由更新版本的系统导出", "it was exported by a newer version of the system")
        return order


def digest_of(order: Order) -> str:
    """SHA-256 (hex) of an order's state: another one for every change."""
    return _sha256(order.model_dump_json())


def exported(orders: Sequence[Order]) -> list[Exported]:
    """The orders as the lines of one file."""
    return [
        Exported(position, len(orders), order.order_id, digest_of(order), order.model_dump_json())
        for position, order in enumerate(orders, start=1)
    ]


def checksum(lines: Iterable[Exported]) -> str:
    """SHA-256 (hex) of the file, which is the export's id."""
    return _sha256("".join(f"{line.text}\n" for line in lines))


def read_line(text: str) -> Exported:
    """A line of a file, proven whole. Raises BadLine."""
    head, found, rest = text.partition(_STATE)
    try:
        facts = json.loads(head + "}")
        line = Exported(facts["line"], facts["of"], facts["order_id"], facts["sha256"], rest[:-1])
        is_ours = facts["format"] == FORMAT
    except (ValueError, KeyError, TypeError) as problem:
        raise BadLine("不是导出的订单,或开头已损坏", "no exported order, or its beginning is damaged") from problem
    if not (found and is_ours and line.text == text):
        raise BadLine("行不完整或已损坏", "the line broke off or is damaged")
    if _sha256(line.state) != line.digest:
        raise BadLine("内容与校验值不符", "its content does not agree with its checksum")
    return line


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _holds(kept: object, given: object) -> bool:
    """Whether all that is given is kept: new fields with defaults may have come, none may be lost."""
    if isinstance(given, dict):
        return isinstance(kept, dict) and all(name in kept and _holds(kept[name], given[name]) for name in given)
    if isinstance(given, list):
        return isinstance(kept, list) and len(kept) == len(given) and all(map(_holds, kept, given))
    return kept == given
