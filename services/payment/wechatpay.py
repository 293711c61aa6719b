"""What one shop asks of WeChat Pay API v3: payments, refunds, transfers, bills, and opening callbacks. Knows nothing of
our orders. How a call ends, and how it is signed, is in `calling`.

A service provider (a merchant with `sub_mchid`) uses other addresses and names for the same things
(pay.weixin.qq.com/doc/v3/partner/4012523593, /4012709253).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

import httpx
from pydantic import BaseModel, ValidationError

from chassis.clock import Clock
from contracts.message import Money
from contracts.payment import DESCRIPTION_BYTES_MAX, cut
from services.payment.bill_download import BILL_BYTES_MAX, BadBill, BillLink, unpacked
from services.payment.bills import TradeKind
from services.payment.calling import Line, NoAnswer, Refused, http_client
from services.payment.hosts import HostChoice
from services.payment.keyfolder import KeyFolder, Merchant
from services.payment.shown import Fact, ProviderRefund, ProviderTransfer, SealedCard, Trade
from services.payment.signing import BadSignature, Sealed, WrongKey, new_nonce, open_sealed

__all__ = ["BadCallback", "BadSignature", "Callback", "NoAnswer", "Refused", "Sealed", "WechatPay", "http_client"]

Family = Literal["pay", "refund", "transfer"]

# 企业赔付, made for paying back what cannot go the way it came (pay.weixin.qq.com/doc/v3/merchant/4013774589).
TRANSFER_SCENE = "1011"
TRANSFER_TEXT_MAX = 32
_LAST_OF_THREE_BYTES = 0xFFFF

_TRADES = "/v3/pay/transactions"
_PARTNER_TRADES = "/v3/pay/partner/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"
_TRANSFERS = "/v3/fund-app/mch-transfer/transfer-bills"
_BILLS = "/v3/bill"

B = TypeVar("B", bound=BaseModel)


class BadCallback(Exception):
    """From the provider by its signature, but not readable."""


class Callback(Fact):
    """An opened callback: `id` is the provider's, the same for every delivery; `resource` is the decrypted JSON."""

    id: str
    event_type: str
    resource: dict[str, Any]


