"""What any provider's answer is reduced to, and subscribe messages through WeChat's mini-program server API.

No client of a provider raises: whatever happens is an `Answer`, or for a look what was `Seen`. None of them retries a
send by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from chassis import telemetry
from chassis.miniprogram import SYSTEM_BUSY, TOKEN_ENDED, MiniProgram, NoAnswer, NoToken, Refused
from services.notify.model import Found, Result


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call: see `model.Result`. `code` is the provider's own word."""

    result: Result
    code: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a provider's list of sent messages showed: see `model.Found`."""

    found: Found
    code: str = ""


P = ParamSpec("P")
A = TypeVar("A", Answer, Seen)


def measured(
    provider: str, call: str
) -> Callable[[Callable[P, Coroutine[Any, Any, A]]], Callable[P, Coroutine[Any, Any, A]]]:
    """Count and measure each use of a client's method under the provider's and the call's name."""

    def wrapped(method: Callable[P, Coroutine[Any, Any, A]]) -> Callable[P, Coroutine[Any, Any, A]]:
        @wraps(method)
        async def asked(*args: P.args, **kwargs: P.kwargs) -> A:
            with telemetry.provider_call(provider, call) as made:
                answer = await method(*args, **kwargs)
                made.code = answer.code or "OK"
                return answer

        return asked

    return wrapped


_WECHAT_RESULTS: Mapping[int, Result] = {
    40003: "refused",  # not an openid of this mini-program
    40013: "refused",  # wrong appid
    40037: "refused",  # unknown template
    40125: "refused",  # wrong secret
    40164: "refused",  # our address is not on the account's list
    41030: "refused",  # the page is not in the released version
    43101: "refused",  # the customer did not subscribe, or the subscription is used up
    43108: "unreached",  # another call for this customer was under way (community doc 000c4ebfe045a8cf994ce994d51c00)
    47003: "refused",  # a field does not take its value
    45009: "busy",  # the day's quota
    45011: "busy",  # too many calls a minute
    **dict.fromkeys(TOKEN_ENDED, "busy"),
}


class Wechat:
    """Subscribe messages of one mini-program."""

    def __init__(self, account: MiniProgram) -> None:
        self._account = account

    async def send(self, message: Mapping[str, Any]) -> Answer:
        """`POST /cgi-bin/message/subscribe/send`; `message` is its body
        (developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage).
        """
        try:
            await self._account.post("/cgi-bin/message/subscribe/send", message)
        except NoAnswer as problem:
            return Answer("unknown" if problem.sent else "unreached", problem.code)
        except NoToken as problem:
            if problem.errcode == SYSTEM_BUSY:
                return Answer("unreached", str(problem.errcode))
            refused = _WECHAT_RESULTS.get(problem.errcode) == "refused"
            return Answer("refused" if refused else "busy", str(problem.errcode))
        except Refused as problem:
            return Answer(_WECHAT_RESULTS.get(problem.errcode, "unknown"), str(problem.errcode))
        return Answer("sent")
