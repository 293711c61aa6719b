"""What the gateway keeps secret with one key of its own: marks nobody else can make, and text nobody else can read."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_MIN = 32
"""Characters of the key file; `openssl rand -hex 32` makes 64."""
_NONCE = 12
_FORM = "1."
"""Before every sealed text, so that another way of sealing can be told from this one."""


class Vault:
    """Made from one secret text. Raises ValueError when it is too short to be one."""

    def __init__(self, secret: str) -> None:
        if len(secret) < SECRET_MIN:
            raise ValueError(f"shorter than {SECRET_MIN} characters")
        self._marking = _derived(secret, b"tuidan gateway marks")
        self._sealing = AESGCM(_derived(secret, b"tuidan gateway seals"))

    def mark(self, what: str, *parts: str) -> str:
        """HMAC-SHA-256 (43 characters) of `parts`; `what` keeps marks for different uses apart."""
        # As a JSON list, because ("a", "bc") and ("ab", "c") are not the same.
        content = json.dumps([what, *parts]).encode()
        return urlsafe_b64encode(hmac.digest(self._marking, content, hashlib.sha256)).decode().rstrip("=")

    def seal(self, text: str) -> str:
        """The text, encrypted (AES-256-GCM)."""
        nonce = os.urandom(_NONCE)
        return _FORM + urlsafe_b64encode(nonce + self._sealing.encrypt(nonce, text.encode(), None)).decode()

    def unseal(self, sealed: str) -> str:
        """What was sealed. Raises ValueError when this key did not seal it."""
        try:
            content = urlsafe_b64decode(sealed.removeprefix(_FORM))
            return self._sealing.decrypt(content[:_NONCE], content[_NONCE:], None).decode()
        except InvalidTag as problem:
            raise ValueError("sealed with another gateway-secret.txt") from problem


def _derived(secret: str, use: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=use).derive(secret.encode())
