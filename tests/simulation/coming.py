"""Coming and going: tokens that run out, a session that is ended, a refresh token that somebody else has, too, guesses
at the staff's door, and watching an order move."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.people import Person

TOKEN_LASTS_SECONDS = 905.0
GUESSES = 7
"""More than are free."""


async def come_back(person: Person, key: str) -> None:
    """Lay the telephone down until the token has run out."""
    await asyncio.sleep(TOKEN_LASTS_SECONDS)
    await person.look()


async def sign_out(person: Person, key: str) -> None:
    """End the session; whoever kept its refresh token gets nothing for it."""
    keyring, who = person.door.keyring, person.name
    if who not in keyring:
        return
    status, _ = await person.door.ask(who, "DELETE", "/mp/v1/session")
    session = keyring.session_of(who)
    if session is None:
        return
    person.door.note(who, "sign-out", "", {"session": session.id}, status, {})
    keyring.forget(who)
    await keyring.show_again(who, session.refresh)
    await person.look()


async def lose_the_phone(person: Person, key: str) -> None:
    """Come with another telephone while the first one's session goes on."""
    person.door.keyring.forget(person.name)
    await person.look()


async def be_copied(person: Person, key: str, staff: bool) -> None:
    """Somebody has copied the refresh token: one of the two uses it first, the other one second, and then nobody has a
    session any more."""
    keyring, who = person.door.keyring, "s-customer-service" if staff else person.name
    session = keyring.session_of(who) if who in keyring else None
    if session is None:
        return
    await asyncio.gather(keyring.show_again(who, session.refresh), keyring.show_again(who, session.refresh))
    keyring.refused(who, session)
    await person.door.ask(who, "GET", "/admin/v1/orders?limit=1" if staff else "/mp/v1/orders?limit=1")


async def guess(person: Person, key: str, who: str) -> None:
    """Somebody tries passwords at the staff's door, of somebody who works here or of nobody."""
    for number in range(GUESSES):
        body = {"staff_id": who, "password": f"letmein-{number}", "code": f"{number:06d}"}
        await person.door.knock(who, "sign-in", "POST", "/admin/v1/session", body)


async def watch(person: Person, key: str, seconds: float, staff: bool) -> None:
    """Look at the order as it moves, and hang up."""
    if person.order_id:
        who, door = ("s-customer-service", "admin") if staff else (person.name, "mp")
        await person.door.watch(who, f"/{door}/v1/orders/{person.order_id}/live", person.order_id, seconds)


STEPS: Mapping[str, Callable[..., Awaitable[object]]] = {
    "comes-back": come_back,
    "signs-out": sign_out,
    "another-phone": lose_the_phone,
    "is-copied": be_copied,
    "guesses": guess,
    "watch": watch,
}
