"""Abnormal refunds: the customer's card is gone, the money waits in between, and the merchant says where it shall go.

Rules: pay.weixin.qq.com/docs/merchant/apis/refund/refunds/create-abnormal-refund.html.
"""

from typing import Any

from sandbox.banks import MERCHANT_ACCOUNT, card
from sandbox.errors import WechatPayError
from sandbox.fault_rules import Fault
from sandbox.keys import Keys
from sandbox.refunds import Refunds
from sandbox.store import Store
from sandbox.wechatpay_models import AbnormalRefund


class AbnormalRefunds:
    """Sends the money of a refund in state ABNORMAL to a debit card of the customer, or to the merchant's bank."""

    def __init__(self, store: Store, refunds: Refunds, keys: Keys) -> None:
        self._store = store
        self._refunds = refunds
        self._keys = keys

    def apply(
        self, refund_id: str, order: AbnormalRefund, *, mchid: str, serial: str, fault: Fault | None = None
    ) -> dict[str, Any]:
        """The refund, PROCESSING again; ``serial`` names the key that card number and name are encrypted with. With a
        ``fault`` that names a refund_status it ends so.

        WechatPayError: 404 RESOURCE_NOT_EXISTS, 400 INVALID_REQUEST (another number, not ABNORMAL), 400 PARAM_ERROR
        (what is encrypted cannot be read, or is no card number).
        """
        account = self._account(order, serial)
        self._refunds.settle_due()
        with self._store.transaction():
            row = self._store.one("SELECT * FROM refunds WHERE refund_id = ? AND mchid = ?", refund_id, mchid)
            if row is None:
                raise WechatPayError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
            if row["out_refund_no"] != order.out_refund_no:
                raise WechatPayError(400, "INVALID_REQUEST", "微信支付退款单号与商户退款单号不匹配")
            if row["status"] != "ABNORMAL":
                raise WechatPayError(400, "INVALID_REQUEST", "退款单状态不是退款异常, 不能发起异常退款")
            final = (fault.refund_status if fault is not None else None) or "SUCCESS"
            return self._refunds.shown(self._refunds.redirect(row, account, final))

    def _account(self, order: AbnormalRefund, serial: str) -> str:
        if order.type == "MERCHANT_BANK_CARD":
            return MERCHANT_ACCOUNT
        assert order.bank_type is not None
        assert order.bank_account is not None
        assert order.real_name is not None
        number = self._keys.decrypt(serial, order.bank_account)
        name = self._keys.decrypt(serial, order.real_name)
        if not (number.isascii() and number.isdigit() and 10 <= len(number) <= 21):
            raise WechatPayError(400, "PARAM_ERROR", "参数错误: bank_account不是银行卡号")
        if not name.strip():
            raise WechatPayError(400, "PARAM_ERROR", "参数错误: real_name为空")
        return card(order.bank_type, number)
