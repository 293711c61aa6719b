"""What the providers answer when they refuse, as exceptions that carry the answer."""

from typing import Any

import httpx


class WechatPayError(Exception):
    """A refusal by WeChat Pay: HTTP status, code and message (pay.weixin.qq.com/doc/v3/merchant/4014959631)."""

    def __init__(self, http: int, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(f"{http} {code} {message}")
        self.http = http
        self.code = code
        self.message = message
        self.detail = detail

    def body(self) -> dict[str, Any]:
        """The JSON answer: ``{"code", "message", "detail"?}``."""
        answer: dict[str, Any] = {"code": self.code, "message": self.message}
        return answer if self.detail is None else {**answer, "detail": self.detail}


class InjectedError(Exception):
    """An error answer asked for by a fault; each provider writes it in its own form."""

    def __init__(self, http: int, code: str) -> None:
        super().__init__(f"{http} {code}")
        self.http = http
        self.code = code


class ConnectionDroppedError(httpx.RemoteProtocolError):
    """The connection ends without an answer.

    Where no real connection can be cut (an application called in-process), this reaches the caller; it is an
    ``httpx.TransportError``, which is what a client sees when a real server hangs up.
    """

    def __init__(self) -> None:
        super().__init__("Server disconnected without sending a response.")
