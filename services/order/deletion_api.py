"""The order service's HTTP for taking orders away: hide, what a deletion would do, export, erase, restore. Internal:
only the gateway calls it, and says who asks and whether a code was given."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from chassis.engine import Engine
from chassis.problem import Problem
from chassis.record import Record
from contracts.deleting import HideOrder
from contracts.message import OrderId
from contracts.order import Actor
from services.order.deletion_view import deletion_view
from services.order.erasing import EraseOrder, RestoreOrder, refusal_to_restore
from services.order.exporting import ORDERS_MAX, BadLine, checksum, exported, read_line
from services.order.exports import Exports, Mismatch
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.problems import problem
from services.order.telling import read, read_record, same_order, tell

Id = Annotated[str, Field(min_length=1, max_length=64)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LINE_MAX = 7_000_000
"""Characters of one order."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Deletion(_Body):
    """A wish to erase one order. `confirmed`: the gateway has verified a code for it."""

    export_id: Sha256
    reason: str = Field(min_length=1, max_length=200)
    confirmed: bool = False
    by: Actor


class BulkDeletion(_Body):
    """A wish to erase every order of an export. A dry run only says what would come of it."""

    reason: str = Field(min_length=1, max_length=200)
    confirmed: bool = False
    dry_run: bool = False
    by: Actor


class Register(_Body):
    """An export that was written and read back: its orders as they follow each other, and the file's SHA-256."""

    order_ids: list[Id] = Field(min_length=1, max_length=ORDERS_MAX)
    sha256: Sha256
    by: Actor


class Restoration(_Body):
    """Lines of an export, as they stand in its file."""

    lines: list[Annotated[str, Field(max_length=LINE_MAX)]] = Field(min_length=1, max_length=ORDERS_MAX)
    dry_run: bool = False
    by: Actor


def routes(engine: Engine, exports: Exports, retention_days: int) -> APIRouter:
    """`retention_days`: how long an order is kept after the last thing that happened to it."""
    router = APIRouter()
    _add_hiding(router, engine)
    _add_exports(router, engine, exports)
    _add_deletion(router, engine, exports, retention_days)
    _add_restoration(router, engine)
    return router


def _add_hiding(router: APIRouter, engine: Engine) -> None:
    @router.post("/orders/{order_id}/hide")
    async def hide(order_id: str, asked: HideOrder) -> dict[str, Any]:
        same_order(order_id, asked)
        order = await tell(engine, asked, f"{order_id}/hide")
        return {"order_id": order.order_id, "hidden_at": order.hidden_at}


def _add_exports(router: APIRouter, engine: Engine, exports: Exports) -> None:
    @router.get("/exports/orders")
    async def page(
        before: AwareDatetime,
        after: Annotated[str, Query(max_length=64)] = "",
        limit: Annotated[int, Query(ge=1, le=ORDERS_MAX)] = ORDERS_MAX,
    ) -> dict[str, Any]:
        return await exports.page(before=before, after=after, limit=limit)

    @router.get("/orders/{order_id}/export")
    async def export(order_id: str) -> dict[str, Any]:
        lines = exported([_not_erased(await read(engine, order_id))])
        return {"export_id": checksum(lines), "lines": [line.text for line in lines]}

    @router.get("/exports/{export_id}/orders")
    async def orders_of(export_id: str) -> dict[str, Any]:
        return {"export_id": export_id, "order_ids": await _order_ids(exports, export_id)}

    @router.post("/exports")
    async def register(asked: Register) -> dict[str, Any]:
        if len(set(asked.order_ids)) != len(asked.order_ids):
            raise _mismatch()
        try:
            return await exports.register(asked.order_ids, asked.sha256, asked.by.id, engine.clock())
        except KeyError as missing:
            raise problem("unknown-order", about=str(missing.args[0])) from missing
        except Mismatch as wrong:
            raise _mismatch() from wrong


