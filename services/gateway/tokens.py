"""Access tokens: made for whoever has signed in, read at every call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from fastapi.responses import JSONResponse
from jwt.types import Options
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.clock import Clock
from chassis.problem import Problem
from services.gateway.model import NAME_PATTERN

OWN = "tuidan-gateway"
"""Who made the tokens of `Signer`."""
SANDBOX = "tuidan-sandbox"
"""Who makes tokens for anybody who asks. Trusted only where the settings say so."""
AUDIENCE = "tuidan"
TOKEN_MAX = 4_096
REMEMBERED = 10_000
LIFE_SECONDS = 900

Kind = Literal["customer", "staff"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is. `openid`, `group` and `shop` (whose merchant account they pay to) belong to customers, `role`
    to staff; `until` is a Unix time (s). `session`: see `sessions`; empty in a token that others made. `phone`: of a
    member of staff who has no account here."""

    kind: Kind
    sub: str
    openid: str
    group: str
    shop: str
    role: str
    scope: frozenset[str]
    until: float
    session: str = ""
    phone: str = ""


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore")
    kind: Kind
    sub: str = Field(pattern=NAME_PATTERN)
    openid: str = Field("", max_length=64)
    group: str = Field("", max_length=64)
    shop: str = Field("", pattern=r"^[0-9a-z-]{0,32}$")
    role: str = Field("", max_length=32)
    scope: tuple[str, ...] = ()
    sid: str = Field("", max_length=64)
    phone: str = Field("", max_length=32)
    exp: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _complete(self) -> _Claims:
        if self.sub in {".", ".."}:
            raise ValueError("sub is a path")
        if not (self.openid if self.kind == "customer" else self.role):
            raise ValueError("a customer has an openid, a member of staff a role")
        return self


class Unauthorized(Problem):
    """Nobody is signed in."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(401, code, zh, en)

    def response(self) -> JSONResponse:
        """The problem with the challenge that RFC 9110 asks for."""
        answer = super().response()
        hint = "" if self.code == "token-missing" else ', error="invalid_token"'
        answer.headers["WWW-Authenticate"] = f'Bearer realm="tuidan"{hint}'
        return answer


class Tokens:
    """Verifies tokens: JWT, EdDSA, one Ed25519 key for each issuer. A token that was good once is remembered until it
    expires, because a verification costs 0.1 ms."""

    def __init__(self, issuers: Mapping[str, str], clock: Clock) -> None:
        """`issuers`: public PEM by issuer. Raises ValueError when one holds no Ed25519 public key."""
        self._keys = {issuer: _public(pem) for issuer, pem in issuers.items()}
        self._clock = clock
        self._known: dict[str, Caller] = {}

    def caller(self, authorization: str | None) -> Caller:
        """Who sent this Authorization header. Raises a 401 problem: token-missing, token-invalid, token-expired."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized(
                "token-missing", "请先登录:缺少 Authorization: Bearer 令牌。", "Sign in: the bearer token is missing."
            )
        caller = self._known.get(token) or self._verified(token)
        if caller.until <= self._clock().timestamp():
            self._known.pop(token, None)
            raise Unauthorized("token-expired", "登录已过期,请重新登录。", "The token has expired. Sign in again.")
        return caller

    def _verified(self, token: str) -> Caller:
        try:
            if len(token) > TOKEN_MAX:
                raise ValueError("longer than any token")
            claims = _Claims.model_validate(self._decoded(token))
        except (jwt.PyJWTError, ValueError) as wrong:
            raise Unauthorized(
                "token-invalid", "登录令牌无效,请重新登录。", "The token is not valid. Sign in again."
            ) from wrong
        caller = Caller(
            kind=claims.kind,
            sub=claims.sub,
            openid=claims.openid,
            group=claims.group,
            shop=claims.shop,
            role=claims.role,
            scope=frozenset(claims.scope),
            until=claims.exp,
            session=claims.sid,
            phone=claims.phone,
        )
        if len(self._known) >= REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[token] = caller
        return caller

    def _decoded(self, token: str) -> object:
        # Read unverified only to choose the key; nothing of it is believed.
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        key = self._keys.get(issuer) if isinstance(issuer, str) else None
        if key is None:
            raise ValueError("nobody known made it")
        # The expiry is judged in `caller`, by our clock. `iat` says nothing we rely on.
        checks: Options = {"require": ["exp", "sub", "aud", "iss"], "verify_exp": False, "verify_iat": False}
        return jwt.decode(token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=issuer, options=checks)


class Signer:
    """Makes access tokens that last a quarter of an hour."""

    def __init__(self, private_pem: str, clock: Clock) -> None:
        """Raises ValueError when the PEM holds no Ed25519 private key."""
        key = load_pem_private_key(private_pem.encode(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("not an Ed25519 private key")
        self._key = key
        self._clock = clock

    @property
    def public_pem(self) -> str:
        """What `Tokens` verifies them with."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def access(self, kind: Kind, subject: str, session: str, claims: Mapping[str, Any]) -> str:
        """A token for `subject`."""
        now = int(self._clock().timestamp())
        own = {"iss": OWN, "aud": AUDIENCE, "iat": now, "exp": now + LIFE_SECONDS}
        return jwt.encode({**claims, "kind": kind, "sub": subject, "sid": session, **own}, self._key, algorithm="EdDSA")


def _public(pem: str) -> Ed25519PublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    return key
