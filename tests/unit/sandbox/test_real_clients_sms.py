"""Tencent Cloud's own SDK against the stand-in: sending, receipts, and each class of errors."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.sms.v20210111.models import PullSmsSendStatusByPhoneNumberRequest

from sandbox.templates import SMS_SDK_APP_ID
from tests.unit.sandbox.server import served
from tests.unit.sandbox.sms import NUMBER, VALUES, advance, control, get, tencent, tencent_request

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def address(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(keys) as address:
        yield address


def test_tencent_sends(address: str, keys: Path) -> None:
    answer = tencent(address, keys).SendSms(tencent_request(keys, [NUMBER, "13900139000"]))
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


def codes(address: str, keys: Path, number: str = NUMBER, **change: Any) -> list[str]:
    answer = tencent(address, keys).SendSms(tencent_request(keys, [number], **change))
    return [status.Code for status in answer.SendStatusSet]


def noon(address: str) -> None:
    """Go on to noon in China, so that no count of a day ends within the test."""
    now = datetime.fromisoformat(get(address, "/_control/clock")["now"]).timestamp()
    advance(address, (12 * 3600 - (now + 8 * 3600)) % (24 * 3600))


def whole_refusal(address: str, keys: Path, numbers: list[str]) -> str:
    with pytest.raises(TencentCloudSDKException) as refused:
        tencent(address, keys).SendSms(tencent_request(keys, numbers))
    return str(refused.value.get_code())


def test_how_often_one_number_gets_a_message(address: str, keys: Path) -> None:
    def turn(number: int, seconds: float) -> str:
        advance(address, seconds)
        return codes(address, keys, values=["T1", "1.00", f"第{number}次"])[0]

    noon(address)
    assert turn(0, 0) == "Ok"
    assert turn(1, 10) == "LimitExceeded.PhoneNumberThirtySecondLimit"
    assert codes(address, keys, number="+8613900139000") == ["Ok"]
    assert [turn(number, 31) for number in range(2, 7)] == [*["Ok"] * 4, "LimitExceeded.PhoneNumberOneHourLimit"]
    control(address, "PUT", "/sms", {"tencent": {"number_per_hour": 100, "number_per_day": 6}})
    assert [turn(7, 31), turn(8, 31)] == ["Ok", "LimitExceeded.PhoneNumberDailyLimit"]
    assert turn(9, 24 * 3600) == "Ok"


def test_how_often_one_number_gets_the_same(address: str, keys: Path) -> None:
    noon(address)
    control(address, "PUT", "/sms", {"tencent": {"same_content_per_day": 1}})
    assert codes(address, keys) == ["Ok"]
    advance(address, 31)
    assert codes(address, keys) == ["LimitExceeded.PhoneNumberSameContentDailyLimit"]
    assert codes(address, keys, values=["T2", "1.00", "x"]) == ["Ok"]


def test_flow_control_can_be_switched_off(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(keys, enforce_sms_limits=False) as address:
        assert [codes(address, keys) for _ in range(3)] == [["Ok"]] * 3


@pytest.mark.parametrize(
    ("account", "values", "code"),
    [
        ({"balance": 0}, VALUES, "FailedOperation.InsufficientBalanceInSmsPackage"),
        ({"arrears": True}, VALUES, "UnauthorizedOperation.ServiceSuspendDueToArrears"),
        ({"daily_limit": 0}, VALUES, "LimitExceeded.AppDailyLimit"),
        ({"sensitive_words": ["发票"]}, ["T1", "1", "代开发票"], "FailedOperation.ContainSensitiveWord"),
        ({"parameter_limit": 6}, VALUES, "InvalidParameterValue.TemplateParameterLengthLimit"),
        (
            {},
            ["T1", "1", "https://example.com"],
            "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter",
        ),
    ],
)
def test_what_the_account_does_not_send(
    address: str, keys: Path, account: dict[str, Any], values: list[str], code: str
) -> None:
    control(address, "PUT", "/sms", {"tencent": account})
    assert codes(address, keys, values=values) == [code]
    assert get(address, "/_ledger/summary")["messages"] == {}


def test_a_package_is_used_up(address: str, keys: Path) -> None:
    control(address, "PUT", "/sms", {"tencent": {"balance": 1}})
    assert codes(address, keys) == ["Ok"]
    assert get(address, "/_control/sms")["tencent"]["balance"] == 0
    assert codes(address, keys, number="13900139000") == ["FailedOperation.InsufficientBalanceInSmsPackage"]


def test_a_request_that_is_refused_as_a_whole(address: str, keys: Path) -> None:
    mixed = whole_refusal(address, keys, [NUMBER, "+441234567890"])
    assert mixed == "UnsupportedOperation.ContainDomesticAndInternationalPhoneNumber"
    many = [f"+86138{number:08d}" for number in range(201)]
    assert whole_refusal(address, keys, many) == "LimitExceeded.PhoneNumberCountLimit"


@pytest.mark.parametrize(
    ("code", "beside_the_number"),
    [
        ("LimitExceeded.DeliveryFrequencyLimit", True),
        ("FailedOperation.ContainSensitiveWord", True),
        ("InternalError.SendAndRecvFail", False),
        ("InternalError.OtherError", False),
        ("RequestLimitExceeded", False),
    ],
)
def test_any_code_on_demand(address: str, keys: Path, code: str, beside_the_number: bool) -> None:
    fault = {"kind": "error-before", "code": code, "http": 500}
    control(address, "POST", "/faults/rules", [{"call": "sms-tencent", "fault": fault}])
    if beside_the_number:
        assert codes(address, keys) == [code]
    elif "." in code:
        assert whole_refusal(address, keys, [NUMBER]) == code
    else:
        # A word that is no code of this provider is a broken server: the SDK says so in its own words.
        assert whole_refusal(address, keys, [NUMBER]) == "ServerNetworkError"


def test_a_request_that_is_too_old(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(keys) as address:
        advance(address, 3600)
        assert codes(address, keys) == ["Ok"]
        # The stand-in's wall clock runs ten minutes ahead of the client's.
        ahead = time.time() + 600
        monkeypatch.setattr("sandbox.clock.Clock.wall", lambda self: ahead)
        assert whole_refusal(address, keys, ["13900139000"]) == "AuthFailure.SignatureExpire"


def receipts(address: str, keys: Path, begin: int, **change: Any) -> Any:
    request = PullSmsSendStatusByPhoneNumberRequest()
    request.PhoneNumber = change.get("number", NUMBER)
    request.SmsSdkAppId = SMS_SDK_APP_ID
    request.BeginTime = begin
    request.EndTime = change.get("end", begin + 3600)
    request.Offset = change.get("offset", 0)
    request.Limit = change.get("limit", 10)
    return tencent(address, keys).PullSmsSendStatusByPhoneNumber(request).PullSmsSendStatusSet


def test_tencent_says_what_became_of_a_message(address: str, keys: Path) -> None:
    begin = int(time.time()) - 60
    control(address, "PUT", "/sms/undeliverable", {"numbers": ["13900139000"], "err_code": "UNDELIV"})
    sent = tencent(address, keys).SendSms(tencent_request(keys, [NUMBER, "13900139000"])).SendStatusSet
    assert [status.Code for status in sent] == ["Ok", "Ok"]
    (arrived,) = receipts(address, keys, begin)
    assert (arrived.SerialNo, arrived.SessionContext, arrived.PhoneNumber) == (sent[0].SerialNo, "case-1", NUMBER)
    assert (arrived.ReportStatus, arrived.SubscriberNumber, arrived.CountryCode) == ("SUCCESS", "13800138000", "86")
    assert arrived.UserReceiveTime >= begin
    (failed,) = receipts(address, keys, begin, number="+8613900139000")
    assert (failed.ReportStatus, failed.Description) == ("FAIL", "UNDELIV")
    assert not receipts(address, keys, begin - 7200)
    assert not receipts(address, keys, begin, number="+8613700137000")


def test_a_message_that_is_not_reported_yet(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(keys, sms_report_seconds=60) as address:
        assert codes(address, keys) == ["Ok"]
        begin = int(time.time()) - 60
        assert not receipts(address, keys, begin)
        advance(address, 61)
        assert len(receipts(address, keys, begin)) == 1


@pytest.mark.parametrize(
    ("days", "change", "code"),
    [
        (8, {}, "InvalidParameterValue.BeginTimeVerifyFail"),
        (1, {"end": 1}, "InvalidParameterValue.EndTimeVerifyFail"),
        (1, {"offset": 1}, "InvalidParameterValue.OffsetVerifyFail"),
        (1, {"limit": 101}, "InvalidParameterValue.LimitVerifyFail"),
        (1, {"number": "12345"}, "InvalidParameterValue.IncorrectPhoneNumber"),
    ],
)
def test_receipts_that_cannot_be_asked_for(
    address: str, keys: Path, days: int, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(TencentCloudSDKException) as refused:
        receipts(address, keys, int(time.time()) - days * 24 * 3600, **change)
    assert refused.value.get_code() == code


def test_a_message_to_nobody_is_refused(address: str) -> None:
    assert httpx.post(f"http://{address}/", content=b"{}").status_code == 404
    unsigned = httpx.post(f"http://{address}/", headers={"x-acs-action": "SendSms"})
    assert (unsigned.status_code, unsigned.json()["Code"]) == (400, "IncompleteSignature")
    unsigned = httpx.post(f"http://{address}/", headers={"X-TC-Action": "SendSms"})
    assert unsigned.json()["Response"]["Error"]["Code"] == "AuthFailure.InvalidAuthorization"
