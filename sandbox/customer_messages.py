"""What customers do about subscribe messages, done over HTTP by tests; and where the events about it go."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from sandbox.pushes import Address, Choice
from sandbox.world import World

TemplateIds = Annotated[list[str], Field(max_length=20)]


class Popup(BaseModel):
    """Answer popups: so many times the same answer for each template; all the account's templates when none are
    named. ``answers`` (template id → answer) instead gives each template its own."""

    model_config = ConfigDict(extra="forbid")
    openid: str = Field(min_length=1)
    template_ids: TemplateIds = []
    answer: Literal["accept", "reject", "ban"] = "accept"
    answers: dict[str, Literal["accept", "reject", "ban"]] = {}
    count: int = Field(default=1, ge=1, le=10_000)


class Change(BaseModel):
    """Refuse templates in the settings of the mini-program."""

    model_config = ConfigDict(extra="forbid")
    openid: str = Field(min_length=1)
    template_ids: Annotated[TemplateIds, Field(min_length=1)]
    answer: Literal["reject"] = "reject"


def customer_messages_router(world: World) -> APIRouter:
    """``/_customer/subscribe`` and ``/_control/pushes``."""
    router = APIRouter()

    def remaining(openid: str, template_ids: list[str]) -> dict[str, dict[str, int]]:
        world.courier.kick()
        return {"remaining": {name: world.subscriptions.quota(openid, name) for name in template_ids}}

    @router.post("/_customer/subscribe")
    async def popup(body: Popup) -> dict[str, dict[str, int]]:
        names = list(body.answers) or body.template_ids or world.subscriptions.template_ids
        _check_known(world, names)
        choices = [Choice(name, body.answers.get(name, body.answer)) for name in names]
        with world.store.transaction():
            for _ in range(body.count):
                world.subscriptions.popup(body.openid, choices)
        return remaining(body.openid, names)

    @router.post("/_customer/subscribe/change")
    async def change(body: Change) -> dict[str, dict[str, int]]:
        _check_known(world, body.template_ids)
        world.subscriptions.switch_off(body.openid, body.template_ids)
        return remaining(body.openid, body.template_ids)

    @router.put("/_control/pushes")
    async def set_address(body: Address) -> Address:
        """Taken only when the address echoes the word it is asked for; an empty url switches pushes off."""
        if body.url and not await world.pushes.verify(world.courier.deliveries.client, body):
            raise HTTPException(409, {"reason": "not-echoed"})
        world.pushes.set_address(body)
        return body

    @router.get("/_control/pushes")
    async def pushes(limit: int = 100) -> list[dict[str, Any]]:
        return world.posts.lines("event-push", limit)

    return router


def _check_known(world: World, template_ids: list[str]) -> None:
    if unknown := world.subscriptions.unknown(template_ids):
        raise HTTPException(404, {"reason": "unknown-template", "template_ids": unknown})
