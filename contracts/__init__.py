"""The shared language of the services: every command and event that travels over Kafka. Start with `message`."""

from contracts import alternative, inventory, notify, order, payment, rating, task
from contracts.message import CATALOGUE

__all__ = ["CATALOGUE", "alternative", "inventory", "notify", "order", "payment", "rating", "task"]
