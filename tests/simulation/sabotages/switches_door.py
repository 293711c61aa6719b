"""As `switches`, for the guards at the door and behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.rating import RateCancellation
from services.gateway import alternatives, api, live, mp, ratings
from services.gateway.codes import Codes
from services.gateway.sessions import Sessions
from services.gateway.tokens import Kind
from services.gateway.trail import Trail
from services.order import deletion_view, erasing
from services.order import rating as rating_file
from services.order.handlers import ORDERS
from tests.simulation.sabotages.switches import replaced


def table_of_rights() -> None:
    """Nobody looks whether this kind of caller, or this role, may use the route."""
    replaced(api, "allow", lambda _: lambda right, caller: None)


def own_orders() -> None:
    """Nobody looks whose order it is."""

    async def anybodys(call: Any, order_id: str) -> Any:
        return await call.services.order.ask("GET", f"/orders/{order_id}", query={"view": "customer"})

    for place in (alternatives, live, ratings):
        replaced(place, "own_order", lambda _: anybodys)
    replaced(mp, "_own_order", lambda _: anybodys)


def audit_trail() -> None:
    """Nothing is written down."""

    async def intend(trail: Trail, deed: Any, status: int | None = None, problem: str = "") -> str:
        return "nowhere"

    replaced(Trail, "intend", lambda _: intend)


def confirmation_codes() -> None:
    """Every code is the right one."""

    async def take(codes: Codes, matter: Any, code: str, use: str) -> None:
        return None

    replaced(Codes, "take", lambda _: take)


def refresh_once() -> None:
    """A refresh token is good as often as it is shown."""

    async def refresh(sessions: Sessions, kind: Kind, token: str) -> Any:
        id, _, rest = token.partition(".")
        (found,) = await sessions._sessions.find({"_id": id})
        subject = str(found["subject"]).partition("/")[2]
        return sessions._opened(kind, subject, id, int(rest.partition(".")[0]) + 1, found["claims"])

    replaced(Sessions, "refresh", lambda _: refresh)


def rated_when_over() -> None:
    """A case is rated whether it has ended or not, and every time anew."""

    def make(was: Callable[..., Any]) -> Callable[..., Any]:
        def rate(order: Any, asked: RateCancellation, at: Any) -> Any:
            case = order.case(asked.case_id) if order is not None else None
            if case is None:
                return was(order, asked, at)
            ended = case.model_copy(
                update={"rating": None} | ({"status": "completed"} if case.status == "open" else {})
            )
            after, says = rating_file.rate(order.with_case(ended), asked, at)
            rated: Any = after.case(asked.case_id)
            return after.with_case(rated.model_copy(update={"status": case.status})), says

        return rate

    handlers: Any = ORDERS.handlers
    handlers[RateCancellation] = make(handlers[RateCancellation])


def rules_of_deleting() -> None:
    """Every order may be deleted."""
    replaced(erasing, "denying", lambda _: lambda facts: ())
    replaced(deletion_view, "denying", lambda _: lambda facts: ())
