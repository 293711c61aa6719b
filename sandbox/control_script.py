"""Loading a fault script into a running stand-in."""

from typing import Any

from fastapi import APIRouter, HTTPException, Request

from sandbox.script import ScriptError, read_script
from sandbox.world import World


def control_script_router(world: World) -> APIRouter:
    """``PUT /_control/faults/script``."""
    router = APIRouter(prefix="/_control/faults")

    @router.put("/script")
    async def load(request: Request) -> dict[str, Any]:
        """Takes YAML; replaces shares and rules. A script that means nothing changes nothing."""
        try:
            plan = read_script((await request.body()).decode())
        except UnicodeDecodeError:
            raise HTTPException(422, {"line": 1, "place": "", "problem": "not UTF-8"}) from None
        except ScriptError as wrong:
            detail = {"line": wrong.line, "place": wrong.place, "problem": wrong.problem}
            raise HTTPException(422, detail) from None
        plan.load(world.faults)
        return {**world.faults.shares.model_dump(), "rules": [rule.model_dump() for rule in world.faults.rules]}

    return router
