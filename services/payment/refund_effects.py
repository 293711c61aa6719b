"""Performs the wishes about refunds and transfers at the provider and reports what came of them. Nothing is decided
here, except what the provider's rule for calls decides: after a refusal, look whether there is one all the same
(pay.weixin.qq.com/doc/v3/merchant/4014959631)."""

from __future__ import annotations

import structlog
from prometheus_client import Counter

from chassis.engine import Engine
from contracts.payment import trade_number
from services.payment.merchants import Merchants
from services.payment.model import payout_number
from services.payment.outside import (
    CancelTransfer,
    PayoutRemembered,
    QueryRefund,
    QueryTransfer,
    RefundHeld,
    RefundRejected,
    RefundShown,
    RefundUnanswered,
    RescueRefund,
    RescueRejected,
    SendRefund,
    SendTransfer,
    TransferRejected,
    TransferShown,
    TransferUnanswered,
)
from services.payment.restored import Restored
from services.payment.roads import payout_row_for
from services.payment.shown import ProviderRefund, ProviderTransfer
from services.payment.turnstile import Held, Turnstile
from services.payment.wechatpay import NoAnswer, Refused, WechatPay

NOT_THERE = frozenset({"RESOURCE_NOT_EXISTS", "NOT_FOUND"})
"""With HTTP 404: the provider has nothing under this number. Refunds say the first, transfers the second."""

TOO_MANY = "FREQUENCY_LIMITED"
NOT_PERMITTED = "NO_AUTH"

FORGOTTEN = Counter(
    "tuidan_payment_restored_met_total", "Refunds of a part of an order that were there before they were asked for"
)

log = structlog.get_logger()


