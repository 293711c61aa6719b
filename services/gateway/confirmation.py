"""The second confirmation of what cannot be taken back."""

from __future__ import annotations

from typing import Protocol

from services.gateway.codes import away


class Codes(Protocol):
    """Who knows the codes that members of staff were sent."""

    async def confirm(self, *, staff: str, action: str, subject: str, amount_minor: int, code: str) -> None:
        """Returns when `code` is the one that this member of staff was sent for this action on this subject (an order,
        an export) and this amount (fen), and uses it up. Raises a problem that says what to do otherwise."""


async def confirmed(
    codes: Codes | None, *, staff: str, action: str, subject: str, amount_minor: int, code: str
) -> None:
    """Returns only when the code is right. Without somebody who knows codes nothing is confirmed. Raises the problem
    `codes-not-available` (503), or those of `Codes`."""
    if codes is None:
        raise away()
    await codes.confirm(staff=staff, action=action, subject=subject, amount_minor=amount_minor, code=code)
