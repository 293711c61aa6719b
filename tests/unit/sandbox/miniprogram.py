"""A shop that calls the mini-program server API."""

import json
from typing import Any

from tests.unit.sandbox.shop import OPENID, Shop, text

VALUES = {
    "character_string1": "T20261123000001",
    "amount2": "¥128.50",
    "thing3": "不想要了",
    "thing4": "1-3个工作日到账",
    "time5": "2026年11月23日 15:01",
}


async def token(shop: Shop, **more: Any) -> dict[str, Any]:
    asked = {
        "grant_type": "client_credential",
        "appid": text(shop.keys, "appid.txt"),
        "secret": text(shop.keys, "appsecret.txt"),
    }
    answer = await shop.http.post("/cgi-bin/stable_token", json=asked | more)
    found: dict[str, Any] = answer.json()
    return found


def template(shop: Shop, name: str = "refund-arrived") -> str:
    found: str = json.loads(text(shop.keys, "templates.json"))[name]["template_id"]
    return found


async def send(shop: Shop, token: str, values: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    message = {
        "touser": OPENID,
        "template_id": template(shop),
        "page": "pages/order/detail?id=1",
        "data": {name: {"value": value} for name, value in (values or VALUES).items()},
        "miniprogram_state": "formal",
        "lang": "zh_CN",
    }
    answer = await shop.http.post(
        "/cgi-bin/message/subscribe/send", params={"access_token": token}, json=message | more
    )
    found: dict[str, Any] = answer.json()
    return found


async def accept(shop: Shop, count: int = 1) -> Any:
    body = {"openid": OPENID, "template_ids": [template(shop)], "count": count}
    answer = await shop.http.post("/_customer/subscribe", json=body)
    return answer.json()["remaining"][template(shop)]
