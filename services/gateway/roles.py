"""The roles of the staff, and who does which work, as data. The table of rights (`auth.RIGHTS`) names one of these sets
in every row that is open to staff; a role that is in no set may do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Role = Literal["customer-service", "supervisor", "finance", "warehouse", "administrator"]
RuleRole = Role | Literal["customer", "system"]
"""Of whom a rule about cancelling can speak."""
Roles: TypeAlias = frozenset[str]

WORDS: Mapping[Role, tuple[str, str]] = {
    "customer-service": ("客服", "customer service"),
    "supervisor": ("主管", "supervisor"),
    "finance": ("财务", "finance"),
    "warehouse": ("仓库", "warehouse"),
    "administrator": ("管理员", "administrator"),
}
"""Each role in Chinese and English."""

NO_ROLE: Roles = frozenset()
EVERYBODY: Roles = frozenset(WORDS)
"""Reads orders, cases, tasks, notices and stock; signs out."""
ADMINISTRATORS: Roles = frozenset({"administrator"})
"""Keep the accounts of the staff, and read who did what."""
MONEY: Roles = frozenset({"administrator", "finance", "supervisor"})
"""Staff who answer for money."""
CANCELLING: Roles = frozenset({"administrator", "customer-service", "supervisor"})
"""Speak with customers and cancel for them."""
CARDS: Roles = MONEY | CANCELLING
"""Take the card number for a refund that came back: from a customer on the phone, or from the bank's paper."""
SHIPPING: Roles = frozenset({"administrator", "supervisor", "warehouse"})
"""Hand parcels over, book goods in, recount."""
FINISHING: Roles = SHIPPING | CANCELLING
"""Say that an order has come to its end."""
SELLING: Roles = frozenset({"administrator", "supervisor"})
"""Decide what is sold, for how much."""
FIGURES: Roles = MONEY
"""Read the shop's figures."""
