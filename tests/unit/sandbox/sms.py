"""The SMS SDKs of both providers, unchanged but for the address, and what a shop asks them for."""

import json
from pathlib import Path
from typing import Any

import httpx
from alibabacloud_dysmsapi20170525.client import Client as AlibabaClient
from alibabacloud_dysmsapi20170525.models import SendSmsRequest as AlibabaRequest
from alibabacloud_tea_openapi.models import Config
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111.models import SendSmsRequest as TencentRequest
from tencentcloud.sms.v20210111.sms_client import SmsClient

from tests.unit.sandbox.shop import text

VALUES = ["T20261123000001", "128.50", "1-3个工作日"]
NUMBER = "+8613800138000"


def get(address: str, path: str) -> Any:
    return httpx.get(f"http://{address}{path}").raise_for_status().json()


def control(address: str, method: str, path: str, body: Any) -> Any:
    return httpx.request(method, f"http://{address}/_control{path}", json=body).raise_for_status().json()


def advance(address: str, seconds: float) -> None:
    control(address, "POST", "/clock", {"advance_seconds": seconds})


def tencent(address: str, keys: Path, key: str | None = None) -> SmsClient:
    credential = Credential(text(keys, "sms-tencent-id.txt"), key or text(keys, "sms-tencent-key.txt"))
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=address))
    return SmsClient(credential, "ap-guangzhou", profile)


def tencent_request(keys: Path, numbers: list[str], **change: Any) -> TencentRequest:
    sms = json.loads(text(keys, "sms-templates.json"))
    request = TencentRequest()
    request.PhoneNumberSet = numbers
    request.SmsSdkAppId = change.get("app", sms["tencent_sdk_app_id"])
    request.SignName = change.get("sign", sms["sign_name"])
    request.TemplateId = change.get("template", sms["templates"]["refund-arrived"]["tencent_template_id"])
    request.TemplateParamSet = change.get("values", VALUES)
    request.SessionContext = "case-1"
    return request


def alibaba(address: str, keys: Path, key: str | None = None) -> AlibabaClient:
    return AlibabaClient(
        Config(
            access_key_id=text(keys, "sms-alibaba-id.txt"),
            access_key_secret=key or text(keys, "sms-alibaba-key.txt"),
            endpoint=address,
            protocol="http",
        )
    )


def alibaba_request(keys: Path, numbers: str, **change: Any) -> AlibabaRequest:
    sms = json.loads(text(keys, "sms-templates.json"))
    values = dict(zip(sms["templates"]["refund-arrived"]["params"], VALUES, strict=True))
    return AlibabaRequest(
        phone_numbers=numbers,
        sign_name=change.get("sign", sms["sign_name"]),
        template_code=change.get("template", sms["templates"]["refund-arrived"]["alibaba_template_code"]),
        template_param=change.get("values", json.dumps(values, ensure_ascii=False)),
        out_id="case-1",
    )
