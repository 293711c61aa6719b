"""Clients that others wrote against a real server: both SMS SDKs, the synchronous `wechatpayv3`, cut connections."""

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from alibabacloud_dysmsapi20170525.client import Client as AlibabaClient
from alibabacloud_dysmsapi20170525.models import SendSmsRequest as AlibabaRequest
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_openapi.utils import Utils
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111.models import SendSmsRequest as TencentRequest
from tencentcloud.sms.v20210111.sms_client import SmsClient
from wechatpayv3 import WeChatPay, WeChatPayType

from sandbox.app import create_app
from sandbox.settings import SandboxSettings
from tests.unit.sandbox.shop import text

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
VALUES = ["T20261123000001", "128.50", "1-3个工作日"]


@pytest.fixture
def address(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """host:port of a stand-in that runs in a thread of its own, with its own loop."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    app = create_app(SandboxSettings(keys_dir=keys))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    # The socket listens already: a client that comes early waits in its queue until the server is up.
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()
    assert not thread.is_alive()


def get(address: str, path: str) -> Any:
    return httpx.get(f"http://{address}{path}").raise_for_status().json()


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


def test_tencent_sends(address: str, keys: Path) -> None:
    answer = tencent(address, keys).SendSms(tencent_request(keys, ["+8613800138000", "13900139000"]))
    statuses = [(status.PhoneNumber, status.Code, status.SessionContext) for status in answer.SendStatusSet]
    assert statuses == [("+8613800138000", "Ok", "case-1"), ("+8613900139000", "Ok", "case-1")]
    lines = get(address, "/_ledger/messages")["lines"]
    assert [(line["channel"], line["to"], line["template_name"]) for line in lines] == [
        ("sms-tencent", "+8613800138000", "refund-arrived"),
        ("sms-tencent", "+8613900139000", "refund-arrived"),
    ]
    assert lines[0]["values"] == dict(zip(("order", "amount", "note"), VALUES, strict=True))
    assert lines[0]["message_id"] == answer.SendStatusSet[0].SerialNo


def test_tencent_tells_what_is_wrong_with_each_number(address: str, keys: Path) -> None:
    httpx.put(f"http://{address}/_control/sms/blacklist", json={"numbers": ["13800138000"]}).raise_for_status()
    request = tencent_request(keys, ["+8613800138000", "+8613900139000", "12345"])
    codes = [status.Code for status in tencent(address, keys).SendSms(request).SendStatusSet]
    assert codes == [
        "FailedOperation.PhoneNumberInBlacklist",
        "Ok",
        "InvalidParameterValue.IncorrectPhoneNumber",
    ]
    assert get(address, "/_ledger/summary")["messages"] == {"sms-tencent": {"refund-arrived": 1}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"values": ["one"]}, "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"),
        ({"sign": "别家"}, "FailedOperation.SignatureIncorrectOrUnapproved"),
        ({"template": "1"}, "FailedOperation.TemplateIncorrectOrUnapproved"),
        ({"app": "1"}, "UnauthorizedOperation.SmsSdkAppIdVerifyFail"),
    ],
)
def test_tencent_refuses_a_message(address: str, keys: Path, change: dict[str, Any], code: str) -> None:
    answer = tencent(address, keys).SendSms(tencent_request(keys, ["+8613800138000"], **change))
    assert [status.Code for status in answer.SendStatusSet] == [code]
    assert get(address, "/_ledger/summary")["messages"] == {}


def test_tencent_refuses_a_wrong_key_and_a_malformed_request(address: str, keys: Path) -> None:
    with pytest.raises(TencentCloudSDKException) as refused:
        tencent(address, keys, key="wrong").SendSms(tencent_request(keys, ["+8613800138000"]))
    assert refused.value.get_code() == "AuthFailure.SignatureFailure"
    request = tencent_request(keys, ["+8613800138000"])
    request.TemplateId = None
    with pytest.raises(TencentCloudSDKException) as refused:
        tencent(address, keys).SendSms(request)
    assert refused.value.get_code() in ("MissingParameter", "InvalidParameter")


def test_tencent_fails_on_demand(address: str, keys: Path) -> None:
    fault = {"kind": "error-after", "code": "InternalError.Timeout"}
    rule = {"call": "sms-tencent", "match": {"phone": "+8613800138000"}, "times": 1, "fault": fault}
    httpx.post(f"http://{address}/_control/faults/rules", json=[rule]).raise_for_status()
    with pytest.raises(TencentCloudSDKException) as failed:
        tencent(address, keys).SendSms(tencent_request(keys, ["+8613800138000"]))
    assert failed.value.get_code() == "InternalError.Timeout"
    assert get(address, "/_ledger/summary")["messages"] == {"sms-tencent": {"refund-arrived": 1}}


def test_alibaba_sends(address: str, keys: Path) -> None:
    body = alibaba(address, keys).send_sms(alibaba_request(keys, "13800138000,+8613900139000")).body
    assert (body.code, body.message) == ("OK", "OK")
    assert body.biz_id
    lines = get(address, "/_ledger/messages")["lines"]
    assert [(line["channel"], line["to"]) for line in lines] == [
        ("sms-alibaba", "+8613800138000"),
        ("sms-alibaba", "+8613900139000"),
    ]
    assert lines[0]["values"] == dict(zip(("order", "amount", "note"), VALUES, strict=True))


@pytest.mark.parametrize(
    ("numbers", "change", "code"),
    [
        ("123", {}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ("13700137000", {}, "isv.BLACK_KEY_CONTROL_LIMIT"),
        ("13800138000", {"sign": "别家"}, "isv.SMS_SIGNATURE_ILLEGAL"),
        ("13800138000", {"template": "SMS_1"}, "isv.SMS_TEMPLATE_ILLEGAL"),
        ("13800138000", {"values": "{}"}, "isv.TEMPLATE_MISSING_PARAMETERS"),
        ("13800138000", {"values": "[]"}, "isv.INVALID_JSON_PARAM"),
        ("13800138000", {"values": "{"}, "isv.INVALID_JSON_PARAM"),
    ],
)
def test_alibaba_refuses_a_message(address: str, keys: Path, numbers: str, change: dict[str, Any], code: str) -> None:
    httpx.put(f"http://{address}/_control/sms/blacklist", json={"numbers": ["13700137000"]}).raise_for_status()
    assert alibaba(address, keys).send_sms(alibaba_request(keys, numbers, **change)).body.code == code
    assert get(address, "/_ledger/summary")["messages"] == {}


def test_alibaba_refuses_a_wrong_key(address: str, keys: Path) -> None:
    with pytest.raises(ClientException) as refused:
        alibaba(address, keys, key="wrong").send_sms(alibaba_request(keys, "13800138000"))
    assert refused.value.code == "SignatureDoesNotMatch"


def test_alibaba_refuses_a_body_that_was_not_signed(address: str, keys: Path) -> None:
    headers = {
        "host": address,
        "x-acs-action": "SendSms",
        "x-acs-version": "2017-05-25",
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }
    request = SimpleNamespace(method="POST", pathname="/", query={}, headers=headers)
    headers["authorization"] = Utils.get_authorization(
        request,
        "ACS3-HMAC-SHA256",
        headers["x-acs-content-sha256"],
        text(keys, "sms-alibaba-id.txt"),
        text(keys, "sms-alibaba-key.txt"),
    )
    asked = alibaba_request(keys, "13800138000").to_map()
    assert httpx.post(f"http://{address}/", headers=headers).json()["Code"] == "isv.SMS_SIGNATURE_ILLEGAL"
    assert httpx.post(f"http://{address}/", headers=headers, data=asked).json()["Code"] == "SignatureDoesNotMatch"
    assert httpx.post(f"http://{address}/", headers=headers, params=asked).json()["Code"] == "SignatureDoesNotMatch"


def test_alibaba_fails_on_demand(address: str, keys: Path) -> None:
    fault = {"kind": "error-before", "code": "isv.BUSINESS_LIMIT_CONTROL"}
    rule = {"call": "sms-alibaba", "nth": 1, "fault": fault}
    httpx.post(f"http://{address}/_control/faults/rules", json=[rule]).raise_for_status()
    client, request = alibaba(address, keys), alibaba_request(keys, "13800138000")
    assert client.send_sms(request).body.code == "isv.BUSINESS_LIMIT_CONTROL"
    assert client.send_sms(request).body.code == "OK"


def test_a_message_to_nobody_is_refused(address: str) -> None:
    assert httpx.post(f"http://{address}/", content=b"{}").status_code == 404
    unsigned = httpx.post(f"http://{address}/", headers={"x-acs-action": "SendSms"})
    assert (unsigned.status_code, unsigned.json()["Code"]) == (400, "IncompleteSignature")
    unsigned = httpx.post(f"http://{address}/", headers={"X-TC-Action": "SendSms"})
    assert unsigned.json()["Response"]["Error"]["Code"] == "AuthFailure.InvalidAuthorization"


@pytest.mark.parametrize(("kind", "known_after"), [("drop-before", 404), ("drop-after", 200)])
def test_the_synchronous_wechatpayv3_and_a_cut_connection(
    address: str, keys: Path, kind: str, known_after: int
) -> None:
    pay = WeChatPay(
        wechatpay_type=WeChatPayType.MINIPROG,
        mchid=text(keys, "mchid.txt"),
        private_key=text(keys, "merchant-private.pem"),
        cert_serial_no=text(keys, "merchant-serial.txt"),
        appid=text(keys, "appid.txt"),
        apiv3_key=text(keys, "apiv3-key.txt"),
        notify_url="http://127.0.0.1:9/nobody",
        public_key=text(keys, "wechatpay-public.pem"),
        public_key_id=text(keys, "wechatpay-serial.txt"),
        timeout=5,
    )
    pay._core._gate_way = f"http://{address}"
    order = {"out_trade_no": "order-0001", "amount": {"total": 100, "currency": "CNY"}}
    assert pay.pay(description="茶叶", payer={"openid": "o1"}, **order)[0] == 200
    httpx.post(f"http://{address}/_customer/pay", json={"out_trade_no": "order-0001"}).raise_for_status()
    rule = {"call": "refund", "nth": 1, "fault": {"kind": kind}}
    httpx.post(f"http://{address}/_control/faults/rules", json=[rule]).raise_for_status()

    refund = {
        "out_refund_no": "refund-1",
        "out_trade_no": "order-0001",
        "amount": {"refund": 100, "total": 100, "currency": "CNY"},
    }
    with pytest.raises(OSError, match="without response"):
        pay.refund(**refund)
    assert pay.query_refund("refund-1")[0] == known_after
    assert pay.refund(**refund)[0] == 200
    code, body = pay.query_refund("refund-1")
    assert (code, json.loads(body)["status"]) == (200, "SUCCESS")
    assert get(address, "/_ledger/summary")["refunded"] == {"count": 1, "amount_minor": 100}
