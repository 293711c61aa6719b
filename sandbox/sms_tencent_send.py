"""Tencent Cloud SendSms (cloud.tencent.com/document/api/382/55981): what is wrong with one number is told beside it."""

import secrets
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox.calls import Answer, Intent
from sandbox.faults import Fault
from sandbox.sms_limits import tencent_account_problem, tencent_number_problem
from sandbox.sms_parts import Problem, Sent, SmsTemplate, TencentError, normal_number, template
from sandbox.world import World

MOST_NUMBERS = 200
LONGEST_CONTEXT_BYTES = 511
MAINLAND = "+86"
# Codes of these families stand beside a number; a fault that names one strikes every number of the call.
NUMBER_CODES = ("LimitExceeded.", "FailedOperation.", "InvalidParameterValue.")


class SendSms(BaseModel):
    """The body. The SDK leaves out or sends null for what is not set."""

    model_config = ConfigDict(extra="forbid")
    PhoneNumberSet: Annotated[list[str], Field(min_length=1)]
    SmsSdkAppId: str
    TemplateId: str
    SignName: str | None = None
    TemplateParamSet: list[str] | None = None
    ExtendCode: str | None = None
    SessionContext: str | None = None
    SenderId: str | None = None


def check(body: SendSms) -> None:
    """TencentError for what is wrong with the request as a whole."""
    if len(body.PhoneNumberSet) > MOST_NUMBERS:
        raise TencentError("LimitExceeded.PhoneNumberCountLimit", "单次提交的手机号个数超过200个。")
    if len((body.SessionContext or "").encode()) > LONGEST_CONTEXT_BYTES:
        raise TencentError("InvalidParameter", "参数错误: SessionContext")
    numbers = [normal_number(number) for number in body.PhoneNumberSet]
    if len({number.startswith(MAINLAND) for number in numbers if number is not None}) > 1:
        code = "UnsupportedOperation.ContainDomesticAndInternationalPhoneNumber"
        raise TencentError(code, "群发请求里既有国内手机号也有国际手机号。")


def problem_of_message(world: World, body: SendSms, known: SmsTemplate | None) -> Problem | None:
    """Why nobody gets this message: code and words, or None."""
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


def status_of(world: World, body: SendSms, given: str, batch: str) -> dict[str, Any]:
    """One element of SendStatusSet; the message is in the ledger when its Code is Ok."""
    known = template(world.keys, "tencent_template_id", body.TemplateId)
    problem = problem_of_message(world, body, known)
    if problem is not None or known is None:
        return _status(body, given, problem or ("", ""))
    number = normal_number(given)
    if number is None:
        return _status(body, given, ("InvalidParameterValue.IncorrectPhoneNumber", "手机号格式错误"))
    if world.sms.blacklisted(number):
        return _status(body, given, ("FailedOperation.PhoneNumberInBlacklist", "手机号在免打扰名单库中"))
    values = dict(zip(known.params, body.TemplateParamSet or [], strict=True))
    account = world.sms.account("sms-tencent")
    problem = tencent_account_problem(account, world.sms, values) or tencent_number_problem(
        account, world.sms, number, body.TemplateId, values
    )
    if problem is not None:
        return _status(body, given, problem)
    sent = Sent(body.TemplateId, known.name, values, batch, body.SessionContext or "")
    serial = world.sms.accept("sms-tencent", number, sent)
    return {**_status(body, given, ("Ok", "send success")), "SerialNo": serial, "Fee": 1, "IsoCode": "CN"}


def _status(body: SendSms, given: str, problem: Problem) -> dict[str, Any]:
    return {
        "SerialNo": "",
        "PhoneNumber": normal_number(given) or given,
        "Fee": 0,
        "SessionContext": body.SessionContext or "",
        "Code": problem[0],
        "Message": problem[1],
        "IsoCode": "",
    }


def all_refused(body: SendSms, code: str) -> dict[str, Any]:
    """The answer where one code stands beside every number."""
    return {"SendStatusSet": [_status(body, number, (code, "")) for number in body.PhoneNumberSet]}


def send_intent(world: World, body: SendSms) -> Intent:
    """Send to every number of the set; TencentError when the request is refused as a whole."""
    check(body)

    def act(fault: Fault | None) -> Answer:
        batch = secrets.token_hex(10)
        with world.store.transaction():
            return 200, {"SendStatusSet": [status_of(world, body, number, batch) for number in body.PhoneNumberSet]}

    phone = normal_number(body.PhoneNumberSet[0]) or body.PhoneNumberSet[0]
    return Intent("sms-tencent", {"phone": phone, "template_id": body.TemplateId}, act)
