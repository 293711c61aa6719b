"""What every start of a process would work out again to the same end is worked out once: a world restarts its processes
many times, and reading the types of a hundred routes takes longer than everything else about it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import fastapi._compat.v2 as compat
import fastapi.dependencies.utils as dependencies
from cryptography.hazmat.primitives import serialization
from fastapi import routing
from pydantic import TypeAdapter


def take() -> None:
    """Take them in this process."""
    _remember_adapters()
    _remember_signatures()
    _remember_keys()
    _remember_places()


def _remember_adapters() -> None:
    known: dict[str, TypeAdapter[Any]] = {}

    def adapter(annotation: Any, *, config: Any = None) -> TypeAdapter[Any]:
        key = f"{annotation!r}{config!r}"
        if key not in known:
            known[key] = TypeAdapter(annotation, config=config)
        return known[key]

    compat.TypeAdapter = adapter  # type: ignore[assignment, attr-defined]


def _remember_signatures() -> None:
    known: dict[Any, inspect.Signature] = {}
    work_out: Callable[[Callable[..., Any]], inspect.Signature] = dependencies._get_signature

    def signature(call: Callable[..., Any]) -> inspect.Signature:
        code = getattr(call, "__code__", None)
        if code is None or getattr(call, "__wrapped__", None) is not None:
            return work_out(call)
        if code not in known:
            known[code] = work_out(call)
        return known[code]

    dependencies._get_signature = signature


def _remember_keys() -> None:
    known: dict[bytes, Any] = {}
    read = serialization.load_pem_private_key

    def load(data: bytes, password: bytes | None, *args: Any, **kwargs: Any) -> Any:
        if data not in known:
            known[data] = read(data, password, *args, **kwargs)
        return known[data]

    serialization.load_pem_private_key = load  # type: ignore[assignment]


def _remember_places() -> None:
    """Where in which file an endpoint stands is only told in errors of validation, which nobody reads here."""
    routing._extract_endpoint_context = lambda func: {}
