"""What customers say about a cancellation when it is over, or too early; and how the mini-program tells what they
answered when it asked whether it may send them messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.subscribe import openid_of

if TYPE_CHECKING:
    from tests.simulation.people import Person

Json = dict[str, Any]


async def rate(person: Person, key: str, stars: int, answers: Json) -> None:
    """Rate the last cancellation, with answers of the questionnaire that is shown."""
    if not person.case_id:
        return
    _, asked = await person.door.ask(person.name, "GET", "/mp/v1/questionnaire")
    body = {"questionnaire": int(asked.get("version", 1)), "stars": stars, "answers": answers, "remark": "还可以"}
    path = f"/mp/v1/orders/{person.order_id}/cases/{person.case_id}/rating"
    await person.door.ask(person.name, "POST", path, body, what="rate", order=person.order_id)


async def subscribe(person: Person, key: str, answer: str) -> None:
    """WeChat asks, and the mini-program tells the shop what was answered; then the page looks what is left."""
    wish: Json = {"openid": openid_of(person.name)} | ({} if answer == "accept" else {"answer": answer})
    _, popup = await person.door.sandbox("POST", "/_customer/subscribe", wish)
    answers = dict.fromkeys(popup.get("remaining", {}), answer)
    if answers:
        await person.door.ask(person.name, "POST", "/mp/v1/subscriptions", {"answers": answers}, key=key)
    await person.door.ask(person.name, "GET", "/mp/v1/subscriptions")


STEPS: Mapping[str, Callable[..., Awaitable[object]]] = {"rate": rate, "subscribe": subscribe}
