"""A shop that talks to the stand-in, made of clients that others wrote: `wechatpayv3` signs, verifies and decrypts."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from wechatpayv3.async_ import AsyncWeChatPay, WeChatPayType

from sandbox.app import world_of

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
BASE = "http://sandbox"
NOTIFY = "http://shop/callbacks/wechat"


class VirtualTime:
    """A source of seconds that moves only when told."""

    def __init__(self, start: float) -> None:
        self.seconds = start

    def __call__(self) -> float:
        return self.seconds


def text(keys: Path, name: str) -> str:
    """Content of one key file."""
    return (keys / name).read_text(encoding="utf-8").strip()


def strangers_client(keys: Path) -> AsyncWeChatPay:
    """The third-party client, configured as its own documentation says, in public-key mode."""
    return AsyncWeChatPay(
        wechatpay_type=WeChatPayType.MINIPROG,
        mchid=text(keys, "mchid.txt"),
        private_key=text(keys, "merchant-private.pem"),
        cert_serial_no=text(keys, "merchant-serial.txt"),
        appid=text(keys, "appid.txt"),
        apiv3_key=text(keys, "apiv3-key.txt"),
        notify_url=NOTIFY,
        public_key=text(keys, "wechatpay-public.pem"),
        public_key_id=text(keys, "wechatpay-serial.txt"),
    )


@dataclass
class Receiver:
    """The shop's side of callbacks: answers with `answers` in turn, then 204."""

    pay: AsyncWeChatPay
    answers: list[int] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/callbacks/wechat")
        async def hear(request: Request) -> Response:
            opened = self.pay.callback(request.headers, await request.body())
            assert opened, "the signature or the encryption is wrong"
            self.heard.append(opened)
            return Response(status_code=self.answers.pop(0) if self.answers else 204)

        return app

    def events(self) -> list[str]:
        return [heard["event_type"] for heard in self.heard]


@dataclass
class Shop:
    """One stand-in with one shop, in one process."""

    app: FastAPI
    keys: Path
    pay: AsyncWeChatPay
    http: httpx.AsyncClient
    receiver: Receiver

    async def prepay(self, number: str, total: int = 100, **more: Any) -> tuple[int, dict[str, Any]]:
        code, answer = await self.pay.pay(
            description=more.pop("description", "茶叶"),
            out_trade_no=number,
            amount={"total": total, "currency": "CNY"},
            payer={"openid": more.pop("openid", OPENID)},
            **more,
        )
        return code, json.loads(answer)

    async def paid(self, number: str, total: int = 100) -> None:
        assert (await self.prepay(number, total))[0] == 200
        answer = await self.http.post("/_customer/pay", json={"out_trade_no": number})
        assert answer.status_code == 200, answer.text

    async def refund(self, refund_no: str, number: str, amount: int, total: int = 100) -> tuple[int, dict[str, Any]]:
        code, answer = await self.pay.refund(
            out_refund_no=refund_no,
            out_trade_no=number,
            reason="商品已售完",
            amount={"refund": amount, "total": total, "currency": "CNY"},
        )
        return code, json.loads(answer)

    async def refund_state(self, refund_no: str) -> tuple[int, dict[str, Any]]:
        code, answer = await self.pay.query_refund(refund_no)
        return code, json.loads(answer)

    async def trade_state(self, number: str) -> tuple[int, dict[str, Any]]:
        code, answer = await self.pay.query(out_trade_no=number)
        return code, json.loads(answer)

    def now(self) -> float:
        """Business time, seconds since the epoch."""
        return world_of(self.app).clock.now()

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, f"/_control{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None
