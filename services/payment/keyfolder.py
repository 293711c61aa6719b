"""One merchant's identity and keys: files in a folder, as the merchant platform gives them out. They may be changed
while the service runs; what is half-written or broken never takes the place of what works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from chassis import clock

LOOK_EVERY_SECONDS = 10.0
# A changed folder is read once nothing has changed in it for so long: its files are not written in one moment.
SETTLE_SECONDS = 2.0
# An unknown serial or a signature that does not fit is a reason to look at once, but anybody can send one.
LOOK_AT_ONCE_EVERY_SECONDS = 1.0

log = structlog.get_logger()

Print = tuple[tuple[str, int, int, int], ...]


class UnusableKeys(ValueError):
    """A key file is missing, cannot be read, or does not fit the others."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who we are at the provider, and by which keys we know it (`key_ring`: serial → key). `provider_serial` is its
    public key's, empty for an account that knows it by platform certificates only. `sub_mchid`: a service provider
    acts for this merchant, in the app `sub_appid` if it has one."""

    mchid: str
    appid: str
    serial: str
    private_key: RSAPrivateKey
    apiv3_key: bytes
    provider_serial: str
    key_ring: Mapping[str, RSAPublicKey]
    sub_mchid: str = ""
    sub_appid: str = ""

    def is_another_than(self, before: Merchant) -> bool:
        """Whether these are two accounts at the provider, and not one with two sets of keys. A service provider's new
        folder may be read before it says for whom it is."""
        return self.mchid != before.mchid or before.sub_mchid not in ("", self.sub_mchid)


def read_merchant(folder: Path) -> Merchant:
    """Read the key files (see `settings`). Raises UnusableKeys, which names the file."""
    private = _private_key(folder)
    apiv3_key = _text(folder, "apiv3-key.txt").encode()
    if len(apiv3_key) != 32:
        raise UnusableKeys("apiv3-key.txt must hold 32 bytes")
    ring: dict[str, RSAPublicKey] = {}
    serial = ""
    if (folder / "wechatpay-public.pem").exists() or (folder / "wechatpay-serial.txt").exists():
        serial = _text(folder, "wechatpay-serial.txt")
        ring[serial] = _public_key(folder, "wechatpay-public.pem")
    for more in sorted((folder / "wechatpay-keys").glob("*.pem")):
        ring[more.stem] = _public_key(more.parent, more.name)
    return Merchant(
        mchid=_text(folder, "mchid.txt"),
        appid=_text(folder, "appid.txt"),
        serial=_text(folder, "merchant-serial.txt"),
        private_key=private,
        apiv3_key=apiv3_key,
        provider_serial=serial,
        key_ring=ring,
        sub_mchid=_text_if_there(folder, "sub-mchid.txt"),
        sub_appid=_text_if_there(folder, "sub-appid.txt"),
    )


def _text(folder: Path, name: str) -> str:
    try:
        text = (folder / name).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise UnusableKeys(f"cannot read {name} in {folder}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise UnusableKeys(f"{name} is not a text") from problem
    if not text:
        raise UnusableKeys(f"{name} in {folder} is empty")
    return text


def _text_if_there(folder: Path, name: str) -> str:
    return _text(folder, name) if (folder / name).exists() else ""


def _private_key(folder: Path) -> RSAPrivateKey:
    name = "merchant-private.pem"
    try:
        private = serialization.load_pem_private_key(_text(folder, name).encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise problem if isinstance(problem, UnusableKeys) else UnusableKeys(f"{name} is not a key") from problem
    if not isinstance(private, RSAPrivateKey):
        raise UnusableKeys(f"{name} is not an RSA key")
    # Where the public half lies beside it, a pair that does not fit is one half of a change.
    if (folder / "merchant-public.pem").exists():
        public = _public_key(folder, "merchant-public.pem")
        if public.public_numbers() != private.public_key().public_numbers():
            raise UnusableKeys(f"{name} and merchant-public.pem are not a pair")
    return private


def _public_key(folder: Path, name: str) -> RSAPublicKey:
    pem = _text(folder, name)
    is_certificate = "BEGIN CERTIFICATE" in pem
    data = pem.encode()
    try:
        key = (
            x509.load_pem_x509_certificate(data).public_key()
            if is_certificate
            else serialization.load_pem_public_key(data)
        )
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise UnusableKeys(f"{name} is not a key") from problem
    if not isinstance(key, RSAPublicKey):
        raise UnusableKeys(f"{name} is not an RSA key")
    return key


class KeyFolder:
    """A merchant whose files are read again when they have changed. `monotonic` in seconds. The first reading raises
    UnusableKeys."""

    def __init__(self, folder: Path, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._read = self._seen = _fingerprint(folder)
        self._merchant = read_merchant(folder)
        self._look_at = monotonic() + LOOK_EVERY_SECONDS
        self._at_once_from = monotonic()

    @property
    def merchant(self) -> Merchant:
        """The merchant as the folder has it, at most some seconds old."""
        now = self._monotonic()
        if now >= self._look_at:
            self._look(now)
        return self._merchant

    def look_at_once(self) -> bool:
        """Something does not fit our keys: read them again if they have changed. Whether there are others now."""
        now = self._monotonic()
        if now < self._at_once_from:
            return False
        self._at_once_from = now + LOOK_AT_ONCE_EVERY_SECONDS
        print_now = _fingerprint(self._folder)
        return print_now != self._read and self._take(print_now)

    def _look(self, now: float) -> None:
        """Read what has changed, but not before it has settled."""
        print_now = _fingerprint(self._folder)
        settled = print_now == self._seen
        self._seen = print_now
        self._look_at = now + (LOOK_EVERY_SECONDS if settled else SETTLE_SECONDS)
        if settled and print_now != self._read:
            self._take(print_now)

    def _take(self, print_now: Print) -> bool:
        self._read = self._seen = print_now
        try:
            merchant = read_merchant(self._folder)
        except UnusableKeys as problem:
            log.error("changed keys cannot be used, the ones before stay", folder=self._folder.name, why=str(problem))
            return False
        if merchant.is_another_than(self._merchant):
            # It knows nothing of what is under way: a refund that it does not find would count as never made.
            log.error(
                "keys of another merchant are not taken, the ones before stay",
                folder=self._folder.name,
                mchid=merchant.mchid,
                sub_mchid=merchant.sub_mchid,
                before=self._merchant.mchid,
            )
            return False
        log.info("keys were changed", folder=self._folder.name, mchid=merchant.mchid, serial=merchant.serial)
        self._merchant = merchant
        return True


def _fingerprint(folder: Path) -> Print:
    """Name, change time (ns), size and inode of every key file: whatever rewrites a file changes one of them."""
    found = []
    for path in sorted((*folder.glob("*.pem"), *folder.glob("*.txt"), *(folder / "wechatpay-keys").glob("*.pem"))):
        try:
            status = path.stat()
        except OSError:
            continue  # taken away while we look: the next look sees that
        found.append((path.name, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
