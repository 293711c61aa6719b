"""Event pushes of the mini-program server in plain JSON: what customers did with subscribe messages.

developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html (address, signature, retries) and
…/framework/open-ability/subscribe-message.html (the events).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from sandbox.clock import Clock
from sandbox.posts import Manner, Posts
from sandbox.settings import SandboxSettings
from sandbox.store import Store

KEPT = "event-push-address"
# Without a proper answer within five seconds a push is sent again, three times.
LADDER = (5.0, 5.0, 5.0)
ACCOUNT = "gh_1f2e3d4c5b6a"
POPUP_IN_MINIPROGRAM = "0"
TOKEN_HEX_BYTES = 8


class Address(BaseModel):
    """Where events go; an empty url: nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a customer chose for one template: accept, reject or ban."""

    template_id: str
    answer: str


def signature(token: str, timestamp: str, nonce: str) -> str:
    """SHA-1 of the three in their alphabetical order, hexadecimal: proof that the sender knows the token."""
    return hashlib.sha1("".join(sorted((token, timestamp, nonce))).encode()).hexdigest()


def listed(items: list[dict[str, str]]) -> Any:
    """The real server writes a list of one as the item itself (community doc 00042034428fa074706c908245b800)."""
    return items[0] if len(items) == 1 else items


class Pushes:
    """Turns what happened into events and hands them to the queue."""

    def __init__(self, store: Store, clock: Clock, posts: Posts, settings: SandboxSettings, token: str) -> None:
        self._store = store
        self._clock = clock
        self._posts = posts
        self._timeout_seconds = settings.callback_timeout_seconds
        kept = store.kept(KEPT)
        self.address = (
            Address.model_validate_json(kept)
            if kept
            else Address(url=settings.push_url, token=settings.push_token or token)
        )
        posts.deliver_as("event-push", Manner(LADDER, self._query, _handled))

    def set_address(self, address: Address) -> None:
        """Send events there from now on."""
        self.address = address
        self._store.keep(KEPT, address.model_dump_json())

    def _query(self) -> dict[str, str]:
        timestamp, nonce = str(int(self._clock.wall())), secrets.token_hex(TOKEN_HEX_BYTES)
        return {
            "signature": signature(self.address.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
        }

    async def verify(self, client: httpx.AsyncClient, address: Address) -> bool:
        """Ask the address to echo a word, as the platform does before it takes an address."""
        timestamp, nonce, word = str(int(self._clock.wall())), secrets.token_hex(TOKEN_HEX_BYTES), secrets.token_hex(8)
        signed = signature(address.token, timestamp, nonce)
        query = {"signature": signed, "timestamp": timestamp, "nonce": nonce, "echostr": word}
        try:
            answer = await client.get(httpx.URL(address.url).copy_merge_params(query), timeout=self._timeout_seconds)
        except Exception:  # why: an application called in-process raises its own errors through the client
            return False
        return answer.status_code == httpx.codes.OK and hmac.compare_digest(answer.content, word.encode())

    def popup(self, openid: str, choices: list[Choice]) -> None:
        """The customer answered a popup about these templates."""
        self._push(
            openid,
            "subscribe_msg_popup_event",
            [
                {
                    "TemplateId": choice.template_id,
                    "SubscribeStatusString": choice.answer,
                    "PopupScene": POPUP_IN_MINIPROGRAM,
                }
                for choice in choices
            ],
        )

    def change(self, openid: str, template_ids: list[str]) -> None:
        """The customer switched these templates off in the settings; switching on is never told."""
        items = [{"TemplateId": name, "SubscribeStatusString": "reject"} for name in template_ids]
        self._push(openid, "subscribe_msg_change_event", items)

    def sent(self, openid: str, template_id: str, message_id: str) -> None:
        """A message reached the customer."""
        item = {"TemplateId": template_id, "MsgID": message_id, "ErrorCode": "0", "ErrorStatus": "success"}
        self._push(openid, "subscribe_msg_sent_event", [item])

    def _push(self, openid: str, event: str, items: list[dict[str, str]]) -> None:
        if not self.address.url or not items:
            return
        now = self._clock.now()
        body = {
            "ToUserName": ACCOUNT,
            "FromUserName": openid,
            "CreateTime": int(now),
            "MsgType": "event",
            "Event": event,
            "List": listed(items),
        }
        numbers = {"openid": openid, "event": event, "template_id": items[0]["TemplateId"]}
        self._posts.add("event-push", self.address.url, body, numbers=numbers, due_at=now)


def _handled(answer: httpx.Response) -> bool:
    """The word success, or nothing at all; both tell the server not to come again."""
    return answer.status_code == httpx.codes.OK and answer.content.strip() in (b"", b"success")
