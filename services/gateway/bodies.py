"""Reading a body: not too long, not too slow, as one model."""

from __future__ import annotations

import asyncio
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from chassis.problem import Problem
from services.gateway.model import Nothing

BODY_MAX = 1024 * 1024
"""Bytes. An order of 2,000 lines takes about 200,000."""

WHOLE_ORDERS_MAX = 8 * BODY_MAX
"""The same where exported orders are put back: the largest that there is has some four megabytes, escaped."""

BODY_SECONDS = 20.0
"""How long a caller may take to send a body."""
LENGTH_DIGITS_MAX = 18

LINGER_BYTES = WHOLE_ORDERS_MAX
LINGER_SECONDS = 1.0
"""So much of a body that is too large is read and thrown away before it is refused: who still sends when the connection
is closed loses the answer with it (RFC 9112, 9.6)."""

B = TypeVar("B", bound=BaseModel)


async def read(request: Request, limit: int) -> bytes:
    """The body, as it came, also when it was read before. Raises a 413 problem when it is, or says it is, longer than
    `limit` bytes, 408 when it does not come in time, 400 when it breaks off."""
    if (known := getattr(request.state, "content", None)) is not None:
        return bytes(known)
    said = request.headers.get("content-length", "")
    says = int(said[:LENGTH_DIGITS_MAX]) if said.isdecimal() else 0
    if says > LINGER_BYTES or (says > limit and "expect" in request.headers):
        raise _too_large(limit)
    parts, size, larger = [], 0, says > limit
    try:
        async with asyncio.timeout(LINGER_SECONDS if larger else BODY_SECONDS) as patience:
            async for part in request.stream():
                size += len(part)
                if size > limit and not larger:
                    larger = True
                    patience.reschedule(asyncio.get_running_loop().time() + LINGER_SECONDS)
                if size > LINGER_BYTES:
                    break
                if not larger:
                    parts.append(part)
    except ClientDisconnect as gone:
        raise Problem(400, "body-incomplete", "请求内容不完整。", "The body broke off.") from gone
    except TimeoutError as slow:
        if not larger:
            raise _too_slow() from slow
    if larger:
        raise _too_large(limit)
    return b"".join(parts)


class Unread(Problem):
    """Refused before the body was read: what may still come of it is not waited for (RFC 9110, 15.5.9 and 15.5.14)."""

    def response(self) -> JSONResponse:
        """As any problem, on a connection that ends with it."""
        answer = super().response()
        answer.headers["Connection"] = "close"
        return answer


def _too_slow() -> Problem:
    return Unread(
        408,
        "body-too-slow",
        "请求内容发送过慢,请检查网络后重试。",
        "The body did not come in time. Check the network and try again.",
        seconds=BODY_SECONDS,
    )


def _too_large(limit: int) -> Problem:
    return Unread(
        413,
        "body-too-large",
        f"请求内容过大,上限为 {limit} 字节。",
        f"The body is larger than {limit} bytes.",
        limit=limit,
    )


class JsonBody(Generic[B]):
    """A dependency that reads the body as one model. FastAPI's own reading is not used: it has no limit on depth, and
    takes four times as long for an order of 2,000 lines. `may_be_empty`: no body counts as an empty object."""

    def __init__(self, model: type[B], *, may_be_empty: bool = False) -> None:
        self.model = model
        self.may_be_empty = may_be_empty

    async def __call__(self, request: Request) -> B:
        """Raises RequestValidationError (a 422 problem with `errors`), or the problems of `read`."""
        content = await read(request, BODY_MAX)
        if not content and self.may_be_empty:
            content = b"{}"
        try:
            return self.model.model_validate_json(content)
        except ValidationError as wrong:
            errors = wrong.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in errors]) from wrong


Empty = Annotated[Nothing, Depends(JsonBody(Nothing, may_be_empty=True))]
"""No body, or an empty object."""
