"""The shared language of the services: every command and event that travels over Kafka. Start with `message`."""

from contracts import alternative, decision, deleting, exchange, inventory, notify, order, payment, rating, task
from contracts.message import CATALOGUE

__all__ = [
    "CATALOGUE",
    "alternative",
    "decision",
    "deleting",
    "exchange",
    "inventory",
    "notify",
    "order",
    "payment",
    "rating",
    "task",
]
