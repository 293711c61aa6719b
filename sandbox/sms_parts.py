"""What both SMS providers have in common: numbers, templates, refusals and the arithmetic of signatures."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal

from sandbox.keys import Keys

MAINLAND = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})")
FOREIGN = re.compile(r"\+(?!86)[1-9]\d{6,14}")
# What begins like a mainland number and is too short for one is no number of another country.
FOREIGN_WITHOUT_SIGN = re.compile(r"(?!86|1[3-9])[1-9]\d{6,14}")
WINDOW_SECONDS = 300

Channel = Literal["sms-tencent", "sms-alibaba"]
Problem = tuple[str, str]


class TencentError(Exception):
    """A refusal of the whole request: code and words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class AlibabaError(Exception):
    """A refusal: HTTP status, code, words. What is wrong with a message is told with HTTP 200."""

    def __init__(self, http: int, code: str, message: str) -> None:
        super().__init__(f"{http} {code}: {message}")
        self.http = http
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class SmsTemplate:
    """An approved template: the shop's name for it and its parameters in order."""

    name: str
    params: list[str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent: the provider's template id, the shop's name for it, the values by parameter, the id of the call
    that sends it (BizId), and the text the caller wants back (SessionContext, OutId)."""

    template_id: str
    name: str
    values: dict[str, str]
    batch: str
    context: str


def normal_number(number: str) -> str | None:
    """E.164 (``+8613800138000``), or None when it is no phone number. Mainland numbers may come without +86."""
    if mainland := MAINLAND.fullmatch(number):
        return f"+86{mainland[1]}"
    return number if FOREIGN.fullmatch(number) else None


def alibaba_number(number: str) -> str | None:
    """The same of a number as Alibaba Cloud takes it: abroad it is the country's code and the number, without a sign
    (help.aliyun.com, SendSms, PhoneNumbers: 852000012)."""
    if MAINLAND.fullmatch(number):
        return normal_number(number)
    return f"+{number}" if FOREIGN_WITHOUT_SIGN.fullmatch(number) else None


def template(
    keys: Keys, field: Literal["tencent_template_id", "alibaba_template_code"], wanted: str
) -> SmsTemplate | None:
    """The template with this provider's id, or None."""
    for name, known in keys.sms_templates["templates"].items():
        if known[field] == wanted:
            return SmsTemplate(name, list(known["params"]))
    return None


def sha256_hex(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def hmac_sha256(key: bytes, message: str) -> bytes:
    """HMAC-SHA256 of a text."""
    return hmac.new(key, message.encode(), hashlib.sha256).digest()
