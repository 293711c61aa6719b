"""Lists of orders, newest first, each answered from one index (docs/decisions/0023-finding-orders.md)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from chassis.keeping import Keeping
from chassis.mongo import Collection
from chassis.problem import Problem
from services.order.colours import colour_of
from services.order.finding import (
    EPOCH,
    CaseState,
    WrongCursor,
    case_words,
    cursor_of,
    following,
    product_term,
    read_cursor,
    who_terms,
    word_term,
    words_wanted,
)
from services.order.model import OrderState
from services.order.story import masked_contact
from services.order.words import state_in_words

Keys = list[tuple[str, int]]

NEWEST_FIRST: Keys = [("state.placed_at", -1), ("_id", -1)]
# What follows the sort in every index is looked at in the index: an order is read only when it is shown.
_TAIL: Keys = [*NEWEST_FIRST, ("state.state", 1), ("found_by.case", 1)]
BY_TIME: Keys = _TAIL
BY_STATE: Keys = [("state.state", 1), *NEWEST_FIRST, ("found_by.case", 1)]
BY_CASE: Keys = [("found_by.case", 1), *NEWEST_FIRST, ("state.state", 1)]
BY_TERM: Keys = [("found_by.terms", 1), *_TAIL]
BY_CUSTOMER: Keys = [("state.customer_id", 1), *_TAIL, ("state.hidden_at", 1)]
BY_CUSTOMER_AND_TERM: Keys = [("state.customer_id", 1), ("found_by.terms", 1), *_TAIL, ("state.hidden_at", 1)]
BY_REFERENCE: Keys = [("state.reference", 1), *NEWEST_FIRST]
_ANY_CASE = {"$gt": ""}

_FIELDS = [
    "state.order_id",
    "state.customer_id",
    "state.reference",
    "state.state",
    "state.total_minor",
    "state.currency",
    "state.paid",
    "state.placed_at",
    "state.contact.name",
    "state.contact.phone",
    "state.lines.name",
    "state.lines.quantity",
    "state.lines.cancelled",
    "state.lines.exchanged",
    "state.cases.case_id",
    "state.cases.status",
    "state.cases.refund.amount",
]
_GOODS_SHOWN = 3
Text = Annotated[str, Field(min_length=1, max_length=64)]


class Wanted(BaseModel):
    """Which orders: all that is given must hold. `number`: an order's id or another system's reference. `goods`: words
    in the names of its goods. `name`: of who ordered, whole; `phone`: the last four digits of their number. `from` and
    `until` (not included): when it was placed, UTC. `contacts`: show who ordered, masked; `hidden`: also what its
    customer took out of the list."""

    model_config = ConfigDict(frozen=True)

    customer_id: Text | None = None
    number: Text | None = None
    reference: Text | None = None
    state: OrderState | None = None
    case: CaseState | None = None
    goods: Text | None = None
    product_id: Text | None = None
    name: Text | None = None
    phone: str | None = Field(None, pattern=r"^[0-9]{4}$")
    since: AwareDatetime | None = Field(None, alias="from")
    until: AwareDatetime | None = None
    after: str = Field("", max_length=128)
    limit: int = Field(50, ge=1, le=500)
    contacts: bool = False
    hidden: bool = True


class OrderLists:
    """Reads pages of orders, which stand in their documents as `keeping` says."""

    def __init__(self, orders: Collection, keeping: Keeping) -> None:
        self._orders = orders
        self._keeping = keeping

    async def prepare(self) -> None:
        """Make the indexes that the lists read."""
        for keys in (BY_TIME, BY_STATE, BY_TERM, BY_CUSTOMER, BY_CUSTOMER_AND_TERM):
            await self._orders.ensure_index(keys)
        await self._orders.ensure_index(BY_CASE, partial={"found_by.case": _ANY_CASE})
        await self._orders.ensure_index(BY_REFERENCE, partial={"state.reference": {"$gt": ""}})

    async def page(self, wanted: Wanted) -> dict[str, Any]:
        """A page of orders, without lines and timeline. Raises the problem wrong-cursor (422)."""
        terms = self._terms(wanted)
        if terms is None:
            return {"orders": [], "next": None}
        conditions = _conditions(wanted, terms)
        if wanted.number is None:
            found = await self._find(conditions, _index(wanted, terms), wanted.limit)
        else:
            found = await self._by_number(wanted.number, conditions, wanted.limit)
        rows = [_listed(document["state"]) for document in found]
        if wanted.contacts:
            rows = [{**row, "contact": self._contact(one)} for row, one in zip(rows, found, strict=True)]
        return {"orders": rows, "next": _next(found, wanted.limit)}

    def _contact(self, document: dict[str, Any]) -> dict[str, str]:
        contact = self._keeping.opened(document)["state"]["contact"]
        return masked_contact(contact["name"], contact["phone"])

    def _terms(self, wanted: Wanted) -> list[str] | None:
        """The terms that an order must have, the most telling first; None when the words that are looked for hold no
        letter and no digit."""
        terms = [self._keeping.term(one) for one in who_terms(wanted.name, wanted.phone)]
        if wanted.product_id is not None:
            terms.append(product_term(wanted.product_id))
        if wanted.goods is not None:
            words = words_wanted(wanted.goods)
            if not words:
                return None
            terms.extend(word_term(word) for word in words)
        return terms

    async def _by_number(self, number: str, conditions: dict[str, Any], limit: int) -> list[dict[str, Any]]:
        """Two questions, because two indexes together cannot answer in an order."""
        both = [
            *await self._orders.find({**conditions, "_id": number}, fields=_FIELDS),
            *await self._find({**conditions, "state.reference": number}, BY_REFERENCE, limit),
        ]
        once = {document["_id"]: document for document in both}
        return sorted(once.values(), key=_place, reverse=True)[:limit]

    async def _find(self, conditions: dict[str, Any], index: Keys, limit: int) -> list[dict[str, Any]]:
        return await self._orders.find(conditions, fields=_FIELDS, sort=NEWEST_FIRST, limit=limit, index=index)


def _conditions(wanted: Wanted, terms: Sequence[str]) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    given = {"state.customer_id": wanted.customer_id, "state.reference": wanted.reference, "state.state": wanted.state}
    conditions.update({name: value for name, value in given.items() if value is not None})
    if wanted.case is not None:
        # The second half says what the partial index says, so that it may be read.
        conditions["found_by.case"] = {"$in": case_words(wanted.case), **_ANY_CASE}
    if not wanted.hidden:
        conditions["state.hidden_at"] = None
    cursor = place_after(wanted.after)
    between: dict[str, datetime] = {"$gte": wanted.since or EPOCH}
    if wanted.until is not None:
        between["$lt"] = wanted.until
    if cursor is not None:
        between["$lte"] = cursor[0]
    conditions["state.placed_at"] = between
    conditions.update(following(cursor))
    if terms:
        conditions["$and"] = [{"found_by.terms": term} for term in terms]
    return conditions


def place_after(after: str) -> tuple[datetime, str] | None:
    """Where the page before ended; None: at the beginning. Raises the problem wrong-cursor (422)."""
    try:
        return read_cursor(after) if after else None
    except WrongCursor as wrong:
        raise Problem(
            422,
            "wrong-cursor",
            "after 必须是上一页返回的 next;请去掉 after,从第一页重新查询。",
            "`after` must be the `next` of the page before. Leave it out and begin with the first page again.",
        ) from wrong


def _index(wanted: Wanted, terms: Sequence[str]) -> Keys:
    """The index that answers with the fewest looks. Said to the database: left to itself it tries several each time its
    memory of the last try is gone, and once in a while keeps a bad one."""
    if wanted.reference is not None:
        return BY_REFERENCE
    if wanted.customer_id is not None:
        return BY_CUSTOMER_AND_TERM if terms else BY_CUSTOMER
    if terms:
        return BY_TERM
    if wanted.case is not None:
        return BY_CASE
    return BY_TIME if wanted.state is None else BY_STATE


def _listed(state: dict[str, Any]) -> dict[str, Any]:
    cases, lines = state.get("cases", []), state["lines"]
    return {
        "order_id": state["order_id"],
        "customer_id": state["customer_id"],
        "reference": state["reference"],
        "state": state["state"],
        "state_in_words": state_in_words(state["state"]),
        "colour": colour_of(state["state"]),
        "total_minor": state["total_minor"],
        "currency": state["currency"],
        "paid_minor": state["paid"]["amount_minor"] if state.get("paid") else 0,
        "refunded_minor": sum(
            case["refund"]["amount"]["amount_minor"]
            for case in cases
            if case["status"] == "completed" and case.get("refund")
        ),
        "placed_at": state["placed_at"],
        "goods": [line["name"] for line in lines if line["quantity"] > _exchanged(line)][:_GOODS_SHOWN],
        "pieces": sum(line["quantity"] - line["cancelled"] - _exchanged(line) for line in lines),
        "case_ids": [case["case_id"] for case in cases],
    }


def _exchanged(line: dict[str, Any]) -> int:
    """Pieces that became a line of their own; lines of older orders do not say."""
    return int(line.get("exchanged", 0))


def _place(document: dict[str, Any]) -> tuple[datetime, str]:
    return document["state"]["placed_at"], document["_id"]


def _next(found: Sequence[dict[str, Any]], limit: int) -> str | None:
    return cursor_of(*_place(found[-1])) if len(found) == limit else None
