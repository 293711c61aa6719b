"""Who says what to whom. A topic `<service>.commands` is heard by that service and `<service>.events` is written by it;
this table holds what does not follow from the name: who says a command and who hears an event.
`tests/contracts/test_roles.py` compares it with the services' code."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.message import Command, Message
from tools.catalogue.schemas import topic_name

COMMANDS_SAID_BY: dict[str, tuple[str, ...]] = {
    "place-order.v1": ("gateway",),
    "cancel-order.v1": ("gateway",),
    "withdraw-cancellation.v1": ("gateway",),
    "decide-cancellation.v1": ("gateway",),
    "ship-order.v1": ("gateway",),
    "deliver-order.v1": ("gateway",),
    "complete-order.v1": ("gateway",),
    "resolve-task.v1": ("gateway",),
    "hide-order.v1": ("gateway",),
    "rate-cancellation.v1": ("gateway",),
    "postpone-delivery.v1": ("gateway",),
    "exchange-goods.v1": ("gateway",),
    "list-product.v1": ("gateway",),
    "receive-stock.v1": ("gateway",),
    "reserve-stock.v1": ("order",),
    "hold-stock.v1": ("order",),
    "keep-stock.v1": ("order",),
    "release-stock.v1": ("order",),
    "dispatch-stock.v1": ("order",),
    "open-payment.v1": ("order",),
    "close-payment.v1": ("order",),
    "refund-payment.v1": ("order",),
    "watch-refund.v1": ("order",),
    "take-stock-again.v1": ("order",),
    "swap-stock.v1": ("order",),
    "take-back-stock.v1": ("order",),
    "resume-refund.v1": ("order",),
    "adopt-refund.v1": ("order",),
    "record-shipping.v1": ("order",),
    "tell-customer.v2": ("order",),
    "erase-contact.v1": ("order",),
    "erase-notices.v1": ("order",),
}

EVENTS_HEARD_BY: dict[str, tuple[str, ...]] = {
    "order-placed.v1": ("analytics",),
    "cancellation-accepted.v1": ("analytics",),
    "cancellation-completed.v1": ("analytics",),
    "cancellation-undone.v1": ("analytics",),
    "alternative-taken.v1": ("analytics",),
    "cancellation-rated.v1": ("analytics",),
    "refund-accepted.v1": ("order",),
    "refund-refused.v1": ("order",),
    "refund-settled.v1": ("order", "analytics"),
    "refund-attempted.v1": ("order", "analytics"),
    "refund-rerouted.v1": ("order",),
    "refund-delayed.v1": ("order",),
    "refund-resumed.v1": ("order",),
    "refund-not-resumed.v1": ("order",),
    "refund-found.v1": ("order",),
    "shipping-recorded.v1": ("order",),
    "shipping-record-strange.v1": ("order",),
    "payment-opened.v1": ("order",),
    "payment-received.v1": ("order",),
    "payment-closed.v1": ("order",),
    "payment-close-refused.v1": ("order",),
    "stock-reserved.v1": ("order",),
    "stock-short.v1": ("order",),
    "stock-held.v1": ("order",),
    "stock-hold-refused.v1": ("order",),
    "stock-kept.v1": ("order",),
    "stock-released.v1": ("order", "analytics"),
    "stock-taken-again.v1": ("order",),
    "stock-not-taken-again.v1": ("order",),
    "stock-swapped.v1": ("order",),
    "stock-not-swapped.v1": ("order",),
    "stock-taken-back.v1": ("order", "analytics"),
    "stock-dispatched.v1": ("order",),
    "stock-dispatch-refused.v1": ("order",),
    "product-listed.v1": ("order",),
    "customer-told.v2": ("order", "analytics"),
    "contact-erased.v1": ("order",),
    "notices-erased.v1": ("order",),
}


def owner(message: type[Message]) -> str:
    """The service that hears this command or says this event."""
    return topic_name(message).split(".")[0]


def says(message: type[Message]) -> tuple[str, ...]:
    return COMMANDS_SAID_BY[message.wire] if issubclass(message, Command) else (owner(message),)


def hears(message: type[Message]) -> tuple[str, ...]:
    return (owner(message),) if issubclass(message, Command) else EVENTS_HEARD_BY.get(message.wire, ())


def unlisted(catalogue: Iterable[type[Message]]) -> list[str]:
    """Where the table and the catalogue differ, as sentences. An event that no service hears is allowed: topics are
    read by others too."""
    messages = {message.wire: message for message in catalogue}
    commands = {wire for wire, message in messages.items() if issubclass(message, Command)}
    return [
        *(
            f"nobody says {wire}: name its speaker in tools/catalogue/roles.py"
            for wire in sorted(commands - set(COMMANDS_SAID_BY))
        ),
        *(
            f"roles.py names the command {wire}, which does not exist"
            for wire in sorted(set(COMMANDS_SAID_BY) - commands)
        ),
        *(
            f"roles.py names the event {wire}, which does not exist"
            for wire in sorted(set(EVENTS_HEARD_BY) - (set(messages) - commands))
        ),
    ]
