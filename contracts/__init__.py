"""The shared language of the services: every command and event that travels over Kafka. Start with `message`."""

from contracts import decision, inventory, notify, order, payment, task
from contracts.message import CATALOGUE

__all__ = ["CATALOGUE", "decision", "inventory", "notify", "order", "payment", "task"]
