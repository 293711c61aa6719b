"""Tencent Cloud SendSms, version 2021-01-11 (cloud.tencent.com/document/api/382/55981).

Errors are HTTP 200 with ``Response.Error``; what is wrong with one number is told beside that number.
"""

import hmac
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.calls import Answer, Intent, json_response, perform
from sandbox.errors import InjectedError
from sandbox.faults import Fault
from sandbox.sms_parts import (
    WINDOW_SECONDS,
    Sent,
    blacklisted,
    hmac_sha256,
    normal_number,
    note,
    sha256_hex,
    template,
)
from sandbox.world import World

VERSION = "2021-01-11"
AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/]+)/([\d-]+)/(\w+)/tc3_request, ?"
    r"SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})"
)


class TencentError(Exception):
    """A refusal of the whole request."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class SendSms(BaseModel):
    """The body. The SDK leaves out or sends null for what is not set."""

    model_config = ConfigDict(extra="forbid")
    PhoneNumberSet: Annotated[list[str], Field(min_length=1, max_length=200)]
    SmsSdkAppId: str
    TemplateId: str
    SignName: str | None = None
    TemplateParamSet: list[str] | None = None
    ExtendCode: str | None = None
    SessionContext: Annotated[str, Field(max_length=511)] | None = None
    SenderId: str | None = None


def signature_of(key: str, request: Request, raw: bytes, date: str, signed: str) -> str:
    """TC3-HMAC-SHA256 over the request (cloud.tencent.com/document/api/382/38780)."""
    names = signed.split(";")
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names)
    payload = b"UNSIGNED-PAYLOAD" if request.headers.get("x-tc-content-sha256") == "UNSIGNED-PAYLOAD" else raw
    canonical = "\n".join(
        (request.method, "/", request.scope["query_string"].decode(), headers, signed, sha256_hex(payload))
    )
    timestamp = request.headers.get("x-tc-timestamp", "")
    text = "\n".join(("TC3-HMAC-SHA256", timestamp, f"{date}/sms/tc3_request", sha256_hex(canonical.encode())))
    day_key = hmac_sha256(b"TC3" + key.encode(), date)
    signing_key = hmac_sha256(hmac_sha256(day_key, "sms"), "tc3_request")
    return hmac_sha256(signing_key, text).hex()


def check_signature(world: World, request: Request, raw: bytes) -> None:
    """TencentError unless our secret signed exactly this request within the last five minutes."""
    given = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if given is None:
        raise TencentError("AuthFailure.InvalidAuthorization", "请求头部的 Authorization 不符合腾讯云标准。")
    key_id, date, service, signed, signature = given.groups()
    timestamp = request.headers.get("x-tc-timestamp", "")
    if not timestamp.isdigit() or abs(world.clock.wall() - int(timestamp)) > WINDOW_SECONDS:
        raise TencentError("AuthFailure.SignatureExpire", "签名过期。")
    if key_id != world.keys.sms_tencent.key_id:
        raise TencentError("AuthFailure.SecretIdNotFound", "密钥不存在。")
    complete = {"content-type", "host"} <= set(signed.split(";"))
    right_day = date == datetime.fromtimestamp(int(timestamp), UTC).strftime("%Y-%m-%d")
    expected = signature_of(world.keys.sms_tencent.key, request, raw, date, signed)
    if not (complete and right_day and service == "sms" and hmac.compare_digest(signature, expected)):
        raise TencentError("AuthFailure.SignatureFailure", "签名错误, 请检查签名计算。")


def problem_of_message(world: World, body: SendSms) -> tuple[str, str] | None:
    """Why nobody gets this message: code and words, or None."""
    known = template(world, "tencent_template_id", body.TemplateId)
    account = world.keys.sms_templates
    if body.SmsSdkAppId != account["tencent_sdk_app_id"]:
        return "UnauthorizedOperation.SmsSdkAppIdVerifyFail", "SmsSdkAppId 校验失败"
    if body.SignName != account["sign_name"]:
        return "FailedOperation.SignatureIncorrectOrUnapproved", "签名未审批或格式错误"
    if known is None:
        return "FailedOperation.TemplateIncorrectOrUnapproved", "模板未审批或内容不匹配"
    if len(body.TemplateParamSet or []) != len(known.params):
        return "FailedOperation.TemplateParamSetNotMatchApprovedTemplate", "请求内容与审核通过的模板内容不匹配"
    return None


def problem_of_number(world: World, number: str | None) -> tuple[str, str] | None:
    """Why this number gets no message: code and words, or None."""
    if number is None:
        return "InvalidParameterValue.IncorrectPhoneNumber", "手机号格式错误"
    if blacklisted(world, number):
        return "FailedOperation.PhoneNumberInBlacklist", "手机号在免打扰名单库中"
    return None


def status_of(world: World, body: SendSms, given: str) -> dict[str, Any]:
    """One element of SendStatusSet; the message is in the ledger when its Code is Ok."""
    number = normal_number(given)
    status = {"SerialNo": "", "PhoneNumber": number or given, "Fee": 0, "SessionContext": body.SessionContext or ""}
    problem = problem_of_message(world, body) or problem_of_number(world, number)
    if problem is not None:
        return {**status, "Code": problem[0], "Message": problem[1], "IsoCode": ""}
    known = template(world, "tencent_template_id", body.TemplateId)
    assert known is not None
    assert number is not None
    values = dict(zip(known.params, body.TemplateParamSet or [], strict=True))
    serial = note(world, "sms-tencent", number, Sent(body.TemplateId, known.name, values))
    return {**status, "SerialNo": serial, "Fee": 1, "Code": "Ok", "Message": "send success", "IsoCode": "CN"}


def intent(world: World, body: SendSms) -> Intent:
    """Send to every number of the set."""

    def act(fault: Fault | None) -> Answer:
        return 200, {"SendStatusSet": [status_of(world, body, number) for number in body.PhoneNumberSet]}

    phone = normal_number(body.PhoneNumberSet[0]) or body.PhoneNumberSet[0]
    return Intent("sms-tencent", {"phone": phone, "template_id": body.TemplateId}, act)


def read(request: Request, raw: bytes) -> SendSms:
    """The parsed body, or TencentError that names the parameter."""
    if request.headers.get("x-tc-action") != "SendSms":
        raise TencentError("InvalidAction", "接口不存在。")
    if request.headers.get("x-tc-version") != VERSION:
        raise TencentError("NoSuchVersion", "接口版本不存在。")
    try:
        return SendSms.model_validate(json.loads(raw))
    except ValidationError as problem:
        first = problem.errors()[0]
        codes = {"missing": "MissingParameter", "extra_forbidden": "UnknownParameter"}
        code = codes.get(first["type"], "InvalidParameter")
        raise TencentError(code, f"参数错误: {'.'.join(str(part) for part in first['loc'])}") from None
    except ValueError:
        raise TencentError("InvalidParameter", "请求体不是合法的 JSON。") from None


async def tencent_answer(world: World, request: Request, raw: bytes) -> Response:
    """Check, send, answer. HTTP is 200 unless a fault asks for another status."""
    http = 200
    try:
        check_signature(world, request, raw)
        _, value = await perform(world.faults, intent(world, read(request, raw)), request)
    except TencentError as refusal:
        value = {"Error": {"Code": refusal.code, "Message": refusal.message}}
    except InjectedError as fault:
        # The provider itself reports its inner errors with HTTP 200.
        value = {"Error": {"Code": fault.code, "Message": "内部错误"}}
        http = 200 if "." in fault.code else fault.http
    return json_response(http, {"Response": {**value, "RequestId": str(uuid.uuid4())}})
