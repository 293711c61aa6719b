"""Notify: customers are told what became of their cancellation, once per outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import APIRouter

from chassis.service import Parts, Service
from chassis.settings import load
from contracts import notify
from services.notify.api import router
from services.notify.confirmations import confirmations
from services.notify.effects import Senders, forgetting, overtaking, performers, senders, wanting
from services.notify.erasing import ERASURES, ForgetCustomers
from services.notify.figures import count_notices
from services.notify.handlers import NOTICES
from services.notify.keyfolder import expect_keys, push_token
from services.notify.settings import NotifySettings
from services.notify.subscriptions import NAME as LEDGER
from services.notify.subscriptions import Subscriptions
from services.notify.views import Notices

TOPICS = (notify.COMMANDS,)


Opening = Callable[[NotifySettings], AbstractAsyncContextManager[Senders]]


def service(settings: NotifySettings, *, opening: Opening = senders) -> Service:
    """The whole service, ready to run. `opening` is another one where no real provider is asked. Leaves the process
    with exit code 2 when a key file of the providers is missing or broken."""
    if opening is senders:
        expect_keys(settings.keys)

    @asynccontextmanager
    async def wire(parts: Parts) -> AsyncIterator[Sequence[APIRouter]]:
        notices = Notices(parts.database.collection(NOTICES.name), parts.database.keeping(NOTICES))
        await notices.prepare()
        ledger = parts.database.collection(LEDGER)
        subscriptions = Subscriptions(ledger)
        await subscriptions.prepare()
        count_notices(parts.engine)
        async with opening(settings) as opened:
            for intent, performer in performers(
                opened, subscriptions, overtaking(parts.engine), wanting(parts.engine)
            ).items():
                parts.engine.perform(intent, performer)
            parts.engine.perform(ForgetCustomers, forgetting(parts.engine, notices, ledger))
            doors = router(parts.engine, notices, subscriptions, push_token(settings.keys))
            yield [doors, confirmations(opened)]

    return Service("notify", settings, topics=TOPICS, aggregates=(NOTICES, ERASURES), wire=wire)


if __name__ == "__main__":
    service(load(NotifySettings)).run()
