"""The one address both SMS providers share here: POST / with a header that names the action."""

from fastapi import APIRouter, Request, Response

from sandbox.calls import json_response
from sandbox.sms_alibaba import alibaba_answer
from sandbox.sms_tencent import tencent_answer
from sandbox.world import World


def sms_router(world: World) -> APIRouter:
    """``X-TC-Action`` is Tencent Cloud, ``x-acs-action`` is Alibaba Cloud."""
    router = APIRouter()

    @router.post("/")
    async def send(request: Request) -> Response:
        raw = await request.body()
        if "x-tc-action" in request.headers:
            return await tencent_answer(world, request, raw)
        if "x-acs-action" in request.headers:
            return await alibaba_answer(world, request, raw)
        return json_response(404, {"code": "UNKNOWN_ACTION", "message": "no X-TC-Action and no x-acs-action header"})

    return router
