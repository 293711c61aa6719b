"""What the staff do now and then in several steps: a password of their own, the next list of reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.people import Door

Json = dict[str, Any]

FORGETFUL_SHARE = 0.3
PASSWORDS, REASONS = "/admin/v1/session/password", "/admin/v1/reasons"
WHO = "s-finance"


async def own_password(door: Door, draw: Callable[[], float]) -> None:
    """Take another password, with the second factor; where no answer comes nobody knows which one counts. Only who has
    signed in at the real door has one. Then nobody gets anything for the session of another browser."""
    elsewhere = await door.keyring.session(WHO) if WHO in door.keyring else None
    if elsewhere is None:
        return
    door.keyring.forget(WHO)
    if await door.keyring.session(WHO) is None:
        return
    account = door.keyring.accounts[WHO]
    new = f"a-word-of-my-own-{int(draw() * 10**6)}"
    body = {"password": account.password, "code": await door.keyring.second_factor(WHO), "new_password": new}
    status, _ = await door.ask(WHO, "POST", PASSWORDS, body)
    if status != 422:
        door.keyring.accounts[WHO] = account.with_password(new)
    if status == 200:
        door.note(WHO, "sign-out", "", {"session": elsewhere.id}, 204, {})
        await door.keyring.show_again(WHO, elsewhere.refresh)


async def next_reasons(door: Door, draw: Callable[[], float]) -> None:
    """Publish the list with one more; now and then one of those before is left out, which is refused."""
    _, known = await door.ask("s-supervisor", "GET", REASONS)
    if "reasons" not in known:
        return
    version, reasons = known["version"], list(known["reasons"])
    await door.ask("s-supervisor", "GET", f"{REASONS}/{version + int(draw() < FORGETFUL_SHARE)}")
    if draw() < FORGETFUL_SHARE:
        del reasons[int(draw() * len(reasons))]
    more = {"family": "customer", "code": f"of-season-{version}", "zh": "换季", "en": "Out of season"}
    wish = {"reasons": [*reasons, more], "instead_of": version, "note": "one more"}
    await door.ask("s-supervisor", "POST", REASONS, wish)


EVERY = (own_password, next_reasons)
