"""What both SMS providers have in common: numbers, templates, the blacklist and the line in the ledger."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal

from sandbox.world import World

MAINLAND = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})")
FOREIGN = re.compile(r"\+(?!86)[1-9]\d{6,14}")
WINDOW_SECONDS = 300

Channel = Literal["sms-tencent", "sms-alibaba"]


@dataclass(frozen=True, slots=True)
class SmsTemplate:
    """An approved template: the shop's name for it and its parameters in order."""

    name: str
    params: list[str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: the provider's template id, the shop's name for it, and the values by parameter."""

    template_id: str
    name: str
    values: dict[str, str]


def normal_number(number: str) -> str | None:
    """E.164 (``+8613800138000``), or None when it is no phone number. Mainland numbers may come without +86."""
    if mainland := MAINLAND.fullmatch(number):
        return f"+86{mainland[1]}"
    return number if FOREIGN.fullmatch(number) else None


def template(
    world: World, field: Literal["tencent_template_id", "alibaba_template_code"], wanted: str
) -> SmsTemplate | None:
    """The template with this provider's id, or None."""
    for name, known in world.keys.sms_templates["templates"].items():
        if known[field] == wanted:
            return SmsTemplate(name, list(known["params"]))
    return None


def blacklisted(world: World, number: str) -> bool:
    """Whether this E.164 number was put on the blacklist."""
    return world.store.one("SELECT 1 FROM sms_blacklist WHERE number = ?", number) is not None


def note(world: World, channel: Channel, number: str, sent: Sent) -> str:
    """Write the accepted message into the ledger and say its id."""
    message_id = secrets.token_hex(10)
    world.ledger.message(
        channel, number, template=sent.template_id, name=sent.name, values=sent.values, message_id=message_id
    )
    return message_id


def sha256_hex(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def hmac_sha256(key: bytes, message: str) -> bytes:
    """HMAC-SHA256 of a text."""
    return hmac.new(key, message.encode(), hashlib.sha256).digest()
