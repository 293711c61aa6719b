"""Tells WeChat that a parcel has left, and asks what its shipping record says
(developers.weixin.qq.com/miniprogram/dev/server/API/order_shipping/)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from chassis.clock import Clock
from chassis.engine import Engine
from chassis.miniprogram import SYSTEM_BUSY, TOKEN_ENDED, MiniProgram, NoAnswer, NoToken, Refused
from contracts.zone import CHINA
from services.payment.outside import QueryShipping, ShippingAnswered, ShippingShown, UploadShipping

NOT_THERE_YET = 10060001
"""WeChat has not taken the payment over yet, as in the first minute (community doc 00022457990e5069d6712332766c00)."""
LATER = frozenset({NOT_THERE_YET, SYSTEM_BUSY, 10060012, 10060019, 45009, 45011, *TOKEN_ENDED})
"""Of these nothing is known against the record: WeChat is busy (the three after the first), the day's or the minute's
calls are used up, the token ended."""
THERE_ALREADY = frozenset({10060002, 10060003, 10060023})
"""It was shipped before, shipped and corrected once, or told the same: whoever told it, WeChat has a record."""
SHIPPED = (2, 3, 4, 6)

log = structlog.get_logger()


class ShippingEffects:
    """`account_of` gives a shop's mini-program, None where it keeps no shipping records. `clock` is the wall's."""

    def __init__(self, account_of: Callable[[str], MiniProgram | None], clock: Clock) -> None:
        self._account_of = account_of
        self._clock = clock

    def join(self, engine: Engine) -> None:
        """Become the performer of the wishes about shipping records."""
        engine.perform(UploadShipping, self.upload)
        engine.perform(QueryShipping, self.query)

    async def upload(self, wish: UploadShipping, attempt: int) -> ShippingAnswered:
        """Tell it, after a look when an earlier call may have got through: one correction at most is taken. While the
        look brings no answer it is not told."""
        account = self._account_of(wish.shop)
        if account is None:
            return ShippingAnswered(order_id=wish.order_id, outcome="off")
        if wish.resend or attempt > 1:
            try:
                if await _asked(account, wish.transaction_id) in SHIPPED:
                    return ShippingAnswered(order_id=wish.order_id, outcome="recorded")
            except NoAnswer as trouble:
                return ShippingAnswered(order_id=wish.order_id, outcome="unknown", code=trouble.code)
            except Refused as refusal:
                if isinstance(refusal, NoToken) or refusal.errcode in LATER:
                    return ShippingAnswered(order_id=wish.order_id, outcome="unknown", code=str(refusal.errcode))
        parcel: dict[str, Any] = {
            "tracking_no": wish.tracking_number,
            "express_company": wish.carrier,
            "item_desc": wish.item,
        }
        if wish.receiver:
            parcel["contact"] = {"receiver_contact": wish.receiver}
        body = {
            "order_key": {"order_number_type": 2, "transaction_id": wish.transaction_id},
            "logistics_type": 1,
            "delivery_mode": 1,
            "shipping_list": [parcel],
            "upload_time": self._clock().astimezone(CHINA).isoformat(timespec="milliseconds"),
            "payer": {"openid": wish.openid},
        }
        try:
            await account.post("/wxa/sec/order/upload_shipping_info", body)
        except NoToken as refusal:
            return ShippingAnswered(order_id=wish.order_id, outcome="later", code=str(refusal.errcode))
        except Refused as refusal:
            if refusal.errcode in THERE_ALREADY:
                return ShippingAnswered(order_id=wish.order_id, outcome="recorded")
            later = refusal.errcode in LATER
            log.warning("WeChat does not take a shipping record", order=wish.order_id, code=refusal.errcode)
            return ShippingAnswered(
                order_id=wish.order_id, outcome="later" if later else "refused", code=str(refusal.errcode)
            )
        except NoAnswer as trouble:
            outcome = "unknown" if trouble.sent else "later"
            return ShippingAnswered.model_validate(
                {"order_id": wish.order_id, "outcome": outcome, "code": trouble.code}
            )
        return ShippingAnswered(order_id=wish.order_id, outcome="recorded")

    async def query(self, wish: QueryShipping, _: int) -> ShippingShown:
        """Ask. Where no records are kept there is nothing that could say "shipped"."""
        account = self._account_of(wish.shop)
        if account is None:
            return ShippingShown(order_id=wish.order_id, state=5)
        return ShippingShown(order_id=wish.order_id, state=await _state(account, wish.transaction_id))


async def _state(account: MiniProgram, transaction_id: str) -> int | None:
    """WeChat's order_state, None when it could not be had."""
    try:
        return await _asked(account, transaction_id)
    except (Refused, NoAnswer):
        return None


async def _asked(account: MiniProgram, transaction_id: str) -> int | None:
    """WeChat's order_state, None when its answer names none. Raises NoAnswer, NoToken, Refused."""
    found = await account.post("/wxa/sec/order/get_order", {"transaction_id": transaction_id})
    order = found.get("order")
    state = order.get("order_state") if isinstance(order, dict) else None
    return state if isinstance(state, int) else None