class RefundEffects:
    """What refunds want of the provider. The second argument of each is the attempt, from 1: above 1 an earlier one was
    made and nobody knows what came of it."""

    def __init__(self, merchants: Merchants, turnstile: Turnstile, restored: Restored | None = None) -> None:
        self._merchants = merchants
        self._turnstile = turnstile
        self._restored = restored

    def join(self, engine: Engine) -> None:
        """Become the performer of every wish about refunds."""
        engine.perform(SendRefund, self.send_refund)
        engine.perform(QueryRefund, self.query_refund)
        engine.perform(RescueRefund, self.rescue_refund)
        engine.perform(SendTransfer, self.send_transfer)
        engine.perform(QueryTransfer, self.query_transfer)
        engine.perform(CancelTransfer, self.cancel_transfer)

    # ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def send_refund(
        self, wish: SendRefund, attempt: int
    ) -> RefundShown | PayoutRemembered | RefundRejected | RefundUnanswered | RefundHeld:
        """Ask for the refund, with a look at its number before (when an earlier call may have got through) and after
        (when the provider said no). Within the provider's limits: else the call is not made."""
        provider = self._merchants.of(wish.shop)
        try:
            there = await self._sent_before(provider, wish, again=wish.resend or attempt > 1)
            return there or await self._send(provider, wish)
        except Held as held:
            return RefundHeld.model_validate(
                {"order_id": wish.order_id, "number": wish.number, "code": held.code, "until": held.until}
            )
        except NoAnswer as trouble:
            return RefundUnanswered(order_id=wish.order_id, number=wish.number, code=trouble.code)

    async def _sent_before(
        self, provider: WechatPay, wish: SendRefund, *, again: bool
    ) -> RefundShown | PayoutRemembered | None:
        """The refund, where an earlier call (`again`) or one that a restore has forgotten may have got through; or the
        transfer in its place that was forgotten. Without an answer about what was forgotten it waits, as with a bad
        one: nothing was sent, so nothing is unknown. Raises Held, NoAnswer."""
        restored = self._restored
        if restored is None or not await restored.waits(wish.shop):
            there = await _look(provider, wish.number) if again else None
            return None if there is None else _shown(wish, there)
        try:
            there = await _look(provider, wish.number)
            if there is None:
                remembered = await _paid_out_before(provider, wish)
                if remembered is None:
                    await _none_forgotten(restored, provider, wish.order_id)
                return remembered
        except NoAnswer as trouble:
            if again:
                raise
            raise restored.not_yet() from trouble
        return _shown_after_restore(wish, there, again=again)

    async def _send(self, provider: WechatPay, wish: SendRefund) -> RefundShown | RefundRejected:
        async with self._turnstile.turn(
            shop=wish.shop,
            mchid=provider.merchant.mchid,
            number=wish.number,
            openid=wish.openid,
            amount_minor=wish.amount.amount_minor,
            previous_at=wish.previous_at,
        ) as turn:
            try:
                sent = await provider.refund(
                    wish.number, trade_number(wish.order_id), wish.amount, wish.total, wish.reason
                )
            except Refused as refusal:
                await turn.answered(refusal.code)
                log.warning("the provider refuses a refund", number=wish.number, code=refusal.code, http=refusal.http)
                there = await _look(provider, wish.number)
                # One that is shown as closed after a refusal was not accepted: the code says what is to be done, not
                # its next number, which would be refused as well.
                if there is not None and there.status != "CLOSED":
                    return _shown(wish, there)
                return RefundRejected(order_id=wish.order_id, number=wish.number, code=refusal.code)
            except NoAnswer as trouble:
                if trouble.code == TOO_MANY:
                    await turn.answered(trouble.code)  # nobody knows whether it was taken, but it counts as an error
                raise
            await turn.answered("")
            return _shown(wish, sent)

    async def query_refund(self, wish: QueryRefund, _: int) -> RefundShown | RefundUnanswered:
        """Ask where a refund is."""
        try:
            there = await _look(self._merchants.of(wish.shop), wish.number)
        except NoAnswer as trouble:
            return RefundUnanswered(order_id=wish.order_id, number=wish.number, code=trouble.code)
        if there is None:
            log.error("the provider does not know a refund it has accepted", number=wish.number)
            return RefundUnanswered(order_id=wish.order_id, number=wish.number, code="RESOURCE_NOT_EXISTS")
        return _shown(wish, there)

    async def rescue_refund(self, wish: RescueRefund, attempt: int) -> RefundShown | RescueRejected | RefundUnanswered:
        """Name another card for an abnormal refund; asked before, look first: it may be on its way to it. After a
        refusal look as well: one that is on its way to a card that was named before takes no other."""
        provider = self._merchants.of(wish.shop)
        try:
            if attempt > 1:
                there = await _look(provider, wish.number)
                if there is not None and there.status != "ABNORMAL":
                    return _shown(wish, there)
            try:
                return _shown(wish, await provider.abnormal_refund(wish.refund_id, wish.number, wish.card))
            except Refused as refusal:
                there = await _look(provider, wish.number)
                if there is not None and there.status != "ABNORMAL":
                    return _shown(wish, there)
                return RescueRejected(order_id=wish.order_id, number=wish.number, code=refusal.code)
        except NoAnswer as trouble:
            return RefundUnanswered(order_id=wish.order_id, number=wish.number, code=trouble.code)

    # ── transfers ────────────────────────────────────────────────────────────────────────────────────────────────────
    async def send_transfer(
        self, wish: SendTransfer, attempt: int
    ) -> TransferShown | TransferRejected | TransferUnanswered:
        """Ask for the transfer, with a look at its number before and after as for a refund. Only the making shows the
        ticket the customer confirms with: one that is there without it is asked for again, under the same number and
        with the same words, which makes no second one. So is one that is taken and stays there: that is how it goes on
        after the merchant's balance was short (pay.weixin.qq.com/doc/v3/merchant/4012716434)."""
        provider = self._merchants.of(wish.shop)
        try:
            if wish.resend or attempt > 1:
                there = await _look_for_transfer(provider, wish.number)
                if there is not None and not _wants_again(there):
                    return _transfer_shown(wish, there)
            if self._restored is not None and await self._restored.waits(wish.shop):
                there = await _look_if_permitted(provider, wish.number)
                if there is None:
                    await _none_forgotten(self._restored, provider, wish.order_id)
            try:
                sent = await provider.transfer(wish.number, wish.openid, wish.amount, wish.reason)
            except Refused as refusal:
                log.warning("the provider refuses a transfer", number=wish.number, code=refusal.code)
                is_first = refusal.code == NOT_PERMITTED and not wish.resend and attempt == 1
                look = _look_if_permitted if is_first else _look_for_transfer
                there = await look(provider, wish.number)
                if there is not None:
                    return _transfer_shown(wish, there)
                return TransferRejected(order_id=wish.order_id, number=wish.number, code=refusal.code)
            return _transfer_shown(wish, sent)
        except Held as held:
            return TransferUnanswered(order_id=wish.order_id, number=wish.number, code=held.code)
        except NoAnswer as trouble:
            return TransferUnanswered(order_id=wish.order_id, number=wish.number, code=trouble.code)

    async def query_transfer(self, wish: QueryTransfer, _: int) -> TransferShown | TransferUnanswered:
        """Ask where a transfer is."""
        try:
            there = await _look_for_transfer(self._merchants.of(wish.shop), wish.number)
        except NoAnswer as trouble:
            return TransferUnanswered(order_id=wish.order_id, number=wish.number, code=trouble.code)
        if there is None:
            log.error("the provider does not know a transfer it has accepted", number=wish.number)
            return TransferUnanswered(order_id=wish.order_id, number=wish.number, code="NOT_FOUND")
        return _transfer_shown(wish, there)

    async def cancel_transfer(
        self, wish: CancelTransfer, _: int
    ) -> TransferShown | TransferRejected | TransferUnanswered:
        """Take the transfer back. After a refusal, look what became of it: paid, over, or never there. One that still
        waits all the same is not known to be taken back: later again."""
        provider = self._merchants.of(wish.shop)
        try:
            try:
                return _transfer_shown(wish, await provider.cancel_transfer(wish.number))
            except Refused as refusal:
                log.warning("the provider does not take a transfer back", number=wish.number, code=refusal.code)
                there = await _look_for_transfer(provider, wish.number)
                if there is None:
                    return TransferRejected(order_id=wish.order_id, number=wish.number, code=refusal.code)
                if there.state == "WAIT_USER_CONFIRM":
                    raise NoAnswer(refusal.code) from refusal
                return _transfer_shown(wish, there)
        except NoAnswer as trouble:
            return TransferUnanswered(order_id=wish.order_id, number=wish.number, code=trouble.code)


