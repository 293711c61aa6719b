"""Writing and reading single key files: a file is written whole or not at all, and never replaced."""

import os
import secrets
import string
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

PUBLIC_MODE = 0o644
PRIVATE_MODE = 0o600
ALPHANUMERIC = string.ascii_letters + string.digits
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class MissingKeysError(Exception):
    """The keys folder lacks a file; make it with ``python -m sandbox keys DIR``."""


def pick(alphabet: str, length: int) -> str:
    """So many random characters of the alphabet."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a new file whole or not at all, and never touch one that is there."""
    if path.exists():
        return
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}.half")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        # A link fails where the name is taken, a rename would replace what another process has just made.
        os.link(half, path)
    except FileExistsError:
        pass
    finally:
        half.unlink()


def read_text(folder: Path, name: str) -> str:
    """A file without the blanks around it; MissingKeysError where it is not there."""
    try:
        return (folder / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise MissingKeysError(f"no {name} in the keys folder; run `python -m sandbox keys {folder}`") from None


def rsa_2048() -> rsa.RSAPrivateKey:
    """A new RSA key of the size WeChat Pay uses."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: PrivateKey) -> bytes:
    """PKCS 8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_pair(folder: Path, name: str, make: Callable[[], PrivateKey]) -> None:
    """``NAME-private.pem`` and ``NAME-public.pem``; where the private one is there, the public one follows from it."""
    private = folder / f"{name}-private.pem"
    if not private.exists():
        write_new(private, private_pem(make()), PRIVATE_MODE)
    key = serialization.load_pem_private_key(private.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise MissingKeysError(f"{private.name} is neither an RSA nor an Ed25519 key")
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_new(folder / f"{name}-public.pem", public, PUBLIC_MODE)


def read_rsa_private(folder: Path, name: str) -> rsa.RSAPrivateKey:
    """An RSA private key; MissingKeysError where it is missing or of another kind."""
    key = serialization.load_pem_private_key(read_text(folder, name).encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise MissingKeysError(f"{name} is not an RSA key")
    return key


def read_rsa_public(folder: Path, name: str) -> rsa.RSAPublicKey:
    """An RSA public key; MissingKeysError where it is missing or of another kind."""
    key = serialization.load_pem_public_key(read_text(folder, name).encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise MissingKeysError(f"{name} is not an RSA key")
    return key
