"""Errors as problem documents (RFC 9457), in Chinese and English, with a stable code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from chassis.store import StoreUnavailable

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2


class Problem(Exception):
    """An error a caller can act on. `code` is stable; `zh` and `en` say what is wrong and what to do; `more` holds
    further members of the document."""

    def __init__(self, status: int, code: str, zh: str, en: str, **more: Any) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.zh = zh
        self.en = en
        self.more = more

    def document(self) -> dict[str, Any]:
        """The problem as RFC 9457 wants it."""
        return {
            "type": f"urn:tuidan:problem:{self.code}",
            "title": self.en,
            "status": self.status,
            "code": self.code,
            "detail": {"zh": self.zh, "en": self.en},
            **self.more,
        }

    def response(self) -> JSONResponse:
        """The problem as an HTTP answer; `retry_after` (seconds) also becomes a header."""
        headers = {"Retry-After": str(self.more["retry_after"])} if "retry_after" in self.more else None
        return JSONResponse(self.document(), self.status, headers=headers, media_type=MEDIA_TYPE)


def unavailable() -> Problem:
    """The service cannot decide now; nothing is lost by asking again with the same key."""
    return Problem(
        503,
        "not-ready",
        "服务暂时不可用,请稍后用同一个 Idempotency-Key 重试,不会重复执行。",
        "The service cannot answer now. Try again with the same Idempotency-Key; nothing happens twice.",
        retry_after=RETRY_SECONDS,
    )


def invalid_request(errors: Sequence[Any]) -> Problem:
    """The request has another shape than it should; `errors` as pydantic lists them."""
    return Problem(
        422,
        "invalid-request",
        "请求内容不符合要求,请按 errors 中列出的字段修改。",
        "The request is not valid. Correct the fields listed in errors.",
        errors=[
            {"field": ".".join(str(part) for part in error["loc"]), "message": error["msg"]} for error in errors[:20]
        ],
    )


def _methods(request: Request) -> set[str]:
    """All methods that something answers at this path; the framework knows those of the first route only."""
    return {
        method
        for route in request.app.router.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in getattr(route, "methods", None) or ()
    }


def install(app: FastAPI) -> None:
    """Turn every error of `app` into a problem document."""

    @app.exception_handler(Problem)
    async def known(_: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(StoreUnavailable)
    async def away(_: Request, __: StoreUnavailable) -> JSONResponse:
        return unavailable().response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, problem: RequestValidationError) -> JSONResponse:
        return invalid_request(problem.errors()).response()

    @app.exception_handler(HTTPException)
    async def plain(request: Request, problem: HTTPException) -> JSONResponse:
        code = {404: "not-found", 405: "method-not-allowed"}.get(problem.status_code)
        known = Problem(
            problem.status_code,
            code or "http-error",
            "请求的地址或方法不存在。" if code else "请求无法处理。",
            f"{problem.detail}: check the address and the method." if code else f"{problem.detail}",
        )
        answer = known.response()
        answer.headers.update(problem.headers or {})
        if problem.status_code == 405:
            answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
        return answer

    @app.exception_handler(Exception)
    async def unknown(_: Request, __: Exception) -> JSONResponse:
        return Problem(
            500,
            "internal-error",
            "服务内部错误,已记录。请稍后用同一个 Idempotency-Key 重试。",
            "Something went wrong here and was logged. Try again later with the same Idempotency-Key.",
        ).response()
