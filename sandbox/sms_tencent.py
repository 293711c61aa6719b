"""Tencent Cloud SMS, version 2021-01-11: signatures, and which action is asked for.

Errors are HTTP 200 with ``Response.Error`` (cloud.tencent.com/document/api/382/38780).
"""

import hmac
import json
import re
import uuid
from datetime import UTC, datetime
from typing import TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, ValidationError

from sandbox.calls import Intent, json_response, perform
from sandbox.errors import InjectedError
from sandbox.sms_parts import WINDOW_SECONDS, TencentError, hmac_sha256, sha256_hex
from sandbox.sms_queries import PullSendStatus, pull_intent
from sandbox.sms_tencent_send import NUMBER_CODES, SendSms, all_refused, send_intent
from sandbox.world import World

VERSION = "2021-01-11"
AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/]+)/([\d-]+)/(\w+)/tc3_request, ?"
    r"SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})"
)


Body = TypeVar("Body", bound=BaseModel)


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


def read(model: type[Body], raw: bytes) -> Body:
    """The parsed body, or TencentError that names the parameter."""
    try:
        return model.model_validate(json.loads(raw))
    except ValidationError as problem:
        first = problem.errors()[0]
        codes = {"missing": "MissingParameter", "extra_forbidden": "UnknownParameter"}
        code = codes.get(first["type"], "InvalidParameter")
        raise TencentError(code, f"参数错误: {'.'.join(str(part) for part in first['loc'])}") from None
    except ValueError:
        raise TencentError("InvalidParameter", "请求体不是合法的 JSON。") from None


def intent_of(world: World, request: Request, raw: bytes) -> Intent:
    """What is asked for, or TencentError."""
    if request.headers.get("x-tc-version") != VERSION:
        raise TencentError("NoSuchVersion", "接口版本不存在。")
    action = request.headers.get("x-tc-action")
    if action == "SendSms":
        return send_intent(world, read(SendSms, raw))
    if action == "PullSmsSendStatusByPhoneNumber":
        return pull_intent(world, read(PullSendStatus, raw))
    raise TencentError("InvalidAction", "接口不存在。")


async def tencent_answer(world: World, request: Request, raw: bytes) -> Response:
    """Check, carry out, answer. HTTP is 200 unless a fault asks for another status."""
    http = 200
    try:
        check_signature(world, request, raw)
        _, value = await perform(world.faults, intent_of(world, request, raw), request)
    except TencentError as refusal:
        value = {"Error": {"Code": refusal.code, "Message": refusal.message}}
    except InjectedError as fault:
        if fault.code.startswith(NUMBER_CODES) and request.headers.get("x-tc-action") == "SendSms":
            value = all_refused(read(SendSms, raw), fault.code)
        else:
            # The provider itself reports its inner errors with HTTP 200.
            value = {"Error": {"Code": fault.code, "Message": "内部错误"}}
            http = 200 if "." in fault.code else fault.http
    return json_response(http, {"Response": {**value, "RequestId": str(uuid.uuid4())}})
