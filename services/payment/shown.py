"""What the provider shows of payments, refunds and transfers: the parts of its answers that are used here. Amounts are
fen, times UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator


def _utc(at: datetime) -> datetime:
    """The provider writes +08:00, the database keeps milliseconds. Raises ValueError for what programs write that there
    is none, which is no time in UTC: an answer with it is one that cannot be read."""
    try:
        at = at.astimezone(UTC)
    except OverflowError as wrong:
        raise ValueError("no time in UTC") from wrong
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


UtcTime = Annotated[AwareDatetime, AfterValidator(_utc)]


class Fact(BaseModel):
    """Something known. Never changed, only replaced."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TradeAmount(Fact):
    """What the customer was asked for, fen; `payer_total` is what of it was their own money, without coupons."""

    total: int
    payer_total: int | None = None
    currency: str = "CNY"


class Trade(Fact):
    """A payment as query answers and `TRANSACTION.SUCCESS` callbacks show it
    (wechatpay-java service/payments/model/Transaction.java). To a service provider the merchant is `sub_mchid`."""

    appid: str = ""
    mchid: str = ""
    sp_mchid: str = ""
    sub_mchid: str = ""
    out_trade_no: str
    trade_state: str
    transaction_id: str | None = None
    success_time: UtcTime | None = None
    amount: TradeAmount | None = None

    @property
    def is_paid(self) -> bool:
        """REFUND means: paid, and a refund was accepted since."""
        return self.trade_state in ("SUCCESS", "REFUND")


class RefundAmount(Fact):
    """Fen. `refund` was asked for; `payer_refund` is what the customer gets back in money, less where a coupon had
    paid a part."""

    refund: int
    total: int
    payer_refund: int
    currency: str = "CNY"


class ProviderRefund(Fact):
    """A refund as answers and `REFUND.*` callbacks show it (wechatpay-go docs/refunddomestic/Refund.md). Callbacks call
    the status `refund_status`."""

    out_refund_no: str
    out_trade_no: str
    refund_id: str
    status: Literal["PROCESSING", "SUCCESS", "CLOSED", "ABNORMAL"]
    user_received_account: str = ""
    success_time: UtcTime | None = None
    amount: RefundAmount

    @property
    def went_to_merchant(self) -> bool:
        """An abnormal refund that somebody has sent to the merchant's own account (商户基本账户, 商户结算银行账户) has
        succeeded, too: the customer has nothing of it
        (pay.weixin.qq.com/docs/merchant/apis/refund/refunds/create-abnormal-refund.html, MERCHANT_BANK_CARD)."""
        return self.status == "SUCCESS" and self.user_received_account.startswith("商户")

    @model_validator(mode="before")
    @classmethod
    def _status_of_callbacks(cls, data: Any) -> Any:
        if isinstance(data, dict) and "status" not in data and "refund_status" in data:
            return {**data, "status": data["refund_status"]}
        return data


class ProviderTransfer(Fact):
    """A merchant transfer as answers and `MCHTRANSFER.BILL.FINISHED` callbacks show it
    (pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill). The answer to its making shows no amount and no
    receiver: both are what was asked for, or it is another bill and refused."""

    out_bill_no: str
    transfer_bill_no: str = ""
    state: Literal[
        "ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM", "TRANSFERING", "SUCCESS", "FAIL", "CANCELING", "CANCELLED"
    ]
    transfer_amount: int | None = None
    openid: str | None = None
    create_time: UtcTime | None = None
    update_time: UtcTime | None = None
    package_info: str = Field("", max_length=1024)
    fail_reason: str = ""


class SealedCard(Fact):
    """A customer's bank card for an abnormal refund. Number and name are encrypted with the provider's key `serial`
    when they are typed in; only the provider can read them
    (pay.weixin.qq.com/docs/merchant/apis/refund/refunds/create-abnormal-refund.html)."""

    serial: str
    bank_type: str
    bank_account: str
    real_name: str
