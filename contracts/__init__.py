"""The shared language of the services: every command and event that travels over Kafka. Start with `message`."""

from contracts import decision, deleting, inventory, notify, order, payment, task
from contracts.message import CATALOGUE

__all__ = ["CATALOGUE", "decision", "deleting", "inventory", "notify", "order", "payment", "task"]
