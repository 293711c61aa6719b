"""Bodies of WeChat Pay requests. A field that the documents do not name is refused, as WeChat Pay does."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from sandbox.banks import DEBIT_CARDS
from sandbox.errors import WechatPayError

# Fen; the largest amount is far above any limit of an account and only keeps sums inside 64 bits.
Fen = Annotated[int, Field(ge=1, le=10**12)]


def _notify_url(url: str) -> str:
    """pay.weixin.qq.com/doc/v3/partner/4012709253: no query string. Plain http is allowed here, unlike there."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("notify_url must be an absolute http or https address")
    if parts.query or parts.fragment or "?" in url:
        raise ValueError("notify_url must not carry parameters")
    return url


def _moment(value: str) -> str:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("the time needs an offset, such as 2018-06-08T10:34:56+08:00")
    return value


def _three_bytes(value: str) -> str:
    """No character takes more than three bytes of UTF-8, as emoji do
    (developers.weixin.qq.com/community/pay/doc/0008600456091840f732d27996b000, 000824447acc68f26a0fffd7656000)."""
    if any(ord(character) > 0xFFFF for character in value):
        raise ValueError("a character of four bytes")
    return value


def at_most(bytes_max: int) -> AfterValidator:
    """Texts of payments and refunds are measured in bytes of UTF-8: a Chinese character counts three
    (developers.weixin.qq.com/community/pay/doc/000ac2f693c4e881fc38cd5795b400,
    github.com/JeffreySu/WeiXinMPSDK/issues/3217)."""

    def checked(value: str) -> str:
        if len(value.encode()) > bytes_max:
            raise ValueError(f"longer than {bytes_max} bytes")
        return _three_bytes(value)

    return AfterValidator(checked)


NotifyUrl = Annotated[str, Field(max_length=256), AfterValidator(_notify_url)]
OutTradeNo = Annotated[str, Field(pattern=r"^[0-9A-Za-z_\-*]{6,32}$")]
OutRefundNo = Annotated[str, Field(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]


class Body(BaseModel):
    """Strict: no unknown field, no number written as text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PayAmount(Body):
    """Fen."""

    total: Fen
    currency: Literal["CNY"] = "CNY"


class Payer(Body):
    """Who pays."""

    openid: str = Field(min_length=1, max_length=128)


class SettleInfo(Body):
    """Settlement options."""

    profit_sharing: bool = False


class Prepay(Body):
    """POST /v3/pay/transactions/jsapi (wechatpay-go docs/payments/jsapi/PrepayRequest.md)."""

    appid: str = Field(min_length=1, max_length=32)
    mchid: str = Field(min_length=1, max_length=32)
    description: Annotated[str, Field(min_length=1), at_most(127)]
    out_trade_no: OutTradeNo
    time_expire: Annotated[str, AfterValidator(_moment)] | None = None
    attach: Annotated[str, at_most(128)] | None = None
    notify_url: NotifyUrl
    goods_tag: str | None = Field(default=None, max_length=32)
    support_fapiao: bool = False
    amount: PayAmount
    payer: Payer
    detail: dict[str, Any] | None = None
    scene_info: dict[str, Any] | None = None
    settle_info: SettleInfo | None = None


class Close(Body):
    """POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close."""

    mchid: str


class RefundFrom(Body):
    """Which account of the merchant pays."""

    account: Literal["AVAILABLE", "UNAVAILABLE"]
    amount: Fen


class RefundAmount(Body):
    """Fen; ``total`` is the amount of the whole order."""

    refund: Fen
    total: Fen
    currency: Literal["CNY"]
    from_: list[RefundFrom] | None = Field(default=None, alias="from")


class RefundGoods(Body):
    """One article of a refund by articles."""

    merchant_goods_id: str = Field(min_length=1, max_length=32)
    wechatpay_goods_id: str | None = Field(default=None, max_length=32)
    goods_name: str | None = Field(default=None, max_length=256)
    unit_price: int = Field(ge=0)
    refund_amount: int = Field(ge=0)
    refund_quantity: int = Field(ge=1)


class Refund(Body):
    """POST /v3/refund/domestic/refunds (pay.weixin.qq.com/doc/v3/merchant/4012556457)."""

    sub_mchid: str | None = Field(default=None, min_length=1, max_length=32)
    transaction_id: str | None = Field(default=None, min_length=1, max_length=32)
    out_trade_no: str | None = Field(default=None, min_length=1, max_length=32)
    out_refund_no: OutRefundNo
    reason: Annotated[str, Field(min_length=1), at_most(80)] | None = None
    notify_url: NotifyUrl | None = None
    funds_account: Literal["AVAILABLE", "UNSETTLED"] | None = None
    amount: RefundAmount
    goods_detail: list[RefundGoods] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.transaction_id is None and self.out_trade_no is None:
            raise ValueError("transaction_id or out_trade_no is required")
        return self


def _debit_card(bank_type: str) -> str:
    if bank_type not in DEBIT_CARDS:
        raise ValueError("not one of the 15 banks' debit cards")
    return bank_type


Encrypted = Annotated[str, Field(min_length=1, max_length=1024)]


class AbnormalRefund(Body):
    """POST /v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund; card number and name are encrypted."""

    sub_mchid: str | None = Field(default=None, min_length=1, max_length=32)
    out_refund_no: OutRefundNo
    type: Literal["USER_BANK_CARD", "MERCHANT_BANK_CARD"]
    bank_type: Annotated[str, AfterValidator(_debit_card)] | None = None
    bank_account: Encrypted | None = None
    real_name: Encrypted | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.type == "USER_BANK_CARD" and None in (self.bank_type, self.bank_account, self.real_name):
            raise ValueError("bank_type, bank_account and real_name are required for USER_BANK_CARD")
        return self


class TransferInfo(Body):
    """Why money is transferred, in the words the scene asks for."""

    info_type: str = Field(min_length=1, max_length=15)
    info_content: Annotated[str, Field(min_length=1, max_length=32), AfterValidator(_three_bytes)]


class Transfer(Body):
    """POST /v3/fund-app/mch-transfer/transfer-bills; ``transfer_amount`` is fen, ``user_name`` is encrypted."""

    appid: str = Field(min_length=1, max_length=32)
    out_bill_no: str = Field(pattern=r"^[0-9A-Za-z]{1,32}$")
    transfer_scene_id: str = Field(min_length=1, max_length=36)
    openid: str = Field(min_length=1, max_length=64)
    user_name: Encrypted | None = None
    transfer_amount: Fen
    transfer_remark: Annotated[str, Field(min_length=1, max_length=32), AfterValidator(_three_bytes)]
    notify_url: NotifyUrl | None = None
    user_recv_perception: str | None = Field(default=None, min_length=1, max_length=32)
    transfer_scene_report_infos: Annotated[list[TransferInfo], Field(min_length=1)]


B = TypeVar("B", bound=Body)


def read_body(model: type[B], raw: bytes) -> B:
    """The parsed body, or 400 PARAM_ERROR that names the field."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_context=False)[0]
        place = "/" + "/".join(str(part) for part in first["loc"])
        message = f"参数错误: {place} {first['msg']}"
        if first["type"] == "extra_forbidden":
            message = f"请求中含有未在API文档中定义的参数: {place}"
        detail = {"location": "body", "field": place, "issue": first["msg"]}
        raise WechatPayError(400, "PARAM_ERROR", message, detail) from None
