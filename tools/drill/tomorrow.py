"""The order service as it may be tomorrow, for a drill: its list for paid orders has one more line at its end. Until a
file says that it is tomorrow, it is today's: so a restart is an upgrade, and old and new run side by side meanwhile.

    TUIDAN_DRILL_TOMORROW=/path/of/the/file python -m tools.drill.tomorrow
"""

from __future__ import annotations

import os
from pathlib import Path

from chassis.saga import Saga, then
from chassis.settings import load
from contracts import payment
from services.order import cancellation
from services.order.cancellation import CANCEL_PAID_ORDER, Cancellation
from services.order.main import service
from services.order.settings import OrderSettings

SIGN = "TUIDAN_DRILL_TOMORROW"
"""The variable that names the file."""
LINE = "see the refund once more"


def newer() -> Saga[Cancellation]:
    """The list with one more line: what was answered before is asked again, and the answer is repeated."""
    old = CANCEL_PAID_ORDER
    more = then(LINE, watch_again)
    return Saga(old.name, old.version + 1, Cancellation, *old.forward, more, *old.backward)


def watch_again(case: Cancellation) -> payment.WatchRefund:
    """What the new line says."""
    return payment.WatchRefund(order_id=case.order_id, case_id=case.case_id)


def set_out() -> None:
    """From now on this process has the longer list."""
    longer = newer()
    cancellation.SAGAS[longer.name] = longer
    cancellation.ROADS["paid"] = longer


def main() -> None:
    """Run the service, of today or of tomorrow."""
    if Path(os.environ[SIGN]).exists():
        set_out()
    service(load(OrderSettings)).run()


if __name__ == "__main__":
    main()