def _add_deletion(router: APIRouter, engine: Engine, exports: Exports, retention_days: int) -> None:
    async def erase(order_id: str, export_id: str, wish: Deletion | BulkDeletion) -> Order:
        record = await read_record(engine, order_id)
        digest = await exports.digest(order_id, export_id)
        if digest is None:
            raise _no_export()
        view = deletion_view(record, engine.clock(), retention_days, None)
        if not view["allowed"] and not view["erased_at"]:
            raise problem("deletion-denied", rules=view["denied"])
        asked = EraseOrder(
            order_id=OrderId(order_id),
            digest=digest,
            export_id=export_id,
            confirmed=wish.confirmed,
            retention_days=retention_days,
            reason=wish.reason,
            by=wish.by,
        )
        return await tell(engine, asked, f"{order_id}/erase/{export_id}/{record.version}")

    @router.get("/orders/{order_id}/deletion")
    async def show(order_id: str) -> dict[str, Any]:
        record = await read_record(engine, order_id)
        assert record.state is not None
        return deletion_view(record, engine.clock(), retention_days, await exports.covering(record.state))

    @router.post("/orders/{order_id}/deletion")
    async def delete(order_id: str, wish: Deletion) -> dict[str, Any]:
        order = await erase(order_id, wish.export_id, wish)
        return {"order_id": order.order_id, "erased_at": order.erased_at, "export_id": wish.export_id}

    async def one(order_id: str, export_id: str, wish: BulkDeletion) -> dict[str, Any]:
        record = await read_record(engine, order_id)
        view = deletion_view(record, engine.clock(), retention_days, await exports.covering(_state(record)))
        if view["erased_at"]:
            return {"order_id": order_id, "outcome": "erased-already", "rules": []}
        if not view["allowed"]:
            return {"order_id": order_id, "outcome": "refused", "rules": view["denied"]}
        if wish.dry_run:
            return {"order_id": order_id, "outcome": "would-be-erased", "rules": []}
        try:
            await erase(order_id, export_id, wish)
        except Problem as trouble:
            if trouble.code == "code-required":
                raise
            words = [{"rule": trouble.code, "zh": trouble.zh, "en": trouble.en}]
            return {"order_id": order_id, "outcome": "refused", "rules": words}
        return {"order_id": order_id, "outcome": "erased", "rules": []}

    @router.get("/exports/{export_id}/deletion")
    async def show_export(export_id: str) -> dict[str, Any]:
        orders = await exports.orders(await _order_ids(exports, export_id))
        # Erased ones count, too: a deletion that was cut short is asked for again with the code it was begun with.
        total = sum(order.total_minor for order in orders)
        return {"export_id": export_id, "orders": len(orders), "amount_minor": total}

    @router.post("/exports/{export_id}/deletion")
    async def delete_export(export_id: str, wish: BulkDeletion) -> dict[str, Any]:
        order_ids = await _order_ids(exports, export_id)
        if not (wish.confirmed or wish.dry_run):
            raise problem("code-required")
        return {"export_id": export_id, "orders": [await one(order_id, export_id, wish) for order_id in order_ids]}


def _add_restoration(router: APIRouter, engine: Engine) -> None:
    async def one(text: str, asked: Restoration) -> dict[str, Any]:
        try:
            line = read_line(text)
            state = line.order()
        except BadLine as bad:
            return {"order_id": "", "outcome": "damaged", "zh": bad.zh, "en": bad.en}
        record = await engine.read(ORDERS, line.order_id)
        standing = record.state if record is not None else None
        reason = refusal_to_restore(standing, line.digest)
        if reason is None and standing is not None and standing.erased is None:
            return {"order_id": line.order_id, "outcome": "there-already"}
        outcome: Literal["would-be-restored", "restored"] = "would-be-restored"
        try:
            if reason is None and not asked.dry_run:
                wish = RestoreOrder(order_id=state.order_id, digest=line.digest, state=state, by=asked.by)
                version = record.version if record is not None else 0
                await tell(engine, wish, f"{line.order_id}/restore/{line.digest}/{version}")
                outcome = "restored"
        except Problem as trouble:
            reason = trouble.code
        if reason is not None:
            return {"order_id": line.order_id, "outcome": "refused", "reason": reason}
        return {"order_id": line.order_id, "outcome": outcome}

    @router.post("/restorations")
    async def restore(asked: Restoration) -> dict[str, Any]:
        return {"orders": [await one(text, asked) for text in asked.lines]}


def _state(record: Record[Order]) -> Order:
    assert record.state is not None
    return record.state


async def _order_ids(exports: Exports, export_id: str) -> list[str]:
    found = await exports.order_ids(export_id)
    if found is None:
        raise Problem(404, "unknown-export", "没有这个导出。", "There is no such export. Register it first.")
    return found


def _not_erased(order: Order) -> Order:
    if order.erased is not None:
        raise Problem(
            409,
            "already-erased",
            "订单的个人信息已删除,无法再导出。",
            "The order's personal data is erased: there is nothing to export.",
            export_id=order.erased.export_id,
        )
    return order


def _no_export() -> Problem:
    return Problem(
        409,
        "export-required",
        "该导出不包含此订单,请先导出并登记。",
        "This export does not hold the order. Export it and register the export first.",
    )


def _mismatch() -> Problem:
    return Problem(
        409,
        "export-mismatch",
        "校验值与订单当前内容不符,请重新导出。",
        "The checksum is not that of these orders as they stand. Export them again.",
    )
