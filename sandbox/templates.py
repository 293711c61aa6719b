"""The message templates an account would have: subscribe messages and SMS.

``make_keys`` writes them as ``templates.json`` and ``sms-templates.json``; both sides then read the same files.
"""

import hashlib
from typing import Any

# A field name is its kind plus a number; the kind decides which values are allowed (see subscribe_fields.py).
SUBSCRIBE_TEMPLATES: dict[str, tuple[str, dict[str, str]]] = {
    "refund-on-its-way": (
        "退款处理通知",
        {
            "character_string1": "订单编号",
            "amount2": "退款金额",
            "thing3": "退款原因",
            "thing4": "温馨提示",
            "time5": "申请时间",
        },
    ),
    "refund-arrived": (
        "退款到账通知",
        {
            "character_string1": "订单编号",
            "amount2": "退款金额",
            "thing3": "退款原因",
            "thing4": "温馨提示",
            "time5": "到账时间",
        },
    ),
    "refund-failed": (
        "退款失败通知",
        {
            "character_string1": "订单编号",
            "amount2": "退款金额",
            "thing3": "失败原因",
            "thing4": "温馨提示",
            "time5": "处理时间",
        },
    ),
    "order-cancelled": (
        "订单取消通知",
        {
            "character_string1": "订单编号",
            "amount2": "订单金额",
            "thing3": "取消原因",
            "thing4": "温馨提示",
            "time5": "取消时间",
        },
    ),
    "cancellation-refused": (
        "取消申请结果通知",
        {
            "character_string1": "订单编号",
            "amount2": "订单金额",
            "thing3": "未取消原因",
            "thing4": "温馨提示",
            "time5": "处理时间",
        },
    ),
    "late-payment-refunded": (
        "付款退回通知",
        {
            "character_string1": "订单编号",
            "amount2": "退回金额",
            "thing3": "退回原因",
            "thing4": "温馨提示",
            "time5": "处理时间",
        },
    ),
    "cancellation-begun": (
        "订单取消处理通知",
        {
            "character_string1": "订单编号",
            "amount2": "退款金额",
            "thing3": "取消原因",
            "thing4": "解决方案",
            "time5": "处理时间",
        },
    ),
    "refund-to-confirm": (
        "退款待确认通知",
        {
            "character_string1": "订单编号",
            "amount2": "退款金额",
            "thing3": "退款原因",
            "thing4": "温馨提示",
            "time5": "发起时间",
        },
    ),
    "refund-delayed": (
        "退款延迟通知",
        {
            "character_string1": "订单编号",
            "amount2": "退款金额",
            "thing3": "退款原因",
            "thing4": "温馨提示",
            "time5": "通知时间",
        },
    ),
}

SMS_SIGN_NAME = "退单商城"
SMS_SDK_APP_ID = "1400006666"
VERIFICATION_CODE = "verification-code"
# Tencent takes the parameters in this order, Alibaba as a JSON object with these names.
SMS_TEMPLATES: dict[str, tuple[str, ...]] = {
    "refund-on-its-way": ("order", "amount", "note"),
    "refund-arrived": ("order", "amount", "note"),
    "refund-failed": ("order", "amount", "note"),
    "order-cancelled": ("order", "amount", "note"),
    VERIFICATION_CODE: ("code", "minutes"),
    # New ones come last: the ids count up.
    "cancellation-refused": ("order", "amount", "note"),
    "late-payment-refunded": ("order", "amount", "note"),
    "refund-to-confirm": ("order", "amount", "note"),
    "refund-delayed": ("order", "amount", "note"),
}


def subscribe_templates(appid: str) -> dict[str, Any]:
    """Content of ``templates.json``: name → ``{"template_id", "title", "fields": {field name: label}}``."""
    return {
        name: {"template_id": template_id(appid, name), "title": title, "fields": fields}
        for name, (title, fields) in SUBSCRIBE_TEMPLATES.items()
    }


def template_id(appid: str, name: str) -> str:
    """A 43 character template id, the same for the same account and name."""
    return hashlib.sha256(f"{appid}/{name}".encode()).hexdigest()[:43]


def sms_templates() -> dict[str, Any]:
    """Content of ``sms-templates.json``: the sign name, the Tencent application and the templates by name."""
    return {
        "sign_name": SMS_SIGN_NAME,
        "tencent_sdk_app_id": SMS_SDK_APP_ID,
        "templates": {
            name: {
                "tencent_template_id": str(2100001 + place),
                "alibaba_template_code": f"SMS_{210000001 + place}",
                "params": list(params),
            }
            for place, (name, params) in enumerate(SMS_TEMPLATES.items())
        },
    }