class WechatPay:
    """The calls of one shop. `callback_url` is the gateway, where the provider reaches us: it passes
    /callbacks/wechat/{pay,refund,transfer} on, and for a shop but the house's own these with /{shop} behind. All
    amounts are fen. Every call raises Refused or NoAnswer."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        keys: KeyFolder,
        callback_url: str,
        clock: Clock,
        *,
        shop: str = "",
        hosts: HostChoice | None = None,
    ) -> None:
        self._keys = keys
        self._callback_url = callback_url
        self._shop = shop
        self._line = Line(http, keys, clock, hosts)

    @property
    def merchant(self) -> Merchant:
        """Whose calls these are, by the keys of now."""
        return self._keys.merchant

    # ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def prepay(self, out_trade_no: str, openid: str, amount: Money, description: str) -> str:
        """Order a payment; the prepay_id for the customer's phone. The same order again gives a prepay_id again
        (pay.weixin.qq.com/doc/v3/partner/4012523593)."""
        us = self.merchant
        body: dict[str, Any] = {
            **self._payee(),
            # Cut here, too: orders of before were described in as many characters.
            "description": cut(_plain(description) or out_trade_no, DESCRIPTION_BYTES_MAX),
            "out_trade_no": out_trade_no,
            "notify_url": self._notify_url("pay"),
            "amount": {"total": amount.amount_minor, "currency": amount.currency},
        }
        if not us.sub_mchid:
            body |= {"appid": us.appid, "payer": {"openid": openid}}
        elif us.sub_appid:
            body |= {"sp_appid": us.appid, "sub_appid": us.sub_appid, "payer": {"sub_openid": openid}}
        else:
            body |= {"sp_appid": us.appid, "payer": {"sp_openid": openid}}
        answer = await self._line.call("POST", f"{self._trades()}/jsapi", body, what="prepay")
        prepay_id = answer.get("prepay_id")
        if not isinstance(prepay_id, str) or not prepay_id:
            raise NoAnswer("UNREADABLE", "no prepay_id")
        return prepay_id

    async def query_payment(self, out_trade_no: str) -> Trade:
        """The payment as the provider has it."""
        place = f"{self._trades()}/out-trade-no/{_part(out_trade_no)}?{urlencode(self._payee())}"
        return _read(Trade, await self._line.call("GET", place, what="query-payment"))

    async def close(self, out_trade_no: str) -> None:
        """Make an unpaid payment impossible to pay (pay.weixin.qq.com/docs/merchant/products/close-order)."""
        place = f"{self._trades()}/out-trade-no/{_part(out_trade_no)}/close"
        await self._line.call("POST", place, self._payee(), what="close-payment")

    def ticket(self, prepay_id: str) -> dict[str, str]:
        """What `wx.requestPayment` wants (wechatpay-go services/payments/jsapi/api_jsapi_request_payment.go)."""
        timestamp, nonce, package = self._line.timestamp(), new_nonce(), f"prepay_id={prepay_id}"
        appid = self.merchant.sub_appid or self.merchant.appid
        return {
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": self._line.sign(f"{appid}\n{timestamp}\n{nonce}\n{package}\n".encode()),
        }

    def owns(self, resource: Mapping[str, Any]) -> bool:
        """Whether a payment or refund that the provider shows is this merchant's."""
        us = self.merchant
        if us.sub_mchid:
            return (resource.get("sp_mchid"), resource.get("sub_mchid")) == (us.mchid, us.sub_mchid)
        return resource.get("mchid") == us.mchid and resource.get("appid", us.appid) == us.appid

    # ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def refund(
        self, out_refund_no: str, out_trade_no: str, amount: Money, total: Money, reason: str
    ) -> ProviderRefund:
        """Ask for a refund; the same number many times refunds once (pay.weixin.qq.com/doc/v3/merchant/4012556457)."""
        body: dict[str, Any] = {
            **self._sub_mchid(),
            "out_trade_no": out_trade_no,
            "out_refund_no": out_refund_no,
            "notify_url": self._notify_url("refund"),
            "amount": {"refund": amount.amount_minor, "total": total.amount_minor, "currency": amount.currency},
        }
        if text := _plain(reason):
            body["reason"] = text
        return _read(ProviderRefund, await self._line.call("POST", _REFUNDS, body, what="refund"))

    async def query_refund(self, out_refund_no: str) -> ProviderRefund:
        """The refund as the provider has it."""
        query = "?" + urlencode(self._sub_mchid()) if self.merchant.sub_mchid else ""
        place = f"{_REFUNDS}/{_part(out_refund_no)}{query}"
        return _read(ProviderRefund, await self._line.call("GET", place, what="query-refund"))

    async def abnormal_refund(self, refund_id: str, out_refund_no: str, card: SealedCard) -> ProviderRefund:
        """Ask for an abnormal refund to go to another card of the customer
        (pay.weixin.qq.com/docs/merchant/apis/refund/refunds/create-abnormal-refund.html)."""
        body = {
            **self._sub_mchid(),
            "out_refund_no": out_refund_no,
            "type": "USER_BANK_CARD",
            "bank_type": card.bank_type,
            "bank_account": card.bank_account,
            "real_name": card.real_name,
        }
        place = f"{_REFUNDS}/{_part(refund_id)}/apply-abnormal-refund"
        shown = await self._line.call("POST", place, body, what="abnormal-refund", serial=card.serial)
        return _read(ProviderRefund, shown)

    def encrypt(self, text: str) -> Sealed:
        """Make a sensitive field that only the provider can read. Raises NoAnswer NO_KEY while no key of its is known,
        ValueError for more than some 200 bytes."""
        return self._line.seal(text)

    # ── transfers ────────────────────────────────────────────────────────────────────────────────────────────────────
    async def transfer(self, out_bill_no: str, openid: str, amount: Money, reason: str) -> ProviderTransfer:
        """Offer the customer money from the merchant's balance; the same number many times pays once. They must confirm
        it within 24 hours (pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill/transfer-to-user.html)."""
        if self.merchant.sub_mchid:
            # It would be paid with the service provider's own money.
            raise Refused(403, "NO_AUTH", "a service provider makes no transfers for a sub-merchant")
        text = _plain(reason)[:TRANSFER_TEXT_MAX] or "订单退款"
        body = {
            "appid": self.merchant.appid,
            "out_bill_no": out_bill_no,
            "transfer_scene_id": TRANSFER_SCENE,
            "openid": openid,
            "transfer_amount": amount.amount_minor,
            "transfer_remark": text,
            "notify_url": self._notify_url("transfer"),
            "user_recv_perception": "退款",
            "transfer_scene_report_infos": [{"info_type": "赔付原因", "info_content": text}],
        }
        return _read(ProviderTransfer, await self._line.call("POST", _TRANSFERS, body, what="transfer"))

    async def query_transfer(self, out_bill_no: str) -> ProviderTransfer:
        """The transfer as the provider has it."""
        if self.merchant.sub_mchid:
            # See `transfer`: none was made, and who may not make any may not be let look either.
            raise Refused(404, "NOT_FOUND", "a service provider makes no transfers for a sub-merchant")
        place = f"{_TRANSFERS}/out-bill-no/{_part(out_bill_no)}"
        return _read(ProviderTransfer, await self._line.call("GET", place, what="query-transfer"))

    async def cancel_transfer(self, out_bill_no: str) -> ProviderTransfer:
        """Take back a transfer that its customer has not confirmed. The answer only says that this is being done: how
        it ends a query shows (pay.weixin.qq.com/doc/v3/merchant/4012716458)."""
        place = f"{_TRANSFERS}/out-bill-no/{_part(out_bill_no)}/cancel"
        return _read(ProviderTransfer, await self._line.call("POST", place, what="cancel-transfer"))

    # ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def trade_bill(self, day: date, kind: TradeKind) -> bytes:
        """A bill of payments and refunds of a day in China, there from ten the next morning
        (pay.weixin.qq.com/doc/v3/merchant/4012556654)."""
        return await self._bill("tradebill", {"bill_date": day.isoformat(), "bill_type": kind, **self._sub_mchid()})

    async def fund_flow_bill(self, day: date, account: Literal["BASIC", "OPERATION", "FEES"]) -> bytes:
        """The bill of everything that moved on an account on a day
        (pay.weixin.qq.com/docs/merchant/apis/combine-payment-identity/bill-download/get-fund-flow-bill.html)."""
        if self.merchant.sub_mchid:
            # It would be the service provider's own.
            raise Refused(403, "NO_AUTH", "a sub-merchant's fund flow is not shown to its service provider")
        return await self._bill("fundflowbill", {"bill_date": day.isoformat(), "account_type": account})

    async def _bill(self, what: str, query: Mapping[str, str]) -> bytes:
        place = f"{_BILLS}/{what}?{urlencode({**query, 'tar_type': 'GZIP'})}"
        link = _read(BillLink, await self._line.call("GET", place, what="bill"))
        if not self._line.is_ours(link.download_url):
            raise NoAnswer("UNREADABLE", "the bill is said to be on a host that is not the provider's")
        raw = await self._line.download(link.download_url, BILL_BYTES_MAX)
        try:
            return await asyncio.to_thread(unpacked, raw, link.hash_value)
        except BadBill as problem:
            raise NoAnswer("UNVERIFIED", str(problem)) from problem

    # ── keys and callbacks ───────────────────────────────────────────────────────────────────────────────────────────
    async def refresh_certificates(self) -> bool:
        """Download the provider's platform certificates. False when that could not be done, or there are none."""
        return await self._line.refresh_certificates()

    @property
    def knows_provider(self) -> bool:
        """Whether any key is known that an answer could be verified with."""
        return bool(self._line.provider_serial)

    async def open_callback(self, headers: Mapping[str, str], raw: bytes) -> Callback:
        """Verify and decrypt a callback from its raw body. Raises BadSignature or BadCallback."""
        await self._line.verify(headers, raw)
        try:
            document = json.loads(raw)
            plain = self._opened(document["resource"])
            return Callback(id=document["id"], event_type=document["event_type"], resource=json.loads(plain))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise BadCallback(f"{type(problem).__name__}: {problem}") from problem

    def _opened(self, sealed: Mapping[str, Any]) -> bytes:
        try:
            return open_sealed(self.merchant.apiv3_key, sealed)
        except WrongKey:
            if not self._keys.look_at_once():
                raise
            return open_sealed(self.merchant.apiv3_key, sealed)

    # ── who and where ────────────────────────────────────────────────────────────────────────────────────────────────
    def _trades(self) -> str:
        return _PARTNER_TRADES if self.merchant.sub_mchid else _TRADES

    def _payee(self) -> dict[str, str]:
        us = self.merchant
        return {"sp_mchid": us.mchid, "sub_mchid": us.sub_mchid} if us.sub_mchid else {"mchid": us.mchid}

    def _sub_mchid(self) -> dict[str, str]:
        return {"sub_mchid": self.merchant.sub_mchid} if self.merchant.sub_mchid else {}

    def _notify_url(self, family: Family) -> str:
        return f"{self._callback_url}/callbacks/wechat/{family}" + (f"/{self._shop}" if self._shop else "")


def _plain(text: str) -> str:
    """Without what refuses the whole call as PARAM_ERROR: emoji and all else that takes four bytes of UTF-8
    (developers.weixin.qq.com/community/pay/doc/0008600456091840f732d27996b000, 000824447acc68f26a0fffd7656000). A
    product's name may hold it, and what a customer wrote. A line's end, which nobody promises to be taken, is a
    blank, as is whatever else is not seen."""
    return "".join(one if one.isprintable() else " " for one in text if ord(one) <= _LAST_OF_THREE_BYTES).strip()


def _part(number: str) -> str:
    return quote(number, safe="")


def _read(shape: type[B], document: dict[str, Any]) -> B:
    try:
        return shape.model_validate(document)
    except ValidationError as problem:
        where = ", ".join(".".join(map(str, error["loc"])) for error in problem.errors()[:3])
        raise NoAnswer("UNREADABLE", f"unexpected answer: {where}") from problem
