"""The colours that states are shown in. A token is for whoever has a palette of their own, the hex value for whoever
has none; the values keep a contrast of at least 4.5 on white (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

from services.order.model import OrderState

_COLOURS: dict[OrderState, tuple[str, str]] = {
    "pending-payment": ("waiting", "#B45309"),
    "paid": ("active", "#1D4ED8"),
    "shipped": ("moving", "#0F766E"),
    "delivered": ("arrived", "#15803D"),
    "completed": ("done", "#166534"),
    "cancelling": ("attention", "#C2410C"),
    "cancelled": ("off", "#6B7280"),
}


def colour_of(state: OrderState) -> dict[str, str]:
    """The colour of a state: `{"token", "hex"}`."""
    token, value = _COLOURS[state]
    return {"token": token, "hex": value}
