"""A bill's file: proved by its hash, since the provider does not sign downloads.

Source: pay.weixin.qq.com/docs/merchant/apis/in-app-payment/get-trade-bill.html (SHA-1 of the uncompressed file).
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from typing import Literal

from pydantic import BaseModel

# A line has some 400 bytes: half a million of them.
BILL_BYTES_MAX = 256 * 1024 * 1024

_GZIP = b"\x1f\x8b"


class BillLink(BaseModel):
    """Where the file is, for some minutes, and the hash of its uncompressed bytes."""

    hash_type: Literal["SHA1"]
    hash_value: str
    download_url: str


class BadBill(ValueError):
    """Not the file that was promised."""


def unpacked(raw: bytes, hash_value: str, bytes_max: int = BILL_BYTES_MAX) -> bytes:
    """The file, uncompressed if need be. Raises BadBill when it is cut off, changed, or larger than `bytes_max`."""
    plain = _gunzipped(raw, bytes_max) if raw.startswith(_GZIP) else raw
    found = hashlib.sha1(plain, usedforsecurity=False).hexdigest()
    if not hmac.compare_digest(found.encode(), hash_value.lower().encode()):
        raise BadBill("the file's hash is not the promised one")
    return plain


def _gunzipped(raw: bytes, bytes_max: int) -> bytes:
    """Every member of a gzip file; a file may be made of several."""
    plain = bytearray()
    try:
        while raw:
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            plain += member.decompress(raw, bytes_max + 1 - len(plain))
            if len(plain) > bytes_max:
                raise BadBill(f"more than {bytes_max} bytes")
            if not member.eof:
                raise BadBill("the compressed file is cut off")
            raw = member.unused_data
    except zlib.error as problem:
        raise BadBill(f"not a gzip file: {problem}") from problem
    return bytes(plain)
