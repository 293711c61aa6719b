"""Bodies of the shipping information API (发货信息管理), with the rules of their fields.

developers.weixin.qq.com/miniprogram/dev/server/API/order_shipping/api_uploadshippinginfo
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

EXPRESS = 1
UNIFIED, SPLIT = 1, 2
BY_MERCHANT_NUMBER, BY_TRANSACTION = 1, 2
MOST_PARCELS = 15


def _time(value: str) -> str:
    if datetime.fromisoformat(value).tzinfo is None:
        raise ValueError("a time with its zone, such as 2022-12-15T13:29:35.120+08:00")
    return value


Rfc3339 = Annotated[str, AfterValidator(_time)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrderKey(_Body):
    """Which payment: 1 is mchid and out_trade_no, 2 is WeChat Pay's transaction_id."""

    order_number_type: Literal[1, 2]
    transaction_id: str | None = None
    mchid: str | None = None
    out_trade_no: str | None = None


class Contact(_Body):
    """Masked phone numbers; parcels by SF Express need one of them."""

    consignor_contact: str | None = None
    receiver_contact: str | None = None


class Parcel(_Body):
    """One parcel."""

    tracking_no: str | None = None
    express_company: str | None = None
    item_desc: str = ""
    contact: Contact | None = None


class Payer(_Body):
    """Who paid."""

    openid: str = Field(min_length=1)


class Upload(_Body):
    """POST /wxa/sec/order/upload_shipping_info."""

    order_key: OrderKey
    logistics_type: Literal[1, 2, 3, 4]
    delivery_mode: Literal[1, 2]
    is_all_delivered: bool | None = None
    shipping_list: Annotated[list[Parcel], Field(min_length=1)]
    upload_time: Rfc3339
    payer: Payer


class GetOrder(_Body):
    """POST /wxa/sec/order/get_order: transaction_id, or merchant_id and merchant_trade_no."""

    transaction_id: str | None = None
    merchant_id: str | None = None
    sub_merchant_id: str | None = None
    merchant_trade_no: str | None = None


class ConfirmReceive(GetOrder):
    """POST /wxa/sec/order/notify_confirm_receive: the parcel was signed for; seconds since the epoch."""

    received_time: int = Field(ge=0)


class IsTradeManaged(_Body):
    """POST /wxa/sec/order/is_trade_managed."""

    appid: str
