"""A rolling deploy: processes of the order service with a list of lines as it was, each said alone, beside some with a
longer one. A run remembers the name of its line, so either may find it where the other left it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from chassis.saga import Saga, then
from contracts import payment
from services.order import cancellation
from services.order.cancellation import CANCEL_PAID_ORDER, Cancellation
from tests.simulation.loop import ACTOR

OLD = 0
NEW = 1


class EachItsOwn:
    """Looks like a saga; every process sees the list of its own version."""

    def __init__(self, older: Saga[Any], newer: Saga[Any]) -> None:
        self._lists = (older, newer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lists[ACTOR.get().version], name)


def older(saga: Saga[Any]) -> Saga[Any]:
    """The list as it was before any two lines were said at once."""
    alone = [replace(line, with_next=False) for line in (*saga.forward, *saga.backward)]
    return Saga(saga.name, saga.version, Cancellation, *alone)


def newer(saga: Saga[Any]) -> Saga[Any]:
    """The list as it may be tomorrow: with one more line at its end, which an older process does not know."""
    once_more = then("see the refund once more", watch_again)
    return Saga(saga.name, saga.version, Cancellation, *saga.forward, once_more, *saga.backward)


def watch_again(case: Cancellation) -> payment.WatchRefund:
    """Asked for what was answered before: the answer is repeated."""
    return payment.WatchRefund(order_id=case.order_id, case_id=case.case_id)


def set_out() -> None:
    """From now on processes may have different lists."""
    both = cast(Any, EachItsOwn(older(CANCEL_PAID_ORDER), newer(CANCEL_PAID_ORDER)))
    cancellation.SAGAS[CANCEL_PAID_ORDER.name] = both
    cancellation.ROADS["paid"] = both
