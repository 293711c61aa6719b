"""Alibaba Cloud Dysmsapi, version 2017-05-25: signatures, sending, and which action is asked for.

help.aliyun.com/en/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms. What is wrong with a message is HTTP 200
with a Code other than OK; what is wrong with the request itself is HTTP 4xx.
"""

import hmac
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import Request, Response

from sandbox.calls import Answer, Intent, json_response, perform
from sandbox.errors import InjectedError
from sandbox.faults import Fault
from sandbox.sms_limits import alibaba_account_problem, alibaba_number_problem
from sandbox.sms_parts import WINDOW_SECONDS, AlibabaError, Sent, alibaba_number, hmac_sha256, sha256_hex, template
from sandbox.sms_queries import details_intent
from sandbox.templates import VERIFICATION_CODE
from sandbox.world import World

VERSION = "2017-05-25"
SCHEME = "ACS3-HMAC-SHA256"
AUTHORIZATION = re.compile(rf"{SCHEME} Credential=([^,]+),\s?SignedHeaders=([^,]+),\s?Signature=([0-9a-f]{{64}})")
MOST_NUMBERS = 1000
# `host` and the digest of the body are what makes a signature belong to this request and no other.
MUST_BE_SIGNED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-content-sha256"}


def canonical_query(pairs: list[tuple[str, str]]) -> str:
    """Sorted by name, percent-encoded after RFC 3986."""
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(pairs))


def signature_of(key: str, request: Request, pairs: list[tuple[str, str]], signed: str) -> str:
    """ACS3-HMAC-SHA256 over the request (help.aliyun.com/document_detail/2541459.html)."""
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed.split(";"))
    canonical = "\n".join(
        (
            request.method,
            "/",
            canonical_query(pairs),
            headers,
            signed,
            request.headers.get("x-acs-content-sha256", ""),
        )
    )
    return hmac_sha256(key.encode(), f"{SCHEME}\n{sha256_hex(canonical.encode())}").hex()


def check_signature(world: World, request: Request, raw: bytes, pairs: list[tuple[str, str]]) -> None:
    """AlibabaError unless our secret signed exactly this request within the last five minutes."""
    given = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if given is None:
        raise AlibabaError(400, "IncompleteSignature", "The request signature does not conform to Aliyun standards.")
    key_id, signed, signature = given.groups()
    if key_id != world.keys.sms_alibaba.key_id:
        raise AlibabaError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    try:
        sent = datetime.strptime(request.headers.get("x-acs-date", ""), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise AlibabaError(400, "InvalidTimeStamp.Format", "Specified time stamp is not well formatted.") from None
    if abs(world.clock.wall() - sent.timestamp()) > WINDOW_SECONDS:
        raise AlibabaError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    complete = set(signed.split(";")) >= MUST_BE_SIGNED
    whole = request.headers.get("x-acs-content-sha256") == sha256_hex(raw)
    expected = signature_of(world.keys.sms_alibaba.key, request, pairs, signed)
    if not (complete and whole and hmac.compare_digest(signature, expected)):
        raise AlibabaError(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.")


def business(code: str, message: str) -> AlibabaError:
    """A refusal of the message, told with HTTP 200."""
    return AlibabaError(200, code, message)


def numbers_of(world: World, given: str) -> list[str]:
    """The E.164 numbers of a comma-separated list; the whole list is refused for one wrong number."""
    listed = given.split(",") if given else []
    if not listed:
        raise AlibabaError(400, "MissingPhoneNumbers", "PhoneNumbers is mandatory for this action.")
    if len(listed) > MOST_NUMBERS:
        raise business("isv.MOBILE_COUNT_OVER_LIMIT", "手机号码数量超过限制")
    numbers = [alibaba_number(number) for number in listed]
    found = [number for number in numbers if number is not None]
    if len(found) < len(numbers):
        raise business("isv.MOBILE_NUMBER_ILLEGAL", "非法手机号")
    if any(world.sms.blacklisted(number) for number in found):
        raise business("isv.BLACK_KEY_CONTROL_LIMIT", "黑名单管控")
    return found


def values_of(raw: str | None, params: list[str]) -> dict[str, str]:
    """TemplateParam as name → text; numbers are taken as text, other kinds are refused."""
    try:
        given: Any = json.loads(raw) if raw else {}
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(value, str | int) for value in given.values()):
        raise business("isv.INVALID_JSON_PARAM", "JSON参数不合法, 只接受字符串值")
    if any(name not in given for name in params):
        raise business("isv.TEMPLATE_MISSING_PARAMETERS", "模版缺少变量")
    return {name: str(given[name]) for name in params}


def send(world: World, asked: dict[str, str]) -> dict[str, Any]:
    """Send to every number; AlibabaError when the message is refused."""
    if asked.get("SignName") != world.keys.sms_templates["sign_name"]:
        raise business("isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名")
    code = asked.get("TemplateCode", "")
    known = template(world.keys, "alibaba_template_code", code)
    if known is None:
        raise business("isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板")
    values = values_of(asked.get("TemplateParam"), known.params)
    numbers = numbers_of(world, asked.get("PhoneNumbers", ""))
    problem = alibaba_account_problem(world.sms.account("sms-alibaba"), world.sms, values)
    is_code = known.name == VERIFICATION_CODE
    for number in numbers:
        problem = problem or alibaba_number_problem(world.sms, number, code, is_code=is_code)
    if problem is not None:
        raise business(*problem)
    # A BizId looks like a random number and the second of sending.
    batch = f"{uuid.uuid4().int % 10**15}^{int(world.clock.now())}"
    with world.store.transaction():
        for number in numbers:
            world.sms.accept("sms-alibaba", number, Sent(code, known.name, values, batch, asked.get("OutId", "")))
        world.receipts.of_batch(batch)
    world.courier.kick()
    return {"Code": "OK", "Message": "OK", "BizId": batch}


def send_intent(world: World, asked: dict[str, str]) -> Intent:
    """Send, or answer why not."""

    def act(fault: Fault | None) -> Answer:
        return 200, send(world, asked)

    first = asked.get("PhoneNumbers", "").split(",")[0]
    numbers = {"phone": alibaba_number(first) or first, "template_id": asked.get("TemplateCode", "")}
    return Intent("sms-alibaba", numbers, act)


def intent_of(world: World, request: Request, asked: dict[str, str]) -> Intent:
    """What is asked for, or AlibabaError."""
    action = request.headers.get("x-acs-action")
    if request.headers.get("x-acs-version") == VERSION and action == "SendSms":
        return send_intent(world, asked)
    if request.headers.get("x-acs-version") == VERSION and action == "QuerySendDetails":
        return details_intent(world, asked)
    raise AlibabaError(404, "InvalidAction.NotFound", "Specified api is not found.")


async def alibaba_answer(world: World, request: Request, raw: bytes) -> Response:
    """Check, carry out, answer; parameters may come in the query or in a form body."""
    pairs = parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True)
    try:
        check_signature(world, request, raw, pairs)
        asked = dict(pairs) | dict(parse_qsl(raw.decode(), keep_blank_values=True))
        http, value = await perform(world.faults, intent_of(world, request, asked), request)
    except AlibabaError as refusal:
        http, value = refusal.http, {"Code": refusal.code, "Message": refusal.message}
    except InjectedError as fault:
        # Codes of the message service (isv.*, isp.*) come with HTTP 200.
        http = 200 if fault.code.startswith(("isv.", "isp.")) else fault.http
        value = {"Code": fault.code, "Message": "系统错误"}
    return json_response(http, {**value, "RequestId": str(uuid.uuid4()).upper()})