async def _look(provider: WechatPay, number: str) -> ProviderRefund | None:
    """The refund under this number, or None when the provider has none. Raises NoAnswer, also for a refusal to answer:
    whoever may not look knows nothing."""
    try:
        return await provider.query_refund(number)
    except Refused as refusal:
        if refusal.http == 404 and refusal.code in NOT_THERE:
            return None
        raise NoAnswer(refusal.code) from refusal


async def _look_for_transfer(provider: WechatPay, number: str) -> ProviderTransfer | None:
    """As above, for a transfer."""
    try:
        return await provider.query_transfer(number)
    except Refused as refusal:
        if refusal.http == 404 and refusal.code in NOT_THERE:
            return None
        raise NoAnswer(refusal.code) from refusal


def _wants_again(transfer: ProviderTransfer) -> bool:
    """Whether asking under its number once more brings it on: it is not offered yet, or its ticket is missing."""
    is_taken = payout_row_for(transfer.state).road == "taken"
    return is_taken or (transfer.state == "WAIT_USER_CONFIRM" and not transfer.package_info)


async def _look_if_permitted(provider: WechatPay, number: str) -> ProviderTransfer | None:
    """As above, where no call of ours can be on its way: a shop that may not even look, because it may not make
    transfers, has made none."""
    try:
        return await _look_for_transfer(provider, number)
    except NoAnswer as trouble:
        if trouble.code == NOT_PERMITTED:
            return None
        raise


async def _paid_out_before(provider: WechatPay, wish: SendRefund) -> PayoutRemembered | None:
    """The transfer of this refund's case that lives or was paid: the payment does not show it, and the refund that was
    refused then may be taken now. Numbers follow each other, each after the one before has failed. Raises NoAnswer."""
    n, there = 0, None
    while n == 0 or (there is not None and payout_row_for(there.state).road == "failed"):
        n += 1
        there = await _look_if_permitted(provider, payout_number(wish.case_id, n))
    if there is None:
        return None
    log.error("a transfer was there before its refund was asked for", number=wish.number, transfer=there.out_bill_no)
    return PayoutRemembered(order_id=wish.order_id, number=wish.number, n=n, transfer=there)


async def _none_forgotten(restored: Restored, provider: WechatPay, order_id: str) -> None:
    """Raises Held where there may be a refund that is not known here, NoAnswer where that cannot be seen."""
    try:
        await restored.hold_if_refunded(provider, order_id)
    except Refused as refusal:
        raise NoAnswer(refusal.code) from refusal


def _shown_after_restore(wish: SendRefund, refund: ProviderRefund, *, again: bool) -> RefundShown:
    """It was sent before, in the time that is forgotten: most likely for the same goods. Of a part of an order nobody
    can know that, so somebody should look, unless it may be an earlier call of ours (`again`)."""
    if not again and wish.amount != wish.total and refund.amount.refund == wish.amount.amount_minor:
        FORGOTTEN.inc()
        log.error("a refund was there before it was asked for: compare its goods", number=wish.number)
    return _shown(wish, refund).model_copy(update={"forgotten": True})


def _shown(wish: SendRefund | QueryRefund | RescueRefund, refund: ProviderRefund) -> RefundShown:
    return RefundShown(order_id=wish.order_id, number=wish.number, refund=refund, by="answer")


def _transfer_shown(wish: SendTransfer | QueryTransfer | CancelTransfer, transfer: ProviderTransfer) -> TransferShown:
    return TransferShown(order_id=wish.order_id, number=wish.number, transfer=transfer, by="answer")
