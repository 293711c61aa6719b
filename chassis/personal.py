"""Keys for personal data at rest: what is stored about people is encrypted, what they are searched by is a keyed hash.

The keys folder holds `personal-<n>.key` (the highest n seals, every one opens) and `personal-search.key`, each 32 bytes
in base64. A sealed text is `sealed.<n>.<nonce, ciphertext and tag in base64url>`: AES-256-GCM (NIST SP 800-38D) with a
random nonce of 96 bits, bound to the record it stands in, so that it opens nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import sys
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis import clock
from chassis.store import StoreUnavailable

SEARCH_KEY = "personal-search.key"
KEY_BYTES = 32
NONCE_BYTES = 12
DIGEST_BYTES = 16
LOOK_SECONDS = 30.0
"""How old the list of keys may be when something is sealed: so long after a rotation began every process seals with the
new key."""

_FILE = re.compile(r"personal-([1-9][0-9]{0,8})\.key\Z")
_SEALED = re.compile(r"sealed\.([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{38,})\Z")
"""Nonce and tag of an empty text are 28 bytes: 38 characters."""


class KeyMissing(StoreUnavailable):
    """What is stored cannot be opened: its key is not in the folder. Whatever was heard waits and is heard again once
    the key is back."""


class Damaged(Exception):
    """What is stored is not what was sealed there. Waiting does not mend it, and a wrong key file does not start: what
    is heard about it is tried and buried, as with any record that cannot be read."""


class WrongKeyFile(Exception):
    """The keys folder cannot be used; says which file and why."""


class Ring:
    """The keys of one folder. Raises WrongKeyFile when there is none, or one cannot be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._search = _read(folder / SEARCH_KEY)
        self._look()

    def _look(self) -> None:
        """Read the folder anew: a rotation adds keys while services run."""
        keys = read_keys(self._folder)
        self._opens: Mapping[int, AESGCM] = {number: AESGCM(key) for number, key in keys.items()}
        self.current = max(keys)
        self._looked = clock.monotonic()

    def _look_again(self) -> None:
        """As `_look`. A folder that cannot be read any more, or a new key in it that cannot, takes nothing from the
        keys that we have: what was heard is not buried for it."""
        try:
            self._look()
        except WrongKeyFile as problem:
            import structlog  # only here: who but makes keys, as the supervisor of a stack does, need not load it

            self._looked = clock.monotonic()
            structlog.get_logger().error(
                "the keys cannot be read anew, going on with those from before", problem=str(problem)
            )

    def seal(self, text: str, place: str) -> str:
        """Encrypt a text for a place (kind and id of the record)."""
        if clock.monotonic() - self._looked > LOOK_SECONDS:
            self._look_again()
        nonce = os.urandom(NONCE_BYTES)
        hidden = self._opens[self.current].encrypt(nonce, text.encode(), place.encode())
        return f"sealed.{self.current}.{urlsafe_b64encode(nonce + hidden).decode().rstrip('=')}"

    def open(self, text: str, place: str) -> str:
        """What was sealed; a text that is not sealed was stored before there were keys, and stays as it is. Raises
        KeyMissing, Damaged."""
        match = _SEALED.match(text)
        if match is None:
            return text
        number = int(match[1])
        if number not in self._opens:
            self._look_again()
        key = self._opens.get(number)
        if key is None:
            raise KeyMissing(f"personal-{number}.key is not in {self._folder}, and {place} was sealed with it")
        hidden = urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4))
        try:
            return key.decrypt(hidden[:NONCE_BYTES], hidden[NONCE_BYTES:], place.encode()).decode()
        except InvalidTag as wrong:
            raise Damaged(f"{place} was not sealed with this personal-{number}.key, or was changed since") from wrong

    def digest(self, text: str) -> str:
        """A keyed hash to search by: the same for the same text, and of no use to whoever lacks the key."""
        made = hmac.digest(self._search, text.encode(), hashlib.sha256)
        return urlsafe_b64encode(made[:DIGEST_BYTES]).decode().rstrip("=")


def key_of(text: str) -> int | None:
    """The number of the key that a text was sealed with, None when it is not sealed."""
    match = _SEALED.match(text)
    return int(match[1]) if match else None


def read_keys(folder: Path) -> dict[int, bytes]:
    """The keys of a folder by number. Raises WrongKeyFile."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as problem:
        raise WrongKeyFile(f"cannot read {folder}: {problem.strerror}") from problem
    found = {int(match[1]): _read(folder / name) for name in names if (match := _FILE.match(name))}
    if not found:
        raise WrongKeyFile(f"no personal-<n>.key in {folder}; make the first with: tuidan keys make-personal {folder}")
    return found


def _read(file: Path) -> bytes:
    try:
        key = b64decode(file.read_text(encoding="ascii").strip(), validate=True)
    except OSError as problem:
        made = f"make it with: tuidan keys make-personal {file.parent}"
        raise WrongKeyFile(f"cannot read {file.name} in {file.parent}: {problem.strerror}; {made}") from problem
    except ValueError as problem:
        raise WrongKeyFile(f"{file.name} is not base64") from problem
    if len(key) != KEY_BYTES:
        raise WrongKeyFile(f"{file.name} has {len(key)} bytes, a key has {KEY_BYTES}")
    return key


def read_ring(folder: Path | None) -> Ring:
    """The ring of a service. Leaves the process with exit code 2 and one line when the folder cannot be used."""
    try:
        if folder is None:
            raise WrongKeyFile("the folder with key files must be named")
        return Ring(folder)
    except WrongKeyFile as problem:
        sys.stderr.write(f"TUIDAN_KEYS: {problem}\n")
        raise SystemExit(2) from problem


def make_first_keys(folder: Path) -> None:
    """Make the first key and the search key where they are missing; what is there stays."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(_FILE.match(path.name) for path in folder.iterdir()):
        _write(folder / "personal-1.key")
    if not (folder / SEARCH_KEY).exists():
        _write(folder / SEARCH_KEY)


def add_key(folder: Path) -> int:
    """Make the next key; returns its number. From now on everything new is sealed with it."""
    number = max(read_keys(folder)) + 1
    _write(folder / f"personal-{number}.key")
    return number


def _write(file: Path) -> None:
    """Write a new key, whole from the first moment that it has its name, and never over another. It is on the disk when
    this returns: what is sealed with it reaches the database's disk at once, and must not outlive its key."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):  # another process was faster: its key is the key
            os.link(draft, file)
    finally:
        draft.unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # the name, too; some file systems of a network cannot be asked for that
            os.fsync(folder)
    finally:
        os.close(folder)
